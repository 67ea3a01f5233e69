// Checks an answer of transport against the problem alone: it shares no code with any solver.
//
// Problem.  Job i has demand w_i (1, or more slots of one class) and costs c_is in class s, for all of its slots
// together; class s has capacity u_s; a job may be left unplaced at cost pen_i where that is finite.
//
// Steps.
//   Feasible: each entry is in range and not a forbidden class, no job is unplaced that must be placed, no class has a
//     load above u_s. A job is one entry of the assignment, so it is never split.
//   Objective: the exact sum of the original costs.
//   Bound: D(p) = sum_i min(pen_i, min_s (c_is + w_i p_s)) - sum_s u_s p_s, the Lagrangian dual. For each job a plan
//     costs at least its minimum less the prices of its slots, and these are at most sum u_s p_s in all: for any p >= 0
//     no plan costs less than D(p). As no class holds more than all jobs together, u_s counts for at most sum w.
//     Demands above 1: classes smaller than the demand are forbidden, u_s is lowered to the largest sum of demands, and
//     two other bounds may be closer (gangs.hpp): enumeration of up to 12 jobs, and knapsacks at charges, if given.
//   Infeasible: jobs J that must be placed and classes T, such that every other class is forbidden to every job of J
//     (or smaller than its demand), and the sum of w over J exceeds the sum of u over T: Hall's condition is violated.
//     Or up to 12 jobs J of which no placement fits into T.
//
// Rigour.  All sums are exact (exact_numbers.hpp); prices may be sums of several doubles, for costs far apart. Costs
// that are integers are added to integer prices in int64, or in int128 where they are large. Otherwise a row's minimum
// is found in two steps: c + w p in doubles, then, for the classes within its error of the least, as an unevaluated sum
// of two doubles: product and sum without error (TwoProduct, TwoSum). For w = 1 that is exact, and so is D(p); for a
// gang the last addition is rounded both ways, 2^-100 relative. Integers beyond 2^53 are enclosed by their neighbouring
// doubles there. Then the sum is rounded down, and up.
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
#include <tuple>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/certificate/exact_numbers.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute::certificate {

// Jobs of one chunk; fixed, so that the bits do not depend on the number of threads.
inline constexpr Index kChunkJobs = 1 << 12;
// Costs read at a time: 128 kB of doubles, which stay in the second-level cache.
inline constexpr Index kBlockCosts = 1 << 14;

struct TransportProblem {
  const CostSource* cost = nullptr;
  std::span<const Cost> capacity;        // (n_slots)
  std::span<const std::int32_t> demand;  // (n_jobs), or empty: 1 each
  std::span<const double> unplaced;      // (n_jobs), or (1) for all, or empty: every job must be placed

  [[nodiscard]] Cost weight(Index job) const { return demand.empty() ? 1 : demand[at(job)]; }
  [[nodiscard]] double out(Index job) const {  // +inf: the job must be placed
    if (unplaced.empty()) return std::numeric_limits<double>::infinity();
    return unplaced[unplaced.size() == 1 ? 0 : at(job)];
  }
};

// An interval that contains a number; its ends also as integers where they are integers below 2^126.
struct Enclosure {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  std::optional<Wide> integer, integer_high;
};

struct TransportReport {
  // If all are empty, the assignment is feasible and the bound is the one that the prices prove.
  std::vector<std::string> faults;     // of the assignment: size, range
  std::vector<std::string> forbidden;  // pairs
  std::vector<std::string> missing;    // jobs that must be placed and are unplaced
  std::vector<std::string> overfull;   // classes beyond their capacity
  std::vector<std::string> unproved;   // faults of prices and costs: there is no bound
  std::vector<Cost> load;              // (n_slots), over the entries in range
  Enclosure objective, bound;
  double magnitude = 0;   // sum of |costs| in the objective: the scale of rounding errors in other summations
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

// The jobs with one kind of fault: their number, the first, and its entry of the assignment.
struct JobFault {
  Index count = 0, job = -1, found = 0;
  void add(Index i, Index entry) noexcept {
    if (count++ == 0) job = i, found = entry;
  }
  void join(const JobFault& later) noexcept {
    if (count == 0) job = later.job, found = later.found;
    count += later.count;
  }
};

// The exact sums over some jobs, in any number of parts: sums of all jobs do not depend on how these were cut.
struct TransportSums {
  ExactSum objective, low, high;
  double magnitude = 0;
  std::vector<Cost> load;
  // Entries out of range or forbidden, jobs that must be placed, rows with invalid costs, and rows without any option.
  JobFault range, forbidden, must, invalid, no_option;
  bool fractional = false;  // some cost of being unplaced is not an integer
  Index jobs = 0;

  void join(TransportSums& later);  // of the jobs that follow
  static auto parts(auto& s) {
    return std::tie(s.objective, s.low, s.high, s.magnitude, s.load, s.range, s.forbidden, s.must, s.invalid,
                    s.no_option, s.fractional, s.jobs);
  }
};

struct PricesCheck {
  bool usable = false;
  std::vector<std::string> faults;
};
[[nodiscard]] PricesCheck check_prices(std::span<const double> prices, std::span<const double> remainders,
                                       Index n_slots);

// Sums the jobs of a problem that are part of a larger one; first: the number of its first job there. Without usable
// prices objective and loads only. nullopt after a stop.
[[nodiscard]] std::optional<TransportSums> sum_jobs(const TransportProblem& problem,
                                                    std::span<const std::int32_t> assignment,
                                                    std::span<const double> prices, std::span<const double> remainders,
                                                    bool priced, Index first, Pool& pool, Stop& stop);

// Concludes from the sums of all jobs, with demand 1. problem: capacities, and the costs of any jobs.
[[nodiscard]] TransportReport check_sums(const TransportProblem& problem, TransportSums& total,
                                         std::span<const double> prices, std::span<const double> remainders);

// An answer that a solver is about to return.
struct TransportClaim {
  std::span<const std::int32_t> assignment;  // (n_jobs)
  std::span<const Cost> load;                // (n_slots)
  std::span<const double> prices;            // (n_slots)
  double objective = 0;
  bool complete = true;  // every job that must be placed is, by its status
};

// Returns the first inconsistency within the answer, without reading costs; empty if there is none. O(n_jobs +
// n_slots), called after each solve: sizes, ranges, loads against assignment and capacity, jobs that must be placed,
// prices.
[[nodiscard]] std::string contradiction(const TransportProblem& problem, const TransportClaim& claim);

struct WitnessReport {
  std::vector<std::string> faults;  // empty: the problem is proved infeasible
  Wide needed = 0, available = 0;   // demand of the jobs, capacity of the classes
};

[[nodiscard]] WitnessReport check_witness(const TransportProblem& problem, std::span<const Index> jobs,
                                          std::span<const Slot> slots);

// The Lagrangian bound of jobs that do not all pay the same prices, as those of queues whose limits have prices.
//
// Problem. Jobs are in groups. A job of group g pays w (p_s + r_gs) for class s beside its cost, w being its demand.
// Each placement costs at least the sum over jobs of min(pen_i, min_s (c_is + w_i (p_s + r_gs))), less what the caller
// knows slots and limits to be worth at most.
//
// Rigour. As at the top: r_gs is a sum of several doubles, added without rounding; the sum over jobs is exact but
// for the last addition of each gang, which is rounded both ways.

// Encloses the sum of the least costs of all jobs; (-inf, inf) if prices or costs are invalid, inf if some job has no
// option. group: (n_jobs), each below the number of remainders; remainders: of each group, rows of (n_slots) that are
// added to the prices. nullopt after a stop.
[[nodiscard]] std::optional<Enclosure> least_costs(const TransportProblem& problem, std::span<const std::int32_t> group,
                                                   std::span<const double> prices,
                                                   std::span<const std::span<const double>> remainders, Pool& pool,
                                                   Stop& stop);

}  // namespace gridcompute::certificate
