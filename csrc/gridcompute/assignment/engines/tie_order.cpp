#include "gridcompute/assignment/engines/tie_order.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/assignment/input/input_stats.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

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
