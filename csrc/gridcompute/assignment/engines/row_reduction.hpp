// Bids of free rows for their cheapest columns: augmenting row reduction and the epsilon auction are one loop.
//
// Definitions. A free row finds its cheapest column j1 at the prices, its reduced cost u1, and the next cheapest
// reduced cost u2. It lowers v[j1] by u2 - u1 + epsilon, takes j1, and throws out the row that held it.
//
// Invariants. (M1), (M3), (M4); (M2) up to epsilon. A bid uses the list alone while u1 does not exceed its bound; u2
// is then capped by the bound, which makes the bid smaller and never wrong. Otherwise the row is read again.
//
// Steps. reduce_rows: epsilon = 0 over two sweeps; a row that would gain nothing (u1 = u2, a tie) takes its second
// column when its first is held, and the row thrown out waits for the next sweep instead of bidding at once. auction:
// phases of falling epsilon, each from an empty matching at the last phase's prices, down to the smallest integer
// epsilon, 1. That is exact only by chance; the exact searches which follow start from its prices.
//
// Complexity. A bid is O(list) vectorised. Bids are counted and capped by the callers' budgets.
//
// Source. Jonker and Volgenant, Computing 38 (1987) 325 (augmenting row reduction); Bertsekas, Annals of OR 14 (1988)
// 105 (auction, epsilon scaling). Deviation: integer epsilon without scaling costs by n + 1, which would leave 32 bits.
#pragma once

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// False if the budget of bids ran out or a stop came; the matching is valid all the same.
template <class V>
bool reduce_rows(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, Index budget, Stats& stats, Stop& stop);

template <class V>
struct Phase {
  V epsilon = 1;
  bool whole = false;  // bids looked up over whole rows instead of lists
  Index bids = 0;      // budgets
  Index rereads = std::numeric_limits<Index>::max();
  Index leave = 0;  // stop once so few rows are free: the last ones take most of a phase, and later phases see to them
};

// One phase from an empty matching. False as above, or if a price would leave its range.
template <class V>
bool auction_phase(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Phase<V>& phase, Stats& stats,
                   Stop& stop);

}  // namespace gridcompute::assignment
