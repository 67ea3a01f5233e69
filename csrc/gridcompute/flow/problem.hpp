// General min-cost flow: exact, certified, from any arrays.
//
// Problem.  Nodes 0..n-1 with supply b_v (negative: demand), arcs e = (tail, head) with lower bound l_e, capacity u_e,
// cost c_e. Find integers l <= x <= u with flow out - flow in = b at each node and least total cost. Parallel arcs and
// self-loops are kept apart. A capacity of kInfinite (2^63 - 1) means none.
//
// Steps (one file each).
//   preprocess              checks, the range proof, lower bounds into supplies, sorting by tail, infinite negative
//                           cycles
//   solve                   the strategy: its decision table, warm starts, back to the caller's arcs
//   tuning                  every tuned number
//   start/                  crash bases: shortest path forest, star on a hub, one phase of cost scaling
//   strong_components       which arcs of negative cost lie on cycles: they begin at their upper bound
//   network_simplex/        primal network simplex, its pricing, and the dual pivots of a warm start
//   cost_scaling/           cost scaling push-relabel
//   warm_start/             what an answer keeps for the next solve, and what differs from its problem
//   objective               total cost, unserved units, the optimality conditions
//
// Answers.  optimal: the flow and potentials p with c_e + p[tail] - p[head] >= 0 where x_e < u_e and <= 0 where x_e >
// l_e. infeasible: nodes S whose supply exceeds what can leave S (or whose demand exceeds what can enter).
// unbounded: arcs of a cycle of negative cost and no capacity, and a feasible flow to push it on. Where both hold, the
// answer is infeasible.
//
// Range proof.  Let S be the sum of positive supplies after lower bounds, N the sum of the capacities of arcs of
// negative cost (of all finite ones, where one of negative cost is infinite). Some optimal flow keeps every arc within
// S + N: it decomposes into paths, together at most S, and cycles of negative cost, each through an arc counted in N;
// cycles of other cost can be dropped. So capacities are cut to S + N + 1 (the 1 keeps potentials valid where a
// capacity was cut); S + N and (max|c| + 1) (n + 1) must be at most 2^60. Totals are 128-bit, checked.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

inline constexpr std::int64_t kInfinite = std::numeric_limits<std::int64_t>::max();

struct MinCostFlow {
  Index n = 0;
  std::span<const std::int64_t> tail, head, lower, capacity, cost, supply;  // lower: empty, or one per arc

  [[nodiscard]] std::int64_t lower_bound(std::size_t e) const noexcept { return lower.empty() ? 0 : lower[e]; }
};

enum class FlowMethod { automatic, network_simplex, cost_scaling };
enum class FlowStatus { optimal, infeasible, unbounded, time_limit, stopped };

template <class Int>
struct WarmStartState;  // flow/warm_start.hpp

// The part of an answer that the next solve can start from: the topology, the flow and, after network simplex, the tree
// in the width it ended in. Immutable: any number of solves may start from it, at the same time too.
struct WarmStart {
  std::shared_ptr<const Topology> topology;
  std::shared_ptr<const WarmStartState<std::int32_t>> narrow;
  std::shared_ptr<const WarmStartState<std::int64_t>> wide;
  std::shared_ptr<const RawVector<std::int64_t>> stored_flow;  // only where the flow does not follow from the tree

  // Returns the flow of the caller's arcs; computed from the tree at the first call, from any thread.
  [[nodiscard]] std::shared_ptr<const RawVector<std::int64_t>> flow() const;
};

struct FlowStats {
  const char* method = "";           // network_simplex, cost_scaling, or the proof of infeasibility: balance, capacity
  const char* reason = "by name";    // of the method: by name, within budget, budget spent
  Index work = 0;                    // work units of network simplex, all runs together
  double work_units = 0;             // of all methods, as a limit of work counts them (base/stop.hpp)
  const char* start = "artificial";  // artificial, saturated, forest, star, cost_scaling, basis, flow (strategy.cpp)
  int bits = 0;                      // of the integer width that finished
  Index pivots = 0, degenerate_pivots = 0, potential_updates = 0, priced_blocks = 0;
  Index phases = 0, pushes = 0, relabels = 0, global_updates = 0, fixed_arcs = 0;
  // Of a warm start: tree arcs it went on with, and those replaced by artificial ones because their flow did not fit.
  Index kept_tree_arcs = 0, dropped_tree_arcs = 0;
  Index changed_costs = 0, changed_capacities = 0, changed_supplies = 0;  // of a warm start on the same graph
  Index dual_pivots = 0, bound_flips = 0;                                 // of its dual repair
  Index unserved = 0;                                                     // units still without a path at the end
  double seconds_build = 0, seconds_start = 0, seconds_solve = 0;
};

struct FlowResult {
  FlowStatus status = FlowStatus::optimal;
  std::vector<std::int64_t> potential;
  Wide objective = 0;
  std::vector<Index> cut, cycle;
  WarmStart warm_start;
  FlowStats stats;

  [[nodiscard]] const RawVector<std::int64_t>& flow() const { return *warm_start.flow(); }
};

// Solves `problem`. `start`: the warm start of an earlier answer, or null. `work_per_size`: the budget of network
// simplex in work units per arc and node before FlowMethod::automatic goes over to cost scaling; none: by the decision
// table.
[[nodiscard]] FlowResult solve(const MinCostFlow& problem, FlowMethod method, const WarmStart* start, Stop& stop,
                               std::optional<Index> work_per_size = {}, const FlowTuning& tuning = kFlowTuning);

// The total cost of a flow, its unserved units, and the optimality conditions.

// Returns the sum of cost * flow; none where it does not fit 127 bits.
[[nodiscard]] std::optional<Wide> total_cost(const MinCostFlow& problem, std::span<const std::int64_t> flow);

// Returns the units of supply that have not left their nodes, at most the largest Index. Ends of arcs are those of the
// topology: a progress hook may have written to the caller's arrays since they were checked.
[[nodiscard]] Index unserved_units(const MinCostFlow& problem, const Topology& topology,
                                   std::span<const std::int64_t> flow);

// Returns whether the flow is feasible and the potentials satisfy the optimality conditions with it. O(n + m).
[[nodiscard]] bool proves_optimal(const MinCostFlow& problem, const Topology& topology,
                                  std::span<const std::int64_t> flow, std::span<const std::int64_t> potential);

}  // namespace gridcompute::flow
