// Prices of classes whose costs have changed, and the jobs that a new price may move.
//
// Problem. The costs of a class have changed for many jobs at once (a tariff). Its price and the moves to it are
// invalid; those of all other classes are valid.
//
// Steps. For each changed class: its members are queued; the bid of each job is computed, the amount that it would save
// in this class at price 0; the price becomes the highest bid that gets no slot; jobs with a higher bid are queued, and
// the moves to the class are indexed again.
//
// Complexity. One cost of each job, one row of each member.
#pragma once

#include "gridcompute/live/round.hpp"

namespace gridcompute::live {

class Repricer {
 public:
  explicit Repricer(PrimalDual& pair) : pair_(pair), state_(pair.state) {}

  // Reprices all changed classes; false if stopped, and then the classes left remain marked.
  bool reprice_changed(RoundContext& round);

 private:
  void reprice(Slot s, const std::vector<Job>& members, std::vector<Cost>& lengths, Pool& pool);
  [[nodiscard]] std::vector<Cost> bids_of_members(Slot s, const std::vector<Job>& members, Pool& pool);

  PrimalDual& pair_;
  MatcherState& state_;
};

}  // namespace gridcompute::live
