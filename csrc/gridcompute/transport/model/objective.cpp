#include "gridcompute/transport/model/objective.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "gridcompute/base/simd.hpp"
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
    const std::int32_t s = assignment[at(i)];
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
  std::vector<Total> parts;
  Total total;
  total.integral = !source.real() && unplaced_integral(problem);
  const auto fetch = [&](Index i) {
    const std::int32_t s = assignment[at(i)];
    if (s >= 0 && s < n_slots) source.prefetch(i, s);
  };
  pool.for_parts(parts, n, kChunk, [&](auto& part, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      if (i + tuning.cost_prefetch < end) fetch(i + tuning.cost_prefetch);
      const std::int32_t s = assignment[at(i)];
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
        std::vector<double> row(at(source.n_slots()));
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

namespace {

constexpr Index kBoundChunk = 256;                   // jobs
constexpr double kOff = 0x1p-50, kTiny = 0x1p-1073;  // rounding error of a sum and its parts, and of a product near 0
constexpr double kFar = 0x1p1023;                    // a lower bound of what is beyond the doubles
constexpr double kMost = std::numeric_limits<double>::max();

// Returns the least of c + w p, each rounded down.
GRIDCOMPUTE_CLONES double least_below(const double* costs, const double* prices, double weight, Index n) {
  const double tiny = weight == 1 ? 0 : kTiny;
  double least = kInf;
  for (Index s = 0; s < n; ++s) {
    const double product = weight * prices[s], price = product < kMost ? product : kMost, sum = costs[s] + price;
    const double least_sum = sum - (std::fabs(sum) * kOff + (price * kOff + tiny));
    const double below = costs[s] < kInf ? (sum < kInf ? least_sum : kFar) : kInf;
    least = below < least ? below : least;
  }
  return least;
}

// Neumaier's compensated sum; it is off by less than 2^-52 |sum| + 2^-60 size for fewer than 2^22 terms.
struct CompensatedSum {
  double sum = 0, rest = 0, size = 0;
  void add(double x) {
    const double t = sum + x;
    rest += std::fabs(sum) >= std::fabs(x) ? (sum - t) + x : (x - t) + sum;
    sum = t;
    size += std::fabs(x);
  }
  void join(const CompensatedSum& other) {
    const double all = size + other.size;
    add(other.sum);
    add(other.rest);
    size = all;
  }
  // A sum that left the range of doubles bounds nothing.
  [[nodiscard]] double below() const {
    const double value = sum + rest, low = value - (std::fabs(value) * 0x1p-51 + size * 0x1p-59);
    return std::fabs(low) < kInf ? low : -kInf;
  }
};

}  // namespace

std::optional<double> bound_of_costs(const Problem& problem, std::span<const double> prices,
                                     std::span<const Cost> capacity, Pool& pool, Stop& stop) {
  const CostSource& source = *problem.cost;
  const Index n = source.n_jobs(), n_slots = source.n_slots();
  std::vector<CompensatedSum> parts;
  stop.count(n * n_slots);
  const bool whole = pool.for_parts(
      parts, n, kBoundChunk,
      [&](auto& part, Index begin, Index end) {
        std::vector<double> row(at(n_slots) + 1);
        for (Index i = begin; i < end; ++i) {
          source.reals(Rows{nullptr, i, 1}, row.data());
          double least = least_below(row.data(), prices.data(), static_cast<double>(problem.weight(i)), n_slots);
          if (problem.unplaced != nullptr) least = std::min(least, problem.unplaced[i * problem.unplaced_stride]);
          part.add(least);
        }
      },
      &stop);
  if (!whole) return std::nullopt;
  CompensatedSum total;
  for (const CompensatedSum& part : parts) total.join(part);
  for (std::size_t s = 0; s < prices.size(); ++s) {
    if (prices[s] == 0) continue;
    const double paid = static_cast<double>(capacity[s]) * prices[s];
    total.add(-(paid + (paid * kOff + kTiny)));
  }
  return total.below();
}

// A key is within a half of its cost, or three quarters where a division, an odd resolution or a conversion of an
// integer beyond 2^53 to double rounded first.
double key_rounding(const IntegerKeys& keys, bool inexact) {
  int exponent = 0;
  const bool power = std::frexp(keys.resolution(), &exponent) == 0.5;
  const bool converted = !keys.problem().cost->real() && !keys.integral() && keys.resolution() < 0x1p-3;
  if (keys.perturbation().whole && keys.problem().demand == nullptr)  // IntegerKeys::possible checked it
    return std::ldexp(2 * IntegerKeys::kWhole, keys.perturbation().shift) +
           static_cast<double>(keys.perturbation().spread);
  const double rounding = keys.problem().demand != nullptr || !power || converted ? 0.75 : inexact ? 0.5 : 0.0;
  return std::ldexp(rounding, keys.perturbation().shift) + static_cast<double>(keys.perturbation().spread);
}

double cost_rounded_down(Wide sum, const IntegerKeys& keys, bool inexact, Wide weight) {
  const double per_unit = key_rounding(keys, inexact);
  double low = static_cast<double>(sum) - per_unit * static_cast<double>(weight);
  if (per_unit > 0) {
    low -= (std::fabs(static_cast<double>(sum)) + std::fabs(low)) * 0x1p-52;
  } else if (static_cast<Wide>(low) > sum) {
    low = std::nextafter(low, -kInf);
  }
  return std::min(low / keys.per_cost(), kMost);  // beyond the doubles
}

Wide integer_not_below(double bound) {
  constexpr double kWide = 0x1p120;  // sums of 64 fit 127 bits
  return static_cast<Wide>(std::ceil(std::clamp(bound, -kWide, kWide)));
}

std::optional<double> bound_of_source(const Problem& problem, Pool& pool) {
  constexpr Index kRows = 1 << 12;  // jobs of a chunk
  const Index n = problem.cost->n_jobs();
  std::vector<CompensatedSum> parts;
  std::atomic<bool> known = n > 0;
  pool.for_parts(parts, n, kRows, [&](auto& part, Index begin, Index end) {
    std::vector<double> least(at(end - begin));
    if (!problem.cost->least(Rows{nullptr, begin, end - begin}, least.data())) known = false;
    for (Index i = begin; i < end && known; ++i) {
      double x = least[i - begin];
      if (problem.unplaced != nullptr) x = std::min(x, problem.unplaced[i * problem.unplaced_stride]);
      part.add(x);
    }
  });
  CompensatedSum total;
  for (const CompensatedSum& part : parts) total.join(part);
  if (!known || !(std::fabs(total.below()) < kInf)) return std::nullopt;
  return total.below();
}

Wide capacity_value(std::span<const Cost> prices, std::span<const Cost> capacity) {
  Wide sum = 0;
  for (std::size_t s = 0; s < prices.size(); ++s) sum += static_cast<Wide>(capacity[s]) * prices[s];
  return sum;
}

Cost shift_to_zero(std::span<Cost> prices, std::span<const Cost> capacity, Wide weight) {
  Wide room = -weight;
  for (const Cost u : capacity) room += u;
  if (room != 0 || prices.empty()) return 0;
  const Cost least = *std::min_element(prices.begin(), prices.end());
  for (Cost& p : prices) p -= least;
  return least;
}

double round_up(Cost x) {
  const auto near = static_cast<double>(x);
  return static_cast<Cost>(near) < x ? std::nextafter(near, kInf) : near;
}

std::vector<double> prices_as_doubles(std::span<const Cost> prices, double per_cost) {
  std::vector<double> out;
  for (const Cost p : prices) out.push_back(std::min(round_up(p) / per_cost, kMost));
  return out;
}

Wide price_rounding_loss(std::span<const Cost> prices, double per_cost, std::span<const Cost> capacity, Wide weight) {
  int exponent = 0;
  const bool shifts = std::frexp(per_cost, &exponent) == 0.5;
  Wide lost = 0;
  Cost cut = 0;  // of the highest price, and so of a job's least cost
  double rounded = 0, most = 0;
  for (std::size_t s = 0; s < prices.size(); ++s) {
    if (shifts) {
      const double price = round_up(prices[s]), largest = kMost * per_cost;
      lost += static_cast<Wide>(capacity[s]) * (static_cast<Cost>(price) - prices[s]);
      if (price > largest) cut = std::max(cut, static_cast<Cost>(price) - static_cast<Cost>(largest));
    } else {
      const double off = static_cast<double>(prices[s]) * 0x1p-51;
      most = std::max(most, off);
      rounded += static_cast<double>(capacity[s]) * off;
    }
  }
  return lost + cut * weight + static_cast<Wide>(std::ceil(rounded + most * static_cast<double>(weight)));
}

}  // namespace gridcompute::transport
