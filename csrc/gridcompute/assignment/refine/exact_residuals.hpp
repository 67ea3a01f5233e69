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
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

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

}  // namespace gridcompute::assignment
