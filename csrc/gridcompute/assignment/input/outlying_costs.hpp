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

#include "gridcompute/assignment/input/costs_to_integers.hpp"
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

// A cap on costs with heavy tails: outliers are lowered before the solve.
//
// Definitions. The reach of a row is the distance above its least cost within which its cheapest tens of costs lie,
// exact to a factor of 128 and never too small; a matrix has outliers where no row's reach exceeds cap_tail_share of a
// row's span.
//
// Why. The largest cost sets the unit of floating-point costs, the width of integers and the last epsilon of auctions.
// With some costs lowered, an assignment that is optimal and uses none of these is optimal for the original costs: no
// other assignment has become more expensive. Duals below lowered costs are below the costs themselves. If a lowered
// pair is used, the cap is raised to the cost of the pairs found, which no pair of a better assignment exceeds, and the
// solve is repeated from there (solve_dense.cpp).
//
// Complexity. One vectorised pass over a sample of rows without outliers, else one for every 4 bits of the tail.

struct RowTail {
  double reach = 0;  // equal to the span where the row has no tail; 0 where it has no two costs
  double span = 0;   // from the least to the largest finite cost
};

// Returns the tail of a row of floating-point costs whose extent is known; `wanted` costs lie within the reach.
template <class T>
[[nodiscard]] RowTail row_tail(const T* row, Index m, Index wanted, const CostExtent& extent, bool maximize,
                               const AssignmentTuning& tuning);

// Returns how far above their row's least costs are left as they are, from a sample of rows; infinity without outliers.
template <class T>
[[nodiscard]] double outlier_cap(const DenseMatrix<T>& cost, bool maximize, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
