// Selects which changes to make when only some moves are allowed.
//
// Problem. The placements h and the optimum x differ in some jobs, each an arc from its placed class to its class in x.
// Any subset of these arcs that keeps every load within capacity is a matching. The best subset of a given size is a
// hard problem; a good one is found greedily.
//
// Steps. The arcs decompose into paths, from a class that ends with fewer jobs to one that ends with more (being
// unplaced counts as either), and cycles: each can be made without the others. First those that are mandatory (a class
// has lost capacity, or a placed class is closed to its job), then those without a move (new jobs into free capacity),
// then by savings per move, the largest first, while they fit. As x is optimal, none costs more than it saves.
//
// Deterministic: arcs by position, ties to the lowest. Complexity: O(arcs log arcs).
//
// Source. Flow decomposition: Ahuja, Magnanti and Orlin, Network Flows (1993), section 3.5. Deviations: greedy choice.
#pragma once

#include <vector>

#include "gridcompute/live/state.hpp"

namespace gridcompute::live {

// Returns for each of `jobs` (ascending) whether it goes from its placed class to `to`. Placing an unplaced job is no
// move. Mandatory changes may exceed max_moves.
[[nodiscard]] std::vector<bool> select_changes(const MatcherState& state, std::span<const Job> jobs,
                                               std::span<const Slot> to, const std::vector<Cost>& placed_load,
                                               const std::vector<Cost>& capacity, Index max_moves);

}  // namespace gridcompute::live
