// How near a matching at prices alone comes: all jobs where they are cheapest, those too many elsewhere.
//
// Prices of a sample of m jobs are off by an error that falls with the square root of m, and so does what is too much
// for a class at them. On a sample they were not made on, what they leave is seen; on all jobs, at prices of a larger
// one, about the square root less will be left. Where that is well within a gap asked for, no larger sample is solved,
// and a look at all costs without lists of candidates ends the solve.
#pragma once

#include "gridcompute/transport/rounding/integral.hpp"

namespace gridcompute::transport {

// (objective - bound) / objective to be expected of all n jobs at prices of this level, a sample, judged by what prices
// of a smaller one leave on it; +inf where not all found a place, or a stop came.
[[nodiscard]] double predict_gap(const SolverContext& context, const Level& level, std::span<const Cost> prices,
                                 Index smaller, Index n);

}  // namespace gridcompute::transport
