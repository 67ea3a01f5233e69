// The data of a warm start: the optimal tree in one width, its problem, and the work of a solve from nothing.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "gridcompute/flow/network_simplex/network_simplex.hpp"
#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// The latest solve from nothing on this graph.
struct ColdSolveRecord {
  Index work = kNoBudget;     // work units; kNoBudget: not known
  bool from_forest = false;   // its start was a forest or a star
  bool from_scaling = false;  // its start was that of cost scaling
};

// Belongs to the topology that it was made on. Immutable.
template <class Int>
struct WarmStartState {
  WarmStartState(NetworkSimplex<Int>&& compacted, ArcData<Int>&& arcs, std::int64_t negative,
                 const ColdSolveRecord& record, bool can_resume)
      : simplex(std::move(compacted)),
        data(std::move(arcs)),
        negative_capacity(negative),
        cold(record),
        resumable(can_resume) {}

  NetworkSimplex<Int> simplex;
  ArcData<Int> data;
  std::int64_t negative_capacity = 0;  // N of problem.hpp
  ColdSolveRecord cold;
  // The tree is optimal, and there are no lower bounds, self-loops, infinite arcs of negative cost or costs out of
  // range.
  bool resumable = false;

  [[nodiscard]] std::shared_ptr<const RawVector<std::int64_t>> flow(const Topology& topology) const;

 private:
  mutable std::once_flag flow_computed_;
  mutable std::shared_ptr<const RawVector<std::int64_t>> flow_;
};

// The difference between a problem and the one that an earlier tree is optimal for.
//
// One pass over the caller's arrays, vector code without branches, tests whether the graph is the same and which arcs
// have another cost or capacity. Only those are checked and proved to fit the range again; the others were proved
// before.

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

// Part of the cold solve's work after which eligible arcs are counted first (1 / share).
inline constexpr Index kEarlyCheckShare = 4;

// Runs a changed tree. Ends as budget_spent when it has taken as much work as a solve from nothing did, or has too many
// eligible arcs at a quarter or half of it (kEarlyCheckShare, kLateCheckShare).
template <class Int>
[[nodiscard]] typename NetworkSimplex<Int>::End run_within_cold_work(NetworkSimplex<Int>& simplex,
                                                                     const ColdSolveRecord& cold, Index budget,
                                                                     Stop& stop, const FlowTuning& tuning);

// A start tree from the flow of an earlier answer that has no tree (of cost scaling, or of another graph).

// Adds to basis.tree_arc a forest of the free arcs, whose flow lies strictly between their bounds; if the flow is a
// vertex solution they form a forest, and it has them all. `flow` is of the caller's arcs. O(n + m).
template <class Int>
void add_free_arcs(const MinCostFlow& problem, const Network<Int>& net, std::span<const std::int64_t> flow,
                   Basis& basis);

}  // namespace gridcompute::flow
