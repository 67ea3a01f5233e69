// Sparse linear assignment: compressed rows, at least as many columns as rows.
//
// Problem. As problem.hpp; absent pairs are forbidden, stored zeros are arcs, inf forbids. Callers transpose tall ones.
//
// Method. strategy.hpp with the rows themselves as complete lists: auction over falling epsilon, then exact searches,
// which prove infeasibility where there is no perfect matching. Complexity: as those; memory 8 (12) bytes an arc,
// padded.
//
// Errors. As dense.hpp; indices out of range and pairs stored twice are invalid_problem. Integers whose prices exceed
// 64 bits go to ssp_int128.hpp.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// `near`: each row's column in a matching that may be nearly the answer, or nothing; of integers.
template <class T, class I>
[[nodiscard]] Result solve(const Sparse<T, I>& cost, bool maximize, Stop& stop,
                           std::span<const std::int32_t> near = {});

}  // namespace gridcompute::assignment
