#include "gridcompute/live/kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::live::kernels {

namespace {

constexpr Index kBlock = 32;  // keys compared together: four to eight vectors, whose results are combined once

}  // namespace

GRIDCOMPUTE_CLONES Index classes_within(const Cost* row, const Cost* base, Index n, Cost limit, bool all, Slot* out) {
  Index count = 0;
  if (all) {
    for (Index s = 0; s < n; ++s) out[s] = static_cast<Slot>(s);
    return n;
  }
  for (Index from = 0; from < n; from += kBlock) {
    const Index to = std::min(n, from + kBlock);
    std::int64_t any = 0;
    for (Index s = from; s < to; ++s) any |= static_cast<std::int64_t>(row[s] + base[s] <= limit);
    if (any == 0) continue;
    for (Index s = from; s < to; ++s) {
      if (row[s] + base[s] <= limit) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Index classes_below(const Cost* row, const Cost* threshold, Index n, Cost here, Slot* out) {
  Index count = 0;
  for (Index from = 0; from < n; from += kBlock) {
    const Index to = std::min(n, from + kBlock);
    std::int64_t any = 0;
    for (Index s = from; s < to; ++s) any |= static_cast<std::int64_t>(row[s] - here <= threshold[s]);
    if (any == 0) continue;
    for (Index s = from; s < to; ++s) {
      if (row[s] - here <= threshold[s]) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Index classes_near(const float* sketch, const float* limit, Index n, float here, Slot* out) {
  Index count = 0;
  for (Index from = 0; from < n; from += kBlock) {
    const Index to = std::min(n, from + kBlock);
    std::int32_t any = 0;
    for (Index s = from; s < to; ++s) any |= static_cast<std::int32_t>(sketch[s] <= here + limit[s]);
    if (any == 0) continue;
    for (Index s = from; s < to; ++s) {
      if (sketch[s] <= here + limit[s]) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Cost least_reduced(const Cost* row, const Cost* price, Index n) {
  Cost low = kForbidden;
  for (Index s = 0; s < n; ++s) low = row[s] + price[s] < low ? row[s] + price[s] : low;
  return low;
}

namespace {

template <bool kMinus>
GRIDCOMPUTE_INLINE bool relax(const Cost* GRIDCOMPUTE_RESTRICT length, const Cost* GRIDCOMPUTE_RESTRICT price, Index n,
                              Cost base, Cost least, Cost from, Cost* GRIDCOMPUTE_RESTRICT distance,
                              Cost* GRIDCOMPUTE_RESTRICT open, Cost* GRIDCOMPUTE_RESTRICT predecessor) {
  std::int64_t below = 0;
  for (Index s = 0; s < n; ++s) {
    const Cost there = base + length[s] + (kMinus ? -price[s] : price[s]);
    const bool arc = length[s] < kForbidden;
    const bool nearer = arc & (there < distance[s]);
    below |= static_cast<std::int64_t>(arc & (there < least));
    distance[s] = nearer ? there : distance[s];
    open[s] = nearer ? there : open[s];
    predecessor[s] = nearer ? from : predecessor[s];
  }
  return below != 0;
}

}  // namespace

GRIDCOMPUTE_CLONES bool relax_all(const Cost* length, const Cost* price, bool minus, Index n, Cost base, Cost least,
                                  Cost from, Cost* distance, Cost* open, Cost* predecessor) {
  return minus ? relax<true>(length, price, n, base, least, from, distance, open, predecessor)
               : relax<false>(length, price, n, base, least, from, distance, open, predecessor);
}

GRIDCOMPUTE_CLONES Index nearest(const Cost* open, Index n) {
  Cost low = kForbidden;
  for (Index s = 0; s < n; ++s) low = open[s] < low ? open[s] : low;
  if (low >= kForbidden) return -1;
  Index first = 0;
  while (open[first] != low) ++first;
  return first;
}

GRIDCOMPUTE_CLONES void quantise(const double* cost, Index n, double resolution, Cost* GRIDCOMPUTE_RESTRICT out,
                                 std::uint8_t* GRIDCOMPUTE_RESTRICT exact) {
  // Adding 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits: exact for |x| < 2^51.
  constexpr double kRound = 6755399441055744.0;
  const double unit = 1 / resolution;
  for (Index k = 0; k < n; ++k) {
    const double shifted = cost[k] * resolution + kRound;
    const Cost key = std::bit_cast<Cost>(shifted) - std::bit_cast<Cost>(kRound);
    const bool allowed = std::fabs(cost[k]) < std::numeric_limits<double>::infinity();
    out[k] = allowed ? key : kForbidden;
    exact[k] = static_cast<std::uint8_t>(!allowed || (shifted - kRound) * unit == cost[k]);
  }
}

}  // namespace gridcompute::live::kernels
