// Exact transport: N jobs to S slot classes at least total cost, N >> S.
//
// Problem.  Job i has weight w_i (1, or the size of its gang) and costs c_is in class s as a whole; class s holds u_s
// units; a job may be left out at pen_i where the caller allows it. Minimise the total cost.
//
// Definitions.  Keys are integer costs per unit of weight, rint(c_is * resolution / w_i); all prices, reduced costs and
// labels are in keys. Prices p_s >= 0. V_i(p) = min_s (key_is + p_s). D(p) = sum_i w_i V_i(p) - sum_s u_s p_s bounds
// every plan from below. Being left out is one more class, number n_slots, with room for all: it is a column like any
// other whose price ends at 0. The hub T takes what room is left over: p_T = 0 at the end.
//
// Steps (one file each). Small problems go another way, small_problem.cpp.
//   sampling.cpp   a ladder of stratified samples, capacities scaled, each solved like the full problem: start prices
//   pricing_pass.cpp     one look at every cost: per job the few classes that can matter for prices within a box
//   row_screening.cpp     how one row is looked at, in vectors
//   price_tuning.cpp     Newton (newton.cpp) on the smoothed dual over those candidates: prices that leave few units
//   out of
//                balance; active_set.cpp holds the candidates that matter to it, duplicate_columns.cpp the classes that
//                are one
//   ssp_repair.cpp   shortest paths on the residual graph of S + 2 nodes: the restricted optimum, exactly;
//   widen_box.cpp lets
//                it go on in a wider box, with longer lists
//   violations.cpp which jobs may want a class they have no candidate for
//   add_columns.cpp   these are looked at again, and repair goes on
//   integral.cpp    whole gangs from the splittable optimum
//
// Why it is exact.  ssp_repair.cpp ends with every unit at the cheapest of its candidates and prices complementary to
// the loads: optimal for the restricted problem. violations.cpp proves that no job prefers a class outside its
// candidates: V_i is right, primal equals dual, so it is optimal for the whole. Candidates only grow, so it ends.
//
// Range proof.  base/types.hpp: with |key| <= largest_cost(S + 2) nothing overflows 2^61.
//
// Source.  Tokuyama and Nakano, SIAM J. Comput. 24 (1995) 563: prices from samples make N >> S linear in N. Successive
// shortest paths on the class graph: Brenner, Oper. Res. Lett. 36 (2008) 408. Quadratic smoothing: Lorenz, Manns and
// Meyer, Appl. Math. Optim. 83 (2021) 1919. Deviations: exact pricing by a box of prices instead of repeated passes.
#pragma once

#include <string>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute::transport {

struct Problem {
  const CostSource* cost = nullptr;
  const Cost* capacity = nullptr;        // (n_slots), >= 0
  const std::int32_t* demand = nullptr;  // (n_jobs), >= 1, or null: 1 each
  const double* unplaced = nullptr;      // (n_jobs), or (1) with unplaced_stride 0; null: every job must be placed
  Index unplaced_stride = 0;

  [[nodiscard]] Cost weight(Index job) const noexcept { return demand != nullptr ? demand[job] : 1; }
};

struct Options {
  double resolution = 0;           // 0: automatic
  double gap = 0;                  // stop once proved
  bool direct = false;             // small problems without candidates: small_problem.hpp
  bool auction = false;            // anytime: a matching at sampled prices, if it is close
  const double* prices = nullptr;  // (n_slots), start prices in the unit of cost
  std::uint64_t seed = 0;
  int threads = 0;
};

struct Stage {
  const char* name;
  double seconds;
};

struct Stats {
  Index evaluations = 0;        // costs looked at
  Index levels = 0, given = 0;  // samples that were solved, and those that given prices stood for
  Index rounds = 0, augmentations = 0, searches = 0, candidates = 0, groups = 0, rescanned = 0;
  // Fallbacks taken: looks at everything in a wider box, and what would have been one too many; repairs that went on in
  // a wider box; looks for ways out of classes that had none; classes that would have spoiled the bound for all.
  Index rescans = 0, capped = 0, widened = 0, ways = 0, odd = 0;
  // Tunings that left much to repair, samples left as they were after so many rounds, auctions whose bids ran out.
  Index stalled = 0, unsettled = 0, cut_short = 0;
  // Sums that 32 bits did not hold, short ways (small_problem.hpp) that gave up, gangs dealt out anew, solves begun
  // anew as a cost was larger than what had been seen told, and in a finer unit (resolution_refinement.hpp).
  Index wide = 0, given_up = 0, deals = 0, restarts = 0, finer = 0;
  // Gangs: windows placed again (window_search.hpp), nodes of branch and bound (branch_and_bound.hpp), and 1 where no
  // cheaper plan is left to be tried.
  Index windows = 0, nodes = 0, exhausted = 0;
  Index ties_broken = 0, ties_settled = 0;  // 1: they were; 1: that was not the end of it (perturbation.hpp)
  Index cancelled = 0;  // negative cycles that the rounding of costs to keys had hidden (cycle_canceling.hpp)
  std::vector<Stage> stages;
  void add(const char* name, double seconds);
};

// optimal: proved for the costs as they are, by prices with their remainders; or, where there are too many of them to
// tell ties from what rounding made of them, an optimum of the keys that is one of the costs to 2^-30 of the sizes of
// all that is paid. feasible: gangs, or real costs too far apart for one resolution; the bound says how far it may be.
// time_limit: the limit came first, or some gang that must be placed has no place, and no proof was found that it can
// have none (objective +inf). stopped: by the caller.
enum class Status { optimal, feasible, infeasible, time_limit, stopped };

struct Result {
  Status status = Status::optimal;
  std::vector<std::int32_t> assignment;  // -1: unplaced
  std::vector<Cost> load;                // (n_slots)
  std::vector<double> prices;            // (n_slots), in the unit of cost
  // Rows of (n_slots), to be added to the prices where these as doubles prove less than the optimum; or none.
  std::vector<std::vector<double>> remainders;
  double objective = 0, bound = 0;  // in the unit of cost; objective rounded to nearest, bound rounded down
  Wide exact_objective = 0;         // where all costs are integers
  Wide exact_bound = 0;             // likewise, if bound is finite
  bool exact = false;               // objective equals bound in exact arithmetic
  bool integral = false;            // all costs are integers
  double resolution = 1;
  // Of an optimum of keys that were rounded: how much two costs may be off; below 0 where that is settled
  // (cycle_canceling.hpp).
  double rounding = -1;
  bool listed = false;              // that was tried on candidate lists, and too much was near
  std::vector<double> charges;      // (n_jobs) of a bound by knapsacks (exact_knapsack_bound.hpp), or empty: by prices
  std::vector<Index> witness_jobs;  // infeasible: these jobs fit only in these slots, and exceed their capacity
  std::vector<Slot> witness_slots;
  Stats stats;
};

[[nodiscard]] Result solve(const Problem& problem, const Options& options, Stop& stop);

}  // namespace gridcompute::transport
