// Resolution refinement: solving again with large costs capped, so that the unit of the keys becomes finer.
//
// Problem.  Real costs become integers in a unit set by the largest. Where few costs are far above all others, such as
// 1e15 for "rather not", the optimum is a few units only, and most of its digits are lost.
//
// Step.  Given a plan whose cost exceeds the dual bound by a gap: in no better plan does a job pay, prices included,
// more than its least plus the gap, and no job's least exceeds what it pays now. So all costs above the largest amount
// that any job pays now, prices included, plus twice the gap, may be capped there: the bound stays valid, plans with a
// capped cost are no better than the present one, and all others cost what they did. Prices prove no more of capped
// costs than of the original ones. Where capping makes the unit no finer, reduced costs may (reduced_cost_shift.hpp).
#pragma once

#include "gridcompute/transport/strategy.hpp"

namespace gridcompute::transport {

// Refines an optimum of the keys to one of the costs as long as capping makes the unit finer. Unit demand only.
void refine_resolution(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                       Result& result);

}  // namespace gridcompute::transport
