// Solves a round: repairs the primal-dual pair after changes, or solves the problem from scratch where that is less
// work.
//
// Decision table. Work is estimated from counts (primal_dual.hpp), in shares of a cold solve's work (tuning.hpp); the
// first row that applies is taken.
//
//   condition                                              way                     on failure
//   no index, and no placements and prices to start from   cold                    -
//   no index; queue, repricing and excess beyond           cold                    -
//     rebuild_share
//   index; queue and repricing beyond kQueueShare          cold                    -
//   no index                                               build it, then warm     stopped: nothing moves
//   otherwise                                              warm                    cold
//
// Warm. Reprices changed classes, assigns queued jobs to their classes of least reduced cost,
// removes excess by shortest paths, then deficits (path_search.hpp). It is abandoned for a cold solve when the excess
// found, or the work forecast from that done so far, is beyond its share. With a gap asked for, it ends once that gap
// is proved.
//
// Cold. transport solves the problem as it was posed; jobs go to its classes, except for moves that save nothing
// (change_log.hpp), and its prices are kept. It gets no start prices: its samples find prices as good in less time
// than outdated prices cost it. The index is kept where few jobs moved, else built by the next round.
//
// Stopped. By the time limit: jobs keep their placed classes, new ones are placed where there is free capacity, and the
// next round continues from this assignment. By an interrupt: nothing is reported, and the next round continues
// likewise.
#pragma once

#include "gridcompute/live/change_log.hpp"
#include "gridcompute/live/round.hpp"

namespace gridcompute::live {

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

class RoundSolver {
 public:
  RoundSolver(PrimalDual& pair, ChangeLog& log)
      : pair_(pair), state_(pair.state), log_(log), repricer_(pair), tuning_(pair.tuning) {}

  [[nodiscard]] RoundAnswer solve(const MatchOptions& options, Stop& stop);

 private:
  enum class End { balanced, infeasible, stopped, too_much_work };
  class RepairForecast;

  End run(RoundContext& round);
  [[nodiscard]] const char* reason_for_cold() const;
  void report(RoundContext& round);
  void trim_memory(const RoundAnswer& answer);

  End warm(RoundContext& round);
  bool assign_queued(RoundContext& round);
  void assign(Job job, const Cost* row, Cost least, bool exact);
  End repair(RoundContext& round);
  [[nodiscard]] bool gap_is_proved(RoundContext& round) const;
  End forbidden_job(RoundContext& round) const;
  void write_witness(RoundContext& round, std::span<const Slot> classes) const;

  End build_index_then_warm(RoundContext& round);
  bool build_index(RoundContext& round, const std::vector<Job>& live, const std::vector<Slot>& classes);

  End cold(RoundContext& round);
  [[nodiscard]] transport::Result solve_by_transport(RoundContext& round, const std::vector<Job>& live) const;
  void adopt(RoundContext& round, const std::vector<Job>& live, const std::vector<Slot>& slots,
             const transport::Result& found);
  End stop_without_index(RoundContext& round, const std::vector<Job>& live, const std::vector<Slot>& assigned);

  PrimalDual& pair_;
  MatcherState& state_;
  ChangeLog& log_;
  Repricer repricer_;
  const LiveTuning& tuning_;
  Index work_since_trim_ = 0;
  Index rounds_until_trim_ = -1;  // after a large round; -1: no trim is due
};

}  // namespace gridcompute::live
