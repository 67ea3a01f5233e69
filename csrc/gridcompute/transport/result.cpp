#include "gridcompute/transport/result.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "gridcompute/base/error.hpp"
#include "gridcompute/transport/model/dual_bound.hpp"
#include "gridcompute/transport/model/objective.hpp"

namespace gridcompute::transport {

namespace {

constexpr double kRounding = 0x1p-30;  // share of the sum of |costs|: an optimum of keys within it is called optimal
// Share of the sum of |costs| by which an objective may lie below its bound: one is rounded to nearest, the other down.
// A larger contradiction is a wrong answer.
constexpr double kContradiction = 0x1p-40;

// Throws where the bound exceeds the objective by more than rounding explains.
void refuse_contradiction(const Result& result, const Total& total) {
  const bool contradicts = result.integral ? std::isfinite(result.bound) && result.exact_bound > result.exact_objective
                                           : result.bound - result.objective >
                                                 kContradiction * total.magnitude + std::numeric_limits<double>::min();
  if (!contradicts) return;
  throw Error(ErrorKind::internal, "", -1,
              "transport: the answer contradicts itself: it costs " + shown(result.objective) +
                  ", and its prices prove " + shown(result.bound) + " of every answer");
}

// Returns whether every key is its cost times the resolution exactly, so that a sum of keys is a sum of costs.
bool exact_keys(const DualSolution& of) {
  return of.problem.demand == nullptr && key_rounding(of.keys, of.seen.inexact) == 0;
}

// Writes the remainders of prices, which doubles lose, for keys in a unit that is a power of two. False where some
// price is beyond the doubles.
bool deliver_remainder(std::span<const Cost> prices, double per_cost, Result& result) {
  std::vector<double> lacking;
  for (std::size_t s = 0; s < prices.size(); ++s) {
    const double price = round_up(prices[s]);
    if (!(price / per_cost <= std::numeric_limits<double>::max())) return false;
    lacking.push_back(static_cast<double>(prices[s] - static_cast<Cost>(price)) / per_cost);
  }
  result.remainders.assign(1, std::move(lacking));
  return true;
}

// Throws where a class exceeds its capacity, or where an optimum of keys is not proved by its prices.
void require_sound(const DualSolution& of, const IntegralPlan& whole, bool optimum, Wide found, Wide objective) {
  for (std::size_t s = 0; s < of.all.capacity.size(); ++s) {
    if (whole.load[s] < 0 || whole.load[s] > of.all.capacity[s])
      throw Error(ErrorKind::internal, "", -1,
                  "transport: class " + std::to_string(s) + " was given " + std::to_string(whole.load[s]) +
                      " units, its capacity is " + std::to_string(of.all.capacity[s]));
  }
  if (optimum && found != objective)
    throw Error(ErrorKind::internal, "", -1, "transport: prices do not prove the matching they came with");
}

}  // namespace

double rounding_of(const IntegerKeys& keys, bool inexact) { return 2 * key_rounding(keys, inexact) / keys.per_cost(); }

void classify_result(const DualSolution& of, bool solved, const IntegralPlan& whole, const std::optional<KeySums>& sums,
                     Pool& pool, Stop& stop, Result& result) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const bool ended = sums && solved && whole.n_unassigned_required == 0;
  const bool unit = of.problem.demand == nullptr, exact = exact_keys(of);
  // Where keys are the costs themselves, their sum is known already.
  const bool by_keys = ended && unit && exact && of.keys.resolution() == 1.0 && !of.problem.cost->real() &&
                       unplaced_integral(of.problem);
  const Total total = by_keys      ? Total{sums->objective >> of.keys.perturbation().shift, 0, 0, 0, true}
                      : whole.cost ? *whole.cost
                                   : total_cost(of.problem, result.assignment, pool);
  result.integral = total.integral;
  result.exact_objective = total.whole;
  result.objective = total.value();
  result.bound = -inf;
  bool proved = false;
  if (const auto least = sums ? std::nullopt : bound_of_source(of.problem, pool)) {
    result.bound = *least;
    std::fill(result.prices.begin(), result.prices.end(), 0.0);  // the bound is the dual objective at these prices
  }
  require_sound(of, whole, false, 0, 0);
  if (sums) {
    const Wide found = sums->value - capacity_value(of.prices, of.all.capacity);
    require_sound(of, whole, ended && unit, found, sums->objective);
    const std::span<const Cost> delivered_from(of.prices.data(), result.prices.size());
    proved = ended && unit && exact && found == sums->objective;
    Wide lost = price_rounding_loss(delivered_from, of.keys.per_cost(), of.all.capacity, of.weight);
    if (proved && lost > 0 && deliver_remainder(delivered_from, of.keys.per_cost(), result)) lost = 0;
    const Wide value = found - lost;
    result.bound = cost_rounded_down(value, of.keys, of.seen.inexact, of.weight);
    if (result.integral) {  // every plan costs an integer
      result.exact_bound = exact && of.keys.resolution() == 1.0 ? value >> of.keys.perturbation().shift
                                                                : integer_not_below(result.bound);
      result.bound = static_cast<double>(result.exact_bound);
      result.exact = whole.n_unassigned_required == 0 && result.exact_bound >= result.exact_objective;
    } else if (exact && ended && value == sums->objective) {
      result.exact = true;
      result.objective = static_cast<double>(value) / of.keys.per_cost();
    }
    if (whole.n_unassigned_required == 0) refuse_contradiction(result, total);
    if (ended) result.bound = std::min(result.bound, result.objective);
  }
  // An optimum of rounded keys is called optimal only if no other plan can be cheaper by more than kRounding.
  const auto close = [&] { return unit && result.objective - result.bound <= kRounding * total.magnitude; };
  if (ended && unit && !result.exact && !proved && !close() && of.problem.shards == nullptr) {
    const std::span<const Cost> capacity(of.all.capacity.data(), result.prices.size());
    if (const auto again = bound_of_costs(of.problem, result.prices, capacity, pool, stop))
      result.bound = std::min(std::max(result.bound, *again), result.objective);
  }
  if (ended && unit && !exact) result.rounding = rounding_of(of.keys, of.seen.inexact);
  if (result.exact || (ended && (proved || close()))) {
    result.status = Status::optimal;
  } else if (stop.why() == Stop::Why::time_limit) {
    result.status = Status::time_limit;
  } else {
    // Without a stop only jobs with demand > 1 are left unplaced, which proves nothing: whole_job_solver.hpp continues.
    result.status = stop.requested()                  ? Status::stopped
                    : whole.n_unassigned_required > 0 ? Status::time_limit
                                                      : Status::feasible;
  }
  if (whole.n_unassigned_required > 0) result.objective = inf, result.exact = false;
  if (!result.integral && !(std::fabs(result.objective) < inf && std::fabs(result.bound) < inf)) result.exact = false;
}

}  // namespace gridcompute::transport
