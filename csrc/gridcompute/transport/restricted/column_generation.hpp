// Column generation on one level: a pricing pass, price tuning, then repair and pricing in turn until no dual
// constraint is violated. Samples and the full problem take the same steps; a sample may end early, since its prices
// only guide the next level.
//
// Steps of ColumnGeneration::run.  price_all: candidates for prices in a box, Newton on the smoothed dual. repair_plan:
// shortest paths to the restricted optimum, continued in wider boxes. reprice: the jobs that a class outside their
// candidates may violate; they get columns, or, where they are many, all jobs are priced again. add_escapes: columns
// for classes that are too full and have no path, or the proof that there is no plan (infeasibility_proof.hpp).
#pragma once

#include <functional>

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct LevelOutcome {
  enum class Kind { optimal, close, infeasible, stopped, out_of_range } kind = Kind::optimal;
  std::vector<Slot> classes;  // infeasible: the jobs in these classes fit in no other class
};

// Called once prices are tuned, before repair; returns whether a matching at these prices suffices.
using AcceptPrices = std::function<bool(RestrictedProblem& r)>;

// Solves a level. `start` is the box of the first pass, around the first prices; `prices` returns the last. Where it is
// stopped after a pass, `r` and `prices` are still valid: units at their cheapest candidates, prices that bound.
[[nodiscard]] LevelOutcome solve_level(const SolverContext& context, const Level& level, const PriceBox& start,
                                       bool sample, std::vector<Cost>& prices, RestrictedProblem& r,
                                       CostRangeStats& seen, Stats& stats, const AcceptPrices& enough = {});

// Reoptimises a plan on the present lists, at prices that are nearly optimal, without a pricing pass first: every
// repair is followed by a pass over all costs.
[[nodiscard]] LevelOutcome reoptimise(const SolverContext& context, const Level& level, std::vector<Cost>& prices,
                                      RestrictedProblem& r, CostRangeStats& seen, Stats& stats);

}  // namespace gridcompute::transport
