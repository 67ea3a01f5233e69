// Generalized assignment (jobs with demand above 1, each whole in one class): the solver from end to end.
//
// Problem.  transport/problem.hpp with demands; NP-hard.
//
// Steps.
//   1. integral_model.hpp forbids pairs and lowers capacities that no integral plan uses; the splittable relaxation is
//      solved exactly and rounded (transport/rounding.hpp).
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

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/exact/resolution_refinement.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// Solves a problem with demands. solve_once: solves the relaxation and rounds it.
void solve_whole_jobs(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                      Result& result, const WholeJobTuning& tuning = kDefaultWholeJobTuning);

// Exact solution for few jobs: dynamic programming over subsets of jobs, or a proof that no plan exists.
//
// Problem.  With at most subset_jobs (tuning.hpp) jobs all integral plans can be enumerated implicitly, however tight.
//
// Steps.  f_c(M) is the least cost of the jobs of set M in the first c classes, or unplaced:
//   f_c(M) = min over subsets A of M whose demands fit into class c of f_{c-1}(M \ A) + cost of A in c.
// Sums are exact: integers of as many words as the costs need, in the unit of the lowest bit of any (dyadic_sum.hpp).
//
// Relevant classes.  In some optimum each job is in one of its n cheapest classes among those that can hold it alone:
// were it elsewhere, the other n - 1 jobs would leave one of these empty. The same holds for feasibility.
//
// Complexity.  O(3^n_jobs * classes), less where few subsets fit.
//
// Source.  Dynamic programs over subsets: Bellman, J. ACM 9 (1962) 61; Lawler, Inf. Process. Lett. 5 (1976) 66.

// The cheapest plan and its cost: rounded down, to nearest, and up to an integer if that is below 2^120 in magnitude.
struct ExactPlan {
  bool feasible = false;
  std::vector<std::int32_t> assignment;  // -1: unplaced
  double below = 0, nearest = 0;
  std::optional<Wide> whole;
};

// Returns the cheapest plan; nullopt for more than subset_jobs jobs, or after a stop.
[[nodiscard]] std::optional<ExactPlan> solve_by_subsets(const Problem& problem, Stop& stop,
                                                        const WholeJobTuning& tuning = kDefaultWholeJobTuning);

// Returns some of these jobs, as few as possible, that cannot all be placed whole; empty where they can. At most
// subset_jobs jobs.
[[nodiscard]] std::vector<Index> smallest_unpackable_set(const Problem& problem, std::span<const Index> jobs);

}  // namespace gridcompute::transport
