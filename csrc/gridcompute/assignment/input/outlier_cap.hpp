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
#pragma once

#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"

namespace gridcompute::assignment {

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
