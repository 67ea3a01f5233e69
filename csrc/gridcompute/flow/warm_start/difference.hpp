// The difference between a problem and the one that an earlier tree is optimal for.
//
// One pass over the caller's arrays, vector code without branches, tests whether the graph is the same and which arcs
// have another cost or capacity. Only those are checked and proved to fit the range again; the others were proved
// before.
#pragma once

#include <optional>

#include "gridcompute/flow/problem.hpp"
#include "gridcompute/flow/warm_start/state.hpp"

namespace gridcompute::flow {

template <class Int>
struct ProblemDifference {
  std::vector<Arc> cost_arcs, capacity_arcs;  // arcs of another cost, of another capacity, in the caller's order
  std::vector<Int> cost, capacity;            // the new costs and capacities of these arcs
  std::vector<Int> supply;                    // of all nodes
  std::vector<Node> supply_nodes;             // nodes of another supply
  bool most_supply_moved = false;  // more than tuning.supply_change_percent of all units were added or removed
  ArcData<Int> data;
  std::int64_t negative_capacity = 0;
};

// Returns whether the earlier tree may fit: the same size of graph, no lower bounds, an optimal tree. O(1).
template <class Int>
[[nodiscard]] bool may_resume(const MinCostFlow& problem, const Topology& topology, const WarmStartState<Int>& before);

// Returns none where the earlier tree does not fit: another graph, lower bounds, values out of its range, invalid
// values (which summarize() then reports), supplies that do not sum to 0.
template <class Int>
[[nodiscard]] std::optional<ProblemDifference<Int>> difference(const MinCostFlow& problem, const Topology& topology,
                                                               const WarmStartState<Int>& before,
                                                               const FlowTuning& tuning = kFlowTuning);

// Returns whether supplies exceed the bound at which capacities were cut, tuning.capacity_headroom times the earlier
// flow.
template <class Int>
[[nodiscard]] bool supplies_outgrow(const MinCostFlow& problem, const WarmStartState<Int>& before);

// Returns, of the nodes that have another supply or an arc of another capacity, one that is a cut by itself; else -1.
template <class Int>
[[nodiscard]] Node single_node_cut(const ProblemDifference<Int>& difference, const Topology& topology);

// Runs a changed tree. Ends as budget_spent when it has taken as much work as a solve from nothing did, or has too many
// eligible arcs at a quarter or half of it (tuning.early_check_share, late_check_share).
template <class Int>
[[nodiscard]] typename NetworkSimplex<Int>::End run_within_cold_work(NetworkSimplex<Int>& simplex,
                                                                     const ColdSolveRecord& cold, Index budget,
                                                                     Stop& stop, const FlowTuning& tuning);

}  // namespace gridcompute::flow
