// Is this answer to a transport problem what it says? Recomputed from the problem, with not one line of a solver.
//
// Problem.  Job i weighs w_i (1, or the size of its gang) and costs c_is in class s as a whole; class s holds u_s; a
// job may be left out at pen_i where that is finite.
//
// Steps.
//   Feasible: each job is in range and not at a forbidden class, none is left out that must be placed, no class holds
//     more than u_s. A gang is one entry of the assignment, so it is whole.
//   Objective: the exact sum of the original costs.
//   Bound: D(p) = sum_i min(pen_i, min_s (c_is + w_i p_s)) - sum_s u_s p_s. Any plan pays, for each job, at least its
//     minimum, and at most sum u_s p_s of it are prices: with p >= 0 no plan costs less than D(p), whatever p is.
//     Room for more than all jobs together is never used, so u_s counts for at most sum w.
//     Gangs: classes smaller than the job are closed to it, u_s is lowered to what some demands sum to, and two other
//     bounds may be closer (gangs.hpp): every plan of up to 12 jobs, and knapsacks at charges, where there are some.
//   Infeasible: jobs J that must be placed, classes T, such that every other class is closed to every job of J
//     (forbidden, or smaller than the gang), and sum of w over J exceeds sum of u over T. No plan exists: Hall.
//     Or up to 12 jobs J that no way of placing them whole fits into T.
//
// Rigour.  All sums are exact (exact_sum.hpp); prices may be sums of several doubles, for costs far apart. Costs that
// are integers meet integer prices in int64, or in int128 where they are large. Else a row's minimum is taken in two
// steps: c + w p in doubles, then, for the classes within its error of the least, as an unevaluated sum of two doubles:
// product and sum without error (TwoProduct, TwoSum). For w = 1 that is exact, and so is D(p); for a gang the last
// addition is rounded both ways, 2^-100 relative. Integers beyond 2^53 are enclosed by their neighbouring doubles
// there. Then the sum is rounded down, and up.
//
// Complexity.  One evaluation of every cost, n_jobs * n_slots, in fixed chunks; the same bits for any thread count.
//
// Source.  Weak duality, e.g. Schrijver, Combinatorial Optimization (2003), chapter 21. TwoSum, TwoProduct: Ogita, Rump
// and Oishi, SIAM J. Sci. Comput. 26 (2005) 1955.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute::certificate {

struct TransportProblem {
  const CostSource* cost = nullptr;
  std::span<const Cost> capacity;        // (n_slots)
  std::span<const std::int32_t> demand;  // (n_jobs), or empty: 1 each
  std::span<const double> unplaced;      // (n_jobs), or (1) for all, or empty: every job must be placed

  [[nodiscard]] Cost weight(Index job) const { return demand.empty() ? 1 : demand[static_cast<std::size_t>(job)]; }
  [[nodiscard]] double out(Index job) const {  // +inf: must be placed
    if (unplaced.empty()) return std::numeric_limits<double>::infinity();
    return unplaced[unplaced.size() == 1 ? 0 : static_cast<std::size_t>(job)];
  }
};

// A number enclosed, both ends also as integers where they are some below 2^126.
struct Enclosure {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  std::optional<Wide> integer, integer_high;
};

struct TransportReport {
  // All empty: the assignment is feasible, and the bound is what the prices prove.
  std::vector<std::string> faults;     // of the assignment: size, range
  std::vector<std::string> forbidden;  // pairs
  std::vector<std::string> missing;    // jobs that must be placed and are not
  std::vector<std::string> overfull;   // classes beyond their capacity
  std::vector<std::string> unproved;   // of prices and costs: there is no bound
  std::vector<Cost> load;              // (n_slots), over the entries in range
  Enclosure objective, bound;
  double magnitude = 0;   // sum of |costs| in the objective: the scale of another summation's roundings
  bool integral = false;  // every cost is an integer, so every plan's cost is, and the bound was rounded up to one
  bool tight = false;     // objective == bound, exactly
  bool complete = false;  // false: stopped

  [[nodiscard]] bool feasible() const noexcept {
    return faults.empty() && forbidden.empty() && missing.empty() && overfull.empty();
  }
};

// remainders: rows of (n_slots) that are added to the prices, where single doubles are too coarse to prove the optimum.
[[nodiscard]] TransportReport check_transport(const TransportProblem& problem, std::span<const std::int32_t> assignment,
                                              std::span<const double> prices, Pool& pool, Stop& stop,
                                              std::span<const double> charges = {},
                                              std::span<const double> remainders = {});

// What a solver is about to answer.
struct TransportClaim {
  std::span<const std::int32_t> assignment;  // (n_jobs)
  std::span<const Cost> load;                // (n_slots)
  std::span<const double> prices;            // (n_slots)
  double objective = 0;
  bool complete = true;  // every job that must be placed is, by its status
};

// Says what the answer contradicts of itself, without a look at the costs; empty if nothing. O(n_jobs + n_slots), to be
// asked after each solve: sizes, ranges, loads against assignment and capacity, jobs that must be placed, prices.
[[nodiscard]] std::string contradiction(const TransportProblem& problem, const TransportClaim& claim);

struct WitnessReport {
  std::vector<std::string> faults;  // empty: the problem has no answer
  Wide needed = 0, available = 0;   // weight of the jobs, capacity of the classes
};

[[nodiscard]] WitnessReport check_witness(const TransportProblem& problem, std::span<const Index> jobs,
                                          std::span<const Slot> slots);

}  // namespace gridcompute::certificate
