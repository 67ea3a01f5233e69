#include "gridcompute/transport/restricted/restricted_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace gridcompute::transport {

std::vector<Cost> RestrictedProblem::load() const {
  std::vector<Cost> total = fixed;
  for (std::size_t c = 0; c < slot.size(); ++c) total[at(slot[c])] += flow[c];
  return total;
}

Wide RestrictedProblem::objective() const {
  Wide total = base;
  for (std::size_t c = 0; c < slot.size(); ++c) total += static_cast<Wide>(flow[c]) * key[c];
  return total;
}

Cost RestrictedProblem::cheapest(Index group, std::span<const Cost> prices) const noexcept {
  Cost least = std::numeric_limits<Cost>::max();
  for (Index c = begin[group]; c < begin[group] + size[group]; ++c) least = std::min(least, key[c] + prices[slot[c]]);
  return least;
}

namespace {

// Returns the sum of each(k) for k in [0, n).
template <class Each>
Wide sum_of(Index n, Pool& pool, const Each& each) {
  constexpr Index kChunk = 1 << 14;  // groups
  std::vector<Wide> parts;
  pool.for_parts(parts, n, kChunk, [&](auto& part, Index begin, Index end) {
    Wide sum = 0;
    for (Index k = begin; k < end; ++k) sum += each(k);
    part = sum;
  });
  Wide total = 0;
  for (const Wide part : parts) total += part;
  return total;
}

}  // namespace

Wide RestrictedProblem::value(std::span<const Cost> prices, Pool& pool) const {
  Wide total = base;
  for (std::size_t s = 0; s < fixed.size(); ++s) total += static_cast<Wide>(fixed[s]) * prices[s];
  return total + sum_of(groups(), pool, [&](Index g) { return static_cast<Wide>(weight[g]) * cheapest(g, prices); });
}

Wide RestrictedProblem::lowest_value(std::span<const Cost> prices, const std::function<Cost(Index)>& weight_of,
                                     Pool& pool) const {
  const Cost shift = box.shift(prices);
  const auto less_by_fixed = [&](Index k) -> Wide {
    const std::int32_t w = place_of[k];
    if (w < 0) return 0;
    const Cost least = static_cast<Cost>(std::floor(margin[k])) + (box.center[w] + shift - prices[w]);
    return least < 0 ? static_cast<Wide>(weight_of(k)) * least : 0;
  };
  const auto less_by_groups = [&](Index g) -> Wide {
    if (weight[g] == 0 || next[g] >= kForbidden) return 0;
    const Cost least = next[g] + box.center[slot[begin[g]]] + shift - cheapest(g, prices);
    return least < 0 ? static_cast<Wide>(weight[g]) * least : 0;
  };
  return value(prices, pool) + sum_of(static_cast<Index>(place_of.size()), pool, less_by_fixed) +
         sum_of(groups(), pool, less_by_groups);
}

void RestrictedProblem::place(std::span<const Cost> prices, std::span<const Cost> capacity, Pool& pool) {
  struct Part {
    std::vector<Cost> taken;
    std::vector<std::pair<Index, Cost>> tied;  // group, units in no class yet
  };
  constexpr Index kChunk = 1 << 14;  // groups
  std::vector<Part> parts;
  pool.for_parts(parts, groups(), kChunk, [&](auto& part, Index from, Index to) {
    part.taken.assign(at(columns), 0);
    for (Index g = from; g < to; ++g) {
      Cost least = std::numeric_limits<Cost>::max(), left = weight[g];
      Index best = 0, ties = 0;
      for (Index c = begin[g]; c < begin[g] + size[g]; ++c) {
        const Cost v = key[c] + prices[slot[c]];
        ties = v < least ? 1 : ties + (v == least);
        if (v < least) least = v, best = c;
      }
      for (Index c = begin[g]; c < begin[g] + size[g]; ++c) {
        if (key[c] + prices[slot[c]] != least) flow[c] = 0;
        if (ties == 1 && c == best) flow[c] = weight[g];
        part.taken[slot[c]] += flow[c];
        left -= flow[c];
      }
      if (left > 0) part.tied.emplace_back(g, left);
    }
  });
  std::vector<Cost> room(capacity.begin(), capacity.end());
  std::vector<std::pair<Index, Cost>> tied;
  for (Slot s = 0; s < columns; ++s) room[s] -= fixed[s];
  for (const Part& part : parts) {
    for (Slot s = 0; s < columns; ++s) room[s] -= part.taken[s];
    tied.insert(tied.end(), part.tied.begin(), part.tied.end());
  }
  for (auto [g, left] : tied) {
    Cost least = std::numeric_limits<Cost>::max();
    Index first = -1;
    for (Index c = begin[g]; c < begin[g] + size[g]; ++c) least = std::min(least, key[c] + prices[slot[c]]);
    for (Index c = begin[g]; c < begin[g] + size[g]; ++c) {
      if (key[c] + prices[slot[c]] != least) continue;
      const Cost some = std::clamp<Cost>(room[slot[c]], 0, left);
      if (first < 0) first = c;
      flow[c] += some;
      room[slot[c]] -= some;
      left -= some;
    }
    flow[first] += left;
    room[slot[first]] -= left;
  }
}

bool RestrictedProblem::placed() const {
  Wide total = 0;
  for (const Cost w : fixed) total += w;
  for (const Cost f : flow) total += f;
  return total == weight_total;
}

bool RestrictedProblem::holds() const {
  Wide total = 0;
  for (const Cost w : fixed) total += w;
  for (Index g = 0; g < groups(); ++g) {
    Cost in = 0;
    for (Index c = begin[g]; c < begin[g] + size[g]; ++c) {
      if (flow[c] < 0 || group_of[c] != g || (c > begin[g] && slot[c] <= slot[c - 1])) return false;
      in += flow[c];
    }
    if (in != weight[g] || size[g] < 1) return false;
    total += in;
  }
  return total == weight_total;
}

namespace {
constexpr float kFloatInf = std::numeric_limits<float>::infinity();
}  // namespace

// Ties from which keys are perturbed, where few jobs share a group (1 / share of jobs).
constexpr Index kTieShare = 2;

bool needs_perturbation(const RestrictedProblem& r, std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                        bool first, const Tuning& tuning) {
  Index close = 0, members = 0;
  std::vector<Index> counted(duplicate_of.size(), -1);  // the last group that tied, by the first of equal classes
  for (Index g = 0; g < r.groups(); ++g) {
    Cost least = std::numeric_limits<Cost>::max();
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) least = std::min(least, r.key[c] + prices[r.slot[c]]);
    --close;
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      Index& last = counted[duplicate_of[r.slot[c]]];
      if (last == g || r.key[c] + prices[r.slot[c]] > least + tuning.tie_distance) continue;
      last = g;
      ++close;
    }
    members += r.members[g];
  }
  // Every vertex of the dual has S ties in any case.
  close -= r.columns;
  const auto n = static_cast<Index>(r.place_of.size());
  return members <= tuning.shared_jobs * r.groups() ? kTieShare * close > n : !first && close > n;
}

void remove_perturbation(RestrictedProblem& r, const KeyPerturber& breaker, const std::function<Index(Index)>& job_at,
                         const std::function<Cost(Index)>& weight_of, Pool& pool) {
  constexpr Index kChunk = 1 << 14;  // groups
  const auto n = static_cast<Index>(r.place_of.size());
  const Cost most = breaker.perturbation().spread - 1;
  std::vector<Wide> added;
  pool.for_parts(added, n, kChunk, [&](auto& part, Index begin, Index end) {
    for (Index k = begin; k < end; ++k) {
      const Index job = job_at(k);
      const std::int32_t w = r.place_of[k], g = ~w;
      const Cost first = breaker.at(job, w >= 0 ? w : r.slot[r.begin[g]]);
      part += static_cast<Wide>(weight_of(k)) * first;
      if (w >= 0) {
        const float less = r.margin[k] - static_cast<float>(most - first);
        r.margin[k] = std::nextafterf(std::nextafterf(less, -kFloatInf), -kFloatInf);  // two roundings
        continue;
      }
      for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) r.key[c] -= breaker.at(job, r.slot[c]) - first;
      if (r.next[g] < kForbidden) r.next[g] -= most - first;
    }
  });
  for (const Wide e : added) r.base -= e;
}

}  // namespace gridcompute::transport
