// What is said of an answer: objective, bound, status.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/rounding/integral.hpp"

namespace gridcompute::transport {

// The problem as it was solved, and the prices that came of it.
struct DualSolution {
  const Problem& problem;
  const QuantisedCost& keys;
  const Level& all;
  std::span<const Cost> prices;
  const CostRangeStats& seen;
  Wide weight;
};

// Over the keys: what the units cost where they lie, and at the least key + price of each job.
struct KeySums {
  Wide objective, value;
};

// `solved`: was it to the end? Then the sums are of the optimum, else `value` is a bound and no more. Assignment, load
// and prices of the result are there already.
void classify_result(const DualSolution& of, bool solved, const IntegralPlan& whole, const std::optional<KeySums>& sums,
                     Pool& pool, Stop& stop, Result& result);

}  // namespace gridcompute::transport
