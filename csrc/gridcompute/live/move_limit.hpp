// Which moves to make when only some may be made.
//
// Problem. Homes h and the optimum x differ in some jobs, each an arc from its home to its slot. Any subset of the arcs
// that keeps loads within capacity is a matching; the best of so many moves is hard to say, but cheap to say well.
//
// Steps. The arcs fall into paths, from a class that ends with fewer jobs to one that ends with more (being left out
// is either), and cycles: each may be made without the others. First those that must be made (a class has lost room, a
// home is closed to its job), then those that move nobody (new jobs into free room), then by what a move saves, the
// most first, while they fit. As x is optimal none costs more than it saves.
//
// Deterministic: arcs by position, ties to the lower. Complexity: O(arcs log arcs).
#pragma once

#include <vector>

#include "gridcompute/live/state.hpp"

namespace gridcompute::matcher {

// Of `jobs`, ascending, who goes from home to `to`. A job without a home is placed, not moved. What must be moved may
// exceed the limit.
[[nodiscard]] std::vector<bool> choose(const World& world, std::span<const Job> jobs, std::span<const Slot> to,
                                       const std::vector<Cost>& home_load, const std::vector<Cost>& capacity,
                                       Index max_moves);

}  // namespace gridcompute::matcher
