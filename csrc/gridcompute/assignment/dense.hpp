// Dense linear assignment: any element type, any shape, exact.
//
// Problem. See problem.hpp. Method: strategy.hpp over candidate_lists.hpp, rows read through row_reader.hpp.
//
// Steps. (1) More rows than columns: work on the transposed matrix. (2) Look at some rows: do floating-point costs hold
// integers (exponent 0), or which power of two makes them integers? Do columns differ by offsets of their own? Then
// prices start at the column minima, else at 0; rectangular matrices start at 0, as unmatched columns must end there.
// (3) Up to kWholeFirst entries, unless columns differ: whole rows, converted once, are searched for the time of some
// passes (ssp_rows.hpp). (4) Else, or after that: one pass over all rows in parallel: spread, range, list;
// strategy.hpp. (5) Add the rows' shifts back to the duals. The 32-bit core runs where every row's spread fits, and
// hands over to the 64-bit one when a price would not. (6) Floats whose largest cost drowns the answer: again, in a
// finer unit (dual_refinement.hpp).
//
// Complexity. O(n m) vectorised for the lists, then as strategy.hpp. Memory: 64 candidates a row, no copy of the matrix
// (except to transpose, to search whole rows, and in (6)).
//
// (7) Integers whose rows span more than 2^60, or that lie beyond 2^62: shifted, and in 128 bits if need be
// (ssp_int128.hpp).
//
// Errors. NaN and the infinity that would be infinitely good are refused (invalid_problem).
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Without `duals` those of floating-point costs may fall short of proving that the pairs are best.
template <class T>
[[nodiscard]] Result solve(const Dense<T>& cost, bool maximize, int threads, Stop& stop, bool duals = true);

}  // namespace gridcompute::assignment
