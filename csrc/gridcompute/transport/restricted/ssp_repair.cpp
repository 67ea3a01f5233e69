#include "gridcompute/transport/restricted/ssp_repair.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "gridcompute/base/error.hpp"

namespace gridcompute::transport {

namespace {
constexpr auto kHeap = std::greater<>{};  // std heaps put the largest first
constexpr Cost kSettled = std::numeric_limits<Cost>::min();
}  // namespace

SspRepair::SspRepair(RestrictedProblem& problem, std::span<const Cost> capacity, std::vector<Cost>& prices,
                     PriceBox narrow, bool all_arcs, Pool& pool, Stop& stop, Stats& stats, const Tuning& tuning)
    : r_(problem),
      capacity_(capacity),
      prices_(prices),
      stop_(stop),
      stats_(stats),
      tuning_(tuning),
      hub_(problem.columns),
      all_arcs_(all_arcs),
      box_(std::move(narrow)) {
  const auto n = static_cast<std::size_t>(hub_);
  if (r_.slot.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorKind::invalid_problem, "cost", -1, "more than 2^32 candidate pairs: too many jobs tie at once");
  }
  p_ = prices;
  p_.push_back(0);
  r_.place(prices, capacity, pool);
  const std::vector<Cost> load = r_.load();
  filled_.resize(n);
  excess_.assign(n + 1, 0);
  Wide total = 0;
  for (std::size_t s = 0; s < n; ++s) {
    filled_[s] = p_[s] > 0 ? capacity[s] : std::min(load[s], capacity[s]);
    excess_[s] = load[s] - filled_[s];
    total += filled_[s];
  }
  excess_[n] = static_cast<Cost>(total - r_.weight_total);
  if (stop_.poll(static_cast<Index>(r_.slot.size()))) return;
  known_ = r_.slot.size();
  low_.assign(static_cast<std::size_t>(r_.groups()), 0);
  pool.for_chunks(r_.groups(), kChunk, [&](Index, Index from, Index to) {
    for (Index g = from; g < to; ++g) low_[g] = low(g);
  });
  if (stop_.poll(static_cast<Index>(r_.slot.size()))) return;  // run() tests it again
  list_members(pool);
  pending_.resize(n);
  while (pairs_.size() < n) pairs_.emplace_back(pool.memory());
  scratch_.count.assign(n, 0);
  distance_.resize(n + 1);
  label_.resize(n + 1);
  parent_.resize(n + 1);
  build_all(pool);
}

// Lists the candidates with flow by class, each class's in order.
void SspRepair::list_members(Pool& pool) {
  const auto n = static_cast<std::size_t>(hub_);
  std::vector<std::vector<Index>> at;
  const auto each = [&](Index from, Index to, const auto& visit) {
    for (Index g = from; g < to; ++g) {
      if (low_[g] == kInactive) continue;
      for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) {
        if (r_.flow[c] > 0) visit(c);
      }
    }
  };
  pool.for_parts(at, r_.groups(), kChunk, [&](auto& part, Index from, Index to) {
    std::vector<Index>& count = part;
    count.assign(n, 0);
    each(from, to, [&](Index c) { ++count[r_.slot[c]]; });
  });
  start_.assign(n + 1, 0);
  for (std::size_t s = 0; s < n; ++s) {
    start_[s + 1] = start_[s];
    for (auto& count : at) {
      const Index here = count[s];
      count[s] = start_[s + 1];
      start_[s + 1] += here;
    }
  }
  order_.resize(static_cast<std::size_t>(start_[n]));
  pool.for_chunks(r_.groups(), kChunk, [&](Index chunk, Index from, Index to) {
    std::vector<Index>& place = at[static_cast<std::size_t>(chunk)];
    each(from, to, [&](Index c) { order_[place[r_.slot[c]]++] = c; });
  });
}

Cost SspRepair::low(Index group) const {
  const Index from = r_.begin[group], to = from + r_.size[group];
  Cost low = kForbidden;
  for (Index c = from; c < to; ++c) low = std::min(low, r_.key[c] + box_.center[r_.slot[c]] + box_.up[r_.slot[c]]);
  Index count = 0;
  for (Index c = from; c < to; ++c) count += near(c, low);
  return count < 2 ? kInactive : low;
}

// Returns whether this candidate can be its group's cheapest within the box whose least is `low`.
bool SspRepair::near(Index candidate, Cost low, std::span<const Cost> down) const {
  const Slot s = r_.slot[candidate];
  return all_arcs_ || r_.key[candidate] + box_.center[s] - down[s] <= low;
}

void SspRepair::build(Slot s, Scratch& scratch) {
  auto& [count_in, found] = scratch;
  ExchangeArcs& pairs = pairs_[s];
  pairs.built = true;
  found.clear();
  const auto visit = [&](std::uint32_t c) {
    if (r_.flow[c] == 0) return;
    const auto g = static_cast<std::size_t>(r_.group_of[c]);
    const Cost here = r_.key[c], low = low_[g];
    for (Index o = r_.begin[g]; o < r_.begin[g] + r_.size[g]; ++o) {
      if (o == static_cast<Index>(c) || !near(o, low)) continue;
      if (count_in[r_.slot[o]]++ == 0) pairs.to.push_back(r_.slot[o]);
      found.push_back({r_.key[o] - here, c, static_cast<std::uint32_t>(o)});
    }
  };
  for (const std::uint32_t c : pending_[s]) visit(c);
  for (Index k = start_[s]; k < start_[s + 1]; ++k) visit(static_cast<std::uint32_t>(order_[k]));
  std::sort(pairs.to.begin(), pairs.to.end());
  const std::size_t n = pairs.to.size();
  pairs.best.assign(n, {kForbidden, 0, 0});
  pairs.heaped.assign(n, 0);
  pairs.begin.resize(n);
  pairs.end.resize(n);
  Index at = 0;
  for (std::size_t k = 0; k < n; ++k) {
    pairs.begin[k] = pairs.end[k] = at;
    at += count_in[pairs.to[k]];
    count_in[pairs.to[k]] = static_cast<Index>(k);
  }
  pairs.first.resize(found.size());
  for (const ExchangeArc& entry : found) {
    const auto k = static_cast<std::size_t>(count_in[r_.slot[entry.to]]);
    pairs.first[pairs.end[k]++] = entry;
    if (pairs.best[k] > entry) pairs.best[k] = entry;
  }
  for (const Slot t : pairs.to) count_in[t] = 0;
}

// Builds the arcs of all classes at once, in threads, where many have excess: most will then be settled by some search.
// After a stop no search begins.
void SspRepair::build_all(Pool& pool) {
  constexpr Index kClasses = 8;  // of a chunk
  const auto giving = std::count_if(excess_.begin(), excess_.end(), [](Cost e) { return e > 0; });
  if (hub_ > tuning_.build_all_share * giving || stop_.poll(static_cast<Index>(r_.slot.size()))) return;
  pool.for_chunks(
      hub_, kClasses,
      [&](Index, Index begin, Index end) {
        Scratch scratch{std::vector<Index>(at(hub_), 0), std::pmr::vector<ExchangeArc>(pairs_[begin].memory)};
        for (Index s = begin; s < end; ++s) build(static_cast<Slot>(s), scratch);
      },
      &stop_);
}

// Drops exchanges whose flow is gone, and finds the best of the others.
void SspRepair::refresh_best(ExchangeArcs& pairs, std::size_t k) {
  const auto first = pairs.first.begin() + pairs.begin[k];
  Index& end = pairs.end[k];
  const auto last = [&] { return pairs.first.begin() + end; };
  if (pairs.heaped[k] == 0) std::make_heap(first, last(), kHeap), pairs.heaped[k] = 1;
  while (end > pairs.begin[k] && r_.flow[first->from] == 0) {
    std::pop_heap(first, last(), kHeap);
    --end;
  }
  ExchangeArc& best = pairs.best[k];
  best = end > pairs.begin[k] ? *first : ExchangeArc{kForbidden, 0, 0};
  if (pairs.later.empty()) return;
  std::vector<ExchangeArc>& heap = pairs.later[k];
  while (!heap.empty() && r_.flow[heap.front().from] == 0) {
    std::pop_heap(heap.begin(), heap.end(), kHeap);
    heap.pop_back();
  }
  if (!heap.empty() && best > heap.front()) best = heap.front();
}

void SspRepair::insert(ExchangeArcs& pairs, Slot t, ExchangeArc entry) {
  const auto it = std::lower_bound(pairs.to.begin(), pairs.to.end(), t);
  const auto k = static_cast<std::size_t>(it - pairs.to.begin());
  if (pairs.later.empty()) pairs.later.resize(pairs.to.size());
  if (it == pairs.to.end() || *it != t) {
    const auto at = static_cast<std::ptrdiff_t>(k);
    pairs.to.insert(it, t);
    pairs.best.insert(pairs.best.begin() + at, entry);
    pairs.begin.insert(pairs.begin.begin() + at, 0);
    pairs.end.insert(pairs.end.begin() + at, 0);
    pairs.heaped.insert(pairs.heaped.begin() + at, 1);
    pairs.later.insert(pairs.later.begin() + at, std::vector<ExchangeArc>{entry});
    return;
  }
  std::vector<ExchangeArc>& heap = pairs.later[k];
  heap.push_back(entry);
  std::push_heap(heap.begin(), heap.end(), kHeap);
  if (pairs.best[k] > entry) pairs.best[k] = entry;
}

// Adds the arcs of a candidate that just got its first flow.
void SspRepair::activate(Index candidate) {
  const Slot s = r_.slot[candidate];
  if (!pairs_[s].built) {
    pending_[s].push_back(static_cast<std::uint32_t>(candidate));
    return;
  }
  const auto g = at(r_.group_of[candidate]);
  for (Index o = r_.begin[g]; o < r_.begin[g] + r_.size[g]; ++o) {
    if (o == candidate || !near(o, low_[g])) continue;
    insert(pairs_[s], r_.slot[o],
           {r_.key[o] - r_.key[candidate], static_cast<std::uint32_t>(candidate), static_cast<std::uint32_t>(o)});
  }
}

// Removes the arcs of a candidate that just lost its last flow.
void SspRepair::deactivate(Index candidate) {
  ExchangeArcs& pairs = pairs_[r_.slot[candidate]];
  const auto g = at(r_.group_of[candidate]);
  for (Index o = r_.begin[g]; o < r_.begin[g] + r_.size[g]; ++o) {
    if (o == candidate) continue;
    const auto it = std::lower_bound(pairs.to.begin(), pairs.to.end(), r_.slot[o]);
    if (it == pairs.to.end() || *it != r_.slot[o]) continue;
    const auto k = at(it - pairs.to.begin());
    if (pairs.best[k].key < kForbidden && pairs.best[k].from == static_cast<std::uint32_t>(candidate))
      refresh_best(pairs, k);
  }
}

void SspRepair::update_label(Slot v, Cost d, PathArc step) {
  if (d >= label_[v]) return;
  label_[v] = distance_[v] = d;
  parent_[v] = step;
  queue_.emplace_back(d, v);
  std::push_heap(queue_.begin(), queue_.end(), kHeap);
}

void SspRepair::relax(Slot v, Cost d) {
  if (v == hub_) {
    for (Slot s = 0; s < hub_; ++s) {
      if (filled_[s] > 0) update_label(s, d + p_[s] - p_[hub_], {v, s, -1, 0});
    }
    return;
  }
  if (filled_[v] < capacity_[v]) update_label(hub_, d + p_[hub_] - p_[v], {v, hub_, -1, 0});
  if (!pairs_[v].built) {
    build(v, scratch_);
    work_ += static_cast<Index>(pairs_[v].first.size());
  }
  const ExchangeArcs& pairs = pairs_[v];
  const Cost base = d - p_[v];
  for (std::size_t k = 0; k < pairs.to.size(); ++k) {
    const Cost key = pairs.best[k].key;
    if (key == kForbidden) continue;
    const Slot t = pairs.to[k];
    const Cost there = base + key + p_[t];
    if (there < label_[t]) update_label(t, there, {v, t, static_cast<Index>(k), key});
  }
}

// Excess that the deficits found by a search of the repair could take (1 / share).
constexpr Cost kRepairSearchShare = 2;

// Settles classes by distance from any excess until the deficits among them (`targets_`) could take half of it. Returns
// false if none can be reached; `settled_` then has all classes that can be reached.
bool SspRepair::search() {
  std::fill(label_.begin(), label_.end(), std::numeric_limits<Cost>::max());
  ++stats_.searches;
  settled_.clear();
  targets_.clear();
  queue_.clear();
  Wide wanted = 0;
  for (Slot v = 0; v <= hub_; ++v) {
    if (excess_[v] <= 0) continue;
    wanted += excess_[v];
    update_label(v, 0, {kNone, v, -1, 0});
  }
  while (!queue_.empty()) {
    const auto [d, v] = queue_.front();
    std::pop_heap(queue_.begin(), queue_.end(), kHeap);
    queue_.pop_back();
    if (label_[v] == kSettled) continue;
    label_[v] = kSettled;
    settled_.push_back(v);
    if (excess_[v] < 0) {
      targets_.push_back(v);
      wanted += kRepairSearchShare * excess_[v];
      if (wanted <= 0) break;
    }
    relax(v, d);
    work_ += v == hub_ ? hub_ : static_cast<Index>(pairs_[v].to.size());
  }
  return !targets_.empty();
}

// Raises prices so that every path to a settled class within `distance` becomes tight. If that would leave the box,
// returns false and changes only `target_prices_`, which gets the new prices.
bool SspRepair::raise_prices(Cost distance) {
  if (distance == 0) return true;
  const auto shift = [&](Cost sign) {
    for (const Slot v : settled_) p_[v] += sign * std::max<Cost>(0, distance - distance_[v]);
  };
  shift(1);
  const std::span<const Cost> classes(p_.data(), at(hub_));
  if (box_.holds(classes)) return true;
  target_prices_.assign(classes.begin(), classes.end());
  for (Cost& p : target_prices_) p -= p_[hub_];
  shift(-1);
  return false;
}

// Returns the bottleneck of the path.
Cost SspRepair::bottleneck(Cost most) const {
  for (const PathArc& a : path_) {
    if (a.from == hub_) {
      most = std::min(most, filled_[a.to]);
    } else if (a.to == hub_) {
      most = std::min(most, capacity_[a.from] - filled_[a.from]);
    } else {
      most = std::min(most, r_.flow[pairs_[a.from].best[a.arc].from]);
    }
  }
  return most;
}

void SspRepair::augment(Slot target) {
  path_.clear();
  Slot source = target;
  for (; parent_[source].from != kNone; source = parent_[source].from) path_.push_back(parent_[source]);
  // Moving a unit may add arcs to a class on the path, so an arc is located again by its end.
  const auto same = [&] {
    for (PathArc& a : path_) {
      if (a.arc < 0) continue;
      const ExchangeArcs& pairs = pairs_[a.from];
      a.arc = std::lower_bound(pairs.to.begin(), pairs.to.end(), a.to) - pairs.to.begin();
      if (pairs.best[a.arc].key != a.key) return false;
    }
    return true;
  };
  while (excess_[source] > 0 && excess_[target] < 0 && same()) {
    const Cost amount = bottleneck(std::min(excess_[source], -excess_[target]));
    if (amount == 0) return;
    ++stats_.augmentations;
    std::vector<std::uint32_t> came, left;
    for (const PathArc& a : path_) {
      if (a.from == hub_) {
        filled_[a.to] -= amount;
      } else if (a.to == hub_) {
        filled_[a.from] += amount;
      } else {
        const ExchangeArc e = pairs_[a.from].best[a.arc];
        r_.flow[e.from] -= amount;
        if (r_.flow[e.to] == 0) came.push_back(e.to);
        r_.flow[e.to] += amount;
        if (r_.flow[e.from] == 0) left.push_back(e.from);
      }
    }
    excess_[source] -= amount;
    excess_[target] += amount;
    for (const std::uint32_t c : left) {
      if (r_.flow[c] == 0) deactivate(c);
    }
    for (const std::uint32_t c : came) {
      if (r_.flow[c] > 0) activate(c);
    }
  }
}

SspRepair::End SspRepair::run() {
  while (unmet() > 0) {
    if (stop_.poll(std::exchange(work_, 0) + hub_)) return End::stopped;
    if (!search()) {
      settled_classes_ = settled_;
      return End::unreachable;
    }
    // Raises prices up to the last target's distance, or to the nearest targets' where the box ends sooner.
    std::size_t count = targets_.size();
    while (count > 0 && !raise_prices(distance_[targets_[count - 1]])) count = count == 1 ? 0 : (count + 1) / 2;
    if (count == 0) return End::left_box;
    for (std::size_t k = 0; k < count; ++k) augment(targets_[k]);
  }
  assert(holds());
  write_prices();
  return End::balanced;
}

void SspRepair::write_prices() {
  const Cost shift = p_[hub_];
  for (Slot s = 0; s < hub_; ++s) {
    // Only an empty class can be cheaper than the hub, and its price can be raised to the hub's.
    prices_[s] = std::max<Cost>(0, p_[s] - shift);
  }
}

// Continues after left_box: in a wider box.
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
  std::vector<std::vector<Nearer>> nearer;
  pool.for_parts(nearer, r_.groups(), kChunk, [&](auto& part, Index from, Index to) {
    for (Index g = from; g < to; ++g) {
      char touches = 0;
      for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) touches |= wider[r_.slot[c]];
      if (touches == 0) continue;
      const Cost before = std::exchange(low_[g], low(g));
      if (low_[g] != kInactive) part.push_back({g, before});
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
  std::vector<std::vector<Index>> left;
  pool.for_parts(left, candidates, kChunk, [&](auto& part, Index from, Index to) {
    for (Index c = from; c < to; ++c) {
      if (replaced_[c] == 0 && stale(static_cast<std::size_t>(c))) part.push_back(c);
    }
  });
  for (const auto& part : left) {
    for (const Index c : part) replaced_[c] = 1, deactivate(c);
  }
  for (std::size_t c = before; c < known_; ++c) {
    if (!stale(c) && r_.flow[c] > 0 && low_[r_.group_of[c]] != kInactive) activate(static_cast<Index>(c));
  }
}

Cost SspRepair::unmet() const noexcept {
  Cost total = 0;
  for (const Cost e : excess_) total += std::max<Cost>(e, 0);
  return total;
}

bool SspRepair::holds() const {
  Wide sum = 0;
  for (const Cost e : excess_) sum += e;
  if (sum != 0 || !r_.holds()) return false;
  for (Slot s = 0; s < hub_; ++s) {
    if (filled_[s] < 0 || filled_[s] > capacity_[s]) return false;
    if (p_[s] > p_[hub_] && filled_[s] != capacity_[s]) return false;
    if (p_[s] < p_[hub_] && filled_[s] != 0) return false;
  }
  for (Index g = 0; g < r_.groups(); ++g) {
    Cost least = std::numeric_limits<Cost>::max();
    for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) least = std::min(least, r_.key[c] + p_[r_.slot[c]]);
    for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) {
      if (r_.flow[c] > 0 && r_.key[c] + p_[r_.slot[c]] != least) return false;
    }
  }
  return true;
}

}  // namespace gridcompute::transport
