// Augmenting row reduction over candidate lists: free rows bid for their cheapest columns at epsilon 0.
//
// Definitions. A free row finds its cheapest column j1 at the prices, its reduced cost u1, and the second least reduced
// cost u2. It lowers v[j1] by u2 - u1, takes j1, and the row that had j1 becomes free.
//
// Invariants. (M1) to (M4). A bid uses the list alone while u1 does not exceed its bound; u2 is then capped by the
// bound, which makes the bid smaller and never wrong. Otherwise the row is read again.
//
// Steps. Two sweeps over the free rows; a row that would gain nothing (u1 = u2, a tie) takes its second column when its
// first is matched, and the row displaced waits for the next sweep instead of bidding at once.
//
// Complexity. A bid is O(list) vectorised; bids are counted and capped by the caller's budget.
//
// Source. Jonker and Volgenant, Computing 38 (1987) 325 (augmenting row reduction).
#pragma once

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/engines/two_least.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Returns false if the budget of bids ran out or a stop came; the matching is valid all the same.
template <class V>
bool augmenting_row_reduction(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh, Index budget,
                              int sweeps, AssignmentStats& stats, Stop& stop);

// The two least reduced costs of a list, and of a whole row. r: scratch of the list's size.
#define GRIDCOMPUTE_LEAST_TWO(V)                                                                                     \
  [[nodiscard]] LeastTwo<V> least_two_in_list(const std::int32_t* col, const V* cost, Index size, const V* v, V* r); \
  [[nodiscard]] LeastTwo<V> least_two_in_row(const V* cost, Index size, const V* v);
GRIDCOMPUTE_LEAST_TWO(std::int32_t)
GRIDCOMPUTE_LEAST_TWO(std::int64_t)
#undef GRIDCOMPUTE_LEAST_TWO

// A row's best column, its cost, and the two least reduced costs over all columns (u2 may be a lower bound).
template <class V>
struct BestColumn {
  V u1, u2, cost;
  std::int32_t col;  // kUnmatched: no allowed pair
};

// Finds the best column in the list of row i, which is refreshed if its bound was reached.
template <class V>
BestColumn<V> best_in_list(const Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh,
                           std::int32_t i) {
  for (;;) {
    const auto list = lists[i];
    if (static_cast<Index>(refresh.buffer.size()) < list.size)
      refresh.buffer.resize(static_cast<std::size_t>(list.size));
    const LeastTwo<V> two = least_two_in_list(list.col, list.cost, list.size, state.v.data(), refresh.buffer.data());
    const V bound = lists.bound(i);
    if (two.u1 <= bound) {
      if (two.u1 >= IntRange<V>::kForbiddenReduced) return {two.u1, two.u1, 0, kUnmatched};
      return {two.u1, std::min(two.u2, bound), list.cost[two.at], list.col[two.at]};
    }
    refresh(lists, i, state.v.data(), bound);
  }
}

// Finds the best column in the whole row i.
template <class V>
BestColumn<V> best_in_row(const Matching<V>& state, ListRefresher<V>& refresh, std::int32_t i) {
  const V* row = refresh.rows->row(i, refresh.scratch.cost.data());
  const LeastTwo<V> two = least_two_in_row(row, state.m, state.v.data());
  if (two.u1 >= IntRange<V>::kForbiddenReduced) return {two.u1, two.u1, 0, kUnmatched};
  return {two.u1, two.u2, row[two.at], static_cast<std::int32_t>(two.at)};
}

}  // namespace gridcompute::assignment
