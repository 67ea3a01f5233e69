// Integers whose differences, or the prices they lead to, exceed what 64 bits hold: shortest augmenting paths with
// 128-bit prices.
//
// Problem. As problem.hpp, for integer costs of any size: 64-bit costs of one row may differ by 2^64 - 1, and prices
// add up such differences along paths.
//
// Steps. (1) Dense rows are shifted by their least cost, which changes no assignment; where what is left spans at most
// 2^59, the 64-bit core solves it. (2) Otherwise the last bits are dropped until it does, and the answer gives the
// first prices of square problems; those of rectangular ones start at 0, as unmatched columns must end there. (3) Rows
// take a free column at their least reduced cost, then Dijkstra searches with 128-bit labels match the others.
//
// Range proof. |cost| <= 2^64, and a path of at most 2^31 rows adds up differences of two costs and of two first
// prices, which are below 2^64 times 2^31 themselves: labels and prices stay below 2^98, their sums over all lines
// below 2^127.
//
// Complexity. O(arcs log m) a search, at most one a row; no vectors. Memory: O(n + m), and a copy of a dense matrix for
// the first prices.
//
// Source. Jonker and Volgenant, Computing 38 (1987) 325; Ahuja, Magnanti and Orlin, Network Flows (1993), section 12.4.
#pragma once

#include <functional>
#include <optional>

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Solves a dense matrix of at least as many columns as rows. solve(costs) is the 64-bit core, minimising; it returns
// nothing where prices leave its range.
[[nodiscard]] AssignmentResult solve_int128_dense(
    const DenseMatrix<std::int64_t>& cost, bool maximize, Pool& pool, Stop& stop,
    const std::function<std::optional<AssignmentResult>(const DenseMatrix<std::int64_t>&)>& solve);

// Solves compressed rows whose positions are valid.
[[nodiscard]] AssignmentResult solve_int128_sparse(
    const CheckedCsr<std::int64_t>& cost, bool maximize, Stop& stop,
    const std::function<std::optional<AssignmentResult>(const CheckedCsr<std::int64_t>&)>& solve);

}  // namespace gridcompute::assignment
