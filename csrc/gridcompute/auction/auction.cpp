#include "gridcompute/auction/auction.hpp"

#include <algorithm>

#include "gridcompute/auction/house.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::auction {

namespace {

constexpr int kPhases = 3;
constexpr Cost kFactor = 4;      // epsilon from phase to phase
constexpr Index kBidsAJob = 12;  // over all phases

// Least and second least of row + prices, and where; ties at the lowest class.
GRIDCOMPUTE_CLONES Best best_two(const Cost* GRIDCOMPUTE_RESTRICT row, const Cost* GRIDCOMPUTE_RESTRICT prices,
                                 Index n) {
  Cost first = kForbidden, second = kForbidden;
  for (Index s = 0; s < n; ++s) {
    const Cost v = row[s] + prices[s], worse = v > first ? v : first;
    second = worse < second ? worse : second;
    first = v < first ? v : first;
  }
  Index at = 0;
  while (at + 1 < n && row[at] + prices[at] != first) ++at;
  return {first, second, at};
}

// Jobs whose keys lie in memory.
struct Table {
  std::span<const Cost> keys;
  [[nodiscard]] Best best(Index job, const std::vector<Cost>& prices) const {
    const auto n = static_cast<Index>(prices.size());
    return best_two(keys.data() + job * n, prices.data(), n);
  }
  void before(std::span<const Index>, const std::vector<Cost>&) const {}
};

}  // namespace

Start start_prices(std::span<const Cost> keys, std::span<const Cost> weights, std::span<const Cost> capacity,
                   Stop& stop) {
  Table table{keys};
  House house(table, weights, capacity);
  Start out;
  if (weights.empty() || capacity.empty()) {
    out.prices.assign(capacity.size(), 0);
    return out;
  }
  Cost epsilon = house.scale();
  for (int k = 1; k < kPhases; ++k) epsilon = std::min(epsilon * kFactor, kCostLimit / 8);
  Index bids = kBidsAJob * static_cast<Index>(weights.size());
  for (int k = 0; k < kPhases; ++k) {
    if (k > 0) {
      house.lower(epsilon);
      epsilon = std::max<Cost>(1, epsilon / kFactor);
    }
    if (!house.phase(epsilon, bids, stop)) break;
  }
  out.prices = house.prices();
  out.epsilon = epsilon;
  Wide room = 0;
  for (const Cost u : capacity) room += u;
  for (const Cost w : weights) room -= w;
  const Cost least = *std::min_element(out.prices.begin(), out.prices.end());
  if (room > 0) {  // some class has room: its price is 0
    for (Cost& p : out.prices) p -= least;
  }
  return out;
}

}  // namespace gridcompute::auction
