// The bound of knapsacks from the costs themselves, without rounding: what anybody can check with the charges alone.
//
// Definitions. As in knapsack_bound.hpp: for charges y, L(y) = sum_i y_i - sum_s K_s(y) + sum_i min(0, out_i - y_i).
// Costs and charges are integers of 128 bits in a common unit; costs with digits below it are rounded down, which
// lowers L.
//
// Complexity. One evaluation of every cost, and O(jobs that pay * capacity / unit of the demands) a class.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/transport/generalized_assignment/integer_costs.hpp"

namespace gridcompute::transport {

// What a plan costs; nothing where that does not fit into 126 bits.
[[nodiscard]] std::optional<ScaledInteger> exact_cost(const Problem& problem, std::span<const std::int32_t> assignment);

// Nothing where it takes more than a fixed number of steps.
[[nodiscard]] std::optional<ScaledInteger> exact_knapsack_bound(const Problem& problem,
                                                                std::span<const double> charges);

}  // namespace gridcompute::transport
