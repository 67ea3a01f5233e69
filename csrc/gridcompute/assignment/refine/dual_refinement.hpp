// Floating-point costs among which the largest drown the optimum: solved again in a finer unit.
//
// Problem. Costs become integers in a unit that the largest cost sets. Where costs have heavy tails, the optimum may be
// a few units only, and which of many assignments it is falls below them.
//
// Step. An assignment that is optimal in floors of units costs less than k units above the sum of its duals, for k
// pairs. So no pair whose cost exceeds its two duals by that much is part of a better one, and all such costs may be
// lowered to where they exceed them by just that: the optimum stays the same, the largest cost is no larger than duals
// are, and the unit of the next solve is finer. Duals that lie below lowered costs lie below the costs themselves.
// Duals may be large as well. Nor is a pair part of a better assignment that costs more above the least cost of all
// than these pairs do together: all such costs may be lowered to twice that instead. (Not both at once: the duals hold
// for the costs as they are.) Where neither helps, as where large costs cancel, exact_residuals.hpp decides.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "gridcompute/assignment/input/float_scaling.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/refine/exact_residuals.hpp"

namespace gridcompute::assignment {

inline constexpr int kFinerRounds = 64;      // each takes some 2^50 of the largest cost; doubles span 2^2098
inline constexpr double kDrowned = 0x1p-40;  // of what the pairs cost: a smaller gap is left alone
inline constexpr Index kFewPairs = 8;        // a row: so many are compared at once, without another solve
inline constexpr int kAllWhole = 1074;       // the exponent of a unit in which all doubles are whole

template <class T>
class Finer {
 public:
  // Valid while `coarse` is, an optimal result; a better one has no pair of so many units above its duals.
  Finer(const Result& coarse, bool maximize, std::int64_t units)
      : result_(coarse), sign_(maximize ? -1.0 : 1.0), unit_(std::ldexp(1.0, -coarse.exponent)) {
    const auto in_cost = [&](const std::vector<std::int64_t>& duals, double more) {
      std::vector<double> costs;
      costs.reserve(duals.size());
      for (const std::int64_t d : duals) {
        const double cost = static_cast<double>(d) * unit_;
        costs.push_back(cost + more + std::fabs(cost) * 0x1p-50);  // for all roundings
      }
      return costs;
    };
    rows_ = in_cost(coarse.row_dual, static_cast<double>(units + 2) * unit_);
    cols_ = in_cost(coarse.col_dual, 0);
  }

  // Is a gap left that counts? paid(i): what row i pays for its column.
  template <class Paid>
  [[nodiscard]] bool drowned(const Paid& paid) const {
    if (result_.exponent >= kAllWhole) return false;
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

  // What pair (i, j) need not cost more than to be kept out by the duals.
  [[nodiscard]] double most(Index i, Index j) const {
    return rows_[static_cast<std::size_t>(i)] + cols_[static_cast<std::size_t>(j)];
  }

  // What any pair need not cost more than: the least cost and twice what the pairs cost above as many of that.
  template <class Paid>
  [[nodiscard]] double cap(const T* costs, Index count, const Paid& paid) const {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    double least = kInf, sum = 0;
    for (Index k = 0; k < count; ++k) least = std::min(least, std::isinf(costs[k]) ? kInf : sign_ * costs[k]);
    for (std::size_t i = 0; i < result_.col_of.size(); ++i)
      if (result_.col_of[i] >= 0) sum += sign_ * static_cast<double>(paid(static_cast<Index>(i))) - least;
    return sum > 0 ? least + 2 * sum : kInf;
  }

 private:
  const Result& result_;
  double sign_, unit_;
  std::vector<double> rows_, cols_;  // duals as costs, with slack
};

// The cost itself, or `most` where that is less.
template <class T>
T lowered(T cost, double sign, double most) {
  const bool keep = std::isinf(cost) || !(sign * static_cast<double>(cost) > most);
  double up = std::is_same_v<T, float> ? most + std::fabs(most) * 0x1p-23 + 0x1p-149 : most;  // after rounding
  up = std::max(up, static_cast<double>(std::numeric_limits<T>::lowest()));  // finite as the cost itself
  const T s = static_cast<T>(sign);
  return keep ? cost : s * std::min(s * cost, static_cast<T>(up));
}

// What the duals leave of all pairs decides, exactly. False if more than `most` pairs may matter.
template <class T, class Each, class Paid>
bool decide(Result& result, const T* costs, bool maximize, Index most, Stop& stop, const Each& each, const Paid& paid) {
  Residues residues(result, maximize);
  const auto n = static_cast<Index>(result.col_of.size());
  for (Index i = 0; i < n; ++i) residues.pay(i, static_cast<double>(paid(result, i)));
  if (!residues.matters(kDrowned)) return true;
  const Finer<T> finer(result, maximize, residues.most());
  const double sign = maximize ? -1.0 : 1.0;
  Index count = 0;
  each([&](Index i, Index j, Index k) {
    const auto cost = static_cast<double>(costs[k]);
    if (sign * cost > finer.most(i, j) || ++count > most) return;
    residues.offer(i, j, cost);
  });
  if (count > most) return false;
  result.col_of = residues.decide(stop);
  if (stop.requested()) result.status = Status::stopped;  // some pairs may not have been compared
  return true;
}

// The answer in the finest unit that changes something; without `duals`, it need not be proved by them. solve(costs,
// near) -> Result, which may start from that of nearly the same costs; costs: (count) as laid out in `costs`;
// each(lower) calls lower(i, j, k) for the pair of each position k, or returns early once the stop is requested; paid
// as above, of a result.
template <class T, class Solve, class Each, class Paid>
Result solve_finer(const T* costs, Index count, bool maximize, bool duals, Stop& stop, const Solve& solve,
                   const Each& each, const Paid& paid) {
  const double sign = maximize ? -1.0 : 1.0;
  const auto solve_any = [&](const T* c, const Result* near) { return solve_extreme(c, count, maximize, near, solve); };
  Result result = solve_any(costs, nullptr);
  const auto n = static_cast<Index>(result.col_of.size());
  std::vector<T> lower;
  bool by_duals = true, other = false;  // how costs are lowered; did the other way change nothing?
  for (int round = 0; round < kFinerRounds && result.status == Status::optimal; ++round) {
    const Finer<T> finer(result, maximize, n);
    const auto pays = [&](Index i) { return paid(result, i); };
    if (!finer.drowned(pays)) break;
    if (!duals && decide(result, costs, maximize, kFewPairs * n, stop, each, paid)) return result;
    lower.resize(static_cast<std::size_t>(count));
    const double cap = by_duals ? 0 : finer.cap(costs, count, pays);
    each([&](Index i, Index j, Index k) {
      lower[static_cast<std::size_t>(k)] = lowered(costs[k], sign, by_duals ? finer.most(i, j) : cap);
    });
    if (stop.requested()) {
      result.status = Status::stopped;
      return result;
    }
    Result next = solve_any(lower.data(), &result);
    next.stats.add(result.stats);
    if (next.status != Status::optimal || next.exponent > result.exponent) {
      other = false;
      result = std::move(next);
    } else if (other) {
      break;
    } else {
      other = true, by_duals = !by_duals;
    }
  }
  if (result.status != Status::optimal || result.exponent >= kAllWhole) return result;
  decide(result, costs, maximize, std::numeric_limits<Index>::max(), stop, each, paid);
  return result;
}

}  // namespace gridcompute::assignment
