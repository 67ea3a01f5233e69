// Scaling of costs so small that no resolution makes integers of them.
//
// A resolution is a double, at most 2^1023: 5e-324 times that is a fraction. Where all costs are below 2^-900 they are
// multiplied by a power of two first, which is exact.
#pragma once

#include "gridcompute/transport/strategy.hpp"

namespace gridcompute::transport {

// Solves the scaled problem if all costs are that small; otherwise does nothing and returns false. most: the likely
// largest cost. An optimum is one of rounded costs (Result::rounding), and its bound may be weak.
[[nodiscard]] bool solve_scaled(const Problem& problem, const Options& options, double most, Pool& pool, Stop& stop,
                                SolveOnce* solve_once, Result& result);

}  // namespace gridcompute::transport
