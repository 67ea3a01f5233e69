// The placements that the caller has received: their cost, the changes that a round reports, and those that were
// deferred.
//
// Definitions. The charge of a job is its cost in its placed class. The sum of all charges is exact (round.hpp)
// and is rounded once, when a round reports it. A change is *deferred* if max_moves does not allow it: the job keeps
// its placed class, and a later round reports the change. A change is *acknowledged* when the caller has received the
// answer that contains it; unacknowledged changes are part of the next answer too.
//
// Invariants (holds()): the placed load of each class is the number of live jobs placed there, and the sum of charges
// is that of the live jobs.
//
// Why nothing moves without cause. The assignment is optimal for the placements before the round, and stays so when it
// becomes the placements: a job that moved pays no switching cost any more in its class, and all others still pay
// theirs elsewhere. So a round without a change finds no excess and no deficit, and ends without a search.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/live/round.hpp"
#include "gridcompute/live/state.hpp"

namespace gridcompute::live {

// The bounds that a round has proved for the problem as it was posed.
struct RoundProof {
  bool optimal = false;
  bool exact = false;  // then objective and bound are `value`
  double value = 0, bound = 0;
};

class ChangeLog {
 public:
  explicit ChangeLog(PrimalDual& pair);

  void add_classes(std::size_t more) { placed_load_.insert(placed_load_.end() - 1, more, 0); }
  void resize(std::size_t n_positions) { charge_.resize(n_positions, 0); }

  // Keep, or undo, all changes since the last of these calls. Of rollback(), the first part precedes that of the state,
  // and the second follows it.
  void commit() noexcept;
  void rollback_placements() noexcept;
  void rollback_sums() noexcept;
  // Copies what a round replaces.
  void begin_round();

  void prefetch(Job job) const noexcept { __builtin_prefetch(charge_.data() + job); }
  // Records the placed class and the charge of a job, which are about to change.
  void record(Job job) { records_.push_back({job, state_.placed_class(job), charge_[at(job)]}); }
  // Counts a job that was added with its placed class, or that is to be removed.
  void add(Job job);
  void remove(Job job);
  // Recomputes the charge of a job whose costs have changed, or of all jobs placed in changed classes.
  void recharge(Job job);
  void recharge_changed_classes(Pool& pool);
  // Drops unacknowledged changes of jobs that are not live any more.
  void forget_removed();

  // Reports the assignment of a balanced round.
  void commit(RoundContext& round);
  // Reports the changes of `jobs` to the classes `to`, as many as max_moves allows. Both lists are reduced to them.
  void commit(RoundContext& round, std::vector<Job>& jobs, std::vector<Slot>& to, const RoundProof& proof);
  // Reports a stopped round, of whose live jobs some have an `assigned` class: only jobs that have lost their slot or
  // are forbidden in their placed class move, and new jobs go where there is free capacity.
  void commit_stopped(RoundContext& round, std::span<const Job> live, std::span<const Slot> assigned);

  // Keeps jobs for the next round that ends, which must report their changes.
  void defer(std::span<const Job> jobs);
  [[nodiscard]] std::span<const Job> deferred() const noexcept { return deferred_; }
  // Adds earlier changes that were not acknowledged to those of the answer.
  void merge_unacknowledged(RoundAnswer& answer);
  [[nodiscard]] std::span<const ReportedChange> unacknowledged() const noexcept { return unacknowledged_; }
  void acknowledge() noexcept { std::vector<ReportedChange>().swap(unacknowledged_); }

  // Returns the sum of all charges that are finite, and how many jobs must be placed and are not.
  [[nodiscard]] double placed_cost() const noexcept { return sum_.total.nearest(); }
  [[nodiscard]] Index n_forbidden() const noexcept { return sum_.forbidden; }
  [[nodiscard]] double charge(Job job) const noexcept { return charge_[at(job)]; }
  [[nodiscard]] const std::vector<Cost>& placed_load() const noexcept { return placed_load_; }
  [[nodiscard]] bool holds() const;

 private:
  struct ChargeSum {
    ExactTotal total;
    Index forbidden = 0;  // live jobs whose charge is +inf: unplaced, or in a class that is closed to them
    void add(double charge, int sign);
    void add(const ChargeSum& more) noexcept { total.add(more.total), forbidden += more.forbidden; }
    [[nodiscard]] bool operator==(const ChargeSum&) const = default;
  };
  struct Record {  // of a job before a change
    Job job;
    Slot placed;
    double charge;
  };
  void place(RoundContext& round, std::span<const Job> jobs, std::span<const Slot> to);
  void limit_moves(RoundContext& round, std::vector<Job>& jobs, std::vector<Slot>& to);
  void update_index(std::span<const Job> jobs);
  void conclude(RoundContext& round, const RoundProof& proof);

  PrimalDual& pair_;
  MatcherState& state_;
  std::vector<Cost> placed_load_;
  std::vector<double> charge_;
  ChargeSum sum_;
  std::vector<Job> deferred_;
  std::vector<ReportedChange> unacknowledged_;

  // What was changed since the last commit().
  std::vector<Record> records_;
  std::optional<std::vector<Job>> deferred_before_;
  std::optional<std::vector<ReportedChange>> unacknowledged_before_;
};

// Selects which changes to make when only some moves are allowed.
//
// Problem. The placements h and the optimum x differ in some jobs, each an arc from its placed class to its class in x.
// Any subset of these arcs that keeps every load within capacity is a matching. The best subset of a given size is a
// hard problem; a good one is found greedily.
//
// Steps. The arcs decompose into paths, from a class that ends with fewer jobs to one that ends with more (being
// unplaced counts as either), and cycles: each can be made without the others. First those that are mandatory (a class
// has lost capacity, or a placed class is closed to its job), then those without a move (new jobs into free capacity),
// then by savings per move, the largest first, while they fit. As x is optimal, none costs more than it saves.
//
// Deterministic: arcs by position, ties to the lowest. Complexity: O(arcs log arcs).
//
// Source. Flow decomposition: Ahuja, Magnanti and Orlin, Network Flows (1993), section 3.5. Deviations: greedy choice.

// Returns for each of `jobs` (ascending) whether it goes from its placed class to `to`. Placing an unplaced job is no
// move. Mandatory changes may exceed max_moves.
[[nodiscard]] std::vector<bool> select_changes(const MatcherState& state, std::span<const Job> jobs,
                                               std::span<const Slot> to, const std::vector<Cost>& placed_load,
                                               const std::vector<Cost>& capacity, Index max_moves);

// Reverts moves of a cold solve that save nothing.
//
// Problem. A transport solve knows nothing of placements where moves are free: among optima of equal cost it may choose
// one that moves jobs for no gain. Given placements, an optimum x and its prices, many jobs that x moves can stay, at
// the same total cost.
//
// Definitions. A move of x is a *null move* if the placed class has the same reduced cost for the job: an arc from its
// class in x to its placed class. A set of arcs may be reverted together if what remains is optimal at the same prices:
// no class exceeds its capacity, and a class with a price above 0 keeps its load. Hence cycles, and paths from a class
// with price 0 to one with price 0 and free capacity.
//
// Steps. Follows arcs, each used once: a class met again closes a cycle, free capacity ends a path, and an arc that
// leads no farther is dropped. The number of reverted moves is not maximal (that is a maximum flow), but no cycle
// remains among the arcs left.
//
// Deterministic: arcs by position. Complexity: O(arcs + classes), and two keys read for each job that x moves.

// Writes the placed classes of the jobs whose null moves are reverted into `slots`, where x has `jobs`.
void undo_null_moves(const MatcherState& state, std::span<const Job> jobs, std::span<Slot> slots,
                     const std::vector<Cost>& prices, const std::vector<Cost>& capacity);

}  // namespace gridcompute::live
