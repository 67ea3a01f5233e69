// Gangs from end to end: the fitted relaxation, whole jobs from its optimum, the exact way for a few, the search.
//
// Steps.
//   1. fitting_pairs.hpp closes what no gang can use; the rest is solved as if gangs could be split, and made whole.
//   2. Up to kMostExact jobs are solved by subsets: optimal, or infeasible.
//   3. Where the plan costs more than the bound, or jobs that must be placed are not, window_search.hpp looks for
//   better
//      ones: for a fixed number of steps without a time limit, and until the limit with one. Of large problems it sees
//      some of the jobs at a time, and none where the gap is small and there is no time limit to use.
//
// What is said of the end. optimal: the cost meets the bound. infeasible: proved, by capacities that sums of demands
// can fill (a Hall condition), or by trying all ways to place a few of the jobs. feasible: the search has done its
// steps, and the gap says how far the optimum may be. time_limit: the limit came first; or some job has no place, which
// the search has neither found nor ruled out, within the limit or within its steps (objective +inf, those jobs at -1).
// stopped: by the caller alone.
#pragma once

#include "gridcompute/transport/exact/resolution_refinement.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Needs a demand. solve_once: for the relaxation and its whole plan.
void solve_whole_jobs(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                      Result& result);

}  // namespace gridcompute::transport
