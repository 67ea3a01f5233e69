// Every tuned number of the min-cost flow solver.
//
// Each entry: type, name, default, low, high, unit, what it decides, measurements. Any value in [low, high] gives the
// same optimum, whatever the other entries are: only the time and, where optima tie, the choice among them depend on it
// (a native fuzz test draws all entries at random and certifies the answers). A share is written as its reciprocal: 4
// means one in four. A work unit is about 5 ns of network simplex, counted and not timed, so that budgets end at the
// same pivot on every machine. Constants that a proof needs (integer ranges, the factor by which arcs are fixed) and
// sizes of arrays stay beside the code they belong to.
//
// Measurements.  "half 1.01, double 0.96 (0.5 on X)": processor time at half and at double the default (within the
// range) over that at the default, geometric mean over 35 instances (cold and warm starts; random, grid, layered,
// long, hub, time-expanded, components, parallel arcs, maximum flow, four of them by cost scaling; 13 to 6,000 nodes,
// 138 ms together), and single instances that took 1.25 times as long or 0.8 or less. A mean within 0.02 of 1 is noise:
// flat. What follows after a semicolon was measured on larger graphs; docs/development/experiments.md has more.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::flow {

// clang-format off
#define GRIDCOMPUTE_FLOW_TUNING(X)                                                                                     \
  /* Method::automatic: the budget of network simplex before cost scaling takes over */                                \
  X(Index, work_per_size, 3000, 1, 100000, "work units per arc and node",                                              \
    "the budget of network simplex",                                                                                   \
    "half 1.01, double 1.01; solves that cost scaling would not win need 4 to 750 on most families, the most "         \
    "found is 1,500")                                                                                                  \
  X(Index, max_flow_cost_share, 1000, 1, 1000000, "arcs per arc with a cost",                                          \
    "from which share on the problem is taken for a maximum flow", "half 1.01, double 1.01")                           \
  X(Index, max_flow_work_per_size, 16, 1, 10000, "work units per arc and node",                                        \
    "the budget of network simplex for a maximum flow",                                                                \
    "half 1.01, double 1.01; grids of 10,002 and 40,002 nodes: 134 and 1,800 ms by simplex alone, 24 and 175 so")      \
  X(Index, max_flow_min_work, 131072, 0, 16777216, "work units",                                                       \
    "the least budget for a maximum flow", "half 1.01, double 1.02 (1.3 on maxflow)")                                  \
  /* Work units (network_simplex.hpp) */                                                                               \
  X(Index, work_per_pivot, 16, 1, 1024, "work units per pivot",                                                        \
    "what a pivot counts beside the nodes it moves",                                                                   \
    "half 1.01, double 1.03 (2.5 on grid supplies 5%); weights that make a unit about 5 ns")                           \
  X(Index, work_per_scan, 2, 1, 64, "work units per half-arc",                                                         \
    "what a half-arc scanned by the start from scaled costs counts", "the same weights")                               \
  X(Index, priced_arcs_per_work, 8, 1, 1024, "arcs per work unit",                                                     \
    "what arcs priced in blocks count", "half 1.00, double 0.98; the same")                                            \
  X(Index, listed_arcs_per_work, 4, 1, 1024, "arcs per work unit",                                                     \
    "what arcs priced one by one count", "half 1.00, double 1.01; the same")                                           \
  /* Polls of the deadline and the progress hook */                                                                    \
  X(Index, pivots_per_poll, 64, 1, 4096, "primal pivots",                                                              \
    "how often the clock is read and the budget compared", "half 1.01 (1.5 on small), double 1.01")                    \
  X(Index, dual_pivots_per_poll, 16, 1, 1024, "dual pivots",                                                           \
    "how often the clock is read", "half 1.01, double 1.02")                                                           \
  X(Index, discharges_per_poll, 256, 1, 65536, "discharges",                                                           \
    "how often the clock is read", "half 1.01, double 1.00")                                                           \
  /* Block pricing */                                                                                                  \
  X(double, block_factor, 3, 0.1, 64, "times sqrt(arcs)",                                                              \
    "the length of a pricing block", "half 1.05 (1.7 on time costs 1%), double 0.94 (0.5 on time exch 10%)")           \
  X(Index, min_block, 64, 16, 65536, "arcs",                                                                           \
    "the shortest pricing block", "half 1.00, double 1.00")                                                            \
  X(Index, pivots_per_pass, 4, 1, 16, "pivots",                                                                        \
    "how many pivots one priced block gives at most", "half 0.99, double 1.06 (1.7 on time costs 1%)")                 \
  X(Index, pivots_per_pass_cheap, 8, 1, 16, "pivots",                                                                  \
    "the same where passes are the larger cost",                                                                       \
    "half 0.99 (0.7 on random-neg), double 1.03; 1,000 components of 20 nodes 1.2x faster than 4, time-expanded"       \
    " 1.1x")                                                                                                           \
  X(Index, fair_share, 4, 1, 1024, "reciprocal of the block's best reduced cost",                                      \
    "which candidates of a block are still entered after its best",                                                    \
    "half 1.00, double 1.03 (1.3 on time supplies 5%)")                                                                \
  X(Index, scatter_after_rounds, 4, 0, 1024, "rounds over all arcs",                                                   \
    "after which blocks may be scattered", "half 1.00, double 1.00")                                                   \
  X(Index, scatter_block_share, 4, 1, 1024, "blocks per block with an eligible arc",                                   \
    "from which share on blocks are scattered",                                                                        \
    "half 1.01, double 1.01; chains of parallel arcs 6 to 30x faster; random graphs up to 2x slower if always "        \
    "scattered")                                                                                                       \
  X(Index, pivots_per_pace, 256, 1, 65536, "pivots",                                                                   \
    "how often block length and pivots per pass are chosen again", "half 1.00, double 1.02")                           \
  X(Index, arcs_per_moved_node, 16, 1, 1024, "arcs priced per node repriced or walked",                                \
    "how many priced arcs a better entering arc is worth", "half 1.02, double 1.00")                                   \
  X(Index, long_block_degenerate_share, 4, 1, 1024, "pivots per degenerate pivot",                                     \
    "blocks grow where at most this share of the pivots is degenerate", "half 0.99, double 1.01")                      \
  X(Index, short_block_degenerate_share, 2, 1, 1024, "pivots per degenerate pivot",                                    \
    "blocks shrink where more than this share is degenerate", "half 1.00, double 1.01")                                \
  X(Index, short_block_ratio, 4, 1, 1024, "times the pace at which blocks grow",                                       \
    "blocks shrink where pivots move this much less", "half 1.00, double 1.00")                                        \
  X(Index, block_step, 2, 2, 4, "ratio",                                                                               \
    "of the lengths of pricing blocks when they grow or shrink", "same work; time: double 1.00")                       \
  X(Index, max_block_growth, 4, 1, 64, "times the first length",                                                       \
    "the longest pricing block",                                                                                       \
    "half 1.01, double 1.00; random graphs with supplies at all nodes 1.3 to 1.6x faster than 1")                      \
  X(Index, cheap_degenerate_share, 2, 1, 1024, "pivots per degenerate pivot",                                          \
    "passes give more pivots where at most this share is degenerate", "half 1.00, double 1.01")                        \
  X(Index, cheap_moved_nodes, 16, 0, 1024, "nodes per pivot",                                                          \
    "passes give more pivots where a pivot moves at most this many nodes", "half 0.99, double 1.01")                   \
  X(Index, cheap_arcs_per_node, 16, 1, 1024, "arcs per node",                                                          \
    "passes give more pivots in graphs at most this dense", "half 0.98 (0.7 on random-neg), double 0.99")              \
  /* Costs of artificial arcs (tree_solution.hpp) */                                                                   \
  X(Index, big_cost_growth, 8, 2, 64, "factor",                                                                        \
    "how the cost of artificial arcs grows where it was too small", "half 0.99, double 1.00")                          \
  X(Index, max_small_big_cost, 64, 1, 1048576, "times the largest cost",                                               \
    "up to where a rebuilt tree's artificial cost grows before it becomes that of a cold start",                       \
    "half 1.01, double 1.00")                                                                                          \
  X(Index, rebuild_big_cost, 32, 1, 1024, "times the largest cost",                                                    \
    "the artificial cost of a rebuilt tree",                                                                           \
    "half 1.00, double 1.01; street grids: 1 had to be raised twice, each time after a pass over all arcs")            \
  /* Local pricing and dual repair of a warm start */                                                                  \
  X(Index, local_window, 64, 1, 65536, "arcs",                                                                         \
    "how many listed arcs are compared for the entering one", "half 1.02, double 1.01")                                \
  X(Index, local_passes, 1, 0, 64, "times all arcs",                                                                   \
    "arcs priced one by one before block pricing takes over",                                                          \
    "half 1.01 (1.4 on time caps 5%, 0.8 on random costs 1%), double 1.00 (1.4 on random costs 1%)")                   \
  X(Index, subtree_share, 8, 1, 1024, "nodes per moved node",                                                          \
    "up to where potentials of changed subtrees are shifted, and not all computed again", "half 0.99, double 0.99")    \
  X(Index, violated_window, 32, 1, 65536, "nodes",                                                                     \
    "how many infeasible nodes are compared for the leaving arc",                                                      \
    "half 1.02 (2.6 on grid supplies 5%), double 0.98 (0.8 on random caps 1%)")                                        \
  X(Index, repair_passes, 1, 0, 64, "times arcs plus nodes",                                                           \
    "the work of dual repair before it gives up",                                                                      \
    "half 1.02 (3.0 on time caps 5%, 0.8 on random caps 1%), double 1.00; without a limit up to 60x a cold "           \
    "solve on random graphs; 4 to 16 gained on no graph")                                                              \
  X(Index, repair_hopeless, 4, 1, 1024, "times repair_passes",                                                         \
    "projected work at which dual repair gives up at once", "half 1.01, double 1.00")                                  \
  /* When a warm start's tree is kept (start.hpp, flow/warm_start.hpp) */                             \
  X(Index, few_eligible, 8, 0, 1024, "arcs",                                                                           \
    "at most this many eligible arcs never discard a tree", "half 0.99, double 0.99")                                  \
  X(Index, keep_tree_share, 4, 1, 1024, "arcs per eligible arc",                                                       \
    "a tree is kept where at most this share is eligible after a change of costs", "half 1.00, double 1.00")           \
  X(Index, keep_tree_share_forest, 8, 1, 1024, "arcs per eligible arc",                                                \
    "the same where a cold solve starts from a forest", "half 0.94 (0.3 on time costs 1%), double 1.00")               \
  X(Index, rebuild_node_share, 6, 1, 1024, "nodes per eligible changed arc",                                           \
    "a tree is rebuilt after dual repair gave up where at most this share is eligible", "half 1.01, double 1.00")      \
  X(Index, rebuild_arc_share, 400, 1, 100000, "arcs per eligible changed arc",                                         \
    "or at most this share of all arcs", "half 0.99, double 0.98")                                                     \
  X(Index, supply_change_percent, 100, 0, 1000, "percent of all units",                                                \
    "supplies that came or went before a forest is preferred to a rebuilt tree",                                       \
    "half 1.04 (3.2 on time supplies 5%), double 1.00")                                                                \
  X(Index, early_check_share, 4, 1, 1024, "of the cold solve's work",                                                  \
    "when eligible arcs are counted first",                                                                            \
    "half 0.99, double 1.00; roads with 5 to 30 % of the costs exchanged: 0.5 to 1.0 of cold, 0.2 to 0.6 "             \
    "without checks")                                                                                                  \
  X(Index, early_check_eligible, 5, 1, 1024, "arcs per eligible arc",                                                  \
    "more discard the tree then", "half 1.01, double 1.00")                                                            \
  X(Index, late_check_share, 2, 1, 1024, "of the cold solve's work",                                                   \
    "when eligible arcs are counted again", "half 1.00, double 1.01")                                                  \
  X(Index, late_check_eligible, 10, 1, 1024, "arcs per eligible arc",                                                  \
    "more discard the tree then", "half 1.00, double 1.01 (2.3 on grid supplies 5%)")                                  \
  X(Index, capacity_headroom, 4, 1, 7, "times the bound on flow",                                                      \
    "where capacities are cut, so that later problems fit",                                                            \
    "half 1.00, double 1.01; not a matter of time: by how much supplies may grow before a warm start becomes a "       \
    "cold one")                                                                                                        \
  /* Starts from nothing (start.hpp) */                                                                     \
  X(Index, hub_degree_share, 4, 1, 1024, "nodes per arc out of it",                                                    \
    "which node is a hub", "half 1.00, double 1.01")                                                                   \
  X(Index, hub_min_arcs, 2, 0, 1024, "arcs",                                                                           \
    "a hub has more", "half 1.02, double 1.01")                                                                        \
  X(Index, star_unserved_share, 10, 1, 1024, "nodes per node without a wide enough arc",                               \
    "a star is the start where at most this share is left over", "half 0.99, double 0.98")                             \
  X(double, star_cost_ratio, 32, 0, 1024, "times mean cost over arcs per node",                                        \
    "a star is the start where its arcs are at most this dear",                                                        \
    "half 0.99, double 1.00; dear hubs would be 1.5 to 3x slower")                                                     \
  X(Index, narrow_source_share, 10, 1, 1024, "sources per source with a narrow cheapest arc",                          \
    "a shortest path forest is searched where at most this share is narrow",                                           \
    "half 1.02 (1.4 on components), double 0.99")                                                                      \
  X(Index, hub_arcs_per_node, 8, 1, 1024, "arcs per node",                                                             \
    "how sparse a graph with a hub is searched", "half 0.98, double 0.97; hubs too narrow for a star 2 to 3x faster")  \
  X(Index, tie_max_cost, 64, 0, 1048576, "cost",                                                                       \
    "costs below it hardly differ, where sources are few",                                                             \
    "half 0.97, double 0.98; costs that tie start 2 to 7x faster from a forest")                                       \
  X(Index, tie_source_share, 32, 1, 1024, "nodes per source",                                                          \
    "how few", "half 1.00, double 0.99; random graphs with supplies at all nodes would be 2.5x slower")                \
  X(Index, forest_cut_sources, 100, 1, 100000, "sources per node cut off",                                             \
    "a forest is the start where at most this share is cut off", "half 0.99, double 0.98")                             \
  X(Index, forest_sparse_arcs, 4, 1, 1024, "arcs per node",                                                            \
    "which graphs are sparse", "half 0.97, double 0.98")                                                               \
  X(Index, forest_cut_nodes_sparse, 1000, 1, 100000, "nodes per node cut off",                                         \
    "or this share in sparse graphs", "half 0.98, double 0.97")                                                        \
  X(Index, forest_cut_nodes, 20, 1, 100000, "nodes per node cut off",                                                  \
    "or this share where sources have wide arcs",                                                                      \
    "half 0.98, double 0.97; GOTO-like graphs 1.2 to 1.6x, roads with narrow lanes 1.1 to 1.3x faster")                \
  X(Index, forest_source_share, 10, 1, 1024, "nodes per source",                                                       \
    "and are few", "half 0.99, double 0.99")                                                                           \
  X(double, forest_sink_path, 2.5, 0, 1024, "arcs",                                                                    \
    "or paths to a single sink are this short in the mean",                                                            \
    "half 0.99, double 0.99; Firmament-like 2 to 3x, bipartite with a sink 1.1 to 2.9x faster")                        \
  X(Index, cost_sample, 4096, 16, 1048576, "arcs",                                                                     \
    "how many arcs a mean cost is taken over", "half 0.99, double 0.98")                                               \
  X(Index, labels_per_node, 8, 1, 64, "labels",                                                                        \
    "how many labels the forest's search may make before it gives up", "half 0.99, double 1.00")                       \
  X(Index, bucket_bits, 7, 0, 9, "bits",                                                                               \
    "a mean cost spans 2^this buckets of the forest's search", "half 1.00 (1.5 on time caps 5%), double 1.00")         \
  X(double, trial_work, 8, 0, 1024, "work units per arc and node",                                                     \
    "when a start is judged by what it left unserved",                                                                 \
    "half 1.01 (1.6 on small), double 1.00 (0.7 on time exch 10%)")                                                    \
  X(double, trial_root_share, 8, 1, 1024, "divides sqrt(nodes), work units per arc and node",                          \
    "the same in large graphs", "half 0.99, double 0.99")                                                              \
  X(Index, trial_unserved_share, 3, 1, 1024, "units per unserved unit",                                                \
    "a start that left more is replaced",                                                                              \
    "half 1.00 (2.3 on layers, 0.6 on long), double 1.02 (1.6 on time costs 1%); street grids and random graphs"       \
    " leave 2 to 10 % by then")                                                                                        \
  X(Index, late_trial, 40, 1, 1024, "times the first trial",                                                           \
    "when a start that is not done is replaced whatever it left",                                                      \
    "half 1.00, double 1.00; flow-1e5 of gridbench-1 34 s without, 16 at 32, 7 at 4; random graphs with a supply at "  \
    "every node would be 2x slower at 8 and need up to 36")                                                            \
  X(Index, scaled_start_work, 48, 0, 1024, "times the trial's work",                                                   \
    "the budget of a cost scaling start", "half 1.00, double 0.99; layered graphs take about 20")                      \
  X(double, scaled_start_epsilon, 8, 0.01, 4096, "times mean cost over sqrt(nodes)",                                   \
    "the epsilon of a cost scaling start",                                                                             \
    "half 1.02 (1.3 on long), double 0.98 (0.7 on long); layered graphs and long networks 2 to 9x faster than "        \
    "without the start")                                                                                               \
  /* Cost scaling */                                                                                                   \
  X(Index, scaling_bits, 4, 1, 4, "bits",                                                                              \
    "epsilon falls by 2^this per phase; the range proof allows 4 at most", "half 1.01 (1.6 on scaling:grid)")          \
  X(Index, price_refinement_rounds, 4, 0, 16, "rounds; the range proof allows 16",                                     \
    "how long prices alone are tried before flow is moved", "half 0.98, double 0.99; rarely succeeds")                 \
  X(Index, path_passes, 4, 0, 64, "times all residual arcs",                                                           \
    "how long shortest paths try to prove the first flow optimal", "half 1.00, double 0.99")                           \
  X(Index, relabels_per_update, 1, 1, 16, "times nodes",                                                               \
    "relabels between global price updates", "double 0.99")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(FlowTuning, kFlowTuning, kFlowTuningTable, GRIDCOMPUTE_FLOW_TUNING)

}  // namespace gridcompute::flow
