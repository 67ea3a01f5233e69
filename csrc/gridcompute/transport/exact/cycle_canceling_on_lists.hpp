// Cancelled cycles (cycle_canceling.hpp) by the candidate lists a matching was solved on, without a look at every cost.
#pragma once

#include "gridcompute/transport/exact/cycle_canceling.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// Makes the optimum of rounded keys one of the costs, as far as lists tell; then Result::rounding is below 0. `prices`:
// those of the matching, in keys; `fixed`: as for cancel_cycles(). Few costs are left to a look at all of them.
void cancel_cycles_on_lists(const SolverContext& context, const Level& all, const RestrictedProblem& r,
                            std::span<const Cost> prices, bool fixed, Result& result);

}  // namespace gridcompute::transport
