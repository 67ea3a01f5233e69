// Chooses the start of network simplex, and decides when a start or an earlier tree is given up, by predictions from
// counts of the graph. Their thresholds are in tuning.hpp, figures in docs/development/experiments.md.
//
// No negative costs: a star on a hub if nearly all nodes fit on it (crash_basis.hpp); else a shortest path forest if
// the cheapest arcs of the sources are wide enough, costs hardly differ, the graph is sparse with a hub, or there is
// one sink, and if its flow then fits; else the artificial tree. Negative costs: where arcs of negative cost lie on
// cycles, the optimum saturates many such cycles, and a tree that starts without flow finds them one by one. These arcs
// start at their upper bound (strong_components.hpp), and flow that should not be there is sent back. Arcs of negative
// cost on no cycle start empty: in layered and bipartite graphs saturated ones would be undone nearly everywhere.
#pragma once

#include <algorithm>
#include <cmath>

#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/start/crash_basis.hpp"

namespace gridcompute::flow {

// Returns the budget of network simplex in work units, after which cost scaling is likely to be faster, for `size` arcs
// and nodes. A maximum flow (almost no arc has a cost) shows early whether trees are efficient, and cost scaling begins
// with one.
[[nodiscard]] constexpr Index simplex_budget(const FlowTuning& t, Index size, Index arcs, Index arcs_with_cost) {
  const bool maximum_flow =
      arcs_with_cost > 0 && t.max_flow_cost_share * arcs_with_cost <= arcs + t.max_flow_cost_share;
  return maximum_flow ? std::max(t.max_flow_min_work, size * t.max_flow_work_per_size) : size * t.work_per_size;
}

// Returns the work after which a start is judged by the units that it left unserved. Where most are routed by then the
// simplex continues; where many are not it would take long, and a cost scaling start takes some twenty times that work.
[[nodiscard]] inline Index trial_work(const FlowTuning& t, Index nodes, Index arcs) {
  return static_cast<Index>(std::max(t.trial_work, std::sqrt(static_cast<double>(nodes)) / t.trial_root_share) *
                            static_cast<double>(arcs + nodes));
}
[[nodiscard]] constexpr bool start_has_failed(const FlowTuning& t, Index unserved, Index units) {
  return unserved > units / t.trial_unserved_share;
}

// Returns the node with the most arcs out of it, if these reach a large share of all nodes; else -1.
template <class Int>
[[nodiscard]] Node find_hub(const Network<Int>& net, const FlowTuning& tuning);

// Returns whether the star on this hub is the start.
template <class Int>
[[nodiscard]] bool use_star(const Network<Int>& net, Node hub, const CrashBasis& star, const FlowTuning& tuning);

// Returns whether a shortest path forest is worth its search.
template <class Int>
[[nodiscard]] bool try_forest(const Network<Int>& net, const FlowTuning& tuning);

// Returns whether the forest is the start, from how much of the flow it carries.
template <class Int>
[[nodiscard]] bool use_forest(const Network<Int>& net, const CrashBasis& forest, const FlowTuning& tuning);

// Returns whether the earlier tree is a better start than none, with this many arcs eligible after a change of costs.
// `forest`: a solve from nothing would start from a forest.
[[nodiscard]] constexpr bool keep_tree(const FlowTuning& t, Index eligible, Index arcs, bool forest) {
  return eligible <= t.few_eligible || (forest ? t.keep_tree_share_forest : t.keep_tree_share) * eligible <= arcs;
}

// Returns the same for a tree rebuilt at the earlier potentials, where only arcs of new cost are counted.
[[nodiscard]] constexpr bool keep_rebuilt_tree(const FlowTuning& t, Index eligible, Index nodes, Index arcs) {
  return t.rebuild_node_share * eligible <= nodes || t.rebuild_arc_share * eligible <= arcs;
}

}  // namespace gridcompute::flow
