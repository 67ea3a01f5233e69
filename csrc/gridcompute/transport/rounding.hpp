// Rounding of the splittable optimum to an integral plan: every job whole in one class.
//
// Problem.  With demands above 1 the transportation optimum may split a job over classes. Unit jobs are integral by
// total unimodularity. A vertex splits at most one job per tight class (its split jobs form no cycle); ties may split
// more.
//
// Steps.  Split jobs go to one of their classes, heaviest first; eviction repairs classes that exceed their
// capacity; jobs left without a class are assigned heaviest first where cost plus price is least, or are left unplaced
// where that is cheaper or no class is large enough. The same steps complete a partial assignment after a stop.
#pragma once

#include <optional>

#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct IntegralPlan {
  std::vector<std::int32_t> assignment;  // n_slots: left unplaced by choice, -1: not placed
  std::vector<Cost> load;                // (columns)
  Index n_unassigned_required = 0;       // jobs without an unplaced cost that have no class
  bool rounded_again = false;            // rounded a second time, largest jobs first, because of such jobs
  std::optional<Total> cost = {};        // empty unless it was summed
};

// Assigns each job to the class that has all its units, -1 if none has. For unit jobs that is the optimal matching.
[[nodiscard]] IntegralPlan assign_unsplit(const SolverContext& context, const Level& level, const RestrictedProblem& r);

[[nodiscard]] IntegralPlan round_to_integral(const SolverContext& context, const Level& level,
                                             const RestrictedProblem& r, std::span<const Cost> prices, Stop& stop);

// Builds a plan greedily where no restricted problem is available: each job in turn goes to its cheapest class (prices,
// if any, included) as long as there is time to read its costs, then to the next class that allows it, or unplaced.
[[nodiscard]] IntegralPlan complete_greedily(const SolverContext& context, const Level& level,
                                             std::span<const Cost> prices, Stop& stop);

// Eviction: moves jobs out of classes that exceed their capacity after split jobs were rounded to one class each.
//
// Steps.  First, moves between candidates: a job of an over-full class moves to a candidate class with residual
// capacity for all of it, in order of loss per unit, while the excess is at least the job's demand; then in order of
// total loss, whatever excess is left. Then the lightest jobs become unassigned, among equal demands those of least
// loss first. Once a stop is requested, the last jobs by index become unassigned, whatever their loss.

// Evicts until no class of `plan` exceeds its capacity; evicted jobs without a class get -1.
void evict_excess(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                  std::span<const Cost> prices, IntegralPlan& plan);

}  // namespace gridcompute::transport
