#include "gridcompute/assignment/ties.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/assignment/columns.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kTied = 16;  // columns at a row's least, on average, from which their order is worth looking at
constexpr int kFine = 12;    // bits left of costs: so many rows of them add up in 32 bits

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// Adds a row's costs to the sums, in units of 2^shift. How many of them are at the least.
template <class V>
GRIDCOMPUTE_INLINE Index add_row(const V* GRIDCOMPUTE_RESTRICT row, Index m, int shift,
                                 std::int32_t* GRIDCOMPUTE_RESTRICT sum) {
  V least = row[0];
  for (Index j = 1; j < m; ++j) least = row[j] < least ? row[j] : least;
  Index tied = 0;
  for (Index j = 0; j < m; ++j) tied += row[j] == least ? 1 : 0;
  for (Index j = 0; j < m; ++j) {
    const V up = static_cast<V>((row[j] - least) >> shift);
    sum[j] += static_cast<std::int32_t>(up < (V{1} << kFine) ? up : V{1} << kFine);
  }
  return tied;
}

#define GRIDCOMPUTE_PLACES(V)                                                         \
  GRIDCOMPUTE_CLONES Index add(const V* row, Index m, int shift, std::int32_t* sum) { \
    return add_row(row, m, shift, sum);                                               \
  }
GRIDCOMPUTE_PLACES(std::int32_t)
GRIDCOMPUTE_PLACES(std::int64_t)

}  // namespace

template <class V>
Places<V>::Places(const CopiedRows<V>& rows) {
  const Index count = std::min(kSample, rows.n), m = rows.m;
  V most = 0;
  for (Index k = 0; k < count; ++k) {
    const V* row = rows.row(sampled(k, count, rows.n), nullptr);
    for (Index j = 0; j < m; ++j) most = row[j] < Range<V>::kForbidden && row[j] > most ? row[j] : most;
  }
  int shift = 0;
  while (most >> shift >= V{1} << kFine) ++shift;
  std::vector<std::int32_t> sum(at(m));
  Index tied = 0;
  for (Index k = 0; k < count; ++k) tied += add(rows.row(sampled(k, count, rows.n), nullptr), m, shift, sum.data());
  if (tied < kTied * count) return;
  by_place_.resize(at(m));
  std::iota(by_place_.begin(), by_place_.end(), 0);
  std::stable_sort(by_place_.begin(), by_place_.end(),
                   [&](std::int32_t a, std::int32_t b) { return sum[at(a)] > sum[at(b)]; });
  place_.assign(at(rows.stride), std::numeric_limits<V>::max());
}

template class Places<std::int32_t>;
template class Places<std::int64_t>;

}  // namespace gridcompute::assignment
