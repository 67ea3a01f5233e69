// Objective, bound and status of a result, from a placement and the prices it ended with.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/rounding/integral.hpp"

namespace gridcompute::transport {

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
