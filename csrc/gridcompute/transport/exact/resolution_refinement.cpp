#include "gridcompute/transport/exact/resolution_refinement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "gridcompute/transport/exact/capped_or_scaled_problem.hpp"
#include "gridcompute/transport/exact/reduced_cost_shift.hpp"
#include "gridcompute/transport/model/dual_bound.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/largest_cost.hpp"
#include "gridcompute/transport/model/objective.hpp"

namespace gridcompute::transport {

namespace {

// Caps costs at a power of two (>= 1 for integers).
struct CostCap {
  double most;

  [[nodiscard]] double operator()(double cost) const { return std::min(cost, most); }
  [[nodiscard]] Cost operator()(Cost cost) const {
    const bool above = static_cast<double>(cost) > most;  // most is below 2^63 then
    return above ? static_cast<Cost>(most) : cost;
  }
};

// Returns the cost of a job in its class, price not included.
double paid(const Problem& problem, Index job, std::int32_t slot) {
  if (slot < 0) return problem.unplaced[job * problem.unplaced_stride];
  return problem.cost->real() ? problem.cost->real_at(job, slot)
                              : static_cast<double>(problem.cost->integer_at(job, slot));
}

// Returns whether a job pays a capped cost: then the result is not optimal for the original problem.
bool uses_capped_cost(const Problem& problem, const Result& result, double most) {
  for (std::size_t k = 0; k < result.assignment.size(); ++k)
    if (paid(problem, static_cast<Index>(k), result.assignment[k]) > most) return true;
  return false;
}

// Returns a power of two at which costs may be capped; nullopt where the result proves none.
std::optional<double> find_cost_cap(const Problem& problem, const Result& result) {
  const double gap = result.objective - result.bound;
  if (!(gap < kInf)) return std::nullopt;
  double most = 0;
  for (std::size_t k = 0; k < result.assignment.size(); ++k) {
    const std::int32_t s = result.assignment[k];
    most = std::max(most,
                    paid(problem, static_cast<Index>(k), s) + (s < 0 ? 0 : result.prices[static_cast<std::size_t>(s)]));
  }
  most += 2 * gap;
  if (!(most > 0 && most < std::numeric_limits<double>::max() / 2)) return std::nullopt;
  int exponent = 0;
  if (std::frexp(most, &exponent) == 0.5) --exponent;
  return std::ldexp(1.0, problem.cost->real() ? exponent : std::max(exponent, 0));
}

// Solves `problem` from `prices` into `next`, which goes on counting from `result`. Returns whether it ended with a
// plan; if not, `result` has the status that it ended with.
bool solve_again(const Problem& problem, const double* prices, const Options& options, Pool& pool, Stop& stop,
                 SolveOnce* solve_once, Result& result, Result& next) {
  Options again = options;
  again.prices = prices;
  next.stats = result.stats;
  ++next.stats.refinements;
  solve_once(problem, again, pool, stop, next);
  const bool ended = next.status == Status::optimal || next.status == Status::feasible;
  if (!ended) result.status = next.status;
  return ended;
}

// Solves with capped costs. False where that gains nothing: the result is then as it was, except after a stop.
bool solve_capped(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                  Result& result) {
  const auto limit = static_cast<Cost>(largest_cost(problem.cost->n_slots() + 2));
  const std::optional<double> most = find_cost_cap(problem, result);
  if (!most) return false;
  const CappedOrScaledProblem lowered(problem, CostCap{*most});
  if (choose_resolution(largest_cost_likely(lowered.problem(), pool, stop), limit) <
      options.tuning->finer * result.resolution)
    return false;
  Result next;
  if (!solve_again(lowered.problem(), result.prices.data(), options, pool, stop, solve_once, result, next) ||
      uses_capped_cost(problem, next, *most))
    return false;
  result = std::move(next);
  return true;
}

// Bounds how much less than this plan any plan costs.
double gap_of(const Result& result) {
  constexpr double kDouble = 0x1p-51;  // rounding of both sums
  return (result.objective - result.bound) + kDouble * std::fabs(result.objective);
}

// Solves with shifted costs; the gap then comes from sums that are far smaller.
bool solve_shifted(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                   double& gap, Result& result) {
  const auto limit = static_cast<Cost>(largest_cost(problem.cost->n_slots() + 2));
  if (!(gap > 0 && gap < std::numeric_limits<double>::max() / 8)) return false;
  const ShiftedProblem shifted(problem, result, gap, pool, stop);
  if (stop.requested() || choose_resolution(shifted.most(), limit) < options.tuning->finer_shifted * result.resolution)
    return false;
  Result next;
  if (!solve_again(shifted.problem(), shifted.start().data(), options, pool, stop, solve_once, result, next) ||
      shifted.uses_capped_cost(next))
    return false;
  gap = gap_of(next) + 2 * shifted.rounding() * static_cast<double>(next.assignment.size());
  next.prices = shifted.prices(next.prices);
  next.remainders.clear();
  const Total total = total_cost(problem, next.assignment, pool, *options.tuning);
  next.integral = total.integral;
  next.exact_objective = total.whole;
  next.objective = total.value();
  const std::span<const Cost> capacity(problem.capacity, next.prices.size());
  const std::optional<double> bound = bound_of_costs(problem, next.prices, capacity, pool, stop);
  next.bound = std::min(bound.value_or(-kInf), next.objective);
  next.exact_bound = integer_not_below(next.bound);
  next.exact = false;
  next.rounding = std::max(0.0, next.rounding) + shifted.rounding();
  result = std::move(next);
  return true;
}

}  // namespace

void refine_resolution(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                       Result& result) {
  constexpr int kShifts = 40;  // an end: each shift that is solved refines the unit, of 2^2098 in all at most
  while (result.status == Status::feasible && !stop.requested() &&
         solve_capped(problem, options, pool, stop, solve_once, result)) {
  }
  double gap = gap_of(result);
  for (int k = 0; k < kShifts && result.status == Status::feasible && result.rounding >= 0 && !stop.requested(); ++k)
    if (!solve_shifted(problem, options, pool, stop, solve_once, gap, result)) return;
}

}  // namespace gridcompute::transport
