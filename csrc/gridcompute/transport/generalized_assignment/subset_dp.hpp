// Few gangs: the optimum, or a proof that there is no plan, by subsets of jobs.
//
// Problem. With at most kMostExact jobs whole plans can be enumerated, however tightly they fit.
//
// Steps. f_c(M) is the least cost of the jobs of set M in the first c classes, or left out:
//   f_c(M) = min over subsets A of M whose demands fit into class c of f_{c-1}(M \ A) + cost of A in c.
// Sums are exact: integers of as many words as the costs need, in the unit of the lowest bit of any (fixed.hpp).
//
// Which classes matter. In some optimum each job is in one of its n cheapest classes of those that may hold it alone:
// were it elsewhere, the other n - 1 jobs would leave one of these empty. The same holds for whether there is a plan.
//
// Complexity. O(3^n_jobs * classes), less where few subsets fit.
//
// Source. Subset sums over set partitions: Bellman, J. ACM 9 (1962) 61; Lawler, Inf. Process. Lett. 5 (1976) 66.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// More take too long: 3^12 * 12 steps.
constexpr Index kMaxSubsetJobs = 12;

// What the cheapest plan costs: as doubles not above and nearest, and rounded up to an integer below 2^120 in size.
struct ExactPlan {
  bool feasible = false;
  std::vector<std::int32_t> assignment;  // -1: left out
  double below = 0, nearest = 0;
  std::optional<Wide> whole;
};

// Nothing for more than kMostExact jobs, or after a stop.
[[nodiscard]] std::optional<ExactPlan> solve_by_subsets(const Problem& problem, Stop& stop);

// Some of these jobs, as few as possible, that cannot all be placed whole; empty where they can. At most kMostExact
// jobs.
[[nodiscard]] std::vector<Index> smallest_unpackable_set(const Problem& problem, std::span<const Index> jobs);

}  // namespace gridcompute::transport
