// Doubles near the ends of their range, changed where scaling by a power of two would lose them.
//
// Tiny costs. Scaling stops short of the largest power of two, and so of the unit that costs need which are all nearly
// subnormal: those are solved 2^kLiftBits times as large, which is exact.
//
// Vanishing costs. Beside very large costs, small ones become 0 when scaled. The floor of a negative one is -1 unit all
// the same, and duals must not exceed it: a vanishing negative cost becomes the least that does not vanish.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "gridcompute/assignment/problem.hpp"

namespace gridcompute::assignment {

inline constexpr double kTinySize = 0x1p-900;  // larger costs scale to 57 bits by less than the largest power of two
inline constexpr int kLiftBits = 170;  // the least double times 2^kLiftBits times the largest scale is an integer

// Where prices find no room in 64 bits, costs are scaled by 2^kRetryBits less, up to kTries times in all: detours are
// of few rows, and the last try leaves room for detours over 2^46 rows.
inline constexpr int kRetryBits = 8, kTries = 7;

// Returns the costs times 2^kLiftBits.
template <class T>
std::vector<T> lifted(const T* costs, Index count) {
  std::vector<T> up(costs, costs + count);
  for (T& c : up) c = static_cast<T>(c * std::ldexp(1.0, kLiftBits));
  return up;
}

// Returns whether the largest finite cost is tiny, and not 0. Ends at the first that is not tiny.
template <class T>
bool all_tiny(const T* costs, Index count) {
  bool some = false;
  for (Index k = 0; k < count; ++k) {
    const double size = std::fabs(static_cast<double>(costs[k]));
    if (size >= kTinySize && !std::isinf(size)) return false;
    some |= size > 0 && !std::isinf(size);
  }
  return some;
}

// Replaces negative costs that would vanish when scaled by 2^exponent. False if there are none.
template <class T>
bool keep_negative(std::vector<T>& costs, bool maximize, int exponent) {
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

// Solves costs of any size. solve(costs, previous) -> AssignmentResult is the solver; previous: the answer to nearly
// the same costs, or null.
template <class T, class Solve>
AssignmentResult solve_scaled(const T* costs, Index count, bool maximize, const AssignmentResult* previous,
                              const Solve& solve) {
  if constexpr (std::is_same_v<T, double>) {
    if (all_tiny(costs, count)) {
      AssignmentResult result = solve(lifted(costs, count).data(), nullptr);
      result.exponent += kLiftBits;
      return result;
    }
  }
  AssignmentResult result = solve(costs, previous);
  // Other costs may be given another unit. One that is coarser makes more of them vanish: all is done again for it.
  for (int kept_at = 1; result.exponent < std::min(kept_at, 0) && result.status == AssignmentStatus::optimal;) {
    kept_at = result.exponent;
    std::vector<T> kept(costs, costs + count);
    if (!keep_negative(kept, maximize, kept_at)) break;
    AssignmentResult next = solve(kept.data(), nullptr);
    next.stats.add(result.stats);
    result = std::move(next);
  }
  return result;
}

}  // namespace gridcompute::assignment
