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

#include <cstring>
#include <limits>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// The two least of many reduced costs and the position of the first: what a bid is computed from.

template <class V>
struct LeastTwo {
  V u1, u2;
  Index at;  // position of u1, the lowest if several are equal
};

// Vectors of kCount lanes. Compilers do not vectorise a search for a minimum together with its position and the second
// least element, so the lanes are written out.
template <class V, Index kCount>
using SomeLanes __attribute__((vector_size(kCount * sizeof(V)))) = V;

// Extracts the lower or upper half of the lanes.
template <class V, Index kCount, bool upper>
GRIDCOMPUTE_INLINE void half_of(const SomeLanes<V, kCount>& x, SomeLanes<V, kCount / 2>& half) {
#if __has_builtin(__builtin_shufflevector)
  constexpr int o = upper ? static_cast<int>(kCount / 2) : 0;
  if constexpr (kCount == 16)
    half = __builtin_shufflevector(x, x, o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6, o + 7);
  else if constexpr (kCount == 8)
    half = __builtin_shufflevector(x, x, o, o + 1, o + 2, o + 3);
  else if constexpr (kCount == 4)
    half = __builtin_shufflevector(x, x, o, o + 1);
  else
    half = SomeLanes<V, 1>{x[o]};
#else
  std::memcpy(&half, reinterpret_cast<const char*>(&x) + (upper ? sizeof half : 0), sizeof half);
#endif
}

// Reduces the lanes by halves to the least, its lowest position, and the least of the rest. GCC 12 splits vectors into
// lanes where a comparison is more than the condition of one choice: hence two choices for ties.
template <class V, Index kCount>
GRIDCOMPUTE_INLINE LeastTwo<V> across(const SomeLanes<V, kCount>& first, const SomeLanes<V, kCount>& second,
                                      const SomeLanes<V, kCount>& place) {
  using Half = SomeLanes<V, kCount / 2>;
  Half a, b, at, bt, a2, b2;
  half_of<V, kCount, false>(first, a), half_of<V, kCount, true>(first, b);
  half_of<V, kCount, false>(place, at), half_of<V, kCount, true>(place, bt);
  half_of<V, kCount, false>(second, a2), half_of<V, kCount, true>(second, b2);
  const Half least = b < a ? b : a, loser = b < a ? a : b, lower = bt < at ? bt : at;
  Half where = b < a ? bt : at, after = a2 < b2 ? a2 : b2;
  where = a == b ? lower : where;
  after = loser < after ? loser : after;
  if constexpr (kCount == 2)
    return {least[0], after[0], static_cast<Index>(where[0])};
  else
    return across<V, kCount / 2>(least, after, where);
}

// Returns the two least of `size` reduced costs: at(k, lanes) gives a vector of them from k on, one(k) a single one
// behind the last whole vector.
template <Index kBytes, class V, class At, class One>
GRIDCOMPUTE_INLINE LeastTwo<V> two_least(Index size, const At& at, const One& one,
                                         V none = IntRange<V>::kForbiddenReduced) {
  using Vector = typename Lanes<V, kBytes>::Signed;
  constexpr Index kLanes = Lanes<V, kBytes>::kCount;
  Vector first = Vector{} + none, second = first, place = {}, here = {};
  for (Index l = 0; l < kLanes; ++l) here[l] = static_cast<V>(l);
  Index k = 0;
  for (; k + kLanes <= size; k += kLanes, here += static_cast<V>(kLanes)) {
    Vector r;
    at(k, r);
    const Vector loser = r < first ? first : r;
    place = r < first ? here : place;
    first = r < first ? r : first;
    second = loser < second ? loser : second;
  }
  LeastTwo<V> two = across<V, kLanes>(first, second, place);
  for (; k < size; ++k) {
    const V r = one(k);
    if (r < two.u1) {
      two = {r, two.u1, k};
    } else if (r < two.u2) {
      two.u2 = r;
    }
  }
  return two;
}

template <class V>
struct TaggedLeast {
  V value, tag;
};

// Reduces the lanes by halves to the least value, with the least tag of equal ones.
template <class V, Index kCount>
GRIDCOMPUTE_INLINE TaggedLeast<V> least_tagged(const SomeLanes<V, kCount>& value, const SomeLanes<V, kCount>& tag) {
  using Half = SomeLanes<V, kCount / 2>;
  Half a, b, at, bt;
  half_of<V, kCount, false>(value, a), half_of<V, kCount, true>(value, b);
  half_of<V, kCount, false>(tag, at), half_of<V, kCount, true>(tag, bt);
  const Half least = b < a ? b : a, lower = bt < at ? bt : at;
  Half which = b < a ? bt : at;
  which = a == b ? lower : which;
  if constexpr (kCount == 2)
    return {least[0], which[0]};
  else
    return least_tagged<V, kCount / 2>(least, which);
}

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
    if (static_cast<Index>(refresh.buffer.size()) < list.size) refresh.buffer.resize(at(list.size));
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
