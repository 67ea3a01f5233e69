// Reads the caller's arrays into the reduced network: checks, ranges, lower bounds, order of arcs.
#pragma once

#include <optional>

#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// The results of one pass over the arrays.
struct ProblemSummary {
  Index proper_arcs = 0;               // arcs that are no self-loops
  Index arcs_with_cost = 0;            // of them, those of positive capacity whose cost is not 0
  std::int64_t max_cost = 0;           // max |cost| of those of positive capacity
  bool costs_fit_narrow = true;        // of all of them
  bool costs_fit_wide = true;          // of all of them
  std::int64_t flow_bound = 0;         // some optimal flow keeps every arc within it: S + N of problem.hpp
  std::int64_t negative_capacity = 0;  // N, where no arc of negative cost is infinite
  bool balanced = true;                // supplies sum to 0
  bool negative_costs = false;
  bool infinite_negative_arcs = false;  // some arc of negative cost has no capacity
  std::vector<std::int64_t> supply;     // after lower bounds
  [[nodiscard]] bool fits_narrow() const noexcept;
};

// Throws Error where arrays do not have equal lengths, or more entries than ids. To be called before anything reads
// them.
void check_sizes(const MinCostFlow& problem);

// Throws also where a node does not exist or a capacity is below its lower bound.
void check_arrays(const MinCostFlow& problem);

// Throws Error at the first entry that is invalid or leaves the range of problem.hpp.
[[nodiscard]] ProblemSummary summarize(const MinCostFlow& problem);

// Returns the topology of `problem`: `before`, if it is the same.
[[nodiscard]] std::shared_ptr<const Topology> build_topology(const MinCostFlow& problem, const ProblemSummary& summary,
                                                             const std::shared_ptr<const Topology>& before);

// Returns costs and capacities in this width. Costs of self-loops may be cut off.
template <class Int>
[[nodiscard]] ArcData<Int> arc_data(const MinCostFlow& problem, const ProblemSummary& summary,
                                    const FlowTuning& tuning = kFlowTuning);

template <class Int>
[[nodiscard]] Network<Int> build_network(const ArcData<Int>& data, const ProblemSummary& summary,
                                         const Topology& topology);

// Returns a node whose supply exceeds the capacity of the arcs out of it, or its demand that of the arcs into it: a cut
// that one pass finds; -1 if there is none.
template <class Int>
[[nodiscard]] Node single_node_cut(const Network<Int>& net);

// Returns the caller's arcs of a cycle of negative cost whose arcs all have no capacity; empty if there is none, or if
// it was stopped. Bellman-Ford: O(n m) at worst.
[[nodiscard]] std::vector<Index> infinite_negative_cycle(const MinCostFlow& problem, const Topology& topology,
                                                         Stop& stop);

// Finds the arcs of negative cost that can lie on a cycle of negative cost: those on any cycle at all.
//
// An arc lies on a cycle of arcs of positive capacity if and only if both its ends are in one strongly connected
// component. The components come from one depth-first search without recursion. O(n + m).
//
// Source.  Tarjan, SIAM J. Comput. 1 (1972) 146.

// Flags the arcs of negative cost, of positive capacity up to `max_capacity`, that lie on a cycle; empty if none does.
template <class Int>
[[nodiscard]] std::vector<std::uint8_t> negative_arcs_on_cycles(const Network<Int>& net, std::int64_t max_capacity);

}  // namespace gridcompute::flow
