// Reverts moves of a cold solve that save nothing.
//
// Problem. A transport solve knows nothing of placements where moves are free: among optima of equal cost it may choose
// one that moves jobs for no gain. Given placements, an optimum x and its prices, many jobs that x moves can stay, at
// the same total cost.
//
// Definitions. A move of x is a *null move* if the placed class has the same reduced cost for the job: an arc from its
// class in x to its placed class. A set of arcs may be reverted together if what remains is optimal at the same prices:
// no class exceeds its capacity, and a class with a price above 0 keeps its load. Hence cycles, and paths from a class
// with price 0 to one with price 0 and free capacity.
//
// Steps. Follows arcs, each used once: a class met again closes a cycle, free capacity ends a path, and an arc that
// leads no farther is dropped. The number of reverted moves is not maximal (that is a maximum flow), but no cycle
// remains among the arcs left.
//
// Deterministic: arcs by position. Complexity: O(arcs + classes), and two keys read for each job that x moves.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/live/state.hpp"

namespace gridcompute::live {

// Writes the placed classes of the jobs whose null moves are reverted into `slots`, where x has `jobs`.
void undo_null_moves(const MatcherState& state, std::span<const Job> jobs, std::span<Slot> slots,
                     const std::vector<Cost>& prices, const std::vector<Cost>& capacity);

}  // namespace gridcompute::live
