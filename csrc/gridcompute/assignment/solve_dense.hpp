// Linear assignment of a dense matrix of any element type and shape, exact, with dual prices.
//
// Problem. As problem.hpp. Engines and their order: strategy.hpp.
//
// Steps. (1) More rows than columns: the matrix is transposed. (2) A few rows say whether all costs may be integers of
// 32 bits (exponent 0): then the 32-bit core tries, and hands over to the 64-bit one when a row's spread or a price
// would not fit. (3) Where outliers would set the unit of floats or the width of integers, costs are capped first
// (input/outlier_cap.hpp). (4) Else the 64-bit core: floats are multiplied by a power of two and rounded down.
// (5) Integers whose rows span more than 2^60, or that exceed 2^62 in size: shifted, and in 128 bits if need be
// (engines/ssp_int128.hpp). (6) Floats whose largest cost drowns the optimum: again, in a finer unit
// (refine/dual_refinement.hpp).
//
// Complexity. That of dense_integer_solver.hpp, once or a few times. No copy of the matrix is made except to transpose,
// to search whole rows, and in (5) and (6).
//
// Errors. NaN and the infinity that would be infinitely good are refused (invalid_problem).
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Solves `cost`. Without `duals` those of floating-point costs may fall short of proving that the pairs are optimal.
template <class T>
[[nodiscard]] AssignmentResult solve(const DenseMatrix<T>& cost, bool maximize, int threads, Stop& stop,
                                     bool duals = true, const AssignmentTuning& tuning = kDefaultTuning);

}  // namespace gridcompute::assignment
