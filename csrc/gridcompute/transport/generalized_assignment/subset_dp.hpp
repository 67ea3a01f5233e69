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
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

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
