// Costs among which the largest drown the optimum: solved again with those lowered, in a finer unit.
//
// Problem. Real costs become integers in a unit that the largest of them sets. Where few are far above all others, such
// as 1e15 for "rather not", the optimum is a few units only, and what it is falls below them.
//
// Step. With a plan that costs the gap more than the bound that prices prove, no better plan has a job in a class where
// it would pay, prices included, the gap more than at its best. No job pays more at its best than where it is. So all
// costs above the most that any pays where it is, prices included, and twice the gap, may be lowered to that: the bound
// is as it was, plans with a lowered cost are no better than the one at hand, and all others cost what they did. The
// unit of the next solve is finer. Prices prove of lowered costs no more than of those that were. Where that makes no
// unit finer, reduced costs may (reduced_cost_shift.hpp).
#pragma once

#include "gridcompute/transport/strategy.hpp"

namespace gridcompute::transport {

// From an optimum in one unit to that of the costs, while lowering makes the unit finer. Without gangs.
void refine_resolution(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                       Result& result);

}  // namespace gridcompute::transport
