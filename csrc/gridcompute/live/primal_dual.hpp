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

#include <algorithm>
#include <memory>
#include <vector>

#include "gridcompute/base/types.hpp"
#include "gridcompute/live/move_index.hpp"

namespace gridcompute::live {

// The capacity of each class: what was set, or the number of jobs pinned there if that is more.
//
// A pinned job keeps its slot even where its class has lost it. The effective capacity therefore counts as many slots
// as there are pinned jobs, so that a class without capacity never makes a round infeasible.

class Capacities {
 public:
  // All classes have capacity 0, and that of unplaced jobs, the last one, has no limit.
  explicit Capacities(Slot n_slots) : set_(at(n_slots) + 1, 0), pinned_(at(n_slots) + 1, 0) {
    set_.back() = kForbidden;
    effective_ = set_;
  }

  // Inserts classes of capacity 0 before that of unplaced jobs.
  void add_classes(std::size_t more) {
    for (std::vector<Cost>* list : {&set_, &pinned_, &effective_}) list->insert(list->end() - 1, more, 0);
  }

  void set(Slot s, Cost capacity) {
    set_[at(s)] = capacity;
    count_pinned(s, 0);
  }
  void count_pinned(Slot s, Cost by) {
    pinned_[at(s)] += by;
    effective_[at(s)] = std::max(set_[at(s)], pinned_[at(s)]);
  }

  [[nodiscard]] const std::vector<Cost>& effective() const noexcept { return effective_; }
  [[nodiscard]] Cost operator[](Slot s) const noexcept { return effective_[at(s)]; }
  [[nodiscard]] Cost given(Slot s) const noexcept { return set_[at(s)]; }
  [[nodiscard]] Cost pinned(Slot s) const noexcept { return pinned_[at(s)]; }
  [[nodiscard]] Cost added_by_pins(Slot s) const noexcept { return effective_[at(s)] - set_[at(s)]; }

  // Returns whether these are the numbers of pinned jobs, and the effective capacities follow from them.
  [[nodiscard]] bool holds(const std::vector<Cost>& pinned) const {
    for (std::size_t s = 0; s < set_.size(); ++s)
      if (effective_[s] != std::max(set_[s], pinned_[s])) return false;
    return pinned == pinned_;
  }

 private:
  std::vector<Cost> set_, pinned_, effective_;
};

// Estimates the work of a round, warm or cold, from counts alone: no clock is read, so every run decides alike.
//
// Work is in the units of tuning.hpp; only the ratio of two amounts is ever used.

// Work of a transport solve for a job (units).
inline constexpr Index kColdWorkJob = 40;
// Work of one key of a row that is read (units).
inline constexpr Index kRowWorkKey = 3;
// Work of a row beside its keys: its evaluation, and the insertion of its moves (units).
inline constexpr Index kRowWorkFixed = 800;
// Work of a job when one class is repriced and single costs can be read (units).
inline constexpr Index kColumnWorkJob = 16;
// Work of one arc scanned or one cost read by column (units).
inline constexpr Index kArcWork = 4;
// Work of one cost read by column for the members of a class, which lie apart in memory (units).
inline constexpr Index kClassCostWork = 32;

struct WorkModel {
  const LiveTuning& tuning;
  Index n_live;
  Slot n_classes;
  bool single_costs;  // reading one cost is cheaper than reading its row

  // Estimates a solve by transport.
  [[nodiscard]] Index cold() const noexcept {
    return n_live * (tuning.cold_work_two_keys * Index{n_classes} / 2 + kColdWorkJob) + tuning.cold_work_fixed;
  }
  // Estimates reading one row and inserting the job's moves.
  [[nodiscard]] Index row() const noexcept { return kRowWorkKey * Index{n_classes} + kRowWorkFixed; }
  // Estimates repricing one class.
  [[nodiscard]] Index column() const noexcept { return n_live * (single_costs ? kColumnWorkJob : row()); }
  // Estimates routing n units of excess, before any was routed.
  [[nodiscard]] Index units(Index n) const noexcept { return tuning.unit_work * n; }
  // Returns the work that was counted.
  [[nodiscard]] Index of(const WorkCounts& done) const noexcept {
    return kArcWork * (done.arcs_scanned + done.column_costs_read) + kClassCostWork * done.class_costs_read +
           row() * done.rows_read;
  }
  // Returns a number of thousandths of a cold solve's work.
  [[nodiscard]] Index cold_share(Index thousandths) const noexcept {
    return cold() / 1000 * thousandths + cold() % 1000 * thousandths / 1000;
  }
};

// Owns the move index of a matcher, if there is one, and the memory of its lists.
//
// Blocks of lists are kept from index to index, so that later indexes of a matcher reuse the memory of the first. They
// are freed when the matcher has shrunk to half, or when the lists have another capacity.
//
// An index that was changed cannot be changed back: rollback() then leaves it *lost*. The next round builds another one
// from the same assignment and prices, and takes the same decisions as if it had not been lost.

class IndexStore {
 public:
  explicit IndexStore(const LiveTuning& tuning) : tuning_(tuning) {}

  [[nodiscard]] explicit operator bool() const noexcept { return index_ != nullptr; }
  [[nodiscard]] MoveIndex* operator->() const noexcept { return index_.get(); }
  [[nodiscard]] MoveIndex& operator*() const noexcept { return *index_; }
  // Discards the index.
  void reset() noexcept;
  // Returns whether the index was lost by a change that was undone.
  [[nodiscard]] bool lost() const noexcept { return lost_; }
  // Keeps all changes since the last commit(), or undoes them; false: the index is lost.
  void commit() noexcept;
  bool rollback() noexcept;

  // Builds the index, which must not exist; as MoveIndex::build(). False: stopped, and there is still no index.
  bool build(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, Pool& pool, Stop& stop,
             std::vector<Job>& misplaced);
  // Adds classes to the index, up to `classes`.
  void add_classes(Slot classes);

 private:
  [[nodiscard]] std::shared_ptr<BlockPool> new_memory() const;

  const LiveTuning& tuning_;
  std::shared_ptr<BlockPool> memory_;
  Index most_live_ = 0;      // the largest number of live jobs that it has served
  Index list_capacity_ = 0;  // of the indexes that it has served
  std::unique_ptr<MoveIndex> index_;
  std::unique_ptr<MoveIndex> discarded_;  // since the last commit(), unchanged: rollback() brings it back
  const MoveIndex* at_commit_ = nullptr;  // the index then
  bool lost_ = false, lost_at_commit_ = false;
};

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
