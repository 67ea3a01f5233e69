#include "gridcompute/transport/exact/subnormal_scaling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gridcompute/transport/exact/capped_or_scaled_problem.hpp"
#include "gridcompute/transport/model/dual_bound.hpp"
#include "gridcompute/transport/model/largest_cost.hpp"
#include "gridcompute/transport/model/objective.hpp"

namespace gridcompute::transport {

namespace {

constexpr double kTiny = 0x1p-900, kFactor = 0x1p800;  // products are normal numbers

struct PowerOfTwoScaling {
  [[nodiscard]] double operator()(double cost) const { return cost * kFactor; }
  [[nodiscard]] Cost operator()(Cost cost) const { return cost; }  // integer costs are never that small
};

}  // namespace

bool solve_scaled(const Problem& problem, const Options& options, double most, Pool& pool, Stop& stop,
                  SolveOnce* solve_once, Result& result) {
  if (problem.shards != nullptr) return false;  // their costs are elsewhere and cannot be scaled here
  if (!problem.cost->real() || !(most > 0 && most < kTiny)) return false;
  if (!(largest_cost_seen(problem, pool, stop, true).cost < kTiny) || stop.requested()) return false;
  const CappedOrScaledProblem scaled(problem, PowerOfTwoScaling{});
  std::vector<double> start;
  Options again = options;
  if (options.prices != nullptr) {
    for (Index s = 0; s < problem.cost->n_slots(); ++s)
      start.push_back(std::min(options.prices[s] * kFactor, std::numeric_limits<double>::max()));
    again.prices = start.data();
  }
  solve_once(scaled.problem(), again, pool, stop, result);
  result.resolution = std::min(result.resolution * kFactor, std::numeric_limits<double>::max());
  if (result.status == Status::infeasible || stop.why() == Stop::Why::interrupted) return true;
  result.remainders.clear();
  for (double& p : result.prices) {
    const double scaled_back = p / kFactor;
    p = scaled_back * kFactor < p ? std::nextafter(scaled_back, kInf) : scaled_back;
  }
  if (result.objective < kInf) result.objective = total_cost(problem, result.assignment, pool).value();
  if (result.bound > -kInf) {
    const std::span<const Cost> capacity(problem.capacity, result.prices.size());
    result.bound =
        std::min(bound_of_costs(problem, result.prices, capacity, pool, stop).value_or(-kInf), result.objective);
  }
  if (result.status == Status::optimal || result.rounding >= 0) result.rounding = 0;
  result.exact = false;
  return true;
}

}  // namespace gridcompute::transport
