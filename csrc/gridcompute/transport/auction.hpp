// Epsilon-scaling auction for the transportation problem (Castanon): start prices from a small sample.
//
// Problem.  m jobs of weight w_i, S classes of capacity u_s, keys of m jobs in memory. Find prices p >= 0 near the
// optimal ones, fast from a cold start.
//
// Steps. A job with units unplaced bids for its best class: up to the price at which its second-best class would do as
// well, plus epsilon. A class keeps the highest bids that fill it and charges the lowest of them. All units of a class
// are alike ("similar objects"), so the second-best *class* sets the bid and ties cause no price wars within a class.
// Epsilon falls from phase to phase; each phase starts over with the prices a little lowered.
//
// Complexity. O(S) a bid, vectorised; a few bids a job and phase. Bids are capped: the result is only a start.
//
// Source. Bertsekas and Castanon, Annals of Oper. Res. 20 (1989) 67. Deviation: weights may be split between classes.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::auction {

// Keys of a sample of jobs in memory: full rows, or allowed keys only where rows are sparse.

struct KeyTable {
  Index columns = 0, rows = 0;
  std::vector<Cost> keys;    // row after row
  std::vector<Index> begin;  // (rows + 1) offsets into `keys` and `slots`; empty: full rows
  std::vector<Slot> slots;   // ascending in each row; all other classes are forbidden

  [[nodiscard]] bool listed() const noexcept { return !begin.empty(); }

  // Returns a full row, expanded into `scratch` if rows are listed.
  [[nodiscard]] std::span<const Cost> row(Index k, std::vector<Cost>& scratch) const {
    const auto n = at(columns);
    if (!listed()) return {keys.data() + k * columns, n};
    scratch.assign(n, kForbidden);
    for (Index e = begin[k]; e < begin[k + 1]; ++e) scratch[slots[e]] = keys[e];
    return scratch;
  }

  // Adds a full row; only its allowed keys are stored if rows are listed.
  void add(std::span<const Cost> whole) {
    ++rows;
    if (!listed()) {
      keys.insert(keys.end(), whole.begin(), whole.end());
      return;
    }
    for (std::size_t s = 0; s < whole.size(); ++s) {
      if (whole[s] >= kForbidden) continue;
      keys.push_back(whole[s]);
      slots.push_back(static_cast<Slot>(s));
    }
    begin.push_back(static_cast<Index>(keys.size()));
  }
};

struct AuctionStart {
  std::vector<Cost> prices;
  Cost epsilon = 0;        // of the last phase: prices are within a few epsilon of optimal
  bool cut_short = false;  // bids ran out
};

// Runs the auction; keys has one row per weight.
[[nodiscard]] AuctionStart start_prices(const KeyTable& keys, std::span<const Cost> weights,
                                        std::span<const Cost> capacity, Stop& stop,
                                        const transport::Tuning& tuning = transport::kDefaultTuning);

// State of the transportation auction: prices, accepted bids and loads of all classes.

// The least and the second least key + price of a job, and the class of the least; kForbidden for none.
struct TwoBest {
  Cost first, second;
  Index at;
};

struct AcceptedBid {
  Cost price;
  Index job;
  Cost units;
  bool operator>(const AcceptedBid& other) const noexcept {
    return price != other.price ? price > other.price : job < other.job;
  }
};

// Sample of margins that sets the first epsilon (jobs).
inline constexpr Index kAuctionScaleJobs = 2048;

// Oracle: best(job, prices) -> TwoBest; prepare(jobs, prices) announces the next bidders, so that lists are refreshed;
// length() is how many classes best() compares, as a rule.
template <class Oracle>
class AuctionState {
 public:
  AuctionState(Oracle& look, std::span<const Cost> weights, std::span<const Cost> capacity,
               const transport::Tuning& tuning)
      : oracle_(look), weights_(weights), capacity_(capacity), tuning_(tuning), prices_(capacity.size(), 0) {}

  // Returns the median of second best less best over a sample of jobs: the scale of price differences.
  Cost price_scale() {
    std::vector<Cost> gaps;
    const auto m = static_cast<Index>(weights_.size());
    for (Index i = 0; i < m; i += std::max<Index>(1, m / kAuctionScaleJobs)) {
      const TwoBest b = oracle_.best(i, prices_);
      if (b.second < kForbidden) gaps.push_back(b.second - b.first);
    }
    if (gaps.empty()) return 1;
    const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
    std::nth_element(gaps.begin(), middle, gaps.end());
    return std::max<Cost>(1, *middle);
  }

  // Returns the epsilon of the first phase, each auction_factor times the next: the scale of price differences in the
  // last.
  Cost first_epsilon() {
    Cost epsilon = price_scale();
    for (int k = 1; k < tuning_.auction_phases; ++k)
      epsilon = epsilon > kMostEpsilon / tuning_.auction_factor ? kMostEpsilon : epsilon * tuning_.auction_factor;
    return epsilon;
  }

  // Runs one phase at `epsilon`; false if the bids run out or after a stop.
  bool run_phase(Cost epsilon, Index& bids, Stop& stop) {
    const auto heap = std::greater<>{};
    bids_.assign(capacity_.size(), {});
    load_.assign(capacity_.size(), 0);
    left_.assign(weights_.begin(), weights_.end());
    std::vector<Index> queue(weights_.size()), again;
    for (std::size_t i = 0; i < queue.size(); ++i) queue[i] = static_cast<Index>(i);
    while (!queue.empty()) {
      again.clear();
      for (std::size_t at = 0; at < queue.size(); ++at) {
        if (at % kPollEvery == 0) {
          if (stop.poll(static_cast<Index>(kPollEvery) * oracle_.length())) return false;
          oracle_.prepare({queue.data() + at, std::min(kPollEvery, queue.size() - at)}, prices_);
        }
        const Index i = queue[at];
        if (left_[i] == 0) continue;
        if (--bids < 0) return false;
        const TwoBest b = oracle_.best(i, prices_);
        if (b.first >= kForbidden) continue;
        const auto s = static_cast<std::size_t>(b.at);
        // A job with one allowed class could bid without bound; it bids epsilon above the price.
        const Cost advantage = b.second < kForbidden ? b.second - b.first : 0;
        const Cost price = std::min(prices_[s] + advantage + epsilon, kMostPrice);
        bids_[s].push_back({price, i, left_[i]});
        std::push_heap(bids_[s].begin(), bids_[s].end(), heap);
        load_[s] += left_[i];
        left_[i] = 0;
        while (load_[s] > capacity_[s]) {
          AcceptedBid& low = bids_[s].front();
          const Cost out = std::min(load_[s] - capacity_[s], low.units);
          if (left_[low.job] == 0) again.push_back(low.job);
          left_[low.job] += out;
          load_[s] -= out;
          low.units -= out;
          if (capacity_[s] == 0) prices_[s] = std::max(prices_[s], low.price);
          if (low.units == 0) {
            std::pop_heap(bids_[s].begin(), bids_[s].end(), heap);
            bids_[s].pop_back();
          }
        }
        if (load_[s] == capacity_[s] && capacity_[s] > 0) prices_[s] = std::max(prices_[s], bids_[s].front().price);
      }
      queue.swap(again);
    }
    return true;
  }

  // Lowers prices between phases: a full class may be overpriced by epsilon, one with unused capacity by more. No price
  // falls by more than auction_fall epsilons.
  void lower_prices(Cost epsilon) {
    for (std::size_t s = 0; s < prices_.size(); ++s) {
      const Cost fall = load_[s] < capacity_[s] ? tuning_.auction_fall * epsilon : epsilon;
      prices_[s] = std::max<Cost>(0, prices_[s] - fall);
    }
  }

  std::vector<Cost>& prices() noexcept { return prices_; }

 private:
  static constexpr std::size_t kPollEvery = 512;  // jobs between two polls of the stop
  // Range proof: a bid is below a price, an advantage and an epsilon, each at most an eighth of the limit or a
  // difference of keys; auction_fall is at most 8, so a fall stays below the limit.
  static constexpr Cost kMostEpsilon = kCostLimit / 8;
  static constexpr Cost kMostPrice = kCostLimit / 8;  // the price of a class without capacity would rise without end

  Oracle& oracle_;
  std::span<const Cost> weights_, capacity_;
  const transport::Tuning& tuning_;
  std::vector<Cost> prices_, load_, left_;
  std::vector<std::vector<AcceptedBid>> bids_;
};

}  // namespace gridcompute::auction
