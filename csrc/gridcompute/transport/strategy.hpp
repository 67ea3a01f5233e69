// The general method (problem.hpp) in one unit for all costs, for the steps around it (solve.cpp).
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Adds to the statistics of the result.
void solve_in_one_unit(const Problem& problem, const Options& options, Pool& pool, Stop& stop, Result& result);
using SolveOnce = decltype(solve_in_one_unit);

}  // namespace gridcompute::transport
