// Floating-point costs among which the largest drown the optimum: solved again in a finer unit.
//
// Problem. Costs become integers in a unit that the largest cost sets. Where costs have heavy tails, the optimum may be
// a few units only, and which of many assignments it is falls below them.
//
// Step. An assignment that is optimal in floors of units costs less than k units above the sum of its duals, for k
// pairs. So no pair whose cost exceeds its two duals by that much is part of a better one, and all such costs may be
// lowered to where they exceed them by just that: the optimum stays the same, the largest cost is no larger than duals
// are, and the unit of the next solve is finer. Duals that lie below lowered costs lie below the costs themselves.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "gridcompute/assignment/problem.hpp"

namespace gridcompute::assignment {

inline constexpr int kFinerRounds = 8;
inline constexpr double kDrowned = 0x1p-32;  // of what the pairs cost: a smaller gap is left alone

template <class T>
class Finer {
 public:
  // Valid while `coarse` is, an optimal result.
  Finer(const Result& coarse, bool maximize)
      : result_(coarse), sign_(maximize ? -1.0 : 1.0), unit_(std::ldexp(1.0, -coarse.exponent)) {
    Index pairs = 0;
    for (const std::int32_t j : coarse.col_of) pairs += j >= 0 ? 1 : 0;
    slack_ = static_cast<double>(pairs + 2) * unit_;
  }

  // Is a gap left that counts? paid(i): what row i pays for its column.
  template <class Paid>
  [[nodiscard]] bool drowned(const Paid& paid) const {
    long double sum = 0, size = 0;
    for (std::size_t i = 0; i < result_.col_of.size(); ++i) {
      if (result_.col_of[i] < 0) continue;
      const long double cost = paid(static_cast<Index>(i));
      sum += sign_ * cost;
      size += std::fabs(cost);
    }
    Wide duals = 0;
    for (const std::int64_t u : result_.row_dual) duals += u;
    for (const std::int64_t v : result_.col_dual) duals += v;
    return sum - static_cast<long double>(duals) * unit_ > kDrowned * size;
  }

  // The cost itself, or, where that is less, one that still keeps the pair out.
  [[nodiscard]] T lowered(Index i, Index j, T cost) const {
    if (std::isinf(cost)) return cost;
    const double duals = static_cast<double>(result_.row_dual[static_cast<std::size_t>(i)] +
                                             result_.col_dual[static_cast<std::size_t>(j)]) *
                         unit_;
    const double most = duals + slack_ + std::fabs(duals) * 0x1p-50;  // for the roundings of this line
    if (!(sign_ * static_cast<double>(cost) > most)) return cost;
    const T up = std::nextafter(static_cast<T>(most), std::numeric_limits<T>::infinity());
    const T least = static_cast<T>(sign_) * cost;
    return static_cast<T>(sign_) * std::min(least, up);
  }

 private:
  const Result& result_;
  double sign_, unit_, slack_;
};

// The answer in the finest unit that changes something. solve(costs) -> Result; costs: (count) as laid out in `costs`;
// each(lower) calls lower(i, j, k) for the pair of each position k; paid as above, of a result.
template <class T, class Solve, class Each, class Paid>
Result solve_finer(const T* costs, Index count, bool maximize, const Solve& solve, const Each& each, const Paid& paid) {
  Result result = solve(costs);
  std::vector<T> lowered;
  for (int round = 0; round < kFinerRounds && result.status == Status::optimal; ++round) {
    const Finer<T> finer(result, maximize);
    if (!finer.drowned([&](Index i) { return paid(result, i); })) break;
    lowered.assign(costs, costs + count);
    each([&](Index i, Index j, Index k) {
      T& c = lowered[static_cast<std::size_t>(k)];
      c = finer.lowered(i, j, c);
    });
    Result next = solve(lowered.data());
    if (next.status == Status::optimal && next.exponent <= result.exponent) break;
    next.stats.add(result.stats);
    result = std::move(next);
  }
  return result;
}

}  // namespace gridcompute::assignment
