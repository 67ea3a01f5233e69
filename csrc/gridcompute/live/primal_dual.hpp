// The primal-dual pair that a matcher keeps between rounds, and the changes since the last round.
//
// Problem. Primal: the class of each job. Dual: a price >= 0 for each class. They are optimal if every job is in a
// class of least reduced cost (complementary slackness for jobs), no load exceeds its capacity, and classes with a
// price above 0 are full.
//
// Definitions. The *queue* holds jobs that must be assigned again: new ones, those with other costs, and those from
// classes whose costs have changed. *Changed classes* must be repriced. *Excess* is the imbalance that path searches
// still have to remove.
//
// Bound. While every job is in a class of least reduced cost, D(p) = sum of keys + sum over classes of (load -
// capacity) * price: known without reading any cost. Balanced, it is the objective.
#pragma once

#include "gridcompute/live/capacities.hpp"
#include "gridcompute/live/index_store.hpp"
#include "gridcompute/live/work_model.hpp"

namespace gridcompute::live {

struct PrimalDual {
  PrimalDual(Slot n_slots, const LiveTuning& given);

  // Copies what a change, or a round, replaces; to be called before the first of them.
  void begin_change();
  void begin_round();
  // Keep, or undo, all changes since the last of these calls.
  void commit() noexcept;
  void rollback() noexcept;

  // Queues a job and takes it out of its class.
  void enqueue(Job job);
  // Takes a job out of its class.
  void unassign(Job job) { index ? index->unassign(job) : state.unassign(job); }
  // Marks classes whose costs have changed, for whatever jobs.
  void mark_changed(std::span<const Slot> slots);
  // Discards the move index; placements and prices are kept, from which the next round builds another index.
  void discard_index(const char* reason);
  // Discards the move index and the assignment; the next round is cold unless `can_rebuild` is set.
  void discard_assignment();
  // Adds classes up to n_slots.
  void add_classes(Slot n_slots);

  [[nodiscard]] double price(Slot s) const noexcept;
  [[nodiscard]] Wide dual_value() const;
  [[nodiscard]] double objective_of(Wide keys) const;  // to the nearest
  // Returns a lower bound, rounded down, less the largest rounding error of costs and prices.
  [[nodiscard]] double lower_bound_of(Wide keys) const;
  // Returns how much less than dual_value() the prices may prove after conversion to doubles.
  [[nodiscard]] Wide price_rounding() const;

  // Counts the units out of balance at these loads: jobs beyond capacity, and free slots of classes with a price.
  // Assumes that the queue fills some of the latter.
  [[nodiscard]] Index excess(std::span<const Cost> loads) const;
  [[nodiscard]] Index excess() const;  // at the present assignment
  [[nodiscard]] WorkModel work_model() const {
    return {tuning, state.n_live(), state.n_classes(), state.columns().cost->singles()};
  }

  const LiveTuning& tuning;
  MatcherState state;
  std::vector<Cost> prices;  // (classes)
  Capacities capacity;
  WorkCounts counts;         // of the present round
  IndexStore index;          // without an index the next round is cold, or builds it
  bool can_rebuild = false;  // without an index: placements and prices are of a nearby optimum
  const char* cold_reason = "first round";
  double max_abs_cost = 0;
  std::vector<Job> queue;     // every job that is queued, and others that were removed since
  std::vector<Slot> changed;  // classes, ascending

 private:
  struct Before {
    std::vector<Cost> prices;
    Capacities capacity;
    std::vector<Slot> changed;
    std::size_t n_queued;
    bool can_rebuild;
    const char* cold_reason;
    double max_abs_cost;
  };
  std::optional<Before> before_;                  // since the last commit(), of all but the jobs
  std::optional<std::vector<Job>> queue_before_;  // which a round empties; other changes only append to it
};

}  // namespace gridcompute::live
