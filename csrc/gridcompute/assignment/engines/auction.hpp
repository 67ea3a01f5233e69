// The auction: phases of bids over falling epsilon (epsilon-scaling).
//
// Definitions. As row_reduction.hpp, except that a bid lowers the column's price by u2 - u1 + epsilon, so that prices
// fall also where two columns tie.
//
// Invariants. (M1), (M3), (M4); (M2) up to epsilon.
//
// Steps. Each phase starts from an empty matching at the last phase's prices. Free rows bid in turns: a row displaced
// waits for the next turn, so that the order within a turn is known and its lists can be prefetched. Epsilon falls to
// the smallest integer, 1: that is optimal only by chance, and the exact searches that follow start from its prices.
//
// Layouts. Bids look up a row's candidate list, or the whole row (dense); complete lists of sparse graphs have a layout
// of their own, where a column's price and mate share one cache line, since a winning bid needs both. There only the
// prices are kept: searches start over from them.
//
// Complexity. O(list) or O(m) vectorised a bid; bids are capped by the caller's budget per phase.
//
// Source. Bertsekas, Annals of OR 14 (1988) 105 (auction, epsilon-scaling). Deviation: integer epsilon without scaling
// costs by n + 1, which would leave 32 bits.
#pragma once

#include <limits>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

template <class V>
struct AuctionPhase {
  V epsilon = 1;
  bool whole_rows = false;  // bids are looked up in whole rows instead of lists
  Index bids = 0;           // budgets
  Index rereads = std::numeric_limits<Index>::max();
  Index leave_free =
      0;  // end once at most this many rows are free: the last ones take most of a phase, and later phases match them
};

// Runs one phase from an empty matching. False if a budget ran out, a stop came, or a price would leave its range.
template <class V>
bool auction_phase(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh,
                   const AuctionPhase<V>& phase, AssignmentStats& stats, Stop& stop, const AssignmentTuning& tuning);

// Runs one phase over complete lists; changes prices only.
template <class V>
bool sparse_auction_phase(std::vector<V>& v, const CandidateLists<V>& lists, const AuctionPhase<V>& phase,
                          AssignmentStats& stats, Stop& stop, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
