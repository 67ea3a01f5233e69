// The general method (problem.hpp) with one resolution for all costs; solve.cpp has the steps around it.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Solves and adds to the statistics of the result.
void solve_in_one_unit(const Problem& problem, const Options& options, Pool& pool, Stop& stop, Result& result);
using SolveOnce = decltype(solve_in_one_unit);

}  // namespace gridcompute::transport
