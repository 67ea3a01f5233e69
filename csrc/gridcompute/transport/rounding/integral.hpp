// From the splittable optimum to whole jobs.
//
// Unit jobs come out whole by themselves. Of gangs, at most one a tight class is split (a vertex has no cycle of split
// jobs); ties may split more. The split ones go to one of their classes, the heaviest first, and where a class then
// holds too much, others make room (evict.hpp). Who lost its place so finds another, heaviest first, each where cost
// plus price is least, or is left out where that is cheaper or nothing is big enough. The same steps complete a
// matching that was stopped half-way.
#pragma once

#include <optional>

#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct IntegralPlan {
  std::vector<std::int32_t> assignment;  // n_slots means unplaced by choice, -1 not placed
  std::vector<Cost> load;                // (columns)
  Index n_unassigned_required = 0;       // jobs that had to be placed and could not
  bool rounded_again = false;            // dealt out once more, the largest first, for those
  std::optional<Total> cost = {};        // where it was added up
};

// Each job in the class that has all its units; -1 where none has. Of unit jobs' optimum, that is the matching.
[[nodiscard]] IntegralPlan assign_unsplit(const SolverContext& context, const Level& level, const RestrictedProblem& r);

[[nodiscard]] IntegralPlan round_to_integral(const SolverContext& context, const Level& level,
                                             const RestrictedProblem& r, std::span<const Cost> prices, Stop& stop);

// Nothing was read yet, but prices may be known: each job in turn where it is cheapest as long as there is time to
// look, then classes in order where a job is allowed, or left out.
[[nodiscard]] IntegralPlan complete_greedily(const SolverContext& context, const Level& level,
                                             std::span<const Cost> prices, Stop& stop);

}  // namespace gridcompute::transport
