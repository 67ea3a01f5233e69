// Finds the arcs of negative cost that can lie on a cycle of negative cost: those on any cycle at all.
//
// An arc lies on a cycle of arcs of positive capacity if and only if both its ends are in one strongly connected
// component. The components come from one depth-first search without recursion. O(n + m).
//
// Source.  Tarjan, SIAM J. Comput. 1 (1972) 146.
#pragma once

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

// Flags the arcs of negative cost, of positive capacity up to `max_capacity`, that lie on a cycle; empty if none does.
template <class Int>
[[nodiscard]] std::vector<std::uint8_t> negative_arcs_on_cycles(const Network<Int>& net, std::int64_t max_capacity);

}  // namespace gridcompute::flow
