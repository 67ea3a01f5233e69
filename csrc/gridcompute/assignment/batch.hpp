// Many dense matrices of one shape: each as strategy.hpp solves it alone, in fixed chunks over threads.
//
// Determinism. Each matrix gets the pairs that it would get alone, whatever the number of threads.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// The outcome of a batch: optimal, or the status of the first matrix without an optimal answer and its index; -1 where
// a stop came before any.
struct BatchStatus {
  AssignmentStatus status = AssignmentStatus::optimal;
  Index failed = -1;
};

// Solves `count` matrices that follow one another in memory; pairs as solve_pairs, one matrix after the other. Throws
// Error with the index of the matrix in its message.
template <class T>
[[nodiscard]] BatchStatus solve_batch(const DenseMatrix<T>& first, Index count, bool maximize, int threads, Stop& stop,
                                      std::int64_t* row_ind, std::int64_t* col_ind,
                                      const AssignmentTuning& tuning = kDefaultTuning);

// Small dense assignment on small buffers, tiny ones on the stack: pairs only.
//
// Problem. As solve_dense.hpp, for matrices of at most small_entries entries, where making lists would take longer than
// solving.
//
// Steps. All costs become integers of one width less one common shift. Up to 64 columns: shortest augmenting paths in
// registers (engines/ssp_rows.hpp); beyond, the Jonker-Volgenant method (engines/ssp_rows.hpp). Where the largest
// floating-point costs swamp the optimum, all costs are capped at the sum of the pairs found and solved again, starting
// from these pairs (engines/ssp_rows.hpp).
//
// Range proof. Prices start within 0..spread. Where all pairs are allowed, a search can always end at once at a column
// that is free at its first price: so levels and row duals are at most twice the spread, prices at least -2 spread, and
// 16 * spread < 2^(b-3) bounds every label; from an answer to nearly the same costs first prices are within -5/2
// spread..0, levels and row duals at most 7/2 spread, prices at least -7 spread and labels below 12. Where some pairs
// are forbidden, labels and duals are at most n differences of two costs and a first price, and (2n + 4) * spread <
// 2^(b-3) is required. kForbidden = 2^(b-2) plus any of them neither wraps nor equals an allowed label. Matrices that
// fit neither width go to solve_dense.hpp.
//
// Complexity. O(n^2 m) worst case, vectorised over m.
//
// Source. Crouse, IEEE TAES 52 (2016) 1679, section II: shortest augmenting paths as in scipy; the greedy start is from
// Jonker and Volgenant (1987).

// The longest shorter side of a small matrix: its partners lie on the stack. small_entries is at most its square.
inline constexpr Index kMaxSmallSide = 256;

// Fills row_ind and col_ind, min(rows, cols) each, rows ascending. False if the matrix is too large or its values too
// wide: nothing is written then.
template <class T>
[[nodiscard]] bool solve_small(const DenseMatrix<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind,
                               AssignmentStatus& status, const AssignmentTuning& tuning = kDefaultTuning);

// Writes pairs with rows ascending, from the columns (of a tall matrix: rows) matched to the lines of the shorter side.
void write_pairs(const std::int32_t* partner, Index rows, Index cols, std::int64_t* row_ind, std::int64_t* col_ind);

}  // namespace gridcompute::assignment
