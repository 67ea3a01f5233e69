// Bounds for jobs with a demand above 1 that are closer than those of prices: attainable capacities, enumeration of all
// plans of a few jobs, and knapsacks at charges.
//
// Problem.  D(p) of transport.hpp also bounds plans that split a job among classes. Three bounds are closer for
// integral plans.
//   Attainable capacity: class s never holds more than the largest sum of demands that is at most u_s. This sum
//     replaces u_s in D(p) and on the right side of Hall's condition.
//   Enumeration: with n <= 12 jobs, a dynamic program over sets of jobs finds the least cost with the first classes
//     only. Each job needs only its n cheapest classes: in some optimum it is in one of them.
//   Charges: for any y, sum_i y_i + sum_i min(0, pen_i - y_i) - sum_s K_s(y), with K_s(y) the largest sum of y_i - c_is
//     over sets of jobs that class s can hold (a knapsack). Any plan costs the charges of its jobs less the profits of
//     its classes, and these are at most K_s(y): Lagrangian relaxation of the assignment constraints.
//
// Rigour.  The sums of the enumeration are exact, of as many words as the costs need. For charges, costs are integers
// of 128 bits in a unit that is a power of two. Numbers with digits below it are rounded down; the sums are then lower
// bounds, and each rounding loses less than one unit.
//
// Complexity.  Attainable capacity O(sums * different demands); enumeration O(3^n * classes); charges O(jobs *
// capacity) for each class. Each is omitted where it takes more than a fixed number of steps.
//
// Source.  Martello and Toth, Knapsack Problems (1990), chapters 2 and 7 (bounds of the generalized assignment
// problem).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/certificate/exact_numbers.hpp"
#include "gridcompute/certificate/transport.hpp"

namespace gridcompute::certificate {

// Returns the attainable capacity of each class with these jobs, or with all jobs.
[[nodiscard]] std::vector<Cost> attainable_capacity(const TransportProblem& problem,
                                                    std::optional<std::span<const Index>> jobs = {});

struct GangBound {
  bool possible = true;  // is there a feasible plan?
  ExactSum low, high;    // a lower bound on the cost of any plan, and the most it would be without rounding
};

// Returns the least cost of any plan, exactly; nothing where the jobs are too many to enumerate.
[[nodiscard]] std::optional<GangBound> bound_by_enumeration(const TransportProblem& problem);

// Returns the bound of knapsacks at these charges, (n_jobs), finite; nothing where it takes too many steps.
[[nodiscard]] std::optional<GangBound> bound_by_knapsacks(const TransportProblem& problem,
                                                          std::span<const double> charges);

// Returns whether all of these jobs can be placed together; nothing where they are too many to enumerate.
[[nodiscard]] std::optional<bool> can_be_placed(const TransportProblem& problem, std::span<const Index> jobs);

}  // namespace gridcompute::certificate
