// The total cost of a flow, its unserved units, and the optimality conditions.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// Returns the sum of cost * flow; none where it does not fit 127 bits.
[[nodiscard]] std::optional<Wide> total_cost(const MinCostFlow& problem, std::span<const std::int64_t> flow);

// Returns the units of supply that have not left their nodes, at most the largest Index. Ends of arcs are those of the
// topology: a progress hook may have written to the caller's arrays since they were checked.
[[nodiscard]] Index unserved_units(const MinCostFlow& problem, const Topology& topology,
                                   std::span<const std::int64_t> flow);

// Returns whether the flow is feasible and the potentials satisfy the optimality conditions with it. O(n + m).
[[nodiscard]] bool proves_optimal(const MinCostFlow& problem, const Topology& topology,
                                  std::span<const std::int64_t> flow, std::span<const std::int64_t> potential);

}  // namespace gridcompute::flow
