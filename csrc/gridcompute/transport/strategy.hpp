// The general method (problem.hpp) with one resolution for all costs; solve.cpp has the steps around it.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/rounding.hpp"

namespace gridcompute::transport {

// Solves and adds to the statistics of the result.
void solve_in_one_unit(const Problem& problem, const Options& options, Pool& pool, Stop& stop, Result& result);
using SolveOnce = decltype(solve_in_one_unit);

// Objective, bound and status of a result, from a placement and the prices it ended with.

// The dual solution: the prices that the solve ended with, and the problem they are of.
struct DualSolution {
  const Problem& problem;
  const IntegerKeys& keys;
  const Level& all;
  std::span<const Cost> prices;
  const CostRangeStats& seen;
  Wide weight;
};

// Sums over keys: of the placement, and of each job's least key + price (the dual value without capacities).
struct KeySums {
  Wide objective, value;
};

// Returns the largest error of the difference of two costs in an optimum of these keys, in the unit of cost.
[[nodiscard]] double rounding_of(const IntegerKeys& keys, bool inexact);

// Writes objective, bound and status. `solved`: the restricted optimum was reached, and the sums are of an optimum;
// otherwise `value` is only a bound. Needs assignment, load and prices of the result.
void classify_result(const DualSolution& of, bool solved, const IntegralPlan& whole, const std::optional<KeySums>& sums,
                     Pool& pool, Stop& stop, Result& result);

}  // namespace gridcompute::transport
