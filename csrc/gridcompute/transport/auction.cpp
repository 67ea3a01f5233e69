#include "gridcompute/transport/auction.hpp"

#include <algorithm>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::auction {

namespace {

// Returns the least and second least of row + prices and the class of the least; ties to the lowest class.
template <Index kBytes>
GRIDCOMPUTE_INLINE TwoBest two_best_of(const Cost* GRIDCOMPUTE_RESTRICT row, const Cost* GRIDCOMPUTE_RESTRICT prices,
                                       Index n) {
  using Signed = typename Lanes<Cost, kBytes>::Signed;
  constexpr Index lanes = Lanes<Cost, kBytes>::kCount;
  Signed v, loser, here, place = {}, first = {};
  first += kForbidden;
  Signed second = first;
  for (Index k = 0; k < lanes; ++k) here[k] = k;
  Index s = 0;
  for (; s + lanes <= n; s += lanes) {
    sum_at<kBytes>(row + s, prices + s, v);
    loser = v < first ? first : v;
    place = v < first ? here : place;
    first = v < first ? v : first;
    second = loser < second ? loser : second;
    here += lanes;
  }
  TwoBest best{kForbidden, kForbidden, 0};
  const auto meet = [&](Cost value, Index at) {
    const bool less = value < best.first || (value == best.first && at < best.at);
    best.second = std::min(best.second, less ? best.first : value);
    if (less) best.first = value, best.at = at;
  };
  for (Index k = 0; k < lanes; ++k) {
    meet(first[k], place[k]);
    best.second = std::min(best.second, second[k]);
  }
  for (; s < n; ++s) meet(row[s] + prices[s], s);
  return best;
}

GRIDCOMPUTE_VERSIONS(TwoBest, two_best, (const Cost* row, const Cost* prices, Index n), (row, prices, n))

// Bid oracle of jobs with keys in memory.
struct TableOracle {
  const KeyTable& keys;

  [[nodiscard]] TwoBest best(Index job, const std::vector<Cost>& prices) const {
    if (!keys.listed()) return two_best(keys.keys.data() + job * keys.columns, prices.data(), keys.columns);
    TwoBest best{kForbidden, kForbidden, 0};
    for (Index e = keys.begin[job]; e < keys.begin[job + 1]; ++e) {
      const Cost value = keys.keys[e] + prices[keys.slots[e]];
      best.second = std::min(best.second, std::max(value, best.first));
      if (value < best.first) best.first = value, best.at = keys.slots[e];
    }
    return best;
  }
  void prepare(std::span<const Index>, const std::vector<Cost>&) const {}
  [[nodiscard]] Index length() const {
    return keys.listed() ? static_cast<Index>(keys.keys.size()) / std::max<Index>(1, keys.rows) : keys.columns;
  }
};

}  // namespace

AuctionStart start_prices(const KeyTable& keys, std::span<const Cost> weights, std::span<const Cost> capacity,
                          Stop& stop, const transport::Tuning& tuning) {
  TableOracle table{keys};
  AuctionState house(table, weights, capacity, tuning);
  AuctionStart out;
  if (weights.empty() || capacity.empty()) {
    out.prices.assign(capacity.size(), 0);
    return out;
  }
  Cost epsilon = house.first_epsilon();
  Index bids = tuning.auction_bids * static_cast<Index>(weights.size());
  for (int k = 0; k < tuning.auction_phases; ++k) {
    if (k > 0) {
      house.lower_prices(epsilon);
      epsilon = std::max<Cost>(1, epsilon / tuning.auction_factor);
    }
    if (house.run_phase(epsilon, bids, stop)) continue;
    out.cut_short = !stop.requested();
    break;
  }
  out.prices = house.prices();
  out.epsilon = epsilon;
  Wide room = 0;
  for (const Cost u : capacity) room += u;
  for (const Cost w : weights) room -= w;
  const Cost least = *std::min_element(out.prices.begin(), out.prices.end());
  if (room > 0) {  // some class has unused capacity: its price is 0
    for (Cost& p : out.prices) p -= least;
  }
  return out;
}

}  // namespace gridcompute::auction
