// Big-M matrices: most costs of each row equal its largest cost. They are solved as sparse matrices.
//
// Problem. As solve_dense.hpp; pairs only. Points are matched within a gate, boxes where they overlap, and all other
// pairs cost one large number (the big M), or are forbidden.
//
// Step. A row's big M is its largest cost. If it is finite, all pairs of the row at M are interchangeable: they become
// one pair with a slack column of the row's own. What is left is a sparse matrix (solve_sparse.hpp). Rows that are
// matched to their slack columns take any real columns that stay free: there are enough of them, and none costs more
// than M.
//
// Tall matrices are transposed; all rows must have the same M then, which is that of all columns as well.
//
// Complexity. A vectorised pass, ended once too many costs are below M; then as solve_sparse.hpp.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Returns whether a sample of rows has few costs below their big M.
template <class T>
[[nodiscard]] bool looks_big_m(const DenseMatrix<T>& cost, bool maximize, const AssignmentTuning& tuning);

// Solves as a sparse matrix: writes `partner` of the lines of the shorter side, and the status. False if too many costs
// are below M after all, or some are NaN or infinitely good: nothing is written then.
template <class T>
[[nodiscard]] bool solve_big_m(const DenseMatrix<T>& cost, bool maximize, Stop& stop, std::int32_t* partner,
                               AssignmentStatus& status, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
