#include "gridcompute/transport/exact/reduced_cost_shift.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gridcompute::transport {

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
        std::vector<double> row(static_cast<std::size_t>(n_slots));
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
