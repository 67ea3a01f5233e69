#include "gridcompute/transport/model/dual_bound.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

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
  std::vector<CompensatedSum> parts(static_cast<std::size_t>(Pool::chunks(n, kBoundChunk)));
  stop.count(n * n_slots);
  const bool whole = pool.for_chunks(
      n, kBoundChunk,
      [&](Index chunk, Index begin, Index end) {
        std::vector<double> row(static_cast<std::size_t>(n_slots) + 1);
        for (Index i = begin; i < end; ++i) {
          source.reals(Rows{nullptr, i, 1}, row.data());
          double least = least_below(row.data(), prices.data(), static_cast<double>(problem.weight(i)), n_slots);
          if (problem.unplaced != nullptr) least = std::min(least, problem.unplaced[i * problem.unplaced_stride]);
          parts[static_cast<std::size_t>(chunk)].add(least);
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
  std::vector<CompensatedSum> parts(static_cast<std::size_t>(Pool::chunks(n, kRows)));
  std::atomic<bool> known = n > 0;
  pool.for_chunks(n, kRows, [&](Index chunk, Index begin, Index end) {
    std::vector<double> least(static_cast<std::size_t>(end - begin));
    if (!problem.cost->least(Rows{nullptr, begin, end - begin}, least.data())) known = false;
    for (Index i = begin; i < end && known; ++i) {
      double x = least[i - begin];
      if (problem.unplaced != nullptr) x = std::min(x, problem.unplaced[i * problem.unplaced_stride]);
      parts[static_cast<std::size_t>(chunk)].add(x);
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
