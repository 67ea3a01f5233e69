// Every tuned number of the assignment solver, in one table: what it decides, between which values it makes sense, and
// what it was measured on.
//
// Correctness depends on none of them: whatever the values within [low, high], the answer is optimal and certified (the
// native fuzz test draws them at random). Numbers that a proof fixes (integer ranges, roundings, array sizes) are no
// tuning and stay beside their proofs; so do the intervals at which a stop is polled.
//
// Measurements (benches/tuning_flatness.py assignment). "half 1.02, double 0.98 (0.5 on X)": the work that is counted
// (`stats["work_units"]`) at half and at double the default, within the range, over that at the default: geometric mean
// over 42 instances (the families of benches/bench_assignment.py with 200 to 750 rows, wide, tall, penalties, ties,
// sparse ones), and the instances that differ by a quarter or more, farthest from 1 first. "same": not by one unit on
// any. The defaults were chosen by time on larger instances, where numbers that are "same" here decide: matrices of
// 500 to 5,000 rows of uniform, offset, geometric, product and narrow costs for lists, auctions and searches (half or
// double: about a tenth of the time), those of the bench for the others. "time: half 1.02, double 0.98": of methods
// that serve pairs without duals, which count no work, the processor times of 41 instances (benches/tuning_flatness.py
// pairs: the same families and integers, reals, products, wide, tall, penalties and a batch, of 4 to 800 rows), each
// the least of five alternate runs; that repeats to 0.02.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_ASSIGNMENT_TUNING(X)                                                                               \
  /* Pairs: which engine is tried first (strategy.cpp, solve_pairs). */                                                \
  X(Index, inline_entries, 4096, 0, 65536, "entries", "largest matrix solved without releasing the interpreter lock",  \
    "time: half and double 1.00")                                                                                      \
  X(Index, small_entries, 65536, 0, 65536, "entries", "largest matrix solved on buffers of its own",                   \
    "time: half 1.09 (0.46 on offsets 200, 2.1 on staircase 200)")                                                     \
  X(Index, in_place_entries, 1 << 19, 0, 1 << 24, "entries",                                                           \
    "largest matrix of fractional doubles matched in place whatever the precheck says",                                \
    "time: half 0.99, double 1.01 (1.3 on reals 800)")                                                                 \
  X(Index, in_place_free_mutual, 50, 1, 1000, "1 / share of rows",                                                     \
    "rows that may stay free after the bids where a sparse solve is the alternative", "time: half 0.99, double 1.00")  \
  X(Index, in_place_free_small, 2, 1, 1000, "1 / share of rows",                                                       \
    "rows that may stay free after the bids where integers take longer", "time: half and double 1.00")                 \
  X(Index, in_place_free_large, 20, 1, 1000, "1 / share of rows",                                                      \
    "rows that may stay free after the bids where integers do as well", "time: half 0.99, double 1.00")                \
  /* The precheck of a few rows (engines/jv_in_place.hpp). */                                                          \
  X(Index, fraction_costs, 64, 1, 64, "costs",                                                                         \
    "first of a row, or sample of a matrix, that show whether costs are whole",                                        \
    "time: half 1.00 (1.3 on gated_points 250)")                                                                       \
  X(Index, fraction_costs_first, 4, 1, 64, "costs", "of these, tested by themselves: most often enough",               \
    "time: half 1.00, double 0.99")                                                                                    \
  X(Index, precheck_rows, 12, 1, 64, "rows", "sample of the precheck", "time: half 1.00, double 1.01")                 \
  X(Index, precheck_exceptions, 2, 0, 64, "rows",                                                                      \
    "sampled rows that need not be mutual for the matrix to count as so", "time: half 1.00, double 0.99")              \
  X(Index, precheck_deep_costs, 6, 1, 64, "costs of a row", "how many cheapest costs an assignment is likely to use",  \
    "time: half and double 1.00")                                                                                      \
  X(double, precheck_deep_share, 0x1p-52, 0x1p-60, 0x1p-20, "share of the row's span",                                 \
    "span of those costs below which no unit of integers resolves them", "time: half and double 0.99")                 \
  X(Index, precheck_deep_rows, 2, 1, 64, "1 / share of sampled rows",                                                  \
    "with such a span, from which integers are not tried", "time: half 1.02 (2.1 on small reals 800), double 1.00")    \
  X(Index, in_place_mid_entries, 1 << 19, 0, 1 << 24, "entries",                                                       \
    "size beyond which in-place searches get fewer passes", "time: half 1.01, double 1.00")                            \
  X(Index, in_place_passes, 60, 0, 1000, "passes over the matrix", "budget of in-place searches",                      \
    "time: half 1.01, double 1.00")                                                                                    \
  X(Index, in_place_passes_large, 12, 0, 1000, "passes over the matrix",                                               \
    "budget of in-place searches of large matrices", "time: half 0.99, double 1.00")                                   \
  X(Index, in_place_free_tied, 20, 1, 1000, "1 / share of rows",                                                       \
    "rows left free by the greedy start beyond which tied matrices go to the ordered copy",                            \
    "time: half and double 1.00")                                                                                      \
  X(double, in_place_free_start, 0.75, 0.0, 1.0, "share of rows",                                                      \
    "rows left free by the greedy start beyond which the in-place engine gives up, as on products",                    \
    "time: half 1.00 (1.7 on cut_distances 250), double 1.01")                                                         \
  /* Statistics of a few rows (input/input_stats.hpp). */                                                              \
  X(Index, sample_rows, 48, 1, 512, "rows", "sample of the input statistics and of the tie order",                     \
    "half 1.02 (3 on low_rank 200, 0.72 on points_on_a_line 250), double 1.02 (2 on geometric 200, 1.5 on line 200)")  \
  X(Index, tied_columns, 64, 1, 4096, "columns", "columns at a row's least cost from which lists hold only ties",      \
    "half and double same")                                                                                            \
  X(Index, tied_share, 8, 1, 64, "1 / share of columns", "the same, of columns without offsets",                       \
    "half and double same")                                                                                            \
  X(int, scale_ratio, 16, 1, 1024, "ratio", "largest spread of the rows above their median that counts as one scale",  \
    "half and double same")                                                                                            \
  X(double, column_variance, 1.5, 1.0, 16.0, "ratio",                                                                  \
    "variance of the column means, of that of independent entries, from which columns have offsets",                   \
    "half 1.07 (2.9 on cut_distances 250, 2.9 on uniform 750), double 1.03 (3 on low_rank 200)")                       \
  X(double, own_column_share, 0.9, 0.0, 1.0, "share of sampled rows",                                                  \
    "rows with a cheapest column of their own from which prices may start at 0",                                       \
    "half 0.99 (0.72 on points_on_a_line 250), double 1.07 (6.4 on due dates, 2 on geometric 200)")                    \
  X(Index, reduction_rows, 256, 1, 65536, "rows", "least sample of the column reduction",                              \
    "half 1.00, double 1.01 (1.3 on offsets 750)")                                                                     \
  X(Index, reduction_share, 4, 1, 64, "1 / share of rows", "sample of the column reduction",                           \
    "half 1.01 (1.4 on offsets 750), double same")                                                                     \
  /* Ranges (solve_dense.cpp). */                                                                                      \
  X(Index, fit_rows, 8, 1, 512, "rows", "sample that guesses whether costs fit 32 bits; the first pass measures all",  \
    "half and double same")                                                                                            \
  X(Index, scale_rows, 16, 1, 512, "rows", "sample that sets the first scale of doubles; a second try measures all",   \
    "half same, double 0.99 (0.54 on scales of rows)")                                                                 \
  /* Outliers (input/outlying_costs.hpp). */                                                                           \
  X(Index, cap_rows, 8, 1, 512, "rows", "sample that decides whether there are outliers", "half and double same")      \
  X(Index, cap_costs, 64, 1, 4096, "costs of a row", "cheapest costs that must stay below the cap",                    \
    "half 0.99 (0.59 on crowded_at_zero 250), double same")                                                            \
  X(Index, cap_costs_small, 4, 1, 4096, "costs of a row", "the same, of small matrices", "half and double same")       \
  X(Index, cap_share, 4, 1, 64, "1 / share of a row", "the same, at most",                                             \
    "half same, double 0.99 (0.59 on crowded_at_zero 250)")                                                            \
  X(double, cap_first_share, 0x1p-12, 0x1p-40, 0x1p-4, "share of the span",                                            \
    "first limit within which they are counted", "half 1.00, double 1.01 (1.5 on long tail, reals)")                   \
  X(double, cap_step, 0x1p-4, 0x1p-12, 0.5, "ratio", "from one limit to the next", "half and double same")             \
  X(double, cap_factor, 8, 1, 1024, "ratio", "cap, of the limit within which those costs lie",                         \
    "half 1.00, double 1.01 (1.5 on long tail, reals)")                                                                \
  X(double, cap_tail_share, 0x1p-9, 0x1p-40, 1.0, "share of the span", "largest cap that is worth applying",           \
    "half 1.01 (1.5 on long tail, reals), double same")                                                                \
  /* Big-M matrices (input/outlying_costs.hpp). */                                                                     \
  X(Index, big_m_rows, 8, 1, 512, "rows", "sample that decides whether a matrix is sparse in disguise",                \
    "time: half 0.99, double 1.00")                                                                                    \
  X(Index, big_m_share, 8, 1, 64, "1 / share of columns", "costs below the big M that a row may have on average",      \
    "time: half and double 0.99")                                                                                      \
  X(Index, big_m_columns, 128, 0, 4096, "columns", "the same, in all", "time: half 1.00, double 1.01")                 \
  /* The start over whole rows (engines/ssp_rows.hpp). */                                                              \
  X(std::int32_t, unreduced_rows, 16, 0, 256, "rows", "wide matrices of up to this many rows skip reduction",          \
    "half and double same")                                                                                            \
  X(std::int32_t, first_bids, 4, 0, 64, "bids per row", "budget of the row reduction before searches over whole rows", \
    "half 1.06 (1.8 on penalties 0.3, reals, 1.6 on uniform 60), double 0.98 (1.8 on offsets 200, 0.57 on penalties "  \
    "0.01, reals)")                                                                                                    \
  X(double, minima_matched, 0.74, 0.0, 1.0, "share of rows",                                                           \
    "rows matched at the column minima that settle the start; independent costs match three in four",                  \
    "half same, double 1.03 (1.9 on narrow 200, 1.6 on heavy_tailed 200)")                                             \
  X(double, minima_gain, 1.1, 1.0, 8.0, "ratio",                                                                       \
    "rows matched at the column minima, of those matched at prices 0, from which the minima are kept",                 \
    "half same, double 0.98 (0.44 on cut_distances 250, 1.3 on geometric 200)")                                        \
  X(Index, tie_order_columns, 16, 1, 4096, "columns",                                                                  \
    "columns at a row's least cost, on average, from which the order of "                                              \
    "tied columns is worth computing",                                                                                 \
    "due dates, 300..2000 jobs: 3.9 to 9.5 times as long without; no other family differs by more than 1.2; half "     \
    "same, double 1.00")                                                                                               \
  X(Index, warm_repricings, 4, 0, 64, "per row", "price changes of a warm start before rows are left to searches",     \
    "half 1.00, double 1.00")                                                                                          \
  /* Whole rows or lists (strategy.cpp, choose_dense_start). */                                                        \
  X(Index, rows_first_entries, 1 << 19, 0, 1 << 26, "entries", "largest matrix searched over whole rows first",        \
    "half same, double 1.04 (2.9 on uniform 750, 1.6 on offsets 750)")                                                 \
  X(Index, rows_first_entries_uneven, 1 << 20, 0, 1 << 26, "entries",                                                  \
    "the same where column means vary or rows have different scales", "half 1.00, double same")                        \
  X(Index, rows_first_passes, 60, 0, 10000, "passes over the matrix", "budget of these searches",                      \
    "half and double same")                                                                                            \
  X(Index, rows_first_passes_contested, 2, 0, 10000, "passes over the matrix",                                         \
    "the same where offsets draw rows to the same few columns", "half 1.00, double 1.01")                              \
  X(Index, thread_entries, 1 << 19, 0, 1 << 26, "entries", "size from which waking a thread pays",                     \
    "time: half and double 1.00")                                                                                      \
  /* Candidate lists (engines/matching.hpp). */                                                                        \
  X(Index, list_capacity, 64, 1, 1024, "columns", "length of a row's first list, rounded up to whole vectors",         \
    "half 0.98 (0.74 on product 200), double 1.00")                                                                    \
  X(Index, list_groups, 40, 1, 1024, "groups of columns", "groups opened for it",                                      \
    "half 1.01 (2.1 on product 200), double 1.04 (2.6 on product 200)")                                                \
  X(Index, group_depth, 128, 1, 4096, "columns",                                                                       \
    "a group has one column for this many of the row: deep "                                                           \
    "groups make few minima, shallow ones little to search",                                                           \
    "half 1.01, double 1.00")                                                                                          \
  X(Index, group_depth_least, 2, 1, 16, "columns", "of a group", "half 1.00, double 1.01 (1.4 on product 200)")        \
  X(Index, group_depth_most, 16, 16, 4096, "columns", "of a group", "double same")                                     \
  X(Index, list_reuse_least, 2, 1, 64, "1 / share of list_groups",                                                     \
    "groups that the last row's limit must open for it to be used again", "half 1.00, double 0.99")                    \
  X(Index, list_reuse_most, 7, 5, 320, "fifths of list_groups", "that it may open",                                    \
    "half 1.01 (1.3 on product 200), double 1.02 (1.5 on product 200)")                                                \
  X(Index, width_sample, 15, 1, 255, "rows", "sample of the typical reach of lists",                                   \
    "half 1.00, double 1.02 (2.6 on product 200)")                                                                     \
  /* Lists: greedy, row reduction, auction, searches (strategy.cpp, ListStrategy). */                                  \
  X(int, tie_spread, 8, 0, 1024, "units", "costs that span less, or lists that reach less far, hold only ties",        \
    "half and double same")                                                                                            \
  X(double, free_warm, 0.5, 0.0, 1.0, "share of rows", "free rows up to which a matching that is given is kept",       \
    "half same, double 0.95 (5.1 on product 200, 4.2 on low_rank 200)")                                                \
  X(double, free_greedy, 0.05, 0.0, 1.0, "share of rows",                                                              \
    "free rows after the greedy start up to which no auction runs", "half and double same")                            \
  X(double, free_hard, 0.5, 0.0, 1.0, "share of rows",                                                                 \
    "free rows after the greedy start beyond which searches over whole "                                               \
    "rows would take far too long",                                                                                    \
    "half 1.05 (7.1 on points_on_a_line 250), double 1.09 (6.1 on product 200, 5.1 on low_rank 200)")                  \
  X(Index, reduction_bids, 16, 0, 1000, "bids per row", "row reduction before searches", "half and double same")       \
  X(int, reduction_sweeps, 2, 1, 64, "sweeps", "of row reduction over the free rows", "half and double 1.00")          \
  X(Index, trial_bids, 40, 0, 1000, "bids per row", "budget of each phase of the trial auction on lists",              \
    "half and double same")                                                                                            \
  X(double, trial_rereads, 0.75, 0.0, 100.0, "rereads per row", "the same, of rows read again",                        \
    "half 1.00, double 1.02 (2.1 on product 200)")                                                                     \
  X(Index, auction_bids, 64, 1, 1000, "bids per row", "budget of each phase of the other auctions",                    \
    "half and double same")                                                                                            \
  X(double, auction_rereads, 0.25, 0.0, 100.0, "rereads per row",                                                      \
    "budget of a phase on lists after phases on whole rows", "half and double same")                                   \
  X(double, last_epsilon, 0x1p-30, 0x1p-40, 0x1p-8, "share of the spread",                                             \
    "where epsilon stops falling, if that is "                                                                         \
    "more than one unit",                                                                                              \
    "half same, double 1.00")                                                                                          \
  X(double, list_epsilon, 20, 1, 1000, "1 / share of the lists' reach", "first epsilon on lists",                      \
    "half 1.00 (1.3 on uniform 750), double 1.01 (1.4 on offsets 750)")                                                \
  X(double, list_epsilon_fall, 8, 1.5, 1000, "ratio", "from one phase on lists to the next", "half 1.01, double 1.00") \
  X(double, row_epsilon, 8, 1, 1000, "1 / share of the spread", "first epsilon on whole rows",                         \
    "half 1.01 (1.3 on product 200), double 1.00")                                                                     \
  X(double, row_epsilon_fall, 5, 1.5, 1000, "ratio", "from one phase on whole rows to the next",                       \
    "half 1.00, double 1.02 (2.6 on product 200)")                                                                     \
  X(int, row_phases, 4, 0, 64, "phases", "phases on whole rows before giving up, unless most rows are free",           \
    "half and double same")                                                                                            \
  X(double, list_reach, 16, 0, 1000, "epsilons", "how far lists must reach for the auction to return to them",         \
    "half 1.01 (1.4 on product 200), double same")                                                                     \
  X(Index, list_passes, 2, 0, 1000, "entries of the matrix",                                                           \
    "budget of the last searches over lists, in list entries", "half 1.00, double 1.00")                               \
  X(Index, restart_share, 4, 1, 1000, "1 / share",                                                                     \
    "budget of searches over lists from the first prices, of list_passes", "half 1.00, double 1.00")                   \
  X(Index, restart_passes, 45, 0, 10000, "passes over the matrix", "budget of searches over whole rows after those",   \
    "half and double same")                                                                                            \
  X(Index, restart_passes_large, 8, 0, 10000, "passes over the matrix",                                                \
    "the same where the auction on whole rows is as quick", "half and double same")                                    \
  X(Index, restart_entries, 1 << 20, 0, 1 << 26, "entries", "size of 32-bit matrices beyond which it is",              \
    "half and double same")                                                                                            \
  /* Sparse graphs (solve_sparse.cpp, engines/auction.hpp, engines/hopcroft_karp.hpp). */                              \
  X(int, scaled_spread, 1 << 13, 1, 1 << 20, "units",                                                                  \
    "smaller spreads are scaled up to at least half of this, for an "                                                  \
    "epsilon of one unit would resolve too little",                                                                    \
    "half and double same")                                                                                            \
  X(int, sparse_price_bits, 4, 0, 16, "bits",                                                                          \
    "left for prices of floats, which may move by many costs where pairs are missing",                                 \
    "half same, double 0.99 (0.67 on sparse 50 a row to 10000, reals)")                                                \
  X(double, sparse_epsilon, 6, 1, 1000, "1 / share of the spread",                                                     \
    "first epsilon: complete lists never go stale, and long "                                                          \
    "detours need large steps",                                                                                        \
    "half 1.04 (2 on sparse 50 a row to 10000, 1.5 on sparse 10 a row to 1000000, reals), double 1.01 (1.3 on sparse " \
    "50 a row to 10000)")                                                                                              \
  X(double, sparse_epsilon_fall, 6, 1.5, 1000, "ratio", "from one phase to the next",                                  \
    "half 1.08 (2.3 on sparse 50 a row to 10000, 2 on sparse 4 a row to 1000000, reals), double 0.95 (0.5 on sparse "  \
    "4 a row to 1000000, 0.5 on sparse 10 a row to 1000000)")                                                          \
  X(Index, sparse_leave, 1000, 1, 1 << 20, "1 / share of rows",                                                        \
    "free rows that all phases but the last leave to the "                                                             \
    "next",                                                                                                            \
    "half 0.97 (0.5 on sparse 10 a row to 1000000, 0.67 on sparse 50 a row to 10000, reals), double same")             \
  X(Index, phase_free_rows, 8, 0, 4096, "rows", "free rows that Hopcroft-Karp phases leave to single searches",        \
    "half and double same")                                                                                            \
  X(Index, phase_gain, 20, 1, 4096, "1 / share of free rows",                                                          \
    "rows matched between two dual updates below which single "                                                        \
    "searches take over",                                                                                              \
    "half and double same")                                                                                            \
  /* Prefetching: how many bids ahead of their turn data are asked for. */                                             \
  X(std::size_t, prefetch_prices, 6, 0, 64, "bids", "prices of a row's columns",                                       \
    "all prefetching off: 1.4 times as long on sparse matrices of 50,000 rows, 1.7 of 200,000")                        \
  X(Index, prefetch_price_vectors, 2, 0, 64, "vectors", "longest list whose prices are; others take long themselves",  \
    "time: half and double 1.00")                                                                                      \
  X(std::size_t, prefetch_lists, 12, 0, 64, "bids", "a row's list",                                                    \
    "all prefetching off: 1.4 times as long on sparse matrices of 50,000 rows, 1.7 of 200,000")                        \
  X(std::size_t, prefetch_places, 24, 0, 64, "bids", "where a row's list lies",                                        \
    "all prefetching off: 1.4 times as long on sparse matrices of 50,000 rows, 1.7 of 200,000")                        \
  /* Batches (assignment/batch.hpp) and the exact comparison of floats (assignment/dual_refinement.hpp). */            \
  X(Index, batch_chunk_entries, 1 << 16, 1, 1 << 24, "entries", "matrices of a chunk together",                        \
    "time: half 0.99, double 1.00")                                                                                    \
  X(Index, batch_chunk_matrices, 256, 1, 65536, "matrices", "largest chunk", "time: half 1.01, double 1.00")           \
  X(Index, batch_thread_entries, 1 << 14, 0, 1 << 24, "entries", "batch from which waking a thread pays",              \
    "time: half 0.98, double 0.99")                                                                                    \
  X(Index, compared_pairs, 8, 0, 1000, "pairs per row", "pairs compared exactly at once, instead of another solve",    \
    "half and double same")

GRIDCOMPUTE_DEFINE_TUNING(AssignmentTuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_ASSIGNMENT_TUNING)

}  // namespace gridcompute::assignment
