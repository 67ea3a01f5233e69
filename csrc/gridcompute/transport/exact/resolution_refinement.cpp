#include "gridcompute/transport/exact/resolution_refinement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "gridcompute/transport/model/integer_keys.hpp"
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
    most = std::max(most, paid(problem, static_cast<Index>(k), s) + (s < 0 ? 0 : result.prices[at(s)]));
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

// Ratio of units from which costs that are capped are solved again.
constexpr double kFiner = 8;

// Solves with capped costs. False where that gains nothing: the result is then as it was, except after a stop.
bool solve_capped(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                  Result& result) {
  const auto limit = static_cast<Cost>(largest_cost(problem.cost->n_slots() + 2));
  const std::optional<double> most = find_cost_cap(problem, result);
  if (!most) return false;
  const CappedOrScaledProblem lowered(problem, CostCap{*most});
  if (choose_resolution(largest_cost_likely(lowered.problem(), pool, stop), limit) < kFiner * result.resolution)
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

// Ratio of units from which shifted costs, which take longer to read, are solved again.
constexpr double kFinerShifted = 0x1p10;

// Solves with shifted costs; the gap then comes from sums that are far smaller.
bool solve_shifted(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                   double& gap, Result& result) {
  const auto limit = static_cast<Cost>(largest_cost(problem.cost->n_slots() + 2));
  if (!(gap > 0 && gap < std::numeric_limits<double>::max() / 8)) return false;
  const ShiftedProblem shifted(problem, result, gap, pool, stop);
  if (stop.requested() || choose_resolution(shifted.most(), limit) < kFinerShifted * result.resolution) return false;
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

namespace {

struct DoubleDouble {
  double high, low;
};

// Returns a + b = high + low, error-free unless a sum overflows (Knuth's TwoSum).
DoubleDouble two_sum(double a, double b) {
  const double sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

}  // namespace

double ShiftedCost::shifted(double cost, double add, double subtract) const {
  if (!(cost < kInf)) return cost;
  const DoubleDouble sum = two_sum(cost, add), all = two_sum(sum.high, -subtract);
  const double out = all.high + (all.low + sum.low);
  return out <= most_ ? out : most_;  // NaN where a sum overflows: far above
}

void ShiftedCost::reals(Rows rows, double* out) const {
  cost_.reals(rows, out);
  for (Index k = 0; k < rows.count; ++k, out += n_slots())
    for (Index s = 0; s < n_slots(); ++s) out[s] = shifted(out[s], add_[s], subtract_[rows[k]]);
}

double ShiftedCost::real_at(Index job, Index slot) const {
  const double cost = cost_.real() ? cost_.real_at(job, slot) : [&] {
    const Cost whole = cost_.integer_at(job, slot);
    return whole == kForbidden && cost_.forbids() ? kInf : static_cast<double>(whole);
  }();
  return shifted(cost, add_[slot], subtract_[job]);
}

void ShiftedCost::listed_reals(Index first, Index count, Slot* slots, double* costs) const {
  cost_.listed_reals(first, count, slots, costs);
  for (Index job = first; job < first + count; ++job)
    for (Index k = cost_.listed(job); k > 0; --k, ++slots, ++costs)
      *costs = shifted(*costs, add_[*slots], subtract_[job]);
}

ShiftedProblem::ShiftedProblem(const Problem& problem, const Result& result, double gap, Pool& pool, Stop& stop)
    : most_(2 * gap),
      add_(result.prices.size()),
      start_(result.prices.size()),
      least_(result.assignment.size(), 0.0),
      cost_(*problem.cost, add_, least_, most_),
      problem_(problem) {
  constexpr Index kChunk = 256;        // jobs
  constexpr double kParts = 0x1p-104;  // of a price: what its first two doubles leave
  for (std::size_t s = 0; s < add_.size(); ++s) {
    add_[s] = std::max(0.0, result.prices[s] - most_);
    start_[s] = std::min(result.prices[s], most_);
    rounding_ = std::max(rounding_, kParts * result.prices[s]);
  }
  const Index n = problem.cost->n_jobs(), n_slots = problem.cost->n_slots();
  stop.count(n * n_slots);
  (void)pool.for_chunks(
      n, kChunk,
      [&](Index, Index begin, Index end) {
        std::vector<double> row(at(n_slots));
        for (Index i = begin; i < end; ++i) {
          problem.cost->reals(Rows{nullptr, i, 1}, row.data());
          double least = problem.unplaced != nullptr ? problem.unplaced[i * problem.unplaced_stride] : kInf;
          for (Index s = 0; s < n_slots; ++s) least = std::min(least, row[s] + result.prices[s]);
          least_[i] = std::clamp(least, -std::numeric_limits<double>::max(), std::numeric_limits<double>::max());
        }
      },
      &stop);
  for (const double v : least_) rounding_ = std::max(rounding_, kParts * std::fabs(v));
  problem_.cost = &cost_;
  if (problem.unplaced == nullptr) return;
  for (Index i = 0; i < n; ++i) unplaced_.push_back(cost_.unplaced(i, problem.unplaced[i * problem.unplaced_stride]));
  problem_.unplaced = unplaced_.data();
  problem_.unplaced_stride = 1;
}

std::vector<double> ShiftedProblem::prices(std::span<const double> own) const {
  std::vector<double> out(own.begin(), own.end());
  for (std::size_t s = 0; s < out.size(); ++s) out[s] = std::min(out[s] + add_[s], std::numeric_limits<double>::max());
  return out;
}

bool ShiftedProblem::uses_capped_cost(const Result& result) const {
  for (std::size_t k = 0; k < result.assignment.size(); ++k) {
    const auto job = static_cast<Index>(k);
    const std::int32_t s = result.assignment[k];
    if ((s < 0 ? unplaced_[k] : cost_.real_at(job, s)) >= most_) return true;
  }
  return false;
}

}  // namespace gridcompute::transport
