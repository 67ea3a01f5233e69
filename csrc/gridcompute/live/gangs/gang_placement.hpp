// The placement that a round of gangs searches from: the class of each job, and the slots left in classes and limits.
//
// Definitions. A *running* job is in a class, a *waiting* one in none: it is then a member of class n_slots. The
// *placed class* is that of the last round (MatcherState). A job is *fixed* if it was placed and is pinned or not
// preemptible, and its class still admits it: a round leaves it where it is. Costs are doubles, switching costs
// included (switching_cost.hpp).
//
// A round can be undone as a whole, to the order of the members: each put() is recorded until keep() or undo().
//
// Invariants (holds()). The members of a class are the live jobs in it, each at its recorded position; loads and usages
// are the sums of their demands, and those of a queue include all queues below it. Usages have a row for each limit
// (Queues::limit_of_row): a job in a class counts in the row of its queue and in that of its queue and the class's
// type.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "gridcompute/live/gangs/gang_tuning.hpp"
#include "gridcompute/live/primal_dual.hpp"
#include "gridcompute/live/switching_cost.hpp"

namespace gridcompute::live {

// The columns of a matcher's jobs that only gangs have, and its queues.
//
// Definitions. A gang takes `demand` slots of one class, whole or not at all. Each job belongs to a queue, and has a
// priority that counts within its queue: the larger comes first. A job that is not preemptible stays in the class that
// it was placed in. Queues form a forest; the slots of a job count against the limit of its queue and of all queues
// above it. The share of a queue is the number of slots that it may hold before other queues get more: its guarantee,
// and its part of the surplus, which the caller divides before each round. Classes may have types (of accelerators): a
// queue then has a limit and a guarantee of each type as well, beside those of all types together.

// One value for each position of the job store, or one for all of them (stride 0).
template <class T>
struct GangColumn {
  const T* values = nullptr;
  Index stride = 0;
  [[nodiscard]] T operator[](Job job) const noexcept { return values[job * stride]; }
};

struct GangColumns {
  GangColumn<std::int32_t> demand;       // >= 1
  GangColumn<std::int32_t> queue;        // 0 to n_queues - 1
  GangColumn<std::int64_t> priority;     // any
  GangColumn<std::uint8_t> preemptible;  // 0 or 1
};

struct Queues {
  std::vector<std::int32_t> parent;  // kNone: none
  std::vector<Cost> limit;           // kForbidden: none
  std::vector<Cost> guarantee;       // without any surplus
  bool ranked = false;               // queues or priorities decide which jobs run; otherwise costs alone
  // Of each type, those of type t at t * size() to (t + 1) * size() - 1; empty: limits do not depend on types.
  std::vector<Cost> limit_by_type = {}, guarantee_by_type = {};

  [[nodiscard]] std::size_t size() const noexcept { return parent.size(); }
  [[nodiscard]] bool typed() const noexcept { return !limit_by_type.empty(); }
  // Returns a limit by its row: first those of all types together, then those of each type.
  [[nodiscard]] Cost limit_of_row(std::size_t row) const noexcept {
    return row < size() ? limit[row] : limit_by_type[row - size()];
  }
  [[nodiscard]] std::size_t n_rows() const noexcept { return size() + limit_by_type.size(); }
};

class GangPlacement {
 public:
  GangPlacement(const PrimalDual& pair, const GangTuning& tuning)
      : pair_(pair), tuning_(tuning), members_(1), load_(1, 0), capacity_(1, 0) {}

  // Replaces the columns, and allocates memory for the positions of the job store and for new classes.
  void set_columns(const GangColumns& columns);
  void set_queues(Queues queues);
  void set_types(std::span<const std::int32_t> type_of_class);  // if queues have limits by type
  void add(Job job, Slot slot);
  void remove(Job job) noexcept;
  // Moves a live job. If it throws, undo() restores the state before all the same.
  void put(Job job, Slot slot);
  // The moves since the last keep() or undo(): jobs, and the class of each before.
  struct Move {
    Job job;
    Slot from;
    std::int32_t position;  // among the members of that class
  };
  [[nodiscard]] const std::vector<Move>& moves() const noexcept { return moves_; }
  void keep() noexcept { moves_.clear(); }
  void undo() noexcept;
  // Reads capacities and fixed jobs at the beginning of a round; recounts usages, if columns or pins have changed.
  void begin_round();
  void mark_stale() noexcept { stale_ = true; }

  [[nodiscard]] Slot out() const noexcept { return static_cast<Slot>(members_.size()) - 1; }
  [[nodiscard]] Slot slot(Job job) const noexcept { return slot_[at(job)]; }
  [[nodiscard]] bool running(Job job) const noexcept { return slot(job) != out(); }
  [[nodiscard]] Cost demand(Job job) const noexcept { return columns_.demand[job]; }
  [[nodiscard]] std::int64_t priority(Job job) const noexcept { return columns_.priority[job]; }
  [[nodiscard]] std::int32_t queue(Job job) const noexcept { return columns_.queue[job]; }
  [[nodiscard]] bool fixed(Job job) const noexcept { return fixed_[at(job)] != 0; }
  [[nodiscard]] bool any_fixed() const noexcept {
    for (const Cost pinned : pinned_)
      if (pinned > 0) return true;
    return false;
  }
  [[nodiscard]] std::span<const Job> members(Slot s) const noexcept { return members_[at(s)]; }
  [[nodiscard]] Cost load(Slot s) const noexcept { return load_[at(s)]; }
  [[nodiscard]] Cost capacity(Slot s) const noexcept { return capacity_[at(s)]; }
  // Returns how much of the capacity whole jobs can fill: a multiple of the common divisor of all demands.
  [[nodiscard]] Cost usable(Slot s) const noexcept { return capacity(s) / divisor_ * divisor_; }
  // Sets a common divisor of the demands of all live jobs.
  void set_divisor(Cost divisor) noexcept { divisor_ = divisor; }
  [[nodiscard]] Cost left(Slot s) const noexcept { return capacity_[at(s)] - load_[at(s)]; }
  [[nodiscard]] Cost usage(std::int32_t queue) const noexcept { return usage_[at(queue)]; }
  [[nodiscard]] const std::vector<Cost>& usages() const noexcept { return usage_; }  // by row
  [[nodiscard]] const Queues& queues() const noexcept { return queues_; }
  [[nodiscard]] bool ranked() const noexcept { return queues_.ranked; }
  [[nodiscard]] bool typed() const noexcept { return queues_.typed(); }
  [[nodiscard]] std::int32_t type(Slot s) const noexcept { return type_[at(s)]; }
  // Returns a limit by its row, or the slots of the fixed jobs if they are more.
  [[nodiscard]] Cost limit(std::size_t row) const noexcept { return limit_[row]; }
  // Returns the row of a queue's limit of one type.
  [[nodiscard]] std::size_t row_of(std::int32_t queue, std::int32_t type) const noexcept {
    return queues_.size() * (1 + at(type)) + at(queue);
  }
  [[nodiscard]] Cost usage_of_type(std::int32_t queue, std::int32_t type) const noexcept {
    return usage_[row_of(queue, type)];
  }
  [[nodiscard]] Cost guarantee_of_type(std::int32_t queue, std::int32_t type) const noexcept {
    return queues_.guarantee_by_type[queues_.size() * at(type) + at(queue)];
  }
  // Returns how many more slots a queue may take before its limit, or that of a queue above it, is reached; limits of
  // types are not counted.
  [[nodiscard]] Cost left_of_limit(std::int32_t queue) const noexcept;
  // Returns the same for the limits of one type.
  [[nodiscard]] Cost left_of_type(std::int32_t queue, std::int32_t type) const noexcept;
  // Returns whether limits leave room for the job, running or waiting, in class `to`.
  [[nodiscard]] bool limits_admit(Job job, Slot to) const noexcept;

  // Returns the slots of the queue's running jobs that are not fixed and have a lower priority; of all types, or of
  // one.
  [[nodiscard]] Cost usage_below(std::int32_t queue, std::int64_t priority) const { return below(at(queue), priority); }
  [[nodiscard]] Cost usage_below(std::int32_t queue, std::int64_t priority, std::int32_t type) const {
    return below(row_of(queue, type), priority);
  }

  // Returns the placement from which switching costs are counted.
  [[nodiscard]] Placement placement(Job job) const noexcept { return {pair_.state.placed_class(job), fixed(job)}; }
  [[nodiscard]] bool admits(Job job, Slot slot) const;  // its cost there is finite
  // Reads the job's costs in all classes into `row` (n_slots).
  void read_row(Job job, double* row) const;
  [[nodiscard]] double out_cost(Job job) const noexcept {
    return unplaced_with_switching(pair_.state.columns(), job, placement(job));
  }
  [[nodiscard]] Index n_positions() const noexcept { return static_cast<Index>(slot_.size()); }
  [[nodiscard]] bool is_live(Job job) const noexcept { return pair_.state.is_live(job); }
  [[nodiscard]] Index n_live() const noexcept { return pair_.state.n_live(); }
  [[nodiscard]] const PrimalDual& pair() const noexcept { return pair_; }
  [[nodiscard]] const GangTuning& tuning() const noexcept { return tuning_; }
  [[nodiscard]] bool holds() const;

 private:
  void reserve_members(Slot slot, std::size_t more);
  void insert(Job job, Slot slot);
  void erase(Job job) noexcept;
  void charge(Job job, Cost by) noexcept;
  void count_level(Job job, Cost by);
  void recount();
  void find_fixed();
  void raise_limits(std::vector<Cost>& fixed_usage) noexcept;
  [[nodiscard]] Cost below(std::size_t row, std::int64_t priority) const;

  const PrimalDual& pair_;
  const GangTuning& tuning_;
  GangColumns columns_;
  Queues queues_;
  std::vector<Slot> slot_;
  std::vector<std::int32_t> position_;  // among the members of its class
  std::vector<std::int32_t> counted_;   // the demand that loads count, as the column may change meanwhile
  std::vector<std::uint8_t> fixed_;
  std::vector<std::vector<Job>> members_;
  std::vector<Move> moves_;
  std::vector<Cost> load_, capacity_, usage_, pinned_, limit_;
  std::vector<std::int32_t> type_;                    // by class; empty without limits by type
  std::vector<std::map<std::int64_t, Cost>> levels_;  // by row: usage of the queue's own jobs that are not fixed
  bool stale_ = true;                                 // usages are to be recounted; levels are not maintained
  Cost divisor_ = 1;
};

}  // namespace gridcompute::live
