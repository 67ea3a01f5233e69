// Preprocessing of demands: pairs of a job and a class too small for it, and capacity that no sum of demands fills.
//
// Problem.  The relaxation that bounds integral plans (problem.hpp) splits a job over classes none of which can hold
// it, and counts slots that stay free in every integral plan.
//
// Steps.  A pair whose demand exceeds the class's capacity is forbidden. A capacity u is lowered to the largest subset
// sum of demands that is at most u (where all demands equal d: d * floor(u / d)). Every integral plan satisfies both,
// so the relaxation of the fitted problem bounds the same plans more tightly; where it is infeasible, so is the
// problem, and the violated Hall condition counts lowered capacities.
//
// Complexity.  O(n_jobs) where few distinct demands attain every sum, as they do if many are small. Otherwise O(sums *
// distinct demands * log(count) / 64) by bit sets, up to fill_words of them; above that, capacities are only rounded
// down to multiples of the demands' greatest common divisor.
//
// Source.  Martello and Toth, Knapsack Problems (1990), chapter 4 (subset sums); capacity lowering is standard
// coefficient tightening.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Returns for each capacity below the total demand the largest subset sum of demands within it (or, where that takes
// too long, a value between that and the capacity). Other capacities stay as they are.
[[nodiscard]] std::vector<Cost> fillable_capacities(std::span<const Cost> capacity,
                                                    std::span<const std::int32_t> demand,
                                                    const WholeJobTuning& tuning = kDefaultWholeJobTuning);

// The problem with unusable pairs forbidden and capacities lowered. Needs demands; refers to the original problem.
class FittedProblem {
 public:
  FittedProblem(const Problem& problem, const WholeJobTuning& tuning);
  FittedProblem(const FittedProblem&) = delete;
  FittedProblem& operator=(const FittedProblem&) = delete;
  [[nodiscard]] const Problem& problem() const noexcept { return fitted_; }

 private:
  Problem fitted_;
  std::vector<Cost> capacity_;
  std::unique_ptr<CostSource> cost_;  // null: every job fits into every class
};

}  // namespace gridcompute::transport
