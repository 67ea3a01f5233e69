// Chooses the start of network simplex, and decides when a start or an earlier tree is given up, by predictions from
// counts of the graph. Their thresholds are in tuning.hpp, figures in docs/development/experiments.md.
//
// No negative costs: a star on a hub if nearly all nodes fit on it; else a shortest path forest if
// the cheapest arcs of the sources are wide enough, costs hardly differ, the graph is sparse with a hub, or there is
// one sink, and if its flow then fits; else the artificial tree. Negative costs: where arcs of negative cost lie on
// cycles, the optimum saturates many such cycles, and a tree that starts without flow finds them one by one. These arcs
// start at their upper bound (preprocess.hpp), and flow that should not be there is sent back. Arcs of negative
// cost on no cycle start empty: in layered and bipartite graphs saturated ones would be undone nearly everywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

// Labels a node that the forest's search may make before it gives up.
inline constexpr Index kLabelsPerNode = 8;

// Crash bases for network simplex: a shortest path forest, and a star on a hub.
//
// Definitions.  Costs >= 0. d(v): the least cost of a path from v to any node with a demand. The forest has each node's
// arc on such a path; ties go to the sink of the largest demand, then to fewer arcs, so that trees are shallow. Sinks
// are roots. Then a sink that is still short, and has an arc from a root with enough units left, is attached to that: a
// node that collects and distributes ends with hardly an artificial arc in use.
//
// Why it helps.  The potentials of the forest price out nearly all arcs at once where sinks are many and near
// (time-expanded networks: 50 times fewer potential updates). Where the flow does not fit on it, trees are cut and it
// does not help: the heuristics above decide.
//
// Complexity.  O(m) in practice: label correcting with buckets of a hundredth of a mean cost; given up after
// kLabelsPerNode labels per node.
// Source.  Dial, Comm. ACM 12 (1969) 632 (buckets); Bradley, Brown and Graves, Management Sci. 24 (1977) 1 (crash
// bases). Deviations.  Flow is routed along the forest, and whether it fits decides about its use.

struct CrashBasis {
  Basis basis;
  Index cut_off = 0;    // nodes whose flow did not fit on their arc; all nodes where the search was given up
  Index path_arcs = 0;  // arcs from each node to its root, summed over all nodes
};

// Returns the forest. Costs must be >= 0. Flow that does not fit on an arc is spread over its parallel arcs, the
// cheapest first, if it fits on them together.
template <class Int>
[[nodiscard]] CrashBasis shortest_path_forest(const Network<Int>& net, const FlowTuning& tuning);

// Returns the star: each node attached to `hub`, by the cheapest arc that carries the node's whole supply or demand, if
// one does. Sources and sinks then need no artificial arc, whatever the costs.
template <class Int>
[[nodiscard]] CrashBasis hub_star(const Network<Int>& net, Node hub);

// Arcs per arc with a cost, from which the problem is taken for a maximum flow.
inline constexpr Index kMaxFlowCostShare = 1000;

// Returns the budget of network simplex in work units, after which cost scaling is likely to be faster, for `size` arcs
// and nodes. A maximum flow (almost no arc has a cost) shows early whether trees are efficient, and cost scaling begins
// with one.
[[nodiscard]] constexpr Index simplex_budget(const FlowTuning& t, Index size, Index arcs, Index arcs_with_cost) {
  const bool maximum_flow = arcs_with_cost > 0 && kMaxFlowCostShare * arcs_with_cost <= arcs + kMaxFlowCostShare;
  return maximum_flow ? std::max(t.max_flow_min_work, size * t.max_flow_work_per_size) : size * t.work_per_size;
}

// Returns the work after which a start is judged by the units that it left unserved. Where most are routed by then the
// simplex continues; where many are not it would take long, and a cost scaling start takes 20 (layered graphs) to 200
// times (dense grids on a torus) that work. The work per arc and node does not grow with the graph: large random graphs
// would have most units routed by a later judgement, and their last pivots take the longest.
[[nodiscard]] inline Index trial_work(const FlowTuning& t, Index size) {
  return static_cast<Index>(t.trial_work * static_cast<double>(size));
}

// Returns whether a start is replaced after its trial.
[[nodiscard]] constexpr bool start_has_failed(const FlowTuning& t, Index unserved, Index units) {
  return unserved > units / t.trial_unserved_share;
}

// Work units per arc and node in one unit of the budgets after the trial, in large graphs (divides sqrt(nodes)).
inline constexpr double kBudgetUnitRootShare = 8;

// Returns the unit of two budgets after the trial, for `size` arcs and nodes: that of a start that has not failed, and
// that of a cost scaling start. It is the work of the trial where that is more.
[[nodiscard]] inline Index start_budget_unit(const FlowTuning& t, Index nodes, Index size) {
  const double per_size = std::sqrt(static_cast<double>(nodes)) / kBudgetUnitRootShare;
  return static_cast<Index>(std::max(t.trial_work, per_size) * static_cast<double>(size));
}

// Returns the node with the most arcs out of it, if these reach a large share of all nodes; else -1.
template <class Int>
[[nodiscard]] Node find_hub(const Network<Int>& net);

// Returns whether the star on this hub is the start.
template <class Int>
[[nodiscard]] bool use_star(const Network<Int>& net, Node hub, const CrashBasis& star, const FlowTuning& tuning);

// Returns whether a shortest path forest is worth its search.
template <class Int>
[[nodiscard]] bool try_forest(const Network<Int>& net, const FlowTuning& tuning);

// Returns whether the forest is the start, from how much of the flow it carries.
template <class Int>
[[nodiscard]] bool use_forest(const Network<Int>& net, const CrashBasis& forest, const FlowTuning& tuning);

// At most this many eligible arcs never discard a tree (arcs).
inline constexpr Index kFewEligible = 8;
// A tree is kept where at most this share is eligible after a change of costs (arcs per eligible arc).
inline constexpr Index kKeepTreeShare = 4;

// Returns whether the earlier tree is a better start than none, with this many arcs eligible after a change of costs.
// `forest`: a solve from nothing would start from a forest.
[[nodiscard]] constexpr bool keep_tree(const FlowTuning& t, Index eligible, Index arcs, bool forest) {
  return eligible <= kFewEligible || (forest ? t.keep_tree_share_forest : kKeepTreeShare) * eligible <= arcs;
}

// A tree is rebuilt after dual repair gave up where at most this share is eligible (nodes per eligible changed arc).
inline constexpr Index kRebuildNodeShare = 6;

// Returns the same for a tree rebuilt at the earlier potentials, where only arcs of new cost are counted.
[[nodiscard]] constexpr bool keep_rebuilt_tree(const FlowTuning& t, Index eligible, Index nodes, Index arcs) {
  return kRebuildNodeShare * eligible <= nodes || t.rebuild_arc_share * eligible <= arcs;
}

// A start for network simplex from one phase of cost scaling.
//
// Why it helps.  Where capacities bind nearly everywhere (layered graphs, long networks), an artificial start takes
// dozens of pivots per arc, each of which moves a good part of the nodes. A flow that is epsilon-optimal for an epsilon
// of a fraction of the mean cost comes from a single phase, and is so near the optimum that a few thousand pivots are
// left. On graphs where units find paths easily the phase takes longer than the pivots it saves: the strategy waits
// until the simplex has left too many units unserved.
//
// Steps.
//   refine (cost_scaling.hpp) moves the supplies themselves, at prices 0, from an empty flow (arcs of negative cost
//   begin at
//     their capacity);
//   arcs strictly between their bounds become a forest: where one closes a cycle, flow is pushed round it in the
//     direction that is not dearer, until an arc of the cycle is at a bound and leaves the forest;
//   the artificial arc of a root of the forest gets the cost that gives the root its price (TreeSolution).
//
// Complexity.  A phase of cost scaling, held to a budget; a cycle costs its length.
// Range proof.  Refine ends where a price falls below half of FlowRange::kMaxPotential.
// Source.  Goldberg, J. Algorithms 22 (1997) 1 (refine); Ahuja, Magnanti, Orlin, Network Flows (1993) 11.2 (a cycle
// free solution from any solution).

template <class Int>
struct CostScalingStart {
  Basis basis;
  std::vector<Int> price;
  Index work;  // work units, as of NetworkSimplex::work()
};

// Returns none where it would take more than `budget` scans of half-arcs, or where prices leave the width, which they
// also do where there is no feasible flow.
template <class Int>
[[nodiscard]] std::optional<CostScalingStart<Int>> cost_scaling_start(const Network<Int>& net, Stop& stop, Index budget,
                                                                      const FlowTuning& tuning = kFlowTuning);

}  // namespace gridcompute::flow
