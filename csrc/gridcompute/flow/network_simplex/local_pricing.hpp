// Local pricing: the entering arc of a warm start, among the arcs near what changed.
//
// From an optimal tree an arc can become eligible only by a new cost or by a new potential at one of its ends. A tree
// on its way to another problem therefore lists these arcs (TreeSolution::eligible()): those whose cost changed, then
// those of each node that moved. Passes over all arcs, the last of which finds nothing, are saved. Where many nodes
// move, passes would have been cheaper, and block pricing takes over.
#pragma once

#include "gridcompute/flow/network_simplex/tree_solution.hpp"

namespace gridcompute::flow {

// Returns the best of the arcs listed last, or kNoArc if the list has none that is eligible. Ends tracking, and returns
// kNoArc, once more arcs have been listed or compared than tuning.local_passes allows.
template <class Int>
[[nodiscard]] Arc local_entering_arc(TreeSolution<Int>& solution, const FlowTuning& tuning);

}  // namespace gridcompute::flow
