// Generalized assignment (jobs with demand above 1, each whole in one class): the solver from end to end.
//
// Problem.  transport/problem.hpp with demands; NP-hard.
//
// Steps.
//   1. fitting_pairs.hpp forbids pairs and lowers capacities that no integral plan uses; the splittable relaxation is
//      solved exactly and rounded (rounding/integral.hpp).
//   2. Up to subset_jobs (tuning.hpp) jobs: dynamic programming over subsets. Optimal, or infeasible.
//   3. While the plan costs more than the bound, or required jobs are unassigned, rounds of window search, branch and
//      bound and large neighbourhood search: for a fixed number of steps without a time limit, until the limit with
//      one. A round of a large problem takes some of its jobs; without a time limit, large problems with a small gap
//      are not searched at all.
//
// Status.  optimal: the cost meets the bound. infeasible: proved by capacities that subset sums can fill (a Hall
// condition), or by all assignments of a few of the jobs. feasible: the search has used its steps; the gap bounds the
// distance to the optimum. time_limit: the limit came first, or some required job has no class, which the search has
// neither found nor ruled out (objective +inf, those jobs at -1). stopped: by the caller only.
#pragma once

#include "gridcompute/transport/exact/resolution_refinement.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Solves a problem with demands. solve_once: solves the relaxation and rounds it.
void solve_whole_jobs(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                      Result& result, const WholeJobTuning& tuning = kDefaultWholeJobTuning);

}  // namespace gridcompute::transport
