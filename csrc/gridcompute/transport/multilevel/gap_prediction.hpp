// Predicts the gap of a matching that is rounded at given prices: all jobs at their cheapest class, the surplus moved
// to others.
//
// Prices of a sample of m jobs have an error that falls with the square root of m, and so does the surplus at them. The
// surplus is measured on a sample that the prices were not computed from; on all jobs, at prices of a larger sample, it
// is expected to fall with the root. Where that is well within the gap asked for, no larger sample is solved, and one
// pass over all costs without candidate lists ends the solve.
#pragma once

#include "gridcompute/transport/rounding/integral.hpp"

namespace gridcompute::transport {

// Returns the relative gap expected for all n jobs at prices of this level, a sample, from the gap that prices of a
// `smaller` sample have on it; +inf where not all jobs were placed, or after a stop.
[[nodiscard]] double predict_gap(const SolverContext& context, const Level& level, std::span<const Cost> prices,
                                 Index smaller, Index n);

}  // namespace gridcompute::transport
