// Nearly an assignment problem (few jobs per class), solved over short lists of each job's cheapest classes.
//
// Problem.  transport/problem.hpp with unit weights where classes hold a few jobs each. Samples predict prices badly
// there, a box around them contains most classes, and a row of S keys is long.
//
// Definitions.  A job's candidate list holds its cheapest classes and a lower bound on key + price of all others
//. Prices only rise while lists live, so bounds stay valid; where prices fall between two
// auction phases, bounds are lowered with them. The hub is a node for unused capacity, as in ssp_repair.hpp: a class
// with price above the hub's has filled_s = u_s, and filled less load is a deficit.
//
// Invariants.  From assign_all() on each job is in a class that is cheapest for it (epsilon-complementary slackness
// with epsilon 0); only over-full classes and the hub have excess. Without excess the assignment and the prices are
// optimal: primal equals dual.
//
// Steps.
//   1. Epsilon-scaling auction of three phases (transport/auction.hpp) over lists from price 0, unless given prices
//      leave fewer jobs misplaced; stale lists of the next bidders are refreshed in parallel.
//   2. Each job is assigned to its cheapest class.
//   3. Bids at epsilon 0: an over-full class raises its price until it keeps as many jobs as its capacity.
//   4. Shortest paths: Dijkstra from all over-full classes at once over the lists of the jobs in settled classes, until
//      the deficits found could take half of the excess. A list enters the queue as one event at a lower bound on
//      its labels, known since it was last looked at, and the classes outside it as one at the list's bound. Labels are
//      pairs of a cost and a number of arcs, so that all tight arcs lead to the next depth.
//      Prices rise by the costs; jobs move along a blocking flow of the tight arcs, as in a phase of Hopcroft and Karp:
//      with ties, the paths of one tree would block one another.
//
// Complexity.  O(list) a bid; O(jobs settled * list * log S) a search; O(S) a row read, of which there are a few per
// job. Memory O(list) a job. Work is counted and capped.
//
// Source.  assignment/engines/ssp_lists.hpp (searches over lists with bounds); Bertsekas and Castanon, Annals of Oper.
// Res. 20 (1989) 67 (bids of classes of similar objects); Hopcroft and Karp, SIAM J. Comput. 2 (1973) 225; Ahuja,
// Magnanti and Orlin (1993), section 9.8 (primal-dual).
#pragma once

#include <mutex>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/auction.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

// Returns whether this solver is the fastest: few jobs per class, with a higher limit where there are many classes.
[[nodiscard]] bool near_assignment_fits(Index n_jobs, Slot columns, const Tuning& tuning = kDefaultTuning) noexcept;

// Solves a level over lists. given: start prices in keys, or none. Not solved where keys leave the range, capacities do
// not suffice, a job has no path, most classes are duplicates, the work limit is reached, or after a stop; then
// `stopped` if the lists of all jobs had been read.
[[nodiscard]] SmallProblemResult solve_near_assignment(const IntegerKeys& keys, const Level& level,
                                                       std::span<const Cost> given, Pool& pool, Stop& stop,
                                                       CostRangeStats& seen, Stats& stats,
                                                       const Tuning& tuning = kDefaultTuning);

// Adapter of quantised costs to the candidate lists of the assignment solver (assignment/engines/matching.hpp).

using AssignmentRange = assignment::IntRange<Cost>;
using CandidateKeyLists = assignment::CandidateLists<Cost>;
inline constexpr Cost kUnreached = std::numeric_limits<Cost>::max();

// Reads rows of keys for candidate lists; "unplaced" is the last column. Threads may read different rows at once: the
// range statistics are joined under a lock.
class KeyRowReader final : public assignment::RowReader<Cost> {
 public:
  KeyRowReader(const IntegerKeys& keys, CostRangeStats& seen)
      : assignment::RowReader<Cost>(keys.n_jobs(), keys.columns()),
        keys_(keys),
        narrow_(keys.optional() || !keys.perturbation().none() ? nullptr : keys.int32()),
        seen_(seen) {}

  assignment::RowFit measure(Index) override { return assignment::RowFit::exact; }

  void load(Index i, Cost* out) const override;

 private:
  const IntegerKeys& keys_;
  const std::int32_t* narrow_;
  CostRangeStats& seen_;
  mutable std::mutex mutex_;
};

// The least and the second least key + price of a list, and the position of the least.
struct TwoCheapest {
  Cost first, second;
  Index at;
};

// Returns whether the least key + price of a list is the least over all classes, `bound` being that of the rest.
[[nodiscard]] inline bool list_suffices(Cost least, Cost bound) {
  return least <= bound || bound >= AssignmentRange::kForbiddenReduced;
}

// Returns the two cheapest entries of a list, class `beside` excluded.
[[nodiscard]] TwoCheapest two_cheapest(const CandidateKeyLists::View& list, const Cost* price, Slot beside);

// Candidate lists with lazy refresh: each job's cheapest classes at rising prices, and a bound on all others.
//
// A list is read again only when its least key + price exceeds its bound, that is when it may no longer hold the job's
// cheapest class (after Volgenant's LAPMOD, Computers & OR 23 (1996) 917).

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
