// Auction over complete lists, in a layout of its own: what sparse graphs spend their time on.
//
// Definitions and invariants as row_reduction.hpp. A column's price and the row that holds it lie in one slot, since a
// bid that wins needs both; nothing else is kept up. Where rows and columns no longer fit the cache, a bid costs what
// it waits for: places, lists and slots of coming bids are fetched ahead.
//
// Steps. Phases of falling epsilon, each from an empty matching at the last phase's prices, in turns over the free
// rows. The matching itself is dropped: exact searches start over from the prices.
//
// Complexity. O(list) vectorised a bid, bids capped by the caller's budget a phase.
//
// Source. As row_reduction.hpp.
#pragma once

#include "gridcompute/assignment/engines/row_reduction.hpp"

namespace gridcompute::assignment {

// Changes prices only. False if the budget of bids ran out, a stop came, or a price would leave its range.
template <class V>
bool sparse_auction_phase(std::vector<V>& v, const Lists<V>& lists, const Phase<V>& phase, Stats& stats, Stop& stop);

}  // namespace gridcompute::assignment
