#include "gridcompute/assignment/input/outlier_cap.hpp"

#include <type_traits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kReached = 64;      // so many costs of a row, or a quarter of them
constexpr double kFirst = 0x1p-12;  // of what the row spans
constexpr double kStep = 0x1p-4;    // from one look to the next
constexpr double kBeyond = 8;       // what is lowered lies so many times farther

template <class T>
GRIDCOMPUTE_INLINE Index count_in(const T* GRIDCOMPUTE_RESTRICT c, Index m, double sign, double limit) {
  Index count = 0;
  for (Index j = 0; j < m; ++j) count += static_cast<double>(c[j]) * sign <= limit ? 1 : 0;
  return count;
}

#define GRIDCOMPUTE_COUNT(T) \
  GRIDCOMPUTE_CLONES Index count(const T* c, Index m, double sign, double limit) { return count_in(c, m, sign, limit); }
GRIDCOMPUTE_COUNT(std::int8_t)
GRIDCOMPUTE_COUNT(std::int16_t)
GRIDCOMPUTE_COUNT(std::int32_t)
GRIDCOMPUTE_COUNT(std::int64_t)
GRIDCOMPUTE_COUNT(float)
GRIDCOMPUTE_COUNT(double)

template <class T>
Extent range_of(const T* row, Index m, bool maximize) {
  if constexpr (std::is_floating_point_v<T>) {
    return extent_of(row, m, maximize);
  } else {
    const auto [low, high] = std::minmax_element(row, row + m);
    const double sign = maximize ? -1.0 : 1.0, a = sign * static_cast<double>(*low),
                 b = sign * static_cast<double>(*high);
    return {std::min(a, b), std::max(a, b), false, false};
  }
}

}  // namespace

template <class T>
Reach reach_of(const T* row, Index m, bool maximize) {
  return reach_of(row, m, std::min(kReached, (m + 3) / 4), range_of(row, m, maximize), maximize);
}

template <class T>
Reach reach_of(const T* row, Index m, Index wanted, const Extent& seen, bool maximize) {
  const double span = seen.most - seen.least, sign = maximize ? -1.0 : 1.0;
  if (seen.odd || !(span >= 0) || std::isinf(span)) return {};
  const auto reached = [&](double part) { return count(row, m, sign, seen.least + part * span) >= wanted; };
  double part = kFirst;
  if (!reached(part) || reached(0)) return {span, span};
  while (reached(part * kStep)) part *= kStep;
  return {kBeyond * part * span, span};
}

template Reach reach_of(const std::int8_t*, Index, bool);
template Reach reach_of(const std::int16_t*, Index, bool);
template Reach reach_of(const std::int32_t*, Index, bool);
template Reach reach_of(const std::int64_t*, Index, bool);
template Reach reach_of(const float*, Index, bool);
template Reach reach_of(const float*, Index, Index, const Extent&, bool);
template Reach reach_of(const double*, Index, bool);
template Reach reach_of(const double*, Index, Index, const Extent&, bool);

}  // namespace gridcompute::assignment
