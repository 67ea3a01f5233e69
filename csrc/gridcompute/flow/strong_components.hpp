// Which arcs can lie on a cycle of negative cost at all.
#pragma once

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

// Flags the arcs of negative cost, of room `widest` or less, that lie on some cycle of arcs with room; empty if none
// does. O(n + m).
template <class Int>
[[nodiscard]] std::vector<std::uint8_t> negative_on_cycles(const Network<Int>& net, std::int64_t widest);

}  // namespace gridcompute::flow
