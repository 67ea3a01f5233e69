// A start tree from the flow of an earlier answer that has no tree (of cost scaling, or of another graph).
#pragma once

#include <span>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// Adds to basis.tree_arc a forest of the free arcs, whose flow lies strictly between their bounds; if the flow is a
// vertex solution they form a forest, and it has them all. `flow` is of the caller's arcs. O(n + m).
template <class Int>
void add_free_arcs(const MinCostFlow& problem, const Network<Int>& net, std::span<const std::int64_t> flow,
                   Basis& basis);

}  // namespace gridcompute::flow
