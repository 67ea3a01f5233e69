// Eviction: moves jobs out of classes that exceed their capacity after split jobs were rounded to one class each.
//
// Steps.  First, moves between candidates: a job of an over-full class moves to a candidate class with residual
// capacity for all of it, in order of loss per unit, while the excess is at least the job's demand; then in order of
// total loss, whatever excess is left. Then the lightest jobs become unassigned, among equal demands those of least
// loss first. Once a stop is requested, the last jobs by index become unassigned, whatever their loss.
#pragma once

#include "gridcompute/transport/rounding/integral.hpp"

namespace gridcompute::transport {

// Evicts until no class of `plan` exceeds its capacity; evicted jobs without a class get -1.
void evict_excess(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                  std::span<const Cost> prices, IntegralPlan& plan);

}  // namespace gridcompute::transport
