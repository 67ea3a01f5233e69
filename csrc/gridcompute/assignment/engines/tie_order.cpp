#include "gridcompute/assignment/engines/tie_order.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/assignment/input/column_stats.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kTied = 16;  // columns at a row's least, on average, from which their order is worth looking at
constexpr int kFine = 12;    // bits left of costs: so many rows of them add up in 32 bits

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <class V>
GRIDCOMPUTE_INLINE V least_in(const V* GRIDCOMPUTE_RESTRICT row, Index m) {
  V least = row[0];
  for (Index j = 1; j < m; ++j) least = row[j] < least ? row[j] : least;
  return least;
}

// How many costs are at the row's least.
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
    const V x = row[j] < Range<V>::kForbidden ? row[j] : V{0};
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
    sum[j] += static_cast<std::int32_t>(up < (V{1} << kFine) ? up : V{1} << kFine);
  }
}

#define GRIDCOMPUTE_PLACES(V)                                                            \
  GRIDCOMPUTE_CLONES Index tied_in(const V* row, Index m) { return count_tied(row, m); } \
  GRIDCOMPUTE_CLONES V most_in(const V* row, Index m) { return most_of(row, m); }        \
  GRIDCOMPUTE_CLONES void add(const V* row, Index m, int shift, std::int32_t* sum) { add_row(row, m, shift, sum); }
GRIDCOMPUTE_PLACES(std::int32_t)
GRIDCOMPUTE_PLACES(std::int64_t)

}  // namespace

template <class V>
Places<V>::Places(const CopiedRows<V>& rows) {
  const Index count = std::min(kSample, rows.n), m = rows.m;
  const auto some = [&](Index k) { return rows.row(sampled(k, count, rows.n), nullptr); };
  Index tied = 0;
  for (Index k = 0; k < count; ++k) tied += tied_in(some(k), m);
  if (tied < kTied * count) return;
  V most = 0;
  for (Index k = 0; k < count; ++k) most = std::max(most, most_in(some(k), m));
  int shift = 0;
  while (most >> shift >= V{1} << kFine) ++shift;
  std::vector<std::int32_t> sum(at(m));
  for (Index k = 0; k < count; ++k) add(some(k), m, shift, sum.data());
  by_place_.resize(at(m));
  std::iota(by_place_.begin(), by_place_.end(), 0);
  std::stable_sort(by_place_.begin(), by_place_.end(),
                   [&](std::int32_t a, std::int32_t b) { return sum[at(a)] > sum[at(b)]; });
  place_.assign(at(rows.stride), std::numeric_limits<V>::max());
}

template class Places<std::int32_t>;
template class Places<std::int64_t>;

}  // namespace gridcompute::assignment
