// Moves that a solve anew makes for nothing, taken back.
//
// Problem. A cold round knows nothing of homes where moves are free: among equal costs it may put jobs elsewhere than
// where they were. Given homes, an optimum x and its prices: as many jobs as can easily be found stay at home, at the
// same total.
//
// Definitions. A job that x moves may go back if home is as cheap for it at the prices: an arc from its class in x to
// its home. A set of arcs may be taken back together if what remains is an optimum at the same prices: no class gets
// more than its capacity, and a class with a price keeps its load. So: cycles, and paths from a class without a price
// to one without a price that has room.
//
// Steps. Walks along arcs, each used once: a node met again closes a cycle, room ends a path, and an arc that leads no
// farther is dropped. Not the most that could go back (that is a flow), but no cycle of what is left is missed.
//
// Deterministic: arcs by position. Complexity: O(arcs + classes), two costs read for each job that x moves.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/live/state.hpp"

namespace gridcompute::matcher {

// Writes the homes of such jobs into `slots`, where x has `jobs`.
void stay_where_equal(const World& world, std::span<const Job> jobs, std::span<Slot> slots,
                      const std::vector<Cost>& prices, const std::vector<Cost>& capacity);

}  // namespace gridcompute::matcher
