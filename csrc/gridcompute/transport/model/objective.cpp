#include "gridcompute/transport/model/objective.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "gridcompute/transport/model/job_shards.hpp"

namespace gridcompute::transport {

void Total::add(double x) {  // Neumaier's compensated sum
  const double t = sum + x;
  rest += std::fabs(sum) >= std::fabs(x) ? (sum - t) + x : (x - t) + sum;
  sum = t;
  magnitude += std::fabs(x);
}

void Total::add(Cost cost) {
  whole += cost;
  magnitude += std::fabs(static_cast<double>(cost));
}

void Total::join(const Total& other) {
  const double all = magnitude + other.magnitude;
  whole += other.whole;
  add(other.sum);
  rest += other.rest;
  magnitude = all;
}

bool unplaced_integral(const Problem& problem) {
  if (problem.unplaced == nullptr) return true;
  const Index n = problem.unplaced_stride == 0 ? std::min<Index>(1, problem.cost->n_jobs()) : problem.cost->n_jobs();
  constexpr double kMost = 0x1p90;  // sums of 2^31 stay below 2^121
  for (Index i = 0; i < n; ++i) {
    const double out = problem.unplaced[i];
    if (out != std::nearbyint(out) || (out < kInf && std::fabs(out) > kMost)) return false;
  }
  return true;
}

namespace {

// Sums real costs whose sum overflows, on the way or at the end: scaled down, which is exact enough for a sum that
// large. A cost that is NaN now was a number in the passes before, which refuse NaN.
double sum_scaled(const Problem& problem, std::span<const std::int32_t> assignment) {
  constexpr int kScale = 100;  // bits: 2^31 doubles do not overflow
  const CostSource& source = *problem.cost;
  Total total;
  for (Index i = 0; i < source.n_jobs(); ++i) {
    const std::int32_t s = assignment[static_cast<std::size_t>(i)];
    const bool placed = s >= 0 && s < source.n_slots();
    if (placed && !source.real()) continue;  // part of `whole`
    if (!placed && problem.unplaced == nullptr) continue;
    const double x = placed ? source.real_at(i, s) : problem.unplaced[i * problem.unplaced_stride];
    if (placed && std::isnan(x)) {
      throw Error(ErrorKind::invalid_problem, "cost", i,
                  "cost: row " + std::to_string(i) + " has a NaN, which was a number when it was read before");
    }
    if (std::isfinite(x)) total.add(std::ldexp(x, -kScale));
  }
  return std::ldexp(total.sum + total.rest, kScale);
}

}  // namespace

Total total_cost(const Problem& problem, std::span<const std::int32_t> assignment, Pool& pool, const Tuning& tuning) {
  if (problem.shards != nullptr) return problem.shards->total(assignment);
  constexpr Index kChunk = kTotalRows;  // jobs
  const CostSource& source = *problem.cost;
  const Index n = source.n_jobs(), n_slots = source.n_slots();
  std::vector<Total> parts(static_cast<std::size_t>(Pool::chunks(n, kChunk)));
  Total total;
  total.integral = !source.real() && unplaced_integral(problem);
  const auto fetch = [&](Index i) {
    const std::int32_t s = assignment[static_cast<std::size_t>(i)];
    if (s >= 0 && s < n_slots) source.prefetch(i, s);
  };
  pool.for_chunks(n, kChunk, [&](Index chunk, Index begin, Index end) {
    Total& part = parts[static_cast<std::size_t>(chunk)];
    for (Index i = begin; i < end; ++i) {
      if (i + tuning.cost_prefetch < end) fetch(i + tuning.cost_prefetch);
      const std::int32_t s = assignment[static_cast<std::size_t>(i)];
      if (s < 0 || s >= n_slots) {
        if (problem.unplaced == nullptr) continue;
        const double out = problem.unplaced[i * problem.unplaced_stride];
        if (!(std::fabs(out) < std::numeric_limits<double>::infinity())) continue;
        total.integral ? void(part.whole += static_cast<Wide>(out)) : part.add(out);
      } else if (source.real()) {
        part.add(source.real_at(i, s));
      } else {
        part.add(source.integer_at(i, s));
      }
    }
  });
  for (const Total& part : parts) total.join(part);
  if (!std::isfinite(total.sum + total.rest)) total.sum = sum_scaled(problem, assignment), total.rest = 0;
  return total;
}

bool any_cost_below(const Problem& problem, double most, Pool& pool, Stop& stop) {
  constexpr Index kChunk = 256;  // jobs
  const CostSource& source = *problem.cost;
  const auto lost = [&](double cost) { return cost != 0 && std::fabs(cost) <= most; };
  std::atomic<bool> any = false;
  stop.count(source.n_jobs() * source.n_slots());
  const bool whole = pool.for_chunks(
      source.n_jobs(), kChunk,
      [&](Index, Index begin, Index end) {
        std::vector<double> row(static_cast<std::size_t>(source.n_slots()));
        double least[kChunk];  // lower bounds of rows: a row whose bound is above `most` need not be read
        const bool bounded = source.least(Rows{nullptr, begin, end - begin}, least);
        for (Index i = begin; i < end && !any; ++i) {
          if (problem.unplaced != nullptr && lost(problem.unplaced[i * problem.unplaced_stride])) any = true;
          if (any || (bounded && least[i - begin] > most)) continue;
          source.reals(Rows{nullptr, i, 1}, row.data());
          if (std::any_of(row.begin(), row.end(), lost)) any = true;
        }
      },
      &stop);
  return any || !whole;
}

void Stats::add(const char* name, double seconds) {
  for (Stage& s : stages) {
    if (std::string(s.name) == name) {
      s.seconds += seconds;
      return;
    }
  }
  stages.push_back({name, seconds});
}

}  // namespace gridcompute::transport
