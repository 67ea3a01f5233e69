// Every tuned number of the assignment solver, in one table: what it decides, between which values it makes sense, and
// what it was measured on.
//
// Correctness depends on none of them: whatever the values within [low, high], the answer is optimal and certified (the
// native fuzz test draws them at random). Numbers that a proof fixes (integer ranges, roundings, array sizes) are no
// tuning and stay beside their proofs; so do the intervals at which a stop is polled.
//
// Measured on, abbreviated:
//   kFiveFamilies  uniform, offset, geometric, product and narrow matrices of 500 to 5000 rows, several seeds: halving
//   or
//                  doubling the value costs about a tenth of the time;
//   kBenchFamilies the families of benches/bench_assignment.py at the sizes where the value decides; flatness not on
//   record.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

inline constexpr const char* kFiveFamilies = "five families, 500..5000 rows; x0.5 or x2 costs about a tenth";
inline constexpr const char* kBenchFamilies = "families of benches/bench_assignment.py; flatness not on record";

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_ASSIGNMENT_TUNING(X)                                                                               \
  /* Pairs: which engine is tried first (strategy.cpp, solve_pairs). */                                                \
  X(Index, inline_entries, 4096, 0, 65536, "entries", "largest matrix solved without releasing the interpreter lock",  \
    kBenchFamilies)                                                                                                    \
  X(Index, small_entries, 65536, 0, 65536, "entries", "largest matrix solved on buffers of its own", kBenchFamilies)   \
  X(Index, in_place_entries, 1 << 19, 0, 1 << 24, "entries",                                                           \
    "largest matrix of fractional doubles matched in place whatever the precheck says", kBenchFamilies)                \
  X(Index, in_place_free_mutual, 50, 1, 1000, "1 / share of rows",                                                     \
    "rows that may stay free after the bids where a sparse solve is the alternative", kBenchFamilies)                  \
  X(Index, in_place_free_small, 2, 1, 1000, "1 / share of rows",                                                       \
    "rows that may stay free after the bids where integers take longer", kBenchFamilies)                               \
  X(Index, in_place_free_large, 20, 1, 1000, "1 / share of rows",                                                      \
    "rows that may stay free after the bids where integers do as well", kBenchFamilies)                                \
  /* The precheck of a few rows (engines/jv_in_place.hpp). */                                                          \
  X(Index, fraction_costs, 64, 1, 64, "costs",                                                                         \
    "first of a row, or sample of a matrix, that show whether costs are whole", kBenchFamilies)                        \
  X(Index, fraction_costs_first, 4, 1, 64, "costs", "of these, tested by themselves: most often enough",               \
    kBenchFamilies)                                                                                                    \
  X(Index, precheck_rows, 12, 1, 64, "rows", "sample of the precheck", kBenchFamilies)                                 \
  X(Index, precheck_exceptions, 2, 0, 64, "rows",                                                                      \
    "sampled rows that need not be mutual for the matrix to count as so", kBenchFamilies)                              \
  X(Index, precheck_deep_costs, 6, 1, 64, "costs of a row", "how many cheapest costs an assignment is likely to use",  \
    kBenchFamilies)                                                                                                    \
  X(double, precheck_deep_share, 0x1p-52, 0x1p-60, 0x1p-20, "share of the row's span",                                 \
    "span of those costs below which no unit of integers resolves them", kBenchFamilies)                               \
  X(Index, in_place_mid_entries, 1 << 19, 0, 1 << 24, "entries",                                                       \
    "size beyond which in-place searches get fewer passes", kBenchFamilies)                                            \
  X(Index, in_place_passes, 60, 0, 1000, "passes over the matrix", "budget of in-place searches", kBenchFamilies)      \
  X(Index, in_place_passes_large, 12, 0, 1000, "passes over the matrix",                                               \
    "budget of in-place searches of large matrices", kBenchFamilies)                                                   \
  X(Index, in_place_free_tied, 20, 1, 1000, "1 / share of rows",                                                       \
    "rows left free by the greedy start beyond which tied matrices go to the ordered copy", kBenchFamilies)            \
  X(double, in_place_free_start, 0.75, 0.0, 1.0, "share of rows",                                                      \
    "rows left free by the greedy start beyond which the in-place engine gives up, as on products", kBenchFamilies)    \
  /* Statistics of a few rows (input/input_stats.hpp). */                                                              \
  X(Index, sample_rows, 48, 1, 512, "rows", "sample of the input statistics and of the tie order", kFiveFamilies)      \
  X(Index, tied_columns, 64, 1, 4096, "columns", "columns at a row's least cost from which lists hold only ties",      \
    kBenchFamilies)                                                                                                    \
  X(Index, tied_share, 8, 1, 64, "1 / share of columns", "the same, of columns without offsets", kBenchFamilies)       \
  X(int, scale_ratio, 16, 1, 1024, "ratio", "largest spread of the rows above their median that counts as one scale",  \
    kBenchFamilies)                                                                                                    \
  X(double, column_variance, 1.5, 1.0, 16.0, "ratio",                                                                  \
    "variance of the column means, of that of independent entries, from which columns have offsets", kBenchFamilies)   \
  X(double, own_column_share, 0.9, 0.0, 1.0, "share of sampled rows",                                                  \
    "rows with a cheapest column of their own from which prices may start at 0", kBenchFamilies)                       \
  X(Index, reduction_rows, 256, 1, 65536, "rows", "least sample of the column reduction", kBenchFamilies)              \
  X(Index, reduction_share, 4, 1, 64, "1 / share of rows", "sample of the column reduction", kBenchFamilies)           \
  /* Ranges (dense.cpp). */                                                                                            \
  X(Index, fit_rows, 8, 1, 512, "rows", "sample that guesses whether costs fit 32 bits; the first pass measures all",  \
    kBenchFamilies)                                                                                                    \
  X(Index, scale_rows, 16, 1, 512, "rows", "sample that sets the first scale of doubles; a second try measures all",   \
    kBenchFamilies)                                                                                                    \
  /* Outliers (input/outlier_cap.hpp). */                                                                              \
  X(Index, cap_rows, 8, 1, 512, "rows", "sample that decides whether there are outliers", kBenchFamilies)              \
  X(Index, cap_costs, 64, 1, 4096, "costs of a row", "cheapest costs that must stay below the cap", kBenchFamilies)    \
  X(Index, cap_costs_small, 4, 1, 4096, "costs of a row", "the same, of small matrices", kBenchFamilies)               \
  X(double, cap_first_share, 0x1p-12, 0x1p-40, 0x1p-4, "share of the span",                                            \
    "first limit within which they are counted", kBenchFamilies)                                                       \
  X(double, cap_step, 0x1p-4, 0x1p-12, 0.5, "ratio", "from one limit to the next", kBenchFamilies)                     \
  X(double, cap_factor, 8, 1, 1024, "ratio", "cap, of the limit within which those costs lie", kBenchFamilies)         \
  X(double, cap_tail_share, 0x1p-9, 0x1p-40, 1.0, "share of the span", "largest cap that is worth applying",           \
    kBenchFamilies)                                                                                                    \
  /* Big-M matrices (input/big_m_sparsify.hpp). */                                                                     \
  X(Index, big_m_rows, 8, 1, 512, "rows", "sample that decides whether a matrix is sparse in disguise",                \
    kBenchFamilies)                                                                                                    \
  X(Index, big_m_share, 8, 1, 64, "1 / share of columns", "costs below the big M that a row may have on average",      \
    kBenchFamilies)                                                                                                    \
  X(Index, big_m_columns, 128, 0, 4096, "columns", "the same, in all", kBenchFamilies)                                 \
  /* The start over whole rows (engines/ssp_rows.hpp). */                                                              \
  X(std::int32_t, unreduced_rows, 16, 0, 256, "rows", "wide matrices of up to this many rows skip reduction",          \
    kBenchFamilies)                                                                                                    \
  X(std::int32_t, first_bids, 4, 0, 64, "bids per row", "budget of the row reduction before searches over whole rows", \
    kBenchFamilies)                                                                                                    \
  X(double, minima_matched, 0.74, 0.0, 1.0, "share of rows",                                                           \
    "rows matched at the column minima that settle the start; independent costs match three in four", kBenchFamilies)  \
  X(double, minima_gain, 1.1, 1.0, 8.0, "ratio",                                                                       \
    "rows matched at the column minima, of those matched at prices 0, from which the minima are kept", kBenchFamilies) \
  X(Index, tie_order_columns, 16, 1, 4096, "columns",                                                                  \
    "columns at a row's least cost, on average, from which the order of "                                              \
    "tied columns is worth computing",                                                                                 \
    "due dates, 300..2000 jobs: 3.9 to 9.5 times as long without; no other family differs by more than 1.2")           \
  X(Index, warm_repricings, 4, 0, 64, "per row", "price changes of a warm start before rows are left to searches",     \
    kBenchFamilies)                                                                                                    \
  /* Whole rows or lists (strategy.cpp, choose_dense_start). */                                                        \
  X(Index, rows_first_entries, 1 << 19, 0, 1 << 26, "entries", "largest matrix searched over whole rows first",        \
    kBenchFamilies)                                                                                                    \
  X(Index, rows_first_entries_uneven, 1 << 20, 0, 1 << 26, "entries",                                                  \
    "the same where column means vary or rows have different scales", kBenchFamilies)                                  \
  X(Index, rows_first_passes, 60, 0, 10000, "passes over the matrix", "budget of these searches", kBenchFamilies)      \
  X(Index, rows_first_passes_contested, 2, 0, 10000, "passes over the matrix",                                         \
    "the same where offsets draw rows to the same few columns", kBenchFamilies)                                        \
  X(Index, thread_entries, 1 << 19, 0, 1 << 26, "entries", "size from which waking a thread pays", kBenchFamilies)     \
  /* Candidate lists (engines/candidate_lists.hpp). */                                                                 \
  X(Index, list_capacity, 64, 1, 1024, "columns", "length of a row's first list, rounded up to whole vectors",         \
    kFiveFamilies)                                                                                                     \
  X(Index, list_groups, 40, 1, 1024, "groups of columns", "groups opened for it", kFiveFamilies)                       \
  X(Index, group_depth, 128, 1, 4096, "columns",                                                                       \
    "a group has one column for this many of the row: deep "                                                           \
    "groups make few minima, shallow ones little to search",                                                           \
    kFiveFamilies)                                                                                                     \
  X(Index, group_depth_least, 2, 1, 16, "columns", "of a group", kFiveFamilies)                                        \
  X(Index, group_depth_most, 16, 16, 4096, "columns", "of a group", kFiveFamilies)                                     \
  X(Index, list_reuse_least, 2, 1, 64, "1 / share of list_groups",                                                     \
    "groups that the last row's limit must open for it to be used again", kFiveFamilies)                               \
  X(Index, list_reuse_most, 7, 5, 320, "fifths of list_groups", "that it may open", kFiveFamilies)                     \
  X(Index, width_sample, 15, 1, 255, "rows", "sample of the typical reach of lists", kFiveFamilies)                    \
  /* Lists: greedy, row reduction, auction, searches (strategy.cpp, ListStrategy). */                                  \
  X(int, tie_spread, 8, 0, 1024, "units", "costs that span less, or lists that reach less far, hold only ties",        \
    kFiveFamilies)                                                                                                     \
  X(double, free_warm, 0.5, 0.0, 1.0, "share of rows", "free rows up to which a matching that is given is kept",       \
    kFiveFamilies)                                                                                                     \
  X(double, free_greedy, 0.05, 0.0, 1.0, "share of rows",                                                              \
    "free rows after the greedy start up to which no auction runs", kFiveFamilies)                                     \
  X(double, free_hard, 0.5, 0.0, 1.0, "share of rows",                                                                 \
    "free rows after the greedy start beyond which searches over whole "                                               \
    "rows would take far too long",                                                                                    \
    kFiveFamilies)                                                                                                     \
  X(Index, reduction_bids, 16, 0, 1000, "bids per row", "row reduction before searches", kFiveFamilies)                \
  X(Index, trial_bids, 40, 0, 1000, "bids per row", "budget of each phase of the trial auction on lists",              \
    kFiveFamilies)                                                                                                     \
  X(double, trial_rereads, 0.75, 0.0, 100.0, "rereads per row", "the same, of rows read again", kFiveFamilies)         \
  X(Index, auction_bids, 64, 1, 1000, "bids per row", "budget of each phase of the other auctions", kFiveFamilies)     \
  X(double, auction_rereads, 0.25, 0.0, 100.0, "rereads per row",                                                      \
    "budget of a phase on lists after phases on whole rows", kFiveFamilies)                                            \
  X(double, last_epsilon, 0x1p-30, 0x1p-40, 0x1p-8, "share of the spread",                                             \
    "where epsilon stops falling, if that is "                                                                         \
    "more than one unit",                                                                                              \
    kFiveFamilies)                                                                                                     \
  X(double, list_epsilon, 20, 1, 1000, "1 / share of the lists' reach", "first epsilon on lists", kFiveFamilies)       \
  X(double, list_epsilon_fall, 8, 1.5, 1000, "ratio", "from one phase on lists to the next", kFiveFamilies)            \
  X(double, row_epsilon, 8, 1, 1000, "1 / share of the spread", "first epsilon on whole rows", kFiveFamilies)          \
  X(double, row_epsilon_fall, 5, 1.5, 1000, "ratio", "from one phase on whole rows to the next", kFiveFamilies)        \
  X(int, row_phases, 4, 0, 64, "phases", "phases on whole rows before giving up, unless most rows are free",           \
    kFiveFamilies)                                                                                                     \
  X(double, list_reach, 16, 0, 1000, "epsilons", "how far lists must reach for the auction to return to them",         \
    kFiveFamilies)                                                                                                     \
  X(Index, list_passes, 2, 0, 1000, "entries of the matrix",                                                           \
    "budget of the last searches over lists, in list entries", kFiveFamilies)                                          \
  X(Index, restart_share, 4, 1, 1000, "1 / share",                                                                     \
    "budget of searches over lists from the first prices, of list_passes", kFiveFamilies)                              \
  X(Index, restart_passes, 45, 0, 10000, "passes over the matrix", "budget of searches over whole rows after those",   \
    kFiveFamilies)                                                                                                     \
  X(Index, restart_passes_large, 8, 0, 10000, "passes over the matrix",                                                \
    "the same where the auction on whole rows is as quick", kFiveFamilies)                                             \
  X(Index, restart_entries, 1 << 20, 0, 1 << 26, "entries", "size of 32-bit matrices beyond which it is",              \
    kFiveFamilies)                                                                                                     \
  /* Sparse graphs (sparse.cpp, engines/auction.hpp, engines/hopcroft_karp.hpp). */                                    \
  X(int, scaled_spread, 1 << 13, 1, 1 << 20, "units",                                                                  \
    "smaller spreads are scaled up to at least half of this, for an "                                                  \
    "epsilon of one unit would resolve too little",                                                                    \
    kBenchFamilies)                                                                                                    \
  X(double, sparse_epsilon, 6, 1, 1000, "1 / share of the spread",                                                     \
    "first epsilon: complete lists never go stale, and long "                                                          \
    "detours need large steps",                                                                                        \
    kBenchFamilies)                                                                                                    \
  X(double, sparse_epsilon_fall, 6, 1.5, 1000, "ratio", "from one phase to the next", kBenchFamilies)                  \
  X(Index, sparse_leave, 1000, 1, 1 << 20, "1 / share of rows",                                                        \
    "free rows that all phases but the last leave to the "                                                             \
    "next",                                                                                                            \
    kBenchFamilies)                                                                                                    \
  X(Index, phase_free_rows, 8, 0, 4096, "rows", "free rows that Hopcroft-Karp phases leave to single searches",        \
    kBenchFamilies)                                                                                                    \
  X(Index, phase_gain, 20, 1, 4096, "1 / share of free rows",                                                          \
    "rows matched between two dual updates below which single "                                                        \
    "searches take over",                                                                                              \
    kBenchFamilies)                                                                                                    \
  /* Prefetching: how many bids ahead of their turn data are asked for. */                                             \
  X(std::size_t, prefetch_prices, 6, 0, 64, "bids", "prices of a row's columns", kBenchFamilies)                       \
  X(Index, prefetch_price_vectors, 2, 0, 64, "vectors", "longest list whose prices are; others take long themselves",  \
    kBenchFamilies)                                                                                                    \
  X(std::size_t, prefetch_lists, 12, 0, 64, "bids", "a row's list", kBenchFamilies)                                    \
  X(std::size_t, prefetch_places, 24, 0, 64, "bids", "where a row's list lies", kBenchFamilies)                        \
  /* Batches (batch/batch.hpp) and the exact comparison of floats (refine/dual_refinement.hpp). */                     \
  X(Index, batch_chunk_entries, 1 << 16, 1, 1 << 24, "entries", "matrices of a chunk together", kBenchFamilies)        \
  X(Index, batch_chunk_matrices, 256, 1, 65536, "matrices", "largest chunk", kBenchFamilies)                           \
  X(Index, batch_thread_entries, 1 << 14, 0, 1 << 24, "entries", "batch from which waking a thread pays",              \
    kBenchFamilies)                                                                                                    \
  X(Index, compared_pairs, 8, 0, 1000, "pairs per row", "pairs compared exactly at once, instead of another solve",    \
    kBenchFamilies)

GRIDCOMPUTE_DEFINE_TUNING(Tuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_ASSIGNMENT_TUNING)

}  // namespace gridcompute::assignment
