// Linear assignment of a sparse matrix in compressed rows, at least as many columns as rows; exact, with dual prices.
//
// Problem. As problem.hpp; absent pairs are forbidden, stored zeros are pairs, inf forbids. Callers transpose tall
// ones.
//
// Method. strategy.hpp, table E, with the rows themselves as complete lists: auction over falling epsilon, then exact
// searches, which prove infeasibility where there is no perfect matching; Hopcroft-Karp phases where costs span few
// values. Complexity: as those; memory 8 (12) bytes an arc, padded.
//
// Errors. As solve_dense.hpp; indices out of range and pairs stored twice are invalid_problem. Integers whose prices
// exceed 64 bits go to engines/ssp_int128.hpp.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Solves `cost`. `near`, for integers: each row's column in a matching that may be nearly optimal, or empty.
template <class T, class I>
[[nodiscard]] AssignmentResult solve(const CsrMatrix<T, I>& cost, bool maximize, Stop& stop,
                                     std::span<const std::int32_t> near = {},
                                     const AssignmentTuning& tuning = kDefaultTuning);

}  // namespace gridcompute::assignment
