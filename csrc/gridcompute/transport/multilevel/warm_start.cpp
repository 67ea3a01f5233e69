#include "gridcompute/transport/multilevel/warm_start.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::transport {

namespace {

constexpr double kChance = 0.8;  // mean absolute value of a standard normal variable, sqrt(2 / pi)

}  // namespace

std::vector<Cost> warm_start_prices(const double* prices, const IntegerKeys& keys, double per_cost) {
  std::vector<Cost> out(static_cast<std::size_t>(keys.columns()), 0);
  const auto most = static_cast<double>(keys.limit());
  for (Slot s = 0; s < keys.n_slots(); ++s)
    out[s] = static_cast<Cost>(std::min(std::nearbyint(std::max(0.0, prices[s]) * per_cost), most));
  return out;
}

WarmStartTrial try_warm_start(const auction::KeyTable& keys, std::span<const Cost> weights,
                              std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                              std::span<const Cost> prices, const Tuning& tuning) {
  const std::size_t n = prices.size();
  std::vector<Cost> load(n, 0), margins, scratch;
  double sum = 0, squares = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::span<const Cost> row = keys.row(static_cast<Index>(k), scratch);
    Cost least = kForbidden, second = kForbidden;
    std::size_t at = n;
    for (std::size_t s = 0; s < n; ++s) {
      if (row[s] >= kForbidden) continue;
      const Cost v = row[s] + prices[s];
      const bool nearer = v < least || (v == least && load[at] >= capacity[at] && load[s] < capacity[s]);
      if (duplicate_of[s] == static_cast<Slot>(s)) second = std::min(second, nearer ? std::max(least, v) : v);
      if (nearer) least = v, at = s;
    }
    if (at == n) continue;
    const auto w = static_cast<double>(weights[k]);
    load[at] += weights[k];
    sum += w, squares += w * w;
    if (second < kForbidden) margins.push_back(second - least);
  }
  WarmStartTrial out;
  if (margins.empty()) return out;
  const auto middle = margins.begin() + static_cast<std::ptrdiff_t>(margins.size() / 2);
  std::nth_element(margins.begin(), middle, margins.end());
  out.radius = std::max<Cost>(1, std::min(*middle, kCostLimit / 64) * tuning.warm_margins);
  out.good = fit_loads(load, capacity, duplicate_of, prices, squares / sum, tuning).good;
  return out;
}

double weight_spread(const Problem& problem, const Level& level) {
  double sum = 0, squares = 0;
  for (Index k = 0; k < level.n; ++k) {
    const auto w = static_cast<double>(problem.weight(level.row(k)));
    sum += w, squares += w * w;
  }
  return sum > 0 ? squares / sum : 1;
}

LoadFit fit_loads(std::span<const Cost> load, std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                  std::span<const Cost> prices, double spread, const Tuning& tuning) {
  std::vector<double> off(prices.size(), 0), room(prices.size(), 0);
  std::vector<char> priced(prices.size(), 1);
  for (std::size_t s = 0; s < prices.size(); ++s) {
    const auto set = static_cast<std::size_t>(duplicate_of[s]);
    off[set] += static_cast<double>(load[s] - capacity[s]);
    room[set] += static_cast<double>(capacity[s]);
    priced[set] = static_cast<char>(priced[set] != 0 && prices[s] > 0);
  }
  double out_of_place = 0, chance = 0, classes = 0;
  for (std::size_t s = 0; s < prices.size(); ++s) {
    if (duplicate_of[s] != static_cast<Slot>(s)) continue;
    const double by_chance = kChance * std::sqrt(std::max(1.0, room[s]) * spread);
    if (priced[s] != 0) {
      chance += by_chance;
      ++classes;
    }
    out_of_place += priced[s] != 0 ? std::fabs(off[s]) : std::max(0.0, off[s]);
  }
  const double most = 1 + tuning.misfit_more + tuning.misfit_few / std::sqrt(std::max(1.0, classes));
  return {out_of_place <= chance * most, chance > 0 ? out_of_place / chance : 1.0};
}

}  // namespace gridcompute::transport
