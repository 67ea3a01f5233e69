// Matrices most of whose costs are one and the same, the dearest: sparse ones in disguise.
//
// Problem. As dense.hpp; pairs only. Points are matched within a gate, boxes where they overlap, and all other pairs
// cost one large number, or are forbidden.
//
// Step. A row's gate is its largest cost. Of a row whose gate is finite, all pairs at it stand for one another: they
// become one pair with a column of the row's own. What is left is a sparse matrix (sparse.hpp). Rows that are matched
// to their own columns take any that stay free: there are enough of them, and none is dearer than the gate.
//
// Tall matrices are turned; one gate for all rows is asked for then, which is one for all columns as well.
//
// Complexity. A vectorised pass, given up once too many costs are below their gates; then as sparse.hpp.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Do a few rows look like that?
template <class T>
[[nodiscard]] bool looks_gated(const Dense<T>& cost, bool maximize);

// False if too many costs are below their gates after all, or some are NaN or infinitely good: nothing is done then.
// Else partner[] of the lines of the shorter side, and the status.
template <class T>
[[nodiscard]] bool solve_gated(const Dense<T>& cost, bool maximize, Stop& stop, std::int32_t* partner, Status& status);

}  // namespace gridcompute::assignment
