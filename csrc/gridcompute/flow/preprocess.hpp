// From the caller's arrays to the reduced network: checks, ranges, lower bounds, order.
#pragma once

#include <optional>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// What one pass over the arrays finds. Throws Error at the first that is no problem, or leaves the proved range.
struct Survey {
  Index kept = 0;              // arcs that are no loops
  Index costly = 0;            // with room, and not free of charge
  std::int64_t most_cost = 0;  // max |cost| of those with room
  bool small_costs = true;     // of all of them: they fit the narrow width
  bool proper_costs = true;    // of all of them: they fit the wide one
  std::int64_t bound = 0;      // no arc needs more flow: S + N of problem.hpp
  std::int64_t negative = 0;   // N, where no arc of negative cost is infinite
  bool balanced = true;        // supplies sum to 0
  bool negative_costs = false;
  bool unbounded_arcs = false;       // some arc of negative cost has no capacity
  std::vector<std::int64_t> supply;  // after lower bounds
  [[nodiscard]] bool narrow() const noexcept;
};

// Throws where arrays do not have equal lengths, or more entries than ids. Before anything else reads them.
void check_sizes(const Problem& problem);

// The same, and where a node does not exist or a capacity is below its lower bound.
void check_arrays(const Problem& problem);

[[nodiscard]] Survey survey(const Problem& problem);

// The topology of `problem`: `before`, if it is the same.
[[nodiscard]] std::shared_ptr<const Topology> topology(const Problem& problem, const Survey& survey,
                                                       const std::shared_ptr<const Topology>& before);

// What the arrays say, in this width; loops may be cut off.
template <class Int>
[[nodiscard]] Given<Int> given(const Problem& problem, const Survey& survey);

template <class Int>
[[nodiscard]] Network<Int> network(const Given<Int>& given, const Survey& survey, const Topology& topology);

// A node that has more units than its arcs take, or needs more than they bring: a cut, seen at a look; -1 if none.
template <class Int>
[[nodiscard]] Node overtaxed(const Network<Int>& net);

// Arcs (the caller's) of a cycle of negative cost whose arcs all have no capacity. O(n m) at worst.
[[nodiscard]] std::vector<Index> infinite_negative_cycle(const Problem& problem, const Topology& topology, Stop& stop);

}  // namespace gridcompute::flow
