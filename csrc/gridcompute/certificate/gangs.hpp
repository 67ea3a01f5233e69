// What may be said of gangs beyond prices: sums that fill a class, every plan of a few jobs, knapsacks at charges.
//
// Problem.  D(p) of transport.hpp bounds plans that split gangs as well. Three things bound whole plans from closer.
//   Room: class s never holds more than the largest sum of demands that is at most u_s. So much counts in D(p), and on
//     the right side of Hall's condition.
//   Few: with n <= 12 jobs every plan is looked at: for each set of jobs the least cost with the first classes only.
//     A job need only look at the n classes that are cheapest to it alone: in some optimum one of them is its own.
//   Charges: for any y, sum_i y_i + sum_i min(0, pen_i - y_i) - sum_s K_s(y) with K_s the largest sum of y_i - c_is
//   over
//     sets of jobs that class s can hold. A plan pays for its jobs what they are charged, less what its classes make.
//
// Rigour.  Few jobs' sums are exact, of as many words as their costs need. For charges, costs are integers of 128 bits
// in a unit that is a power of two. What has digits below it is rounded down; then the sums are bounds from below, and
// what was lost is at most one unit a rounding.
//
// Complexity.  Room O(sums * different demands); few O(3^n * classes); charges O(jobs * room) a class. Each is left out
// where it takes more than a fixed number of steps.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/certificate/exact_sum.hpp"
#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::certificate {

// The room of each class that some of these jobs can fill; all jobs where none are given.
[[nodiscard]] std::vector<Cost> fillable_room(const TransportProblem& problem,
                                              std::optional<std::span<const Index>> jobs = {});

struct GangBound {
  bool possible = true;  // is there a plan?
  ExactSum low, high;    // no plan costs less than `low`; `high` is what it is without rounding, at most
};

// What the cheapest plan costs, exactly; nothing where jobs are too many to look at all plans.
[[nodiscard]] std::optional<GangBound> bound_of_few(const TransportProblem& problem);

// charges: (n_jobs), finite.
[[nodiscard]] std::optional<GangBound> bound_of_charges(const TransportProblem& problem,
                                                        std::span<const double> charges);

// Can all of these jobs be placed whole? Nothing where they are too many to try.
[[nodiscard]] std::optional<bool> can_be_placed(const TransportProblem& problem, std::span<const Index> jobs);

}  // namespace gridcompute::certificate
