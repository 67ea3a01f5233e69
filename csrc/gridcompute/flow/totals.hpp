// What a flow of the caller's arcs costs, and what it leaves unserved.
#pragma once

#include <optional>
#include <span>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// Sum of cost * flow; none where it does not fit 127 bits.
[[nodiscard]] std::optional<Wide> total_cost(const Problem& problem, std::span<const std::int64_t> flow);

// Units of supply that have not left their nodes; the largest Index where they are more. Ends of arcs are those of the
// topology: the caller's may have changed since they were checked, in a progress hook.
[[nodiscard]] Index unserved_units(const Problem& problem, const Topology& topology,
                                   std::span<const std::int64_t> flow);

// Is the flow feasible, and do the potentials prove it optimal? O(n + m).
[[nodiscard]] bool proves_optimal(const Problem& problem, const Topology& topology, std::span<const std::int64_t> flow,
                                  std::span<const std::int64_t> potential);

}  // namespace gridcompute::flow
