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

#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/auction/key_table.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::auction {

struct AuctionStart {
  std::vector<Cost> prices;
  Cost epsilon = 0;        // of the last phase: prices are within a few epsilon of optimal
  bool cut_short = false;  // bids ran out
};

// Runs the auction; keys has one row per weight.
[[nodiscard]] AuctionStart start_prices(const KeyTable& keys, std::span<const Cost> weights,
                                        std::span<const Cost> capacity, Stop& stop,
                                        const transport::Tuning& tuning = transport::kDefaultTuning);

}  // namespace gridcompute::auction
