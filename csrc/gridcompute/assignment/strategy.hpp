// The strategy: which engine solves an assignment problem, with what budget of work, and which is next.
//
// No engine is best on all costs, and which one is fast shows only in the work done, not in the matrix. So each step
// has a budget of work, a small part of the work of the next step: a wrong choice costs that part, never a factor of a
// hundred. All end in an optimal matching with dual prices. Numbers are those of tuning.hpp, by name; constants
// stand beside the code that uses them.
//
// clang-format off
// Engines (engines/):
//   SSP-R    shortest augmenting paths in vector registers, up to 64 columns (ssp_rows.hpp)
//   JV       column reduction, greedy start, augmenting row reduction, augmentation over whole rows (ssp_rows.hpp): on
//            a copy, on small buffers, or in place on the caller's doubles and 64-bit integers (jv_in_place.hpp)
//   ARR      augmenting row reduction over candidate lists (row_reduction.hpp)
//   SSP-L    shortest augmenting paths over candidate lists (ssp_lists.hpp)
//   AUCTION  epsilon-scaling auction: bids over lists, whole rows, or complete lists (auction.hpp)
//   HK       Hopcroft-Karp phases along tight pairs, with dual updates from all free rows (hopcroft_karp.hpp)
//   SSP-128  shortest augmenting paths with 128-bit prices (ssp_int128.hpp)
//
// A. Pairs of a dense matrix (solve_pairs: linear_sum_assignment). A full answer with duals (assignment) begins at B.
//      condition                                            engine         budget                               next
//      fractions, inline_entries < size <= small_entries    JV in place    size / kInPlaceFreeSmall, _passes    below
//      size <= small_entries, values fit their width        SSP-R, or JV   none
//      big M in a sample of rows, pairs mutual (precheck)   JV in place    rows / in_place_free_mutual, _passes below
//      big M in a sample of rows                            E              big_m_columns a row                  below
//      size <= in_place_entries, or the precheck says so    JV in place    rows / in_place_free_*, _passes      B
//      otherwise                                            B
//    In place: minimised doubles with fractions, or int64 where the sample has mutual pairs or ties, rows <= columns.
// B. Widths and units (solve_dense.cpp, solve_sparse.cpp): each solves by C and D, or E.
//      integers whose sample fits 32 bits                   32 bits        a price beyond 2^28                  below
//      outliers in a sample of rows                         costs capped   a capped pair is used: cap raised    below
//      integers                                             64 bits        a price beyond 2^60                  SSP-128
//      floats, in units of 2^-k                             64 bits        a price beyond 2^60                  k - 8
//        square; the auction over lists of D failed, or     32 bits        none: kCoarserBits fewer
//        JV of C on more than rows_first_entries is due
//        then, from the prices of these                     64 bits        a price beyond 2^60                  k - 8
//      and then, if the gap exceeds 2^-40 of the objective  refine/        a finer unit, or residuals compared exactly
// C. Dense rows as integers (choose_dense_start, DenseIntegerSolver)
//      warm, ties, or size <= rows_first_entries[_uneven]   JV             kRowsFirstPasses; ties: none         D
//      the same, and columns contested                      JV, if easy    kRowsFirstPassesContested            D
//      otherwise                                            D
// D. Candidate lists of dense rows (ListStrategy); all rows but the first after a greedy start
//      at most free_warm of the rows free (earlier pairs)   ARR, SSP-L     list_passes                         JV paths
//      rectangular, or at most free_greedy free             ARR, SSP-L     list_passes                         JV paths
//      prices of coarser units, at most free_warm free      ARR, SSP-L     list_passes                         JV paths
//      lists reach less than tie_spread                     ARR, SSP-L     list_passes                         JV paths
//      otherwise                                            AUCTION, lists trial_bids, trial_rereads            below
//      ... failed, at most free_hard free before            SSP-L          list_passes / kRestartShare          below
//        from the first prices                              JV paths       restart_passes[_large]               below
//      ... failed                                           AUCTION, rows  row_phases; free_hard: none          below
//        lists reach list_reach epsilons                    AUCTION, lists auction_bids, auction_rereads        below
//      an auction ended                                     ARR, SSP-L     list_passes                         JV paths
//      none did                                             ARR, JV paths  none
// E. Sparse rows, which are complete lists (ListStrategy); all rows but the first after a greedy start
//      at most free_warm of the rows free (earlier pairs)   ARR, SSP-L     none
//      spread below tie_spread                              HK             phase_free_rows, kPhaseGain          SSP-L
//      rectangular, or at most free_greedy free             ARR, SSP-L     none
//      otherwise                                            AUCTION        auction_bids                         below
//      then                                                 ARR, SSP-L     none
// clang-format on
//
// Deviation. Rectangular matrices are solved without auction: unmatched columns must keep the price they started with,
// and falling epsilon would have to undo its changes of these.
//
// Sources as in the engines' headers; the choice by budget is ours.
#pragma once

#include <functional>
#include <limits>

#include "gridcompute/assignment/engines/row_reduction.hpp"
#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/input/input_stats.hpp"

namespace gridcompute::assignment {

// Ratio of epsilon in one phase on lists to the next.
inline constexpr double kListEpsilonFall = 8;

// Table A. Writes the pairs of a matrix, rows ascending: row_ind and col_ind, min(rows, cols) each, complete if the
// status is optimal.
template <class T>
[[nodiscard]] AssignmentStatus solve_pairs(const DenseMatrix<T>& cost, bool maximize, int threads, Stop& stop,
                                           std::int64_t* row_ind, std::int64_t* col_ind,
                                           const AssignmentTuning& tuning = kDefaultTuning);

// Solves a matrix in less time than it takes to release and regain the caller's interpreter lock. False if it is
// larger, or its values are too wide for small buffers: nothing is written then.
template <class T>
[[nodiscard]] bool solve_inline(const DenseMatrix<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind,
                                AssignmentStatus& status, const AssignmentTuning& tuning = kDefaultTuning);

// Table C. The start for dense rows.
struct DenseStart {
  bool rows_first = false;          // whole rows are searched before there are lists
  bool reduce_columns = false;      // lists are made at the column minima (column reduction), else at prices 0
  SspStart start = SspStart::cold;  // of the searches over whole rows
  Index budget = 0;                 // of these, in matrix entries
};
[[nodiscard]] DenseStart choose_dense_start(const InputStats& stats, Index rows, Index cols, bool warm,
                                            const AssignmentTuning& tuning);

// Tables D and E: the operations and numbers in which dense and sparse rows differ.
template <class V>
struct RowSource {
  // These two throw if a stop leaves some rows without a list or copy.
  std::function<void(const std::vector<V>& v)> rebuild_lists;  // fresh lists at prices v
  std::function<const RowCopy<V>&()> copy_rows;                // whole rows, converted; empty for complete lists
  std::function<double(const std::vector<V>& v)> list_reach;   // reach above row minima of lists made at v
  V spread = 0;                                                // largest cost after the rows' shifts
  Index list_budget = 0;                                       // of the last searches over lists, in list entries
  bool square = true;                                          // prices may start anywhere
  double epsilon_divisor = kDefaultTuning.list_epsilon;        // first epsilon on lists: their reach over this
  double epsilon_fall = kListEpsilonFall;                      // from one phase on lists to the next
  Index leave_free = 0;                                        // rows that all phases but the last may leave free
  bool priced = false;                                         // the first prices are nearly optimal ones
  bool long_auction = true;  // else solve_lists ends with `budget` where a first auction failed, or would
};

// Matches all free rows. `state` holds first prices, and perhaps pairs; the lists are made at these prices.
template <class V>
SearchStatus solve_lists(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh,
                         const RowSource<V>& source, AssignmentStats& stats, Stop& stop,
                         std::vector<std::int32_t>& witness, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
