// Cycle canceling (cycle_canceling.hpp) on the candidate lists of a solved restricted problem, without reading all
// costs.
#pragma once

#include "gridcompute/transport/exact/cycle_canceling.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// Lists the jobs of shards that cancel_cycles_on_lists() may move, for costs that keys round by at most `rounding`.
void list_jobs_of_cycles(const SolverContext& context, const Level& all, std::span<const Cost> prices, double rounding,
                         RestrictedProblem& r);

// Makes the optimum of rounded keys an optimum of the costs where candidate lists suffice; Result::rounding is then
// below 0. prices: of the matching, in keys. kept: as for cancel_cycles(). Small problems are left to
// cancel_rounding_cycles(), which reads every cost.
void cancel_cycles_on_lists(const SolverContext& context, const Level& all, const RestrictedProblem& r,
                            std::span<const Cost> prices, Kept kept, Result& result);

}  // namespace gridcompute::transport
