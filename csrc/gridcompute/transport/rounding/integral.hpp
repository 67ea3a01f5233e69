// Rounding of the splittable optimum to an integral plan: every job whole in one class.
//
// Problem.  With demands above 1 the transportation optimum may split a job over classes. Unit jobs are integral by
// total unimodularity. A vertex splits at most one job per tight class (its split jobs form no cycle); ties may split
// more.
//
// Steps.  Split jobs go to one of their classes, heaviest first; evict.hpp repairs classes that exceed their capacity;
// jobs left without a class are assigned heaviest first where cost plus price is least, or are left unplaced where that
// is cheaper or no class is large enough. The same steps complete a partial assignment after a stop.
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

}  // namespace gridcompute::transport
