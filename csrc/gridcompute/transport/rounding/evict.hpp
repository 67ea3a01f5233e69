// Classes that hold more than they may, after split gangs were given to one class each: who moves.
//
// Steps. First, moves between candidates: a job of such a class to a candidate class with room for all of it, those
// first that lose least a unit, as long as the class holds too much by that job's weight or more; then those that lose
// least at all, whatever they leave free. Then the lightest go, with no place yet, those first that lose least. Once a
// stop is asked for, the last of the jobs go, whatever they lose.
#pragma once

#include "gridcompute/transport/rounding/integral.hpp"

namespace gridcompute::transport {

// No class of `whole` holds more than its capacity afterwards; -1 for jobs that found no place.
void evict_excess(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                  std::span<const Cost> prices, IntegralPlan& whole);

}  // namespace gridcompute::transport
