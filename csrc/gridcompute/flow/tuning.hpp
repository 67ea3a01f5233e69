// Every tuned number of the min-cost flow solver.
//
// Each entry: type, name, default, low, high, unit, what it decides. Any value in [low, high] gives the
// same optimum, whatever the other entries are: only the time and, where optima tie, the choice among them depend on it
// (a native fuzz test draws all entries at random and certifies the answers). A share is written as its reciprocal: 4
// means one in four. A work unit is about 5 ns of network simplex, counted and not timed, so that budgets end at the
// same pivot on every machine. Constants that a proof needs (integer ranges, the factor by which arcs are fixed) and
// sizes of arrays stay beside the code they belong to.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::flow {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_FLOW_TUNING(X) \
  /* Method::automatic: the budget of network simplex before cost scaling takes over */ \
  X(Index, work_per_size, 3000, 1, 100000, "work units per arc and node", "the budget of network simplex") \
  X(Index, max_flow_work_per_size, 16, 1, 10000, "work units per arc and node", "the budget of network simplex for a maximum flow") \
  X(Index, max_flow_min_work, 131072, 0, 16777216, "work units", "the least budget for a maximum flow") \
  /* Work units (network_simplex.hpp) */ \
  X(Index, work_per_pivot, 16, 1, 1024, "work units per pivot", "what a pivot counts beside the nodes it moves") \
  X(Index, work_per_scan, 2, 1, 64, "work units per half-arc", "what a half-arc scanned by the start from scaled costs counts") \
  /* Polls of the deadline and the progress hook */ \
  X(Index, pivots_per_poll, 64, 1, 4096, "primal pivots", "how often the clock is read and the budget compared") \
  /* Block pricing */ \
  X(double, block_factor, 3, 0.1, 64, "times sqrt(arcs)", "the length of a pricing block") \
  X(Index, min_block, 64, 16, 65536, "arcs", "the shortest pricing block") \
  X(Index, pivots_per_pass, 4, 1, 16, "pivots", "how many pivots one priced block gives at most") \
  X(Index, pivots_per_pass_cheap, 8, 1, 16, "pivots", "how many pivots one priced block gives where passes are the larger cost") \
  X(Index, fair_share, 4, 1, 1024, "reciprocal of the block's best reduced cost", "which candidates of a block are still entered after its best") \
  X(Index, scatter_after_rounds, 4, 0, 1024, "rounds over all arcs", "rounds after which blocks may be scattered") \
  X(Index, scatter_block_share, 4, 1, 1024, "blocks per block with an eligible arc", "from which share on blocks are scattered") \
  X(Index, pivots_per_pace, 256, 1, 65536, "pivots", "how often block length and pivots per pass are chosen again") \
  X(Index, max_block_growth, 4, 1, 64, "times the first length", "the longest pricing block") \
  X(Index, cheap_arcs_per_node, 16, 1, 1024, "arcs per node", "passes give more pivots in graphs at most this dense") \
  /* Costs of artificial arcs (tree_solution.hpp) */ \
  X(Index, rebuild_big_cost, 32, 1, 1024, "times the largest cost", "the artificial cost of a rebuilt tree") \
  /* Local pricing and dual repair of a warm start */ \
  X(Index, local_passes, 1, 0, 64, "times all arcs", "arcs priced one by one before block pricing takes over") \
  X(Index, subtree_share, 8, 1, 1024, "nodes per moved node", "up to where potentials of changed subtrees are shifted, and not all computed again") \
  X(Index, violated_window, 32, 1, 65536, "nodes", "how many infeasible nodes are compared for the leaving arc") \
  X(Index, repair_passes, 1, 0, 64, "times arcs plus nodes", "the work of dual repair before it gives up") \
  /* When a warm start's tree is kept (start.hpp, flow/warm_start.hpp) */ \
  X(Index, keep_tree_share_forest, 8, 1, 1024, "arcs per eligible arc", "a tree is kept where at most this share is eligible and a cold solve starts from a forest") \
  X(Index, rebuild_arc_share, 400, 1, 100000, "arcs per eligible changed arc", "a tree is rebuilt after dual repair where at most this share is eligible") \
  X(Index, supply_change_percent, 100, 0, 1000, "percent of all units", "supplies that came or went before a forest is preferred to a rebuilt tree") \
  X(Index, late_check_eligible, 10, 1, 1024, "arcs per eligible arc", "share of eligible arcs that discards the tree at the second count") \
  X(Index, capacity_headroom, 4, 1, 7, "times the bound on flow", "where capacities are cut, so that later problems fit") \
  /* Starts from nothing (start.hpp) */ \
  X(double, star_cost_ratio, 32, 0, 1024, "times mean cost over arcs per node", "a star is the start where its arcs are at most this dear") \
  X(Index, narrow_source_share, 10, 1, 1024, "sources per source with a narrow cheapest arc", "a shortest path forest is searched where at most this share is narrow") \
  X(Index, hub_arcs_per_node, 8, 1, 1024, "arcs per node", "how sparse a graph with a hub is searched") \
  X(Index, tie_max_cost, 64, 0, 1048576, "cost", "costs below it hardly differ, where sources are few") \
  X(Index, tie_source_share, 32, 1, 1024, "nodes per source", "how few sources are where costs hardly differ") \
  X(Index, forest_cut_sources, 100, 1, 100000, "sources per node cut off", "a forest is the start where at most this share is cut off") \
  X(Index, forest_sparse_arcs, 4, 1, 1024, "arcs per node", "which graphs are sparse") \
  X(Index, forest_cut_nodes_sparse, 1000, 1, 100000, "nodes per node cut off", "a forest is the start in sparse graphs where at most this share is cut off") \
  X(Index, forest_cut_nodes, 20, 1, 100000, "nodes per node cut off", "a forest is the start where sources have wide arcs and at most this share is cut off") \
  X(double, forest_sink_path, 2.5, 0, 1024, "arcs", "a forest is the start where paths to a single sink are this short in the mean") \
  X(Index, bucket_bits, 7, 0, 9, "bits", "a mean cost spans 2^this buckets of the forest's search") \
  X(double, trial_work, 8, 0, 1024, "work units per arc and node", "when a start is judged by what it left unserved") \
  X(Index, trial_unserved_share, 3, 1, 1024, "units per unserved unit", "a start that left more is replaced") \
  X(Index, late_trial, 40, 1, 1024, "times the first trial", "when a start that is not done is replaced whatever it left") \
  X(Index, scaled_start_work, 256, 0, 1024, "times the trial's work", "the budget of a cost scaling start") \
  X(double, scaled_start_epsilon, 16, 0.01, 4096, "times mean cost over sqrt(nodes)", "the epsilon of a cost scaling start") \
  /* Cost scaling */ \
  X(Index, scaling_bits, 4, 1, 4, "bits", "epsilon falls by 2^this per phase; the range proof allows 4 at most") \
  X(Index, path_passes, 4, 0, 64, "times all residual arcs", "how long shortest paths try to prove the first flow optimal")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(FlowTuning, kFlowTuning, kFlowTuningTable, GRIDCOMPUTE_FLOW_TUNING)

}  // namespace gridcompute::flow
