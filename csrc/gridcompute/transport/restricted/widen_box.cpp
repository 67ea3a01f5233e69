// Continuing a repair after left_box: in a wider box, on longer lists.
#include <algorithm>
#include <utility>

#include "gridcompute/transport/restricted/ssp_repair.hpp"

namespace gridcompute::transport {

bool SspRepair::widen(std::span<const Cost> wanted, Pool& pool) {
  std::vector<Cost> moves(wanted.size());
  for (std::size_t s = 0; s < moves.size(); ++s) moves[s] = wanted[s] - box_.center[s];
  std::vector<Cost> sorted(moves);
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  bool any = false;
  for (std::size_t s = 0; s < moves.size(); ++s) {
    moves[s] -= *middle;
    any |= moves[s] > box_.up[s] || -moves[s] > box_.down[s];
  }
  if (!any) return false;
  std::vector<char> wider(moves.size(), 0);
  const std::vector<Cost> down = box_.down;
  for (std::size_t s = 0; s < moves.size(); ++s) {
    Cost& radius = moves[s] > 0 ? box_.up[s] : box_.down[s];
    const Cost move = std::abs(moves[s]);
    if (move <= radius / tuning_.widen_soon) continue;
    wider[s] = 1;
    radius = std::max(radius, tuning_.widen_factor * std::min(kCostLimit / 8 / tuning_.widen_factor, move));
  }
  // Groups that may have arcs that the narrower box excluded.
  struct Nearer {
    Index group;
    Cost before;  // low_
  };
  std::vector<std::vector<Nearer>> nearer(static_cast<std::size_t>(Pool::chunks(r_.groups(), kChunk)));
  pool.for_chunks(r_.groups(), kChunk, [&](Index chunk, Index from, Index to) {
    for (Index g = from; g < to; ++g) {
      char touches = 0;
      for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) touches |= wider[r_.slot[c]];
      if (touches == 0) continue;
      const Cost before = std::exchange(low_[g], low(g));
      if (low_[g] != kInactive) nearer[static_cast<std::size_t>(chunk)].push_back({g, before});
    }
  });
  for (const auto& part : nearer) {
    for (const auto& [group, before] : part) add_near(group, before, down);
  }
  return true;
}

// Adds the arcs of a group that a box with smaller `down` excluded.
void SspRepair::add_near(Index group, Cost before, std::span<const Cost> down) {
  const Cost now = low_[group];
  const Index from = r_.begin[group], to = from + r_.size[group];
  for (Index c = from; c < to; ++c) {
    if (r_.flow[c] == 0) continue;
    ExchangeArcs& pairs = pairs_[r_.slot[c]];
    if (!pairs.built) {
      if (before == kInactive) pending_[r_.slot[c]].push_back(static_cast<std::uint32_t>(c));
      continue;
    }
    for (Index o = from; o < to; ++o) {
      if (o == c || !near(o, now) || (before != kInactive && near(o, before, down))) continue;
      insert(pairs, r_.slot[o], {r_.key[o] - r_.key[c], static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(o)});
    }
  }
}

// Moves units to the cheapest candidate: a longer list may have a cheaper one at these prices.
void SspRepair::move_to_cheapest(Index group) {
  const Index from = r_.begin[group], to = from + r_.size[group];
  const auto cost = [&](Index c) { return r_.key[c] + p_[r_.slot[c]]; };
  Index best = from;
  for (Index c = from; c < to; ++c) {
    if (cost(c) < cost(best)) best = c;
  }
  for (Index c = from; c < to; ++c) {
    if (cost(c) == cost(best)) continue;
    const Cost units = std::exchange(r_.flow[c], 0);
    r_.flow[best] += units;
    excess_[r_.slot[c]] -= units;
    excess_[r_.slot[best]] += units;
  }
}

void SspRepair::include_new_columns(Pool& pool) {
  const std::size_t before = std::exchange(known_, r_.slot.size());
  const auto stale = [&](std::size_t c) {
    const Index g = r_.group_of[c], at = static_cast<Index>(c);
    return at < r_.begin[g] || at >= r_.begin[g] + r_.size[g] || r_.weight[g] == 0;
  };
  low_.resize(r_.size.size(), kInactive);
  for (std::size_t c = before; c < known_; ++c) {
    const auto g = static_cast<std::size_t>(r_.group_of[c]);
    if (stale(c) || static_cast<Index>(c) != r_.begin[g]) continue;
    low_[g] = low(r_.group_of[c]);
    move_to_cheapest(r_.group_of[c]);
  }
  // Candidates of replaced lists, in their order, which is that of their groups: memory accesses stay near each other.
  replaced_.resize(before, 0);
  const auto candidates = static_cast<Index>(before);
  std::vector<std::vector<Index>> left(static_cast<std::size_t>(Pool::chunks(candidates, kChunk)));
  pool.for_chunks(candidates, kChunk, [&](Index chunk, Index from, Index to) {
    for (Index c = from; c < to; ++c) {
      if (replaced_[c] == 0 && stale(static_cast<std::size_t>(c))) left[static_cast<std::size_t>(chunk)].push_back(c);
    }
  });
  for (const auto& part : left) {
    for (const Index c : part) replaced_[c] = 1, deactivate(c);
  }
  for (std::size_t c = before; c < known_; ++c) {
    if (!stale(c) && r_.flow[c] > 0 && low_[r_.group_of[c]] != kInactive) activate(static_cast<Index>(c));
  }
}

}  // namespace gridcompute::transport
