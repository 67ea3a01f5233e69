// Exact transport: n_jobs jobs to n_slots slot classes at least total cost, where jobs are many and classes few.
//
// Problem.  Job i has weight w_i (1, or its demand) and costs c_is in class s as a whole; class s has capacity u_s in
// units of weight; a job may stay unplaced at cost o_i where the caller allows it. Minimise the total cost.
//
// Definitions.  Keys are integer costs per unit of weight, rint(c_is * resolution / w_i); all prices, reduced costs and
// labels are in keys. Prices p_s >= 0 are the duals of the capacities. V_i(p) = min_s (key_is + p_s). D(p) = sum_i w_i
// V_i(p) - sum_s u_s p_s is the Lagrangian dual and bounds every plan from below. Staying unplaced is one more column,
// number n_slots, with capacity for all jobs: its price ends at 0 like that of any class that is not full. The hub T is
// the node of unused capacity: p_T = 0 at the end.
//
// Steps (a file each; the decision table in strategy.cpp says when).
//   multilevel/stratified_sampling samples with capacities scaled, each solved like the full problem: start
//                                  prices and trust region
//   restricted/pricing_pass        one pass over all costs: for each job the few classes that can be its cheapest for
//                                  prices within a box (kernels/row_screening: one row, vectorised)
//   restricted/price_tuning        Newton's method (newton) on the smoothed dual of the restricted problem, on groups
//                                  that prices can still decide (active_set), with equal columns as one
//                                  (multilevel/duplicates_in_sample)
//   restricted/ssp_repair          successive shortest paths on the residual graph of S + 2 nodes: the exact optimum of
//                                  the restricted problem, continued in a wider box, with longer lists
//   restricted/violations          the jobs whose dual constraint a class outside their candidates may violate
//   restricted/add_columns         those jobs are read again and get the columns they lack; repair continues
//   restricted/infeasibility_proof  columns for jobs that fit in no class with room left; where there are none, the
//                                  witness that no plan exists
//   rounding/integral              whole jobs from the splittable optimum, where demands exceed 1
//
// Why it is exact.  ssp_repair ends with every unit at the cheapest of its candidates and prices complementary to the
// loads: optimal for the restricted problem. violations proves that no class outside a job's candidates is cheaper: V_i
// is right, primal equals dual, so the plan is optimal for the whole problem. Candidates are only added, so the rounds
// end.
//
// Range proof.  base/types.hpp: with |key| <= largest_cost(S + 2) nothing overflows 2^61.
//
// Source.  Column generation with an exact pricing problem: Ahuja, Magnanti and Orlin, Network Flows (1993), ch. 17.
// Prices from samples make N >> S linear in N: Tokuyama and Nakano, SIAM J. Comput. 24 (1995) 563. Successive shortest
// paths on the class graph: Brenner, Oper. Res. Lett. 36 (2008) 408. Quadratic smoothing: Lorenz, Manns and Meyer,
// Appl. Math. Optim. 83 (2021) 1919. Deviations: exact pricing by a box of prices instead of repeated passes.
#pragma once

#include <string>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/cost/source.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

class JobShards;

struct Problem {
  const CostSource* cost = nullptr;
  const Cost* capacity = nullptr;        // (n_slots), >= 0
  const std::int32_t* demand = nullptr;  // (n_jobs), >= 1, or null: 1 each
  const double* unplaced = nullptr;      // (n_jobs), or (1) with unplaced_stride 0; null: all jobs must be placed
  Index unplaced_stride = 0;
  // Jobs that are not in memory (model/job_shards.hpp), and the largest finite |cost| of leaving one unplaced.
  JobShards* shards = nullptr;
  double largest_unplaced = 0;

  [[nodiscard]] Cost weight(Index job) const noexcept { return demand != nullptr ? demand[job] : 1; }
};

struct Options {
  double resolution = 0;    // 0: automatic; else the matching is the optimum of these keys
  bool key_prices = false;  // with a resolution: prices too stay those of the keys, without a proof for the costs
  double gap = 0;           // relative gap at which the solve ends, once a bound proves it
  bool direct = false;      // allow the small-problem solver (small_problem.hpp)
  bool auction = false;     // any-time method: ends with a matching at sampled prices, if within the gap
  const double* prices = nullptr;  // (n_slots), start prices in the unit of cost
  std::uint64_t seed = 0;
  int threads = 0;
  const Tuning* tuning = &kDefaultTuning;                      // not null
  const WholeJobTuning* whole_jobs = &kDefaultWholeJobTuning;  // not null
  const CostTuning* cost = &kDefaultCostTuning;                // not null
};

struct Stage {
  const char* name;
  double seconds;
};

struct Stats {
  Index evaluations = 0;              // costs read
  Index levels = 0, warm_levels = 0;  // samples solved; samples that the start prices fitted
  Index rounds = 0, augmentations = 0, searches = 0, candidates = 0, groups = 0, rows_extended = 0;
  // Fallbacks: passes over all costs in a wider box; times that no pass was left (kPassesMost), so that only lists
  // grew; repairs continued in a wider box; searches for escape columns of classes without a path.
  Index repeated_passes = 0, passes_exhausted = 0, box_widenings = 0, escape_searches = 0;
  // Newton's method stalled; samples whose prices were taken unbalanced after too many rounds; auctions that ran out of
  // bids.
  Index newton_stalls = 0, unbalanced_samples = 0, auction_cutoffs = 0;
  // Passes and matrices begun again in 64 bits; solves of the small-problem solver (small_problem.hpp) that were given
  // up; roundings begun again with the largest job first; solves begun again as a cost exceeded the range the sample
  // showed; solves in a finer unit (resolution_refinement.hpp).
  Index int64_fallbacks = 0, small_solver_aborts = 0, rounding_restarts = 0, restarts = 0, refinements = 0;
  // Jobs with demand > 1: windows solved (window_search.hpp), nodes of branch and bound (branch_and_bound.hpp), and 1
  // where branch and bound has ruled out every cheaper plan.
  Index windows = 0, nodes = 0, exhausted = 0;
  Index perturbed = 0,
        perturbation_repairs = 0;  // 0 or 1: keys were perturbed; removing that took repairs (integer_keys.hpp)
  Index negative_cycles = 0;       // cancelled; the rounding of keys had hidden them (cycle_canceling.hpp)
  std::vector<Stage> stages;
  void add(const char* name, double seconds);
};

// optimal: proved for the original costs; or, where too many costs tie within rounding to decide which ties are real,
// an optimum of the keys whose cost is within 2^-30 of the sum of all costs' magnitudes. feasible: jobs with demand >
// 1, or real costs too far apart for one resolution; the bound limits the distance to the optimum. time_limit: the
// limit was reached first, or some job that must be placed has no class and the search did not prove that it can have
// none (objective +inf). stopped: by the caller.
enum class Status { optimal, feasible, infeasible, time_limit, stopped };

struct Result {
  Status status = Status::optimal;
  std::vector<std::int32_t> assignment;  // -1: unplaced
  std::vector<Cost> load;                // (n_slots)
  std::vector<double> prices;            // (n_slots), in the unit of cost
  // Rows of (n_slots), to be added to the prices where these as doubles prove less than the optimum; or empty.
  std::vector<std::vector<double>> remainders;
  double objective = 0, bound = 0;  // in the unit of cost; objective rounded to nearest, bound rounded down
  Wide exact_objective = 0;         // where all costs are integers
  Wide exact_bound = 0;             // likewise, if bound is finite
  bool exact = false;               // objective equals bound in exact arithmetic
  bool integral = false;            // all costs are integers
  double resolution = 1;
  // For an optimum of rounded keys: the largest error of the difference of two costs; below 0 once the optimum is
  // proved for the costs (cycle_canceling.hpp).
  double rounding = -1;
  bool listed = false;              // cycle canceling was tried on candidate lists, and too many classes were near
  std::vector<double> charges;      // (n_jobs) of a bound by knapsacks (knapsack_bound.hpp); empty: by prices
  std::vector<Index> witness_jobs;  // infeasible: these jobs fit in these slots only, and exceed their capacity
  std::vector<Slot> witness_slots;
  Stats stats;
};

[[nodiscard]] Result solve(const Problem& problem, const Options& options, Stop& stop);

}  // namespace gridcompute::transport
