// Doubles near the ends of their range, changed where scaling would lose them.
//
// Faint costs. Scaling stops short of the largest power of two, and so of the unit that costs need which are all
// nearly subnormal: those are solved 2^kLift times as large, which is exact.
//
// Vanishing costs. Beside very large costs, small ones become 0 when scaled. Of a negative one the floor is -1 unit all
// the same, and duals must not be above it: such costs become the least that does not vanish.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gridcompute/assignment/problem.hpp"

namespace gridcompute::assignment {

inline constexpr double kFaint = 0x1p-900;  // scaled to 57 bits by less than the largest power of two
inline constexpr int kLift = 170;           // the least double times 2^kLift times the largest scale is an integer

template <class T>
std::vector<T> lifted(const T* costs, Index count) {
  std::vector<T> up(costs, costs + count);
  for (T& c : up) c = static_cast<T>(c * std::ldexp(1.0, kLift));
  return up;
}

// Is the largest finite cost faint, and not 0? Ends at the first that is not.
template <class T>
bool all_faint(const T* costs, Index count) {
  bool some = false;
  for (Index k = 0; k < count; ++k) {
    const double size = std::fabs(static_cast<double>(costs[k]));
    if (size >= kFaint && !std::isinf(size)) return false;
    some |= size > 0 && !std::isinf(size);
  }
  return some;
}

// False if none vanishes.
template <class T>
bool keep_below_zero(std::vector<T>& costs, bool maximize, int exponent) {
  const double scale = std::ldexp(maximize ? -1.0 : 1.0, exponent);
  const double least = std::numeric_limits<double>::denorm_min() / -scale;
  bool some = false;
  for (T& c : costs) {
    const double x = static_cast<double>(c) * scale;
    if (c == T{0} || x != 0 || !std::signbit(x)) continue;
    c = static_cast<T>(least);
    some = true;
  }
  return some;
}

// solve(costs, near) -> Result, for any costs; near: a start, or none.
template <class T, class Solve>
Result solve_extreme(const T* costs, Index count, bool maximize, const Result* near, const Solve& solve) {
  if constexpr (std::is_same_v<T, double>) {
    if (all_faint(costs, count)) {
      Result result = solve(lifted(costs, count).data(), nullptr);
      result.exponent += kLift;
      return result;
    }
  }
  Result result = solve(costs, near);
  if (result.exponent >= 0 || result.status != Status::optimal) return result;
  std::vector<T> kept(costs, costs + count);
  if (!keep_below_zero(kept, maximize, result.exponent)) return result;
  Result next = solve(kept.data(), nullptr);
  next.stats.add(result.stats);
  return next;
}

}  // namespace gridcompute::assignment
