// Every tuned number of the assignment solver, in one table: what it decides, and between which values it makes sense.
//
// Correctness depends on none of them: whatever the values within [low, high], the answer is optimal and certified (the
// native fuzz test draws them at random). Numbers that a proof fixes (integer ranges, roundings, array sizes) are no
// tuning and stay beside their proofs; so do the intervals at which a stop is polled.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_ASSIGNMENT_TUNING(X) \
  /* Pairs: which engine is tried first (strategy.cpp, solve_pairs). */ \
  X(Index, inline_entries, 4096, 0, 65536, "entries", "largest matrix solved without releasing the interpreter lock") \
  X(Index, small_entries, 65536, 0, 65536, "entries", "largest matrix solved on buffers of its own") \
  X(Index, in_place_entries, 1 << 19, 0, 1 << 24, "entries", "largest matrix of fractional doubles matched in place whatever the precheck says") \
  X(Index, in_place_free_mutual, 50, 1, 1000, "1 / share of rows", "rows that may stay free after the bids where a sparse solve is the alternative") \
  /* The precheck of a few rows (engines/jv_in_place.hpp). */ \
  X(Index, fraction_costs, 64, 1, 64, "costs", "first of a row, or sample of a matrix, that show whether costs are whole") \
  X(Index, fraction_costs_first, 4, 1, 64, "costs", "first of these, tested by themselves: most often enough") \
  X(Index, precheck_deep_rows, 2, 1, 64, "1 / share of sampled rows", "sampled rows whose few cheapest costs span next to nothing, from which integers are not tried") \
  X(Index, in_place_passes, 60, 0, 1000, "passes over the matrix", "budget of in-place searches") \
  X(Index, in_place_passes_large, 12, 0, 1000, "passes over the matrix", "budget of in-place searches of large matrices") \
  X(double, in_place_free_start, 0.75, 0.0, 1.0, "share of rows", "rows left free by the greedy start beyond which the in-place engine gives up, as on products") \
  /* Statistics of a few rows (input/input_stats.hpp). */ \
  X(Index, sample_rows, 48, 1, 512, "rows", "sample of the input statistics and of the tie order") \
  X(Index, tied_columns, 64, 1, 4096, "columns", "columns at a row's least cost from which lists hold only ties") \
  X(Index, tied_share, 8, 1, 64, "1 / share of columns", "columns at a row's least cost from which lists hold only ties, where columns have no offsets") \
  X(int, scale_ratio, 16, 1, 1024, "ratio", "largest spread of the rows above their median that counts as one scale") \
  X(double, column_variance, 1.5, 1.0, 16.0, "ratio", "variance of the column means, of that of independent entries, from which columns have offsets") \
  X(double, own_column_share, 0.9, 0.0, 1.0, "share of sampled rows", "rows with a cheapest column of their own from which prices may start at 0") \
  X(Index, reduction_rows, 256, 1, 65536, "rows", "least sample of the column reduction") \
  X(Index, reduction_share, 4, 1, 64, "1 / share of rows", "sample of the column reduction") \
  /* Ranges (solve_dense.cpp). */ \
  X(Index, scale_rows, 16, 1, 512, "rows", "sample that sets the first scale of doubles; a second try measures all") \
  /* Outliers (input/outlying_costs.hpp). */ \
  X(Index, cap_costs, 64, 1, 4096, "costs of a row", "cheapest costs that must stay below the cap") \
  X(Index, cap_share, 4, 1, 64, "1 / share of a row", "cheapest costs that must stay below the cap, at most") \
  X(double, cap_first_share, 0x1p-12, 0x1p-40, 0x1p-4, "share of the span", "first limit within which they are counted") \
  X(double, cap_factor, 8, 1, 1024, "ratio", "cap, of the limit within which those costs lie") \
  X(double, cap_tail_share, 0x1p-9, 0x1p-40, 1.0, "share of the span", "largest cap that is worth applying") \
  /* Big-M matrices (input/outlying_costs.hpp). */ \
  X(Index, big_m_share, 8, 1, 64, "1 / share of columns", "costs below the big M that a row may have on average") \
  X(Index, big_m_columns, 128, 0, 4096, "columns", "costs below the big M in all") \
  /* The start over whole rows (engines/ssp_rows.hpp). */ \
  X(std::int32_t, first_bids, 4, 0, 64, "bids per row", "budget of the row reduction before searches over whole rows") \
  X(double, minima_matched, 0.74, 0.0, 1.0, "share of rows", "rows matched at the column minima that settle the start; independent costs match three in four") \
  X(double, minima_gain, 1.1, 1.0, 8.0, "ratio", "rows matched at the column minima, of those matched at prices 0, from which the minima are kept") \
  X(Index, tie_order_columns, 16, 1, 4096, "columns", "columns at a row's least cost, on average, from which the order of tied columns is worth computing") \
  /* Whole rows or lists (strategy.cpp, choose_dense_start). */ \
  X(Index, rows_first_entries, 1 << 19, 0, 1 << 26, "entries", "largest matrix searched over whole rows first") \
  X(Index, rows_first_entries_uneven, 1 << 20, 0, 1 << 26, "entries", "the same where column means vary or rows have different scales") \
  /* Candidate lists (engines/matching.hpp). */ \
  X(Index, list_capacity, 64, 1, 1024, "columns", "length of a row's first list, rounded up to whole vectors") \
  X(Index, list_groups, 40, 1, 1024, "groups of columns", "groups opened for it") \
  X(Index, group_depth_least, 2, 1, 16, "columns", "columns of a group, at least") \
  X(Index, list_reuse_most, 7, 5, 320, "fifths of list_groups", "groups that the last row's limit may open and be used again") \
  X(Index, width_sample, 15, 1, 255, "rows", "sample of the typical reach of lists") \
  /* Lists: greedy, row reduction, auction, searches (strategy.cpp, ListStrategy). */ \
  X(int, tie_spread, 8, 0, 1024, "units", "costs that span less, or lists that reach less far, hold only ties") \
  X(double, free_warm, 0.5, 0.0, 1.0, "share of rows", "free rows up to which a matching that is given is kept") \
  X(double, free_greedy, 0.05, 0.0, 1.0, "share of rows", "free rows after the greedy start up to which no auction runs") \
  X(double, free_hard, 0.5, 0.0, 1.0, "share of rows", "free rows after the greedy start beyond which searches over whole rows would take far too long") \
  X(Index, reduction_bids, 16, 0, 1000, "bids per row", "row reduction before searches") \
  X(Index, trial_bids, 40, 0, 1000, "bids per row", "budget of each phase of the trial auction on lists") \
  X(double, trial_rereads, 0.75, 0.0, 100.0, "rereads per row", "the same, of rows read again") \
  X(Index, auction_bids, 64, 1, 1000, "bids per row", "budget of each phase of the other auctions") \
  X(double, auction_rereads, 0.25, 0.0, 100.0, "rereads per row", "budget of a phase on lists after phases on whole rows") \
  X(double, list_epsilon, 20, 1, 1000, "1 / share of the lists' reach", "first epsilon on lists") \
  X(double, row_epsilon, 8, 1, 1000, "1 / share of the spread", "first epsilon on whole rows") \
  X(double, row_epsilon_fall, 5, 1.5, 1000, "ratio", "fall of epsilon from one phase on whole rows to the next") \
  X(int, row_phases, 4, 0, 64, "phases", "phases on whole rows before giving up, unless most rows are free") \
  X(double, list_reach, 16, 0, 1000, "epsilons", "how far lists must reach for the auction to return to them") \
  X(Index, list_passes, 2, 0, 1000, "entries of the matrix", "budget of the last searches over lists, in list entries") \
  X(Index, restart_passes, 45, 0, 10000, "passes over the matrix", "budget of searches over whole rows after those") \
  X(Index, restart_passes_large, 8, 0, 10000, "passes over the matrix", "the same where the auction on whole rows is as quick") \
  /* Sparse graphs (solve_sparse.cpp, engines/auction.hpp, engines/hopcroft_karp.hpp). */ \
  X(int, sparse_price_bits, 4, 0, 16, "bits", "left for prices of floats, which may move by many costs where pairs are missing") \
  X(double, sparse_epsilon, 6, 1, 1000, "1 / share of the spread", "first epsilon: complete lists never go stale, and long detours need large steps") \
  X(double, sparse_epsilon_fall, 6, 1.5, 1000, "ratio", "fall of epsilon from one phase to the next") \
  X(Index, sparse_leave, 1000, 1, 1 << 20, "1 / share of rows", "free rows that all phases but the last leave to the next") \
  X(Index, phase_free_rows, 8, 0, 4096, "rows", "free rows that Hopcroft-Karp phases leave to single searches") \
  /* Prefetching: how many bids ahead of their turn data are asked for. */ \
  X(std::size_t, prefetch_prices, 6, 0, 64, "bids", "ahead at which prices of a row's columns are prefetched") \
  X(std::size_t, prefetch_lists, 12, 0, 64, "bids", "ahead at which a row's list is prefetched") \
  X(std::size_t, prefetch_places, 24, 0, 64, "bids", "ahead at which the place of a row's list is prefetched")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(AssignmentTuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_ASSIGNMENT_TUNING)

}  // namespace gridcompute::assignment
