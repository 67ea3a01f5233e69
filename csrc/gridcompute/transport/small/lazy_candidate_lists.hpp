// Candidate lists with lazy refresh: each job's cheapest classes at rising prices, and a bound on all others.
//
// A list is read again only when its least key + price exceeds its bound, that is when it may no longer hold the job's
// cheapest class (after Volgenant's LAPMOD, Computers & OR 23 (1996) 917).
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/auction/auction_state.hpp"
#include "gridcompute/transport/small/assignment_rows_adapter.hpp"

namespace gridcompute::transport {

class LazyCandidateLists {
 public:
  LazyCandidateLists(const IntegerKeys& keys, Index n_jobs, Pool& pool, Stop& stop, CostRangeStats& seen, Stats& stats);

  // Reads the lists of all jobs at these prices. False after a stop, or where keys are out of range.
  [[nodiscard]] bool read_all(const std::vector<Cost>& prices);
  // Corrects the bounds after prices have fallen by at most this much.
  void lower_bounds(Cost fallen) { lists_.lower_bounds(fallen); }

  [[nodiscard]] CandidateKeyLists::View operator[](Index job) const { return lists_[job]; }
  [[nodiscard]] Cost bound(Index job) const {
    return lists_.bound(job);
  }  // lower bound on key + price of the classes not listed

  // Reads a list again at the current prices, with more entries if need be. price(class) -> Cost.
  template <class Price>
  void refresh(Index job, const Price& price) {
    for (Slot s = 0; s < columns_; ++s) negated_prices_[s] = -price(s);
    refill(job);
  }

  // Returns the two cheapest entries of a job, class `beside` excluded, refreshing the list until it suffices.
  [[nodiscard]] TwoCheapest two_cheapest_exact(Index job, const std::vector<Cost>& prices, Slot beside);

  // The oracle of AuctionState; prepare() refreshes the lists of the next bidders in parallel.
  [[nodiscard]] auction::TwoBest best(Index job, const std::vector<Cost>& prices);
  void prepare(std::span<const Index> jobs, const std::vector<Cost>& prices);

  // Returns how many classes are compared for the two cheapest of a job: the length of the first list.
  [[nodiscard]] Index length() const { return n_ > 0 ? lists_[0].size : 0; }
  [[nodiscard]] Index keys_reread() const noexcept { return keys_reread_; }  // keys read to refresh lists

 private:
  bool read(std::span<const Index> jobs, Index at_once);
  void refill(Index job);

  const IntegerKeys& keys_;
  Index n_;
  Slot columns_;
  Pool& pool_;
  Stop& stop_;
  CostRangeStats& seen_;
  Stats& stats_;
  KeyRowReader rows_;
  CandidateKeyLists lists_;
  CandidateKeyLists::Scratch scratch_;
  std::vector<Cost> negated_prices_;  // prices with the sign that lists expect; 0 for the padding
  std::vector<Index> stale_;
  Index keys_reread_ = 0;
};

}  // namespace gridcompute::transport
