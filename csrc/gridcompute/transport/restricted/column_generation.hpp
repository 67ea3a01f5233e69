// One level solved exactly: scan, tune, then repair and verify in turn until nothing is doubtful. Samples and the full
// problem go the same way; a sample may end early, its prices being advice.
#pragma once

#include <functional>

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct LevelOutcome {
  enum class Kind { optimal, close, infeasible, stopped, out_of_range } kind = Kind::optimal;
  std::vector<Slot> classes;  // infeasible: jobs in these have nowhere else to go
};

// Asked once prices are tuned, before repair: is the matching at these prices good enough?
using AcceptPrices = std::function<bool(RestrictedProblem& r)>;

// `start` is the box of the first scan, around prices to begin with. `prices` out. Where it is stopped after its scan,
// `r` and `prices` are still valid: units at their cheapest candidates, prices that bound.
[[nodiscard]] LevelOutcome solve_level(const SolverContext& context, const Level& level, const PriceBox& start,
                                       bool sample, std::vector<Cost>& prices, RestrictedProblem& r,
                                       CostRangeStats& seen, Stats& stats, const AcceptPrices& enough = {});

// From a plan that lies on the lists, at prices that are nearly optimal, without a scan: every repair is followed by a
// look at all costs.
[[nodiscard]] LevelOutcome reoptimise(const SolverContext& context, const Level& level, std::vector<Cost>& prices,
                                      RestrictedProblem& r, CostRangeStats& seen, Stats& stats);

}  // namespace gridcompute::transport
