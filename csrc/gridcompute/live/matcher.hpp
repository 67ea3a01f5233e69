// Live matching: jobs, capacities and costs change a little between rounds, and each round's optimum is found with work
// in proportion to the change.
//
// Problem. transport/problem.hpp with one slot for each job, solved again and again: jobs are added, removed and
// updated, slots are added and removed. A placed job pays a switching cost in any class but its own. The answer of each
// round is the exact optimum of the problem as it then is.
//
// Collaborators. PrimalDual holds the state between rounds: jobs and keys (MatcherState), prices, capacities, the move
// index, and the changes. ChangeLog holds the state that the caller has received: placements, their exact cost, changes
// that were deferred or not acknowledged. RoundSolver repairs or solves from scratch, with Repricer and PathSearch. A
// change of jobs or classes only removes jobs from their classes, or changes a capacity; all work is done in match().
//
// Gangs. A matcher with queues solves its rounds by GangSolver instead: jobs of several slots each, limits, shares and
// priorities (gangs/gang_solver.hpp). Its answers have a proved gap; all else is the same.
//
// Undo. Every change can be undone until commit(): a call of the caller's is made of several steps, any of which may be
// short of memory. rollback() restores jobs, placements, prices and capacities exactly; an index that was changed is
// lost, and built again by the next round (index_store.hpp).
//
// Pins. A pinned job keeps its slot even where its class has fewer slots than before (capacities.hpp).
#pragma once

#include "gridcompute/live/gangs/gang_solver.hpp"
#include "gridcompute/live/round_solver.hpp"

namespace gridcompute::live {

class Matcher {
 public:
  explicit Matcher(Slot n_slots, const LiveTuning& tuning = {}, const GangTuning& of_gangs = {});
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  // Replaces the columns of the job store; no cost of a live job, its switching cost included, may exceed max_abs_cost
  // in magnitude. Classes that are new have capacity 0.
  void set_columns(const StoreColumns& columns, double max_abs_cost);
  // Marks classes in which the costs of jobs have changed.
  void costs_changed(std::span<const Slot> slots) { begin_change(), pair_.mark_changed(slots); }
  void set_capacity(Slot slot, Cost capacity) { begin_change(), pair_.capacity.set(slot, capacity); }
  void add(std::span<const Job> jobs);
  void remove(std::span<const Job> jobs);
  void update(std::span<const Job> jobs);  // their columns have changed
  void pin(std::span<const Job> jobs, bool pinned);
  // Makes these the placed classes of jobs (kNone: unplaced), of which no round reports a change, and unpins the jobs.
  void place(std::span<const Job> jobs, std::span<const Slot> slots);

  // Keeps all changes since the last of these calls, rounds included, or undoes them. After a call that throws
  // rollback() has to follow; after a round, any call but rollback() keeps that round. rollback() allocates nothing
  // without gangs; with gangs it may throw, and is then to be called again.
  void commit() noexcept;
  void rollback();

  // Adds the jobs of a matcher that was saved, with their placed classes (kNone: unplaced), its prices, and its
  // resolution, which is kept if it suits max_abs_cost (0: none to keep). All is checked before anything changes: jobs
  // are positions that are not live, each once; classes exist; prices are finite and at least 0; the resolution is a
  // power of two.
  void restore(std::span<const Job> jobs, std::span<const Slot> placed, std::span<const double> prices,
               double resolution);

  // Makes this a matcher of gangs; before any job is added.
  void set_queues(Queues queues);
  // Replaces the columns that only gangs have; a matcher of gangs must call this after set_columns(). types: of each
  // class; empty where queues have no limits by type.
  void set_gangs(const GangColumns& columns, std::span<const std::int32_t> types = {});
  void set_shares(std::span<const Cost> shares) { gangs_->set_shares(shares); }
  [[nodiscard]] const GangSolver* gangs() const noexcept { return gangs_.get(); }

  [[nodiscard]] RoundAnswer match(const MatchOptions& options, Stop& stop);
  // Confirms that the caller has received the last answer; otherwise its changes are part of the next one.
  void acknowledge() noexcept { log_.acknowledge(); }
  [[nodiscard]] std::span<const ReportedChange> unacknowledged() const noexcept { return log_.unacknowledged(); }

  // Finds the class of least reduced cost of each row of `jobs` at the present prices (kNone: unplaced), and its cost.
  void quote(const StoreColumns& jobs, std::span<Slot> slots, std::span<double> costs) const;
  // Does the same for gangs; classes too small for a job are excluded.
  void quote(const StoreColumns& jobs, const GangColumns& gangs, std::span<Slot> slots, std::span<double> costs) const;

  [[nodiscard]] const MatcherState& state() const noexcept { return pair_.state; }
  [[nodiscard]] Slot placed_class(Job job) const noexcept {
    const Slot placed = pair_.state.placed_class(job);
    return placed == pair_.state.unplaced_class() ? kNone : placed;
  }
  [[nodiscard]] double price(Slot slot) const noexcept { return gangs_ ? gangs_->prices()[slot] : pair_.price(slot); }
  // Returns the capacity that was set, or the number of jobs pinned there if that is more.
  [[nodiscard]] Cost capacity(Slot slot) const noexcept { return pair_.capacity[slot]; }
  [[nodiscard]] std::vector<Job> pinned_at(std::span<const Slot> slots) const;  // ascending
  [[nodiscard]] bool holds() const;

 private:
  struct GangChange {
    Job job;
    enum class Kind : std::uint8_t { added, removed, updated } kind;
  };
  void begin_change();
  void change_gang(Job job, GangChange::Kind kind);
  void prefetch(std::span<const Job> jobs, std::size_t k) const noexcept;
  void check_restored(std::span<const Job> jobs, std::span<const Slot> placed, std::span<const double> prices,
                      double resolution) const;
  void add_classes(Slot n_slots);
  void add_placed(Job job, Slot placed);

  const LiveTuning tuning_;
  const GangTuning gang_tuning_;
  PrimalDual pair_;
  ChangeLog log_;
  RoundSolver solver_;
  std::unique_ptr<GangSolver> gangs_;  // null: every job takes one slot, and rounds are exact

  bool in_round_ = false;  // the last change was a round
  // Of gangs, since the last commit(): the jobs that were added, removed or updated, and counts and columns before.
  std::vector<GangChange> gang_changes_;
  GangSolver::Counted counted_before_{};
  GangColumns gang_columns_;
  std::vector<std::int32_t> types_;
  std::optional<std::pair<GangColumns, std::vector<std::int32_t>>> columns_before_;
};

}  // namespace gridcompute::live
