#include "gridcompute/transport/multilevel/gap_prediction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gridcompute/transport/model/dual_bound.hpp"

namespace gridcompute::transport {

double predict_gap(const SolverContext& context, const Level& level, std::span<const Cost> prices, Index smaller,
                   Index n) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const auto noise = [](Index a, Index b) { return 1 / static_cast<double>(a) + 1 / static_cast<double>(b); };
  const std::vector<Cost> narrow(prices.size(), 1);
  RestrictedProblem r;
  CostRangeStats ignored;
  if (!pricing_pass(context, level, {{prices.begin(), prices.end()}, narrow, narrow}, r, ignored) ||
      r.first_infeasible_job >= 0)
    return inf;
  r.place(prices, level.capacity, context.pool);
  const IntegralPlan whole = round_to_integral(context, level, r, prices, context.stop);
  if (whole.n_unassigned_required > 0 || context.stop.requested()) return inf;
  Wide objective = 0;
  for (Index k = 0; k < level.n; ++k) {
    const Index job = level.row(k);
    objective += static_cast<Wide>(context.keys.problem().weight(job)) *
                 context.keys.at(job, whole.assignment[static_cast<std::size_t>(k)]);
  }
  const Wide bound = r.value(prices, context.pool) - capacity_value(prices, level.capacity);
  const double size = std::max(std::fabs(static_cast<double>(objective)), std::fabs(static_cast<double>(bound))),
               gap = static_cast<double>(objective - bound);
  return size > 0 ? gap / size * std::sqrt(noise(level.n, n) / noise(smaller, level.n)) : inf;
}

}  // namespace gridcompute::transport
