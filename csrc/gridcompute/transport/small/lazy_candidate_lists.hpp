// What classes offer each job: lists of its cheapest at prices that rise, read anew where they no longer reach.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/auction/auction_state.hpp"
#include "gridcompute/transport/small/assignment_rows_adapter.hpp"

namespace gridcompute::transport {

class LazyCandidateLists {
 public:
  LazyCandidateLists(const QuantisedCost& keys, Index n_jobs, Pool& pool, Stop& stop, CostRangeStats& seen,
                     Stats& stats);

  // First lists of all jobs at these prices. False after a stop, or where keys are out of range.
  [[nodiscard]] bool read_all(const std::vector<Cost>& prices);
  // Prices have fallen since, by so much at most.
  void lower_bounds(Cost fallen) { lists_.lower_bounds(fallen); }

  [[nodiscard]] CandidateKeyLists::View operator[](Index job) const { return lists_[job]; }
  [[nodiscard]] Cost bound(Index job) const { return lists_.bound(job); }  // on key + price of the classes not listed

  // A list that does not reach, longer if need be. price(class) -> Cost.
  template <class Price>
  void refresh(Index job, const Price& price) {
    for (Slot s = 0; s < columns_; ++s) negated_prices_[s] = -price(s);
    refill(job);
  }

  // A job's best classes beside one, or of all: what the list says once it reaches.
  [[nodiscard]] TwoCheapest two_cheapest_exact(Index job, const std::vector<Cost>& prices, Slot beside);

  // For the auction's house; those who bid next have their lists read in threads.
  [[nodiscard]] auction::TwoBest best(Index job, const std::vector<Cost>& prices);
  void prepare(std::span<const Index> jobs, const std::vector<Cost>& prices);

  [[nodiscard]] Index keys_reread() const noexcept { return keys_reread_; }  // keys of lists that did not reach

 private:
  bool read(std::span<const Index> jobs, Index at_once);
  void refill(Index job);

  const QuantisedCost& keys_;
  Index n_;
  Slot columns_;
  Pool& pool_;
  Stop& stop_;
  CostRangeStats& seen_;
  Stats& stats_;
  KeyRowReader rows_;
  CandidateKeyLists lists_;
  CandidateKeyLists::Scratch scratch_;
  std::vector<Cost> negated_prices_;  // prices below 0, as lists want them; 0 for what pads them
  std::vector<Index> stale_;
  Index keys_reread_ = 0;
};

}  // namespace gridcompute::transport
