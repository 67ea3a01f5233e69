// What no gang can use: pairs of a gang and a class that is smaller, and slots that no sum of demands fills.
//
// Problem. The relaxation that bounds gangs (problem.hpp) splits a gang over classes none of which can hold it, and
// counts slots that stay free in every whole plan.
//
// Steps. A pair whose demand exceeds the capacity of the class is forbidden. A capacity u is lowered to the largest
// sum of some of the demands that is at most u (a subset sum; where all demands are equal to d, d * floor(u / d)).
// Every whole plan keeps both, so the relaxation of the fitted problem bounds the same plans, only from closer; where
// it has no plan, there is none, and the Hall condition that fails counts lowered capacities.
//
// Complexity. O(n_jobs) where few different demands reach every sum, which they do as soon as small ones are many.
// Else O(sums * distinct demands * log(count) / 64), up to kMostWork words; beyond, multiples of the demands' greatest
// common divisor are all that is told apart.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// For each capacity below the sum of all demands, the largest sum of some demands that it can hold (or, where that
// takes too long, something between that and the capacity). The others stay as they are.
[[nodiscard]] std::vector<Cost> fillable_capacities(std::span<const Cost> capacity,
                                                    std::span<const std::int32_t> demand);

// The problem without what no gang can use. Needs a demand; keeps pointers into the original.
class FittedProblem {
 public:
  explicit FittedProblem(const Problem& problem);
  FittedProblem(const FittedProblem&) = delete;
  FittedProblem& operator=(const FittedProblem&) = delete;
  [[nodiscard]] const Problem& problem() const noexcept { return fitted_; }

 private:
  Problem fitted_;
  std::vector<Cost> capacity_;
  std::unique_ptr<CostSource> cost_;  // null: every gang fits into every class
};

}  // namespace gridcompute::transport
