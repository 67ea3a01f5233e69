// Refinement of floating-point costs whose largest swamp the optimum: they are solved again in a finer unit.
//
// Problem. Costs become integers in a unit that the largest cost sets. Where costs have heavy tails, the optimum may be
// a few units only, and which of many assignments it is falls below them.
//
// Step. An assignment that is optimal in floors of units costs less than k units above the sum of its duals, for k
// pairs. So no pair whose cost exceeds its two duals by that much is part of a better one (reduced-cost fixing), and
// all such costs may be lowered to where they exceed them by just that: the optimum stays the same, the largest cost is
// no larger than duals are, and the unit of the next solve is finer. Duals that lie below lowered costs lie below
// the costs themselves. Duals may be large as well. Nor is a pair part of a better assignment that costs more above the
// least cost of all than these pairs do together: all such costs may be lowered to twice that instead. (Not both at
// once: the duals hold for the costs as they are.) Where neither helps, as where large costs cancel,
// exact residuals decide.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Exact comparison of residuals, for floating-point costs whose optimum integer units do not determine.
//
// Definitions. The residual of a pair is its cost less its two duals: whole units and a fraction of one, both without
// rounding (a fraction is the last bits of a double). Residuals are at least 0, since duals hold for the costs.
//
// Step. The cost of an assignment is the sum of the duals plus its residuals. One that costs less than the present one,
// whose residuals sum to less than r units, has no pair of more than r units. The residuals up to r have few bits; they
// become integers of a unit that is finer by these bits, in a sparse problem, whose duals leave residuals again; the
// steps repeat until no fraction is left, and the optimum is exact.
//
// Rectangular. An unmatched column also costs the distance of its price below 0. That distance is added to its pairs,
// but at most r + 1 units of it: enough to exclude leaving the column unmatched.
//
// Range proof. Integers span at most 2^kSpan, paths of 2^20 of them 2^60.
//
// Complexity. One pass over the costs, then some 2^(kSpan - 1) / r of a unit a refinement; doubles span 2^2098.

class ExactResiduals {
 public:
  // `coarse`: optimal in units, of no more rows than columns; `maximize`: costs are negated.
  ExactResiduals(const AssignmentResult& coarse, bool maximize)
      : col_of_(coarse.col_of),
        u_(coarse.row_dual),
        v_(coarse.col_dual),
        exponent_(coarse.exponent),
        half_(std::ldexp(maximize ? -1.0 : 1.0, exponent_ / 2)),
        rest_(std::ldexp(1.0, exponent_ - exponent_ / 2)),
        sign_(maximize ? -1.0 : 1.0) {}

  // Adds the cost of the pair of row i; for all rows, in any order, before the first offer().
  void pay(Index i, double cost) {
    const PairResidual r = residual(i, col_of_[at(i)], cost);
    max_units_ += r.units + 1;
    gap_ += std::ldexp(static_cast<double>(r.units), -exponent_) + r.fraction;
    sum_ += sign_ * cost;
    size_ += std::fabs(cost);
  }

  // Returns whether the gap to the duals is more than `part` of the cost of all pairs.
  [[nodiscard]] bool matters(double part) const {
    const long double surely = std::fabs(sum_) - size_ * static_cast<long double>(u_.size()) * 0x1p-62L;
    return gap_ > part * surely;
  }

  // Returns the largest number of units that a pair of a better assignment can have.
  [[nodiscard]] std::int64_t max_units() const { return max_units_; }

  // Adds a pair to compare, rows ascending.
  void offer(Index i, Index j, double cost) {
    if (!(cost * half_ * rest_ < kNever)) return;
    const PairResidual r = residual(i, j, cost);
    if (r.units <= max_units_) pairs_.push_back(r);
  }

  // Refines until no fraction is left, a stop is requested, or residuals are too wide. Returns the columns of all rows.
  const std::vector<std::int32_t>& decide(Stop& stop) {
    while (std::any_of(pairs_.begin(), pairs_.end(), [](const PairResidual& r) { return r.fraction != 0; }))
      if (!refine(stop)) break;
    return col_of_;
  }

 private:
  static constexpr double kNever = 0x1p61;  // units: above all duals
  static constexpr int kSpan = 40;          // range proof above

  struct PairResidual {
    std::int32_t row, col;
    std::int64_t units;
    double fraction;  // of the cost, not in units
  };

  [[nodiscard]] PairResidual residual(Index i, Index j, double cost) const {
    const double whole = std::trunc(cost * half_ * rest_);
    return {static_cast<std::int32_t>(i), static_cast<std::int32_t>(j),
            static_cast<std::int64_t>(whole) - u_[at(i)] - v_[at(j)], sign_ * cost - std::ldexp(whole, -exponent_)};
  }

  // Solves in the next finer unit. False if that was not possible.
  bool refine(Stop& stop) {
    const int bits = kSpan - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(2 * max_units_ + 3)));
    if (bits < 1) return false;
    const bool square = u_.size() == v_.size();
    std::vector<std::int64_t> start(u_.size() + 1), col, cost;
    exponent_ += bits;
    for (PairResidual& r : pairs_) {
      const std::int64_t back = square ? 0 : std::min(-v_[at(r.col)], max_units_ + 1);
      const double x = std::ldexp(r.fraction, exponent_), whole = std::trunc(x);
      r.units = (r.units - back) * (std::int64_t{1} << bits) + static_cast<std::int64_t>(whole);
      r.fraction -= std::ldexp(whole, -exponent_);
      ++start[at(r.row + 1)];
      col.push_back(r.col);
      cost.push_back(r.units - (r.fraction < 0 ? 1 : 0));
    }
    for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
    const CsrMatrix<std::int64_t, std::int64_t> finer{start, col, cost, static_cast<Index>(u_.size()),
                                                      static_cast<Index>(v_.size())};
    AssignmentResult next = solve(finer, false, stop, col_of_);
    if (next.status != AssignmentStatus::optimal || next.wide()) return false;
    col_of_ = std::move(next.col_of), u_ = std::move(next.row_dual), v_ = std::move(next.col_dual);
    std::vector<std::int64_t> paid(u_.size(), std::numeric_limits<std::int64_t>::max());
    for (PairResidual& r : pairs_) {
      r.units -= u_[at(r.row)] + v_[at(r.col)];
      if (col_of_[at(r.row)] == r.col) paid[at(r.row)] = std::min(paid[at(r.row)], r.units);
    }
    max_units_ = 0;
    for (const std::int64_t p : paid) max_units_ += p + 1;
    std::erase_if(pairs_, [&](const PairResidual& r) { return r.units > max_units_; });
    return true;
  }

  std::vector<std::int32_t> col_of_;
  std::vector<std::int64_t> u_, v_;
  int exponent_;
  double half_, rest_;  // 2^exponent may be beyond the largest double
  double sign_;
  std::int64_t max_units_ = 0;  // no better assignment has a pair of more units
  long double gap_ = 0, sum_ = 0, size_ = 0;
  std::vector<PairResidual> pairs_;
};

// The largest number of solves: each finer one resolves some 2^50 more of the largest cost, and doubles span 2^2098.
inline constexpr int kMaxRefinements = 64;
// The exponent of the unit in which all doubles are integers.
inline constexpr int kExactExponent = 1074;

template <class T>
class DualRefinement {
 public:
  // Valid while `coarse` is, an optimal result; a better one has no pair that lies `units` above its duals.
  DualRefinement(const AssignmentResult& coarse, bool maximize, std::int64_t units)
      : result_(coarse), sign_(maximize ? -1.0 : 1.0), unit_(std::ldexp(1.0, -coarse.exponent)) {
    const auto in_cost = [&](const std::vector<std::int64_t>& duals, double more) {
      std::vector<double> costs;
      costs.reserve(duals.size());
      for (const std::int64_t d : duals) {
        const double cost = static_cast<double>(d) * unit_;
        costs.push_back(cost + more + std::fabs(cost) * 0x1p-50);  // covers all roundings
      }
      return costs;
    };
    rows_ = in_cost(coarse.row_dual, static_cast<double>(units + 2) * unit_);
    cols_ = in_cost(coarse.col_dual, 0);
  }

  // Returns whether a gap is left that is not negligible. paid(i): the cost of the pair of row i.
  template <class Paid>
  [[nodiscard]] bool gap_counts(const Paid& paid) const {
    if (result_.exponent >= kExactExponent) return false;
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
    return sum - static_cast<long double>(duals) * unit_ > kNegligibleGap * size;
  }

  // Returns the least cost at which the duals still exclude the pair (i, j).
  [[nodiscard]] double limit(Index i, Index j) const { return rows_[at(i)] + cols_[at(j)]; }

  // Returns the least cost at which any pair is excluded: the least cost plus twice the excess of the pairs found over
  // it.
  template <class Paid>
  [[nodiscard]] double cap(const T* costs, Index count, const Paid& paid) const {
    double least = kInf, sum = 0;
    for (Index k = 0; k < count; ++k) least = std::min(least, std::isinf(costs[k]) ? kInf : sign_ * costs[k]);
    for (std::size_t i = 0; i < result_.col_of.size(); ++i)
      if (result_.col_of[i] >= 0) sum += sign_ * static_cast<double>(paid(static_cast<Index>(i))) - least;
    return sum > 0 ? least + 2 * sum : kInf;
  }

 private:
  const AssignmentResult& result_;
  double sign_, unit_;
  std::vector<double> rows_, cols_;  // duals as costs, with slack
};

// Returns the cost, or `limit` where that is less.
template <class T>
T lowered(T cost, double sign, double limit) {
  const bool keep = std::isinf(cost) || !(sign * static_cast<double>(cost) > limit);
  double up = std::is_same_v<T, float> ? limit + std::fabs(limit) * 0x1p-23 + 0x1p-149 : limit;  // after rounding
  up = std::max(up, static_cast<double>(std::numeric_limits<T>::lowest()));  // finite as the cost itself
  const T s = static_cast<T>(sign);
  return keep ? cost : s * std::min(s * cost, static_cast<T>(up));
}

// Compares the pairs that the duals leave, exactly. False if there are more than `limit`.
template <class T, class Each, class Paid>
bool compare_exactly(AssignmentResult& result, const T* costs, bool maximize, Index limit, Stop& stop, const Each& each,
                     const Paid& paid) {
  ExactResiduals residuals(result, maximize);
  const auto n = static_cast<Index>(result.col_of.size());
  for (Index i = 0; i < n; ++i) residuals.pay(i, static_cast<double>(paid(result, i)));
  if (!residuals.matters(kNegligibleGap)) return true;
  const DualRefinement<T> refinement(result, maximize, residuals.max_units());
  const double sign = maximize ? -1.0 : 1.0;
  Index count = 0;
  each([&](Index i, Index j, Index k) {
    const auto cost = static_cast<double>(costs[k]);
    if (sign * cost > refinement.limit(i, j) || ++count > limit) return;
    residuals.offer(i, j, cost);
  });
  if (count > limit) return false;
  result.col_of = residuals.decide(stop);
  if (stop.requested()) result.status = AssignmentStatus::stopped;  // some pairs may not have been compared
  return true;
}

// Pairs a row that are compared exactly at once, instead of another solve.
inline constexpr Index kComparedPairs = 8;

// Returns the answer in the finest unit that changes something; without `duals`, these need not prove it. solve(costs,
// previous) -> AssignmentResult may start from the answer to nearly the same costs; costs: (count), laid out as
// `costs`; each(lower) calls lower(i, j, k) for the pair of each position k, or returns early once the stop is
// requested; paid(result, i): the cost of the pair of row i.
template <class T, class Solve, class Each, class Paid>
AssignmentResult solve_refined(const T* costs, Index count, bool maximize, bool duals, Stop& stop, const Solve& solve,
                               const Each& each, const Paid& paid) {
  const double sign = maximize ? -1.0 : 1.0;
  const auto solve_at = [&](const T* c, const AssignmentResult* previous) {
    return solve_scaled(c, count, maximize, previous, solve);
  };
  AssignmentResult result = solve_at(costs, nullptr);
  const auto n = static_cast<Index>(result.col_of.size());
  std::vector<T> lower;
  bool by_duals = true, other = false;  // which limit costs are lowered to; the other limit changed nothing
  for (int solves = 0; solves < kMaxRefinements && result.status == AssignmentStatus::optimal; ++solves) {
    const DualRefinement<T> refinement(result, maximize, n);
    const auto pays = [&](Index i) { return paid(result, i); };
    if (!refinement.gap_counts(pays)) break;
    if (!duals && compare_exactly(result, costs, maximize, kComparedPairs * n, stop, each, paid)) return result;
    lower.resize(at(count));
    const double cap = by_duals ? 0 : refinement.cap(costs, count, pays);
    each([&](Index i, Index j, Index k) {
      lower[at(k)] = lowered(costs[k], sign, by_duals ? refinement.limit(i, j) : cap);
    });
    if (stop.requested()) {
      result.status = AssignmentStatus::stopped;
      return result;
    }
    AssignmentResult next = solve_at(lower.data(), &result);
    next.stats.add(result.stats);
    if (next.status != AssignmentStatus::optimal || next.exponent > result.exponent) {
      other = false;
      result = std::move(next);
    } else if (other) {
      break;
    } else {
      other = true, by_duals = !by_duals;
    }
  }
  if (result.status != AssignmentStatus::optimal || result.exponent >= kExactExponent) return result;
  compare_exactly(result, costs, maximize, std::numeric_limits<Index>::max(), stop, each, paid);
  return result;
}

}  // namespace gridcompute::assignment
