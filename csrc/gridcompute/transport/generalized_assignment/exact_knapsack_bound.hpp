// The Lagrangian knapsack bound from the costs themselves, without rounding: verifiable from the multipliers alone.
//
// Definitions.  As in knapsack_bound.hpp: for multipliers ("charges") y,
// L(y) = sum_i y_i - sum_s K_s(y) + sum_i min(0, out_i - y_i). Costs and multipliers are 128-bit integers in a common
// unit; costs with digits below it are rounded down, which lowers L.
//
// Complexity.  One evaluation of every cost, and O(profitable jobs * capacity / gcd of the demands) a class.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/transport/generalized_assignment/common_unit.hpp"

namespace gridcompute::transport {

// Returns the exact cost of a plan; nullopt where the sum does not fit into 126 bits.
[[nodiscard]] std::optional<ScaledInteger> exact_cost(const Problem& problem, std::span<const std::int32_t> assignment);

// Returns L(charges); nullopt where that would take more steps, or memory, than the tuning allows.
[[nodiscard]] std::optional<ScaledInteger> exact_knapsack_bound(const Problem& problem, std::span<const double> charges,
                                                                const WholeJobTuning& tuning = kDefaultWholeJobTuning);

}  // namespace gridcompute::transport
