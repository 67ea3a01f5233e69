// Small dense assignment on buffers of its own (tiny ones on the stack), and many of them at once.
//
// Problem. As dense.hpp, for matrices of at most kSmall entries, where setting up lists would cost more than solving.
//
// Steps. All costs become integers of one width less one common shift; rows go greedily to free cheapest columns; the
// others bid (augmenting row reduction) and at last search shortest augmenting paths, over whole rows, vectorised. Up
// to 64 columns nobody bids, and what a search knows stays in registers (ssp_registers.hpp). Floating-point costs among
// which the largest drown the optimum are solved again, none dearer than all pairs found were together, from there
// (warm_start.hpp). Batches are cut into fixed chunks of matrices over threads.
//
// Range proof. Prices start within 0..spread. Where all pairs are allowed, a search can always end at once at a column
// that is free at its first price: so levels and row duals are at most twice the spread, prices at least -2 spread,
// and 16 * spread < 2^(b-3) bounds every label; from an answer to nearly the same costs first prices are within
// -5/2 spread..0, levels and row duals at most 7/2 spread, prices at least -7 spread and labels below 12. Where some
// pairs are forbidden, labels and duals are at most n differences of two costs and a first price, and (2n + 4) * spread
// < 2^(b-3) is asked for. kForbidden = 2^(b-2) plus any of them neither wraps nor meets an allowed label. Matrices that
// fit neither width go to dense.hpp.
//
// Complexity. O(n^2 m) worst case, vectorised over m.
//
// Source. Crouse, IEEE TAES 52 (2016) 1679, section II: shortest augmenting paths as in scipy; the greedy start is from
// Jonker and Volgenant (1987).
#pragma once

#include <span>

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

inline constexpr Index kSmallSide = 256;
inline constexpr Index kSmall = kSmallSide * kSmallSide;
inline constexpr Index kQuick = 64 * 64;  // so many entries take less time than giving way to other threads would

// Fills row_ind and col_ind, min(rows, cols) each, rows ascending. False if the matrix is too large or its values too
// wide for this solver, which then has done nothing.
template <class T>
[[nodiscard]] bool solve_small(const Dense<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind,
                               Status& status);

// One matrix of any size, as pairs: at first by what a look promises to be quick (jv_in_place.hpp, big_m_sparsify.hpp;
// small ones of doubles without one), then as above, then by dense.hpp. Rows ascending; all pairs are filled if the
// status is optimal.
template <class T>
[[nodiscard]] Status solve_pairs(const Dense<T>& cost, bool maximize, int threads, Stop& stop, std::int64_t* row_ind,
                                 std::int64_t* col_ind);

// What happened to a batch: the first matrix without an optimal answer, or -1.
struct BatchStatus {
  Status status = Status::optimal;
  Index failed = -1;
};

// `count` matrices one behind the other. Throws Error with the index of the matrix in its message.
template <class T>
[[nodiscard]] BatchStatus solve_batch(const Dense<T>& first, Index count, bool maximize, int threads, Stop& stop,
                                      std::int64_t* row_ind, std::int64_t* col_ind);

}  // namespace gridcompute::assignment
