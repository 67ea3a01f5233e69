// Costs so small that no factor makes integers of them, solved as multiples of what they are.
//
// A resolution is a double, and so is no larger than 2^1023: 5e-324 times that is a fraction. Where all costs are below
// 2^-900 they are multiplied by a power of two first, which changes none of their bits.
#pragma once

#include "gridcompute/transport/strategy.hpp"

namespace gridcompute::transport {

// False, and nothing done, where they are not: `most` is what all but a few costs keep. An optimum is one of rounded
// costs (Result::rounding), and its bound may be weak.
[[nodiscard]] bool solve_scaled(const Problem& problem, const Options& options, double most, Pool& pool, Stop& stop,
                                SolveOnce* solve_once, Result& result);

}  // namespace gridcompute::transport
