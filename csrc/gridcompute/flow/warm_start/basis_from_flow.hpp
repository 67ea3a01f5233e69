// A start tree from the flow of an earlier answer, where there is no tree to take on.
#pragma once

#include <span>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// Adds to basis.pred a forest of arcs whose flow lies strictly between their bounds: a tree of a vertex solution has
// them all. `flow` is of the caller's arcs.
template <class Int>
void add_free_arcs(const Problem& problem, const Network<Int>& net, std::span<const std::int64_t> flow, Basis& basis);

}  // namespace gridcompute::flow
