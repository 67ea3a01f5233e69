// The generalized assignment problem in memory, for the searches: integer keys above each job's cheapest cost, and the
// prices of the relaxation as a guide.
//
// A pair whose reduced cost alone exceeds the gap is left out: no cheaper plan contains it. The remaining pairs set the
// unit, so that costs of 1e15 for "rather not" do not swamp the others once a plan avoids them. Leaving a required job
// unassigned costs more than any change of classes gains, and more the larger its demand.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

struct IntegralModel {
  // Largest key of a pair; sums of 64 jobs stay below kUnassignedPenalty.
  static constexpr Cost kMostKey = Cost{1} << 34;
  // The least key of leaving a required job unassigned, and its multiple for the heaviest job: below 2^48 in all.
  static constexpr Cost kUnassignedPenalty = Cost{1} << 41;
  static constexpr double kHeaviestPenalty = 127;

  std::vector<Index> job;              // (jobs) index in the problem
  std::vector<Cost> weight, capacity;  // (jobs); (classes), less the demand of jobs outside the model
  std::vector<Cost> key;               // (jobs, classes + 1), last: unassigned; kForbidden: in no better plan
  std::vector<double> guide;           // (classes + 1): prices in the unit of keys
  std::vector<Slot> preferred;         // (jobs, n_preferred): cheapest first, prices included; padded with kNone
  Slot n_preferred = 0;
  std::vector<char> required;  // (jobs) has no cost of being left unplaced
  std::vector<double> least;   // (jobs) cost at key 0
  double base = 0, scale = 1;  // a plan costs base + sum of keys / scale, up to rounding

  void list_preferred(const WholeJobTuning& tuning);
  [[nodiscard]] const Slot* preferred_of(Index i) const noexcept { return preferred.data() + i * n_preferred; }
  [[nodiscard]] Index jobs() const noexcept { return static_cast<Index>(weight.size()); }
  [[nodiscard]] Slot classes() const noexcept { return static_cast<Slot>(capacity.size()); }
  [[nodiscard]] Slot out() const noexcept { return classes(); }
  [[nodiscard]] const Cost* row(Index i) const noexcept { return key.data() + i * (classes() + 1); }
  [[nodiscard]] double guided(Index i, Slot s) const noexcept {
    return static_cast<double>(row(i)[s]) + static_cast<double>(weight[at(i)]) * guide[at(s)];
  }
};

// Builds the model of some jobs, the others staying where `assignment` has them (-1: unassigned). gap: bounds what a
// better plan saves, +inf if unknown. nullopt after a stop.
[[nodiscard]] std::optional<IntegralModel> build_integral_model(const Problem& problem,
                                                                std::span<const std::int32_t> assignment,
                                                                std::span<const double> prices, std::vector<Index> jobs,
                                                                double gap, Stop& stop,
                                                                const WholeJobTuning& tuning = kDefaultWholeJobTuning);

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
// distinct demands * log(count) / 64) by bit sets, up to kFillWords of them; above that, capacities are only rounded
// down to multiples of the demands' greatest common divisor.
//
// Source.  Martello and Toth, Knapsack Problems (1990), chapter 4 (subset sums); capacity lowering is standard
// coefficient tightening.

// Returns for each capacity below the total demand the largest subset sum of demands within it (or, where that takes
// too long, a value between that and the capacity). Other capacities stay as they are.
[[nodiscard]] std::vector<Cost> fillable_capacities(std::span<const Cost> capacity,
                                                    std::span<const std::int32_t> demand);

// The problem with unusable pairs forbidden and capacities lowered. Needs demands; refers to the original problem.
class FittedProblem {
 public:
  explicit FittedProblem(const Problem& problem);
  FittedProblem(const FittedProblem&) = delete;
  FittedProblem& operator=(const FittedProblem&) = delete;
  [[nodiscard]] const Problem& problem() const noexcept { return fitted_; }

 private:
  Problem fitted_;
  std::vector<Cost> capacity_;
  std::unique_ptr<CostSource> cost_;  // null: every job fits into every class
};

}  // namespace gridcompute::transport
