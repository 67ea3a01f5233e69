#include "gridcompute/assignment/engines/matching.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "gridcompute/assignment/input/input_stats.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

// Columns of a row for one column of a group: deep groups make few minima, shallow ones little to search.
constexpr Index kGroupDepth = 128;
// Columns of a group, at most.
constexpr Index kGroupDepthMost = 16;

// Returns how many groups the m columns of a row form: deep groups make few minima, shallow ones little to search in
// those that open.
Index groups_of(Index m, const AssignmentTuning& tuning) {
  const Index depth = std::clamp<Index>(m / kGroupDepth, tuning.group_depth_least, kGroupDepthMost);
  return (m + depth - 1) / depth;
}

template <class V>
GRIDCOMPUTE_INLINE void reduce_rows(const V* GRIDCOMPUTE_RESTRICT c, const V* GRIDCOMPUTE_RESTRICT v,
                                    V* GRIDCOMPUTE_RESTRICT r, V* GRIDCOMPUTE_RESTRICT group, Index m, Index groups) {
  for (Index g = 0; g < groups; ++g) group[g] = r[g] = static_cast<V>(c[g] - v[g]);
  Index base = groups;
  for (; base + groups <= m; base += groups) {
    for (Index g = 0; g < groups; ++g) {
      const V x = static_cast<V>(c[base + g] - v[base + g]);
      r[base + g] = x;
      group[g] = x < group[g] ? x : group[g];
    }
  }
  for (Index g = 0; base + g < m; ++g) {
    const V x = static_cast<V>(c[base + g] - v[base + g]);
    r[base + g] = x;
    group[g] = x < group[g] ? x : group[g];
  }
}

template <class V>
GRIDCOMPUTE_INLINE V least_of(const V* x, Index k) {
  V least = std::numeric_limits<V>::max();
  for (Index g = 0; g < k; ++g) least = x[g] < least ? x[g] : least;
  return least;
}

template <class V>
GRIDCOMPUTE_INLINE Index count_to(const V* x, Index k, V limit) {
  V count = 0;
  for (Index g = 0; g < k; ++g) count = static_cast<V>(count + (x[g] <= limit));
  return static_cast<Index>(count);
}

#define GRIDCOMPUTE_LISTS(V)                                                                      \
  GRIDCOMPUTE_CLONES void reduce(const V* c, const V* v, V* r, V* group, Index m, Index groups) { \
    reduce_rows(c, v, r, group, m, groups);                                                       \
  }                                                                                               \
  GRIDCOMPUTE_CLONES V least(const V* x, Index k) { return least_of(x, k); }                      \
  GRIDCOMPUTE_CLONES Index count(const V* x, Index k, V limit) { return count_to(x, k, limit); }
GRIDCOMPUTE_LISTS(std::int32_t)
GRIDCOMPUTE_LISTS(std::int64_t)

struct Picked {
  Index below, equal;
  bool cut;  // more columns are equal to the limit
};

// Collects the columns below the limit, and up to `room` at it, from group `first` on. Branches on which groups open
// and which columns enter cannot be predicted: both are always written, and the count advances only where they do.
template <class V>
Picked pick(const V* GRIDCOMPUTE_RESTRICT reduced, const V* GRIDCOMPUTE_RESTRICT group, Index m, Index groups, V limit,
            Index first, Index room, std::int32_t* GRIDCOMPUTE_RESTRICT open, std::int32_t* GRIDCOMPUTE_RESTRICT below,
            std::int32_t* GRIDCOMPUTE_RESTRICT equal) {
  Index opened = 0;
  for (const auto& [begin, end] : {std::pair{first, groups}, std::pair{Index{0}, first}})
    for (Index g = begin; g < end; ++g) {
      open[opened] = static_cast<std::int32_t>(g);
      opened += group[g] <= limit ? 1 : 0;
    }
  Index less = 0, same = 0;
  bool cut = false;
  for (Index k = 0; k < opened; ++k) {
    if (cut && group[open[k]] == limit) continue;
    for (Index j = open[k]; j < m; j += groups) {
      below[less] = equal[same] = static_cast<std::int32_t>(j);
      less += reduced[j] < limit ? 1 : 0;
      same += reduced[j] == limit ? 1 : 0;
    }
    cut = cut || same > room;
    same = std::min(same, room);
  }
  return {less, same, cut};
}

Index padded(Index k, Index lanes) { return (k + lanes - 1) / lanes * lanes; }

}  // namespace

template <class V>
void CandidateLists<V>::reserve_lists() {
  const Index room = std::min(first_capacity(), padded(m_, kLanes));
  block_.resize(index(n_ * lines(room)));
  for (Index i = 0; i < n_; ++i) where_[index(i)] = {i * lines(room), 0, static_cast<std::int32_t>(room)};
}

template <class V>
auto CandidateLists<V>::scratch() const -> Scratch {
  Scratch s;
  s.cost.resize(index(m_));
  s.reduced.resize(index(m_));
  s.group.resize(index(groups_of(m_, *t_)));
  s.order = s.group;
  s.open.resize(s.group.size() + 1);
  s.below.resize(index(m_ + 1));
  s.equal.resize(index(m_ + 1));
  return s;
}

// Groups that the last row's limit must open for it to be used again (1 / share of list_groups).
constexpr Index kListReuseLeast = 2;

template <class V>
V CandidateLists<V>::select(Index i, const V* cost, const V* v, Index wanted, Index room, Scratch& s) const {
  const Index groups = groups_of(m_, *t_);
  reduce(cost, v, s.reduced.data(), s.group.data(), m_, groups);
  s.hit.clear();
  if (room >= m_) {  // the whole row
    for (Index j = 0; j < m_; ++j)
      if (cost[j] < IntRange<V>::kForbidden) s.hit.push_back(static_cast<std::int32_t>(j));
    return kUnbounded;
  }
  // Takes as threshold the last row's distance above the minimum if that opens about as many groups; selects one
  // otherwise.
  const V low = least(s.group.data(), groups);
  V limit = low < IntRange<V>::kForbiddenReduced ? static_cast<V>(low + std::min(s.width, IntRange<V>::kLimit)) : low;
  const Index opened = count(s.group.data(), groups, limit);
  if (opened < wanted / kListReuseLeast || opened > wanted * t_->list_reuse_most / 5) {
    s.order = s.group;
    const auto nth = s.order.begin() + std::min(wanted, groups - 1);
    std::nth_element(s.order.begin(), nth, s.order.end());
    limit = *nth;
    s.width = static_cast<V>(std::min(limit - low, IntRange<V>::kLimit));
  }
  limit = std::min(limit, static_cast<V>(IntRange<V>::kForbiddenReduced - 1));
  // Few columns are below the limit; at the limit many may tie, and enough of them are as good as all.
  const auto [below, equal, cut] = pick(s.reduced.data(), s.group.data(), m_, groups, limit, (i * 7919) % groups, room,
                                        s.open.data(), s.below.data(), s.equal.data());
  s.hit.assign(s.below.begin(), s.below.begin() + below);
  if (below <= room) {
    const bool all = !cut && below + equal <= room;
    s.hit.insert(s.hit.end(), s.equal.begin(), s.equal.begin() + std::min(equal, room - below));
    return all ? static_cast<V>(limit + 1) : limit;
  }
  // Keep the smallest, and of equal ones those collected first.
  std::vector<V>& r = s.order;
  r.clear();
  for (const std::int32_t j : s.hit) r.push_back(s.reduced[index(j)]);
  std::nth_element(r.begin(), r.begin() + room, r.end());
  const V last = r[index(room)];
  Index less = 0, kept = 0;
  for (const std::int32_t j : s.hit) less += s.reduced[index(j)] < last;
  Index equals = room - less;
  for (const std::int32_t j : s.hit) {
    const V x = s.reduced[index(j)];
    if (x < last || (x == last && equals-- > 0)) s.hit[index(kept++)] = j;
  }
  s.hit.resize(index(kept));
  s.order.resize(index(groups));
  return last;
}

template <class V>
void CandidateLists<V>::relocate(Index i, Index room) {
  where_[index(i)] = {static_cast<Index>(block_.size()), 0, static_cast<std::int32_t>(room)};
  block_.resize(block_.size() + index(lines(room)));
}

template <class V>
void CandidateLists<V>::write(Index i, std::span<const std::int32_t> cols, const auto& cost_of) {
  Placement& w = where_[index(i)];
  w.size = static_cast<std::int32_t>(padded(static_cast<Index>(cols.size()), kLanes));
  auto* col = const_cast<std::int32_t*>(cols_of(w));
  V* cost = const_cast<V*>(costs_of(w));
  for (std::size_t k = 0; k < cols.size(); ++k) {
    col[k] = cols[k];
    cost[k] = cost_of(k);
  }
  for (auto k = cols.size(); k < index(w.size); ++k) {
    col[k] = static_cast<std::int32_t>(m_);
    cost[k] = IntRange<V>::kForbidden;
  }
}

template <class V>
void CandidateLists<V>::store(Index i, const V* cost, const Scratch& s, V bound) {
  write(i, s.hit, [&](std::size_t k) { return cost[s.hit[k]]; });
  bound_[index(i)] = bound;
}

template <class V>
void CandidateLists<V>::fill(Index i, const RowReader<V>& rows, const V* v, Scratch& s) {
  const V* cost = rows.row(i, s.cost.data());
  const V bound = select(i, cost, v, t_->list_groups, where_[index(i)].room, s);
  store(i, cost, s, bound);
}

template <class V>
Index CandidateLists<V>::refill(Index i, const RowReader<V>& rows, const V* v, V above, Scratch& s) {
  const V* cost = rows.row(i, s.cost.data());
  for (Index passes = 1;; ++passes) {
    const Index has = where_[index(i)].room;
    const Index groups = groups_of(m_, *t_);
    const Index wanted = std::min(t_->list_groups * (has / std::min(first_capacity(), has)), groups);
    const V bound = select(i, cost, v, wanted, has, s);
    if (bound > above) {
      store(i, cost, s, bound);
      return passes;
    }
    relocate(i, padded(std::min(2 * has, m_), kLanes));
  }
}

template <class V>
void CandidateLists<V>::append(Index i, const std::vector<std::int32_t>& cols, const std::vector<V>& costs) {
  relocate(i, padded(static_cast<Index>(cols.size()), kLanes));
  write(i, cols, [&](std::size_t k) { return costs[k]; });
  bound_[index(i)] = kUnbounded;
}

template <class V>
bool CandidateLists<V>::holds(const RowReader<V>& rows, const std::vector<V>& v) const {
  std::vector<V> cost(index(m_));
  for (Index i = 0; i < n_; ++i) {
    rows.load(i, cost.data());
    const View list = (*this)[i];
    std::vector<bool> inside(index(m_ + 1));
    for (Index k = 0; k < list.size; ++k) {
      const auto j = index(list.col[k]);
      if (inside[j] && list.col[k] != m_) return false;
      inside[j] = true;
      if (list.cost[k] != (list.col[k] == m_ ? IntRange<V>::kForbidden : cost[j])) return false;
    }
    for (Index j = 0; j < m_; ++j)
      if (!inside[index(j)] && cost[index(j)] < IntRange<V>::kForbidden &&
          static_cast<V>(cost[index(j)] - v[index(j)]) < bound(i))
        return false;
  }
  return true;
}

template class CandidateLists<std::int32_t>;
template class CandidateLists<std::int64_t>;

namespace {

constexpr int kCostBits = 12;  // kept of a cost: sums over up to 2^19 sampled rows fit 32 bits

template <class V>
GRIDCOMPUTE_INLINE V least_in(const V* GRIDCOMPUTE_RESTRICT row, Index m) {
  V least = row[0];
  for (Index j = 1; j < m; ++j) least = row[j] < least ? row[j] : least;
  return least;
}

// Counts the costs at the row's least.
template <class V>
GRIDCOMPUTE_INLINE Index count_tied(const V* GRIDCOMPUTE_RESTRICT row, Index m) {
  const V least = least_in(row, m);
  Index count = 0;
  for (Index j = 0; j < m; ++j) count += row[j] == least ? 1 : 0;
  return count;
}

template <class V>
GRIDCOMPUTE_INLINE V most_of(const V* GRIDCOMPUTE_RESTRICT row, Index m) {
  V most = 0;
  for (Index j = 0; j < m; ++j) {
    const V x = row[j] < IntRange<V>::kForbidden ? row[j] : V{0};
    most = x > most ? x : most;
  }
  return most;
}

// Adds a row's costs to the sums, in units of 2^shift.
template <class V>
GRIDCOMPUTE_INLINE void add_row(const V* GRIDCOMPUTE_RESTRICT row, Index m, int shift,
                                std::int32_t* GRIDCOMPUTE_RESTRICT sum) {
  const V least = least_in(row, m);
  for (Index j = 0; j < m; ++j) {
    const V up = static_cast<V>((row[j] - least) >> shift);
    sum[j] += static_cast<std::int32_t>(up < (V{1} << kCostBits) ? up : V{1} << kCostBits);
  }
}

#define GRIDCOMPUTE_TIE_ORDER(V)                                                         \
  GRIDCOMPUTE_CLONES Index tied_in(const V* row, Index m) { return count_tied(row, m); } \
  GRIDCOMPUTE_CLONES V most_in(const V* row, Index m) { return most_of(row, m); }        \
  GRIDCOMPUTE_CLONES void add(const V* row, Index m, int shift, std::int32_t* sum) { add_row(row, m, shift, sum); }
GRIDCOMPUTE_TIE_ORDER(std::int32_t)
GRIDCOMPUTE_TIE_ORDER(std::int64_t)

}  // namespace

template <class V>
TieOrder<V>::TieOrder(const RowCopy<V>& rows, const AssignmentTuning& tuning) {
  const Index count = std::min(tuning.sample_rows, rows.n), m = rows.m;
  const auto sample = [&](Index k) { return rows.row(sampled(k, count, rows.n), nullptr); };
  Index tied = 0;
  for (Index k = 0; k < count; ++k) tied += tied_in(sample(k), m);
  if (tied < tuning.tie_order_columns * count) return;
  V most = 0;
  for (Index k = 0; k < count; ++k) most = std::max(most, most_in(sample(k), m));
  int shift = 0;
  while (most >> shift >= V{1} << kCostBits) ++shift;
  std::vector<std::int32_t> sum(at(m));
  for (Index k = 0; k < count; ++k) add(sample(k), m, shift, sum.data());
  by_rank_.resize(at(m));
  std::iota(by_rank_.begin(), by_rank_.end(), 0);
  std::stable_sort(by_rank_.begin(), by_rank_.end(),
                   [&](std::int32_t a, std::int32_t b) { return sum[at(a)] > sum[at(b)]; });
  rank_.assign(at(rows.stride), std::numeric_limits<V>::max());
}

template class TieOrder<std::int32_t>;
template class TieOrder<std::int64_t>;

}  // namespace gridcompute::assignment
