#include "gridcompute/auction/auction.hpp"

#include <algorithm>
#include <functional>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::auction {

namespace {

constexpr int kPhases = 3;
constexpr Cost kFactor = 4;      // epsilon from phase to phase
constexpr Index kBidsAJob = 12;  // over all phases

struct Best {
  Cost first, second;
  Index at;
};

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

struct Bid {
  Cost price;
  Index job;
  Cost units;
  bool operator>(const Bid& other) const noexcept {
    return price != other.price ? price > other.price : job < other.job;
  }
};

class House {
 public:
  House(std::span<const Cost> keys, std::span<const Cost> weights, std::span<const Cost> capacity)
      : keys_(keys),
        weights_(weights),
        capacity_(capacity),
        n_(static_cast<Index>(capacity.size())),
        prices_(capacity.size(), 0) {}

  // The median advantage of the best class over the second: the scale on which prices matter.
  Cost scale() const {
    std::vector<Cost> gaps;
    const auto m = static_cast<Index>(weights_.size());
    for (Index i = 0; i < m; i += std::max<Index>(1, m / 2048)) {
      const Best b = best_two(keys_.data() + i * n_, prices_.data(), n_);
      if (b.second < kForbidden) gaps.push_back(b.second - b.first);
    }
    if (gaps.empty()) return 1;
    const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
    std::nth_element(gaps.begin(), middle, gaps.end());
    return std::max<Cost>(1, *middle);
  }

  // False when the bids ran out or a stop was asked for.
  bool phase(Cost epsilon, Index& bids, Stop& stop) {
    const auto heap = std::greater<>{};
    held_.assign(capacity_.size(), {});
    load_.assign(capacity_.size(), 0);
    left_.assign(weights_.begin(), weights_.end());
    std::vector<Index> queue(weights_.size()), again;
    for (std::size_t i = 0; i < queue.size(); ++i) queue[i] = static_cast<Index>(i);
    while (!queue.empty()) {
      again.clear();
      if (stop.poll()) return false;
      for (const Index i : queue) {
        if (left_[i] == 0) continue;
        if (--bids < 0) return false;
        const Best b = best_two(keys_.data() + i * n_, prices_.data(), n_);
        if (b.first >= kForbidden) continue;
        const auto s = static_cast<std::size_t>(b.at);
        // A job with one allowed class would bid without bound: it outbids what it meets, and no more.
        const Cost advantage = b.second < kForbidden ? b.second - b.first : 0;
        const Cost price =
            std::min(prices_[s] + advantage + epsilon, kCostLimit / 8);  // no room: it would rise for ever
        held_[s].push_back({price, i, left_[i]});
        std::push_heap(held_[s].begin(), held_[s].end(), heap);
        load_[s] += left_[i];
        left_[i] = 0;
        while (load_[s] > capacity_[s]) {
          Bid& low = held_[s].front();
          const Cost out = std::min(load_[s] - capacity_[s], low.units);
          if (left_[low.job] == 0) again.push_back(low.job);
          left_[low.job] += out;
          load_[s] -= out;
          low.units -= out;
          if (capacity_[s] == 0) prices_[s] = std::max(prices_[s], low.price);
          if (low.units == 0) {
            std::pop_heap(held_[s].begin(), held_[s].end(), heap);
            held_[s].pop_back();
          }
        }
        if (load_[s] == capacity_[s] && capacity_[s] > 0) prices_[s] = std::max(prices_[s], held_[s].front().price);
      }
      queue.swap(again);
    }
    return true;
  }

  // Between phases a class may have been overpriced by epsilon, and one with room left by more.
  void lower(Cost epsilon) {
    for (std::size_t s = 0; s < prices_.size(); ++s) {
      prices_[s] = std::max<Cost>(0, prices_[s] - (load_[s] < capacity_[s] ? 4 * epsilon : epsilon));
    }
  }

  std::vector<Cost>& prices() noexcept { return prices_; }

 private:
  std::span<const Cost> keys_, weights_, capacity_;
  Index n_;
  std::vector<Cost> prices_, load_, left_;
  std::vector<std::vector<Bid>> held_;
};

}  // namespace

Start start_prices(std::span<const Cost> keys, std::span<const Cost> weights, std::span<const Cost> capacity,
                   Stop& stop) {
  House house(keys, weights, capacity);
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
