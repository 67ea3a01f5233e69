#include "gridcompute/assignment/engines/auction.hpp"

#include <numeric>

#include "gridcompute/assignment/engines/row_reduction.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kBidPollMask = 0xFFF;  // bids between two polls of the stop

// A column of a sparse graph: its price and the row matched to it, in one cache line.
template <class V>
struct alignas(2 * sizeof(V)) PricedColumn {
  V price, mate;
};

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE LeastTwo<V> least_two_of(const std::int32_t* GRIDCOMPUTE_RESTRICT col,
                                            const V* GRIDCOMPUTE_RESTRICT cost, Index size,
                                            const PricedColumn<V>* GRIDCOMPUTE_RESTRICT column,
                                            V* GRIDCOMPUTE_RESTRICT r) {
  for (Index k = 0; k < size; ++k) r[k] = static_cast<V>(cost[k] - column[col[k]].price);
  return two_least<kBytes, V>(
      size, [&](Index k, auto& x) GRIDCOMPUTE_FORCED { gridcompute::load(r + k, x); },
      [&](Index k) GRIDCOMPUTE_FORCED { return r[k]; });
}

#define GRIDCOMPUTE_COLUMNS(V)                                                                                    \
  GRIDCOMPUTE_VERSIONS(LeastTwo<V>, least_two,                                                                    \
                       (const std::int32_t* col, const V* cost, Index size, const PricedColumn<V>* column, V* r), \
                       (col, cost, size, column, r))
GRIDCOMPUTE_COLUMNS(std::int32_t)
GRIDCOMPUTE_COLUMNS(std::int64_t)

template <class V>
void prefetch_prices(const Matching<V>& state, const CandidateLists<V>& lists, std::int32_t i) {
  const auto list = lists[i];
  __builtin_prefetch(state.col_of.data() + i, 1);
  __builtin_prefetch(state.mate_cost.data() + i, 1);
  if (list.size > CandidateLists<V>::kLanes) return;  // a longer list takes long enough to hide the wait
  for (Index k = 0; k < list.size; ++k) {
    __builtin_prefetch(state.v.data() + list.col[k]);
  }
}

}  // namespace

template <class V>
bool auction_phase(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh,
                   const AuctionPhase<V>& phase, AssignmentStats& stats, Stop& stop, const AssignmentTuning& tuning) {
  const Index start = refresh.count;
  state.clear();
  const std::size_t lists_ahead = tuning.prefetch_lists, prices_ahead = tuning.prefetch_prices;
  // Free rows bid in turns: a row that is displaced bids in the next turn.
  std::vector<std::int32_t> free = state.free_rows(), next;
  Index budget = phase.bids;
  const auto leave = static_cast<std::size_t>(phase.leave_free);
  for (std::size_t at = 0; free.size() - at + next.size() > leave;) {
    if (at == free.size()) {
      free.swap(next);
      next.clear();
      at = 0;
    }
    if (--budget < 0 || refresh.count - start > phase.rereads) return false;
    const auto compared = [&] { return phase.whole_rows ? state.m : lists[free[at]].size; };  // by a bid
    if ((++stats.bids & kBidPollMask) == 0 && stop.poll((kBidPollMask + 1) * compared())) return false;
    if (at + lists_ahead < free.size()) lists.prefetch(free[at + lists_ahead]);
    if (at + prices_ahead < free.size() && !phase.whole_rows) prefetch_prices(state, lists, free[at + prices_ahead]);
    const std::int32_t i = free[at++];
    const BestColumn<V> best =
        phase.whole_rows ? best_in_row(state, refresh, i) : best_in_list(state, lists, refresh, i);
    if (best.col == kUnmatched) return false;
    const std::int32_t j = best.col;
    // A row with one allowed column may lower that column's price by any amount; it lowers it by epsilon.
    const std::int64_t step = best.u2 < IntRange<V>::kForbiddenReduced ? std::int64_t{best.u2} - best.u1 : 0;
    const std::int64_t price = std::int64_t{state.v[static_cast<std::size_t>(j)]} - step - phase.epsilon;
    if (price < -IntRange<V>::kLimit) return false;
    state.v[static_cast<std::size_t>(j)] = static_cast<V>(price);
    const std::int32_t out = state.mate_of[static_cast<std::size_t>(j)];
    if (out != kUnmatched) {
      state.col_of[static_cast<std::size_t>(out)] = kUnmatched;
      next.push_back(out);
    }
    state.match(i, j, best.cost);
  }
  return true;
}

// Longest list, in vectors, whose prices are prefetched; longer ones take long themselves.
constexpr Index kPrefetchPriceVectors = 2;

template <class V>
bool sparse_auction_phase(std::vector<V>& v, const CandidateLists<V>& lists, const AuctionPhase<V>& phase,
                          AssignmentStats& stats, Stop& stop, const AssignmentTuning& tuning) {
  const std::size_t prices_ahead = tuning.prefetch_prices, lists_ahead = tuning.prefetch_lists,
                    places_ahead = tuning.prefetch_places;
  std::vector<PricedColumn<V>> column(v.size());
  for (std::size_t j = 0; j < v.size(); ++j) column[j] = {v[j], V{kUnmatched}};
  std::vector<std::int32_t> free(static_cast<std::size_t>(lists.rows())), next;
  std::iota(free.begin(), free.end(), 0);
  std::vector<V> reduced(static_cast<std::size_t>(lists.max_length()));
  const auto leave = static_cast<std::size_t>(phase.leave_free);
  Index budget = phase.bids;
  const auto bid = [&](std::int32_t i) {
    const auto list = lists[i];
    if (--budget < 0 || ((++stats.bids & kBidPollMask) == 0 && stop.poll((kBidPollMask + 1) * list.size))) return false;
    const LeastTwo<V> two = least_two(list.col, list.cost, list.size, column.data(), reduced.data());
    if (two.u1 >= IntRange<V>::kForbiddenReduced) return false;
    PricedColumn<V>& best = column[static_cast<std::size_t>(list.col[two.at])];
    // A row with one allowed column may lower that column's price by any amount; it lowers it by epsilon.
    const std::int64_t step = two.u2 < IntRange<V>::kForbiddenReduced ? std::int64_t{two.u2} - two.u1 : 0;
    const std::int64_t price = std::int64_t{best.price} - step - phase.epsilon;
    if (price < -IntRange<V>::kLimit) return false;
    if (best.mate != kUnmatched) next.push_back(static_cast<std::int32_t>(best.mate));
    best = {static_cast<V>(price), static_cast<V>(i)};
    return true;
  };
  bool ok = true;
  for (std::size_t at = 0; ok && free.size() - at + next.size() > leave;) {
    if (at == free.size()) {
      free.swap(next);
      next.clear();
      at = 0;
    }
    if (at + places_ahead < free.size()) lists.prefetch_place(free[at + places_ahead]);
    if (at + lists_ahead < free.size()) lists.prefetch(free[at + lists_ahead]);
    if (at + prices_ahead < free.size()) {
      const auto list = lists[free[at + prices_ahead]];
      if (list.size <= kPrefetchPriceVectors * CandidateLists<V>::kLanes)
        for (Index k = 0; k < list.size; ++k) __builtin_prefetch(column.data() + list.col[k], 1);
    }
    ok = bid(free[at++]);
  }
  for (std::size_t j = 0; j + 1 < v.size(); ++j) v[j] = column[j].price;
  return ok;
}

#define GRIDCOMPUTE_AUCTION(V)                                                                             \
  template bool auction_phase(Matching<V>&, CandidateLists<V>&, ListRefresher<V>&, const AuctionPhase<V>&, \
                              AssignmentStats&, Stop&, const AssignmentTuning&);                           \
  template bool sparse_auction_phase(std::vector<V>&, const CandidateLists<V>&, const AuctionPhase<V>&,    \
                                     AssignmentStats&, Stop&, const AssignmentTuning&);
GRIDCOMPUTE_AUCTION(std::int32_t)
GRIDCOMPUTE_AUCTION(std::int64_t)

}  // namespace gridcompute::assignment
