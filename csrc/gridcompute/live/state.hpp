// The jobs of a matcher: the live positions of the job store, their placements and assigned classes, their keys.
//
// Definitions. A job is a position in the job store; the caller assigns positions and may reuse them. Costs are rows of
// a cost source over the job store, evaluated when a change concerns the job and never stored as a matrix. Class
// n_slots stands for being unplaced: a class like any other, with unlimited capacity and price 0. The *placed class* is
// the one the last round reported to the caller, the *assigned class* the one in which the search has the job now;
// between rounds they differ only for jobs whose change a limit on moves deferred.
//
// Keys are rint(cost * resolution) as in transport/model/integer_keys.hpp, of costs with switching costs
// (switching_cost.hpp): any class but the placed one costs the job's move cost on top, and a pinned job is forbidden
// everywhere else.
//
// Invariants (holds()): the members of a class are the live jobs assigned to it, each at its recorded position; the
// stored key of a job is its key in its assigned class, unless the costs of that class have changed since.
//
// Undo. Each change of a job records what it was, until commit(); rollback() writes the records back, the last one
// first, so that lists of members have the order that they had. Where a round assigns all jobs again, one copy of all
// of them takes the place of the records that follow. The sums are counted again.
//
// Range. |cost| + move cost <= max_abs_cost gives |key| <= largest_cost(n_slots + 2), the proof of base/types.hpp.
// Every change of jobs or tables states max_abs_cost, and a resolution that is too fine or far too coarse for it is
// replaced before the next search.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"
#include "gridcompute/live/switching_cost.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::live {

// Results of reading keys, and buffers that reading reuses.
struct KeyBuffer {
  std::vector<double> costs;
  std::vector<Cost> keys;
  std::vector<Index> jobs;
  std::vector<std::uint8_t> exact;  // whether each key of the row (or the one key) is the cost itself
};

class MatcherState {
 public:
  explicit MatcherState(Slot n_slots);
  MatcherState(const MatcherState&) = delete;
  MatcherState& operator=(const MatcherState&) = delete;

  [[nodiscard]] Slot unplaced_class() const noexcept { return unplaced_; }
  [[nodiscard]] Slot n_classes() const noexcept { return unplaced_ + 1; }  // the class of unplaced jobs included
  [[nodiscard]] Index n_positions() const noexcept { return static_cast<Index>(assigned_.size()); }
  [[nodiscard]] Index n_live() const noexcept { return n_live_; }
  [[nodiscard]] double resolution() const noexcept { return resolution_ > 0 ? resolution_ : 1; }  // before any cost: 1
  [[nodiscard]] const StoreColumns& columns() const noexcept { return columns_; }

  void set_columns(const StoreColumns& columns);
  // Inserts classes before that of unplaced jobs, up to n_slots; set_columns() with as many classes has to follow, or
  // rollback().
  void add_classes(Slot n_slots);

  // Returns the resolution that costs up to max_abs_cost need, if the present one does not suit them. A change of the
  // resolution changes every key.
  [[nodiscard]] std::optional<double> resolution_for(double max_abs_cost, Slot n_slots) const;
  // Returns whether resolution_for() may choose it: a power of two within range.
  [[nodiscard]] static bool valid_resolution(double resolution);
  // Returns whether resolution_for() would keep it for this max_abs_cost.
  [[nodiscard]] bool keeps_resolution(double resolution, double max_abs_cost) const;
  void set_resolution(double resolution);

  // Keep, or undo, all changes since the last of these calls but those of placed classes and of queued jobs.
  void commit() noexcept;
  void rollback() noexcept;

  void add(Job job, Slot placed);
  void remove(Job job);  // the job has no assigned class any more
  [[nodiscard]] bool is_live(Job job) const noexcept { return flags_[at(job)] & kLive; }
  [[nodiscard]] bool is_pinned(Job job) const noexcept { return flags_[at(job)] & kPinned; }
  void set_pinned(Job job, bool pinned) { record(job), set(job, kPinned, pinned); }
  [[nodiscard]] bool is_queued(Job job) const noexcept { return flags_[at(job)] & kQueued; }
  void set_queued(Job job, bool queued) noexcept { set(job, kQueued, queued); }
  // Makes those of `jobs` that are live the queued ones.
  void set_queue(std::span<const Job> jobs) noexcept;
  [[nodiscard]] Slot assigned_class(Job job) const noexcept { return assigned_[at(job)]; }  // kNone: in no class
  [[nodiscard]] Slot placed_class(Job job) const noexcept { return placed_[at(job)]; }
  void set_placed_class(Job job, Slot placed) noexcept { placed_[at(job)] = placed; }
  [[nodiscard]] Placement placement(Job job) const noexcept { return {placed_class(job), is_pinned(job)}; }
  [[nodiscard]] Cost key(Job job) const noexcept { return key_[at(job)]; }
  [[nodiscard]] Index n_rounded() const noexcept { return n_rounded_; }  // live jobs with a key that is not its cost

  // Prefetches the data of a job that will change soon.
  void prefetch(Job job) const noexcept {
    __builtin_prefetch(flags_.data() + job);
    __builtin_prefetch(assigned_.data() + job);
    __builtin_prefetch(placed_.data() + job);
    __builtin_prefetch(member_position_.data() + job);
    __builtin_prefetch(key_.data() + job);
  }
  // Prefetches its entry among the members of its class, a little later.
  void prefetch_member(Job job) const noexcept {
    if (const Slot s = assigned_class(job); s != kNone)
      __builtin_prefetch(members_[at(s)].data() + member_position_[at(job)]);
  }

  // Reads the job's keys in every class, (n_classes()) into buffer.keys; returns whether all of them are exact.
  bool read_row(Job job, KeyBuffer& buffer) const;
  // Reads the rows of many jobs, one after another into buffer.keys, with one entry of buffer.exact for each.
  void read_rows(std::span<const Job> jobs, KeyBuffer& buffer) const;
  [[nodiscard]] Cost read_key(Job job, Slot column) const;
  // Return whether rows can be read in float32; and write a job's costs times the resolution, without its switching
  // cost, +inf where forbidden, as CostSource::sketch() does.
  [[nodiscard]] bool sketches() const noexcept { return columns_.cost->sketches(); }
  [[nodiscard]] Sketched sketch(Job job, float* out) const;
  // Returns the job's switching cost, times the resolution, in any class but its placed one; +inf where it is pinned.
  [[nodiscard]] double switching_key(Job job) const noexcept {
    return switching_cost(columns_, job, placement(job)) * resolution();
  }
  // Reads the keys of many jobs in one class into buffer.keys, with one entry of buffer.exact for each.
  void read_column(std::span<const Job> jobs, Slot column, KeyBuffer& buffer) const;

  // Moves a job out of its class and into a class in which it has this key.
  void assign(Job job, Slot slot, Cost key, bool exact);
  void unassign(Job job);
  void unassign_all();
  // Writes the key of a job that was assigned with an exact key of 0, without updating the sums, which count_keys()
  // completes: several threads may call this, each for other jobs.
  struct KeySums {
    Wide keys = 0;
    Index forbidden = 0, rounded = 0;
  };
  void write_key(Job job, Cost key, bool exact, KeySums& sums) noexcept;
  void count_keys(const KeySums& sums) noexcept;
  void mark_rounded(Job job);  // some key of this assigned job is not its cost
  [[nodiscard]] std::span<const Job> members(Slot s) const noexcept { return members_[at(s)]; }
  [[nodiscard]] Cost load(Slot s) const noexcept { return static_cast<Cost>(members(s).size()); }
  [[nodiscard]] Wide key_sum() const noexcept { return key_sum_; }  // of all assigned jobs; forbidden keys count as 0
  // The live jobs that are forbidden everywhere; they are assigned to the class of unplaced jobs.
  [[nodiscard]] Index n_forbidden() const noexcept { return n_forbidden_; }

  [[nodiscard]] double cost(Job job, Slot column) const;  // the cost itself, without switching cost
  [[nodiscard]] double move_cost(Job job) const noexcept { return columns_.move_of(job); }
  [[nodiscard]] double unplaced_cost(Job job) const noexcept { return columns_.unplaced_of(job); }
  [[nodiscard]] std::vector<Job> live_jobs() const;  // ascending
  [[nodiscard]] bool holds(const std::vector<bool>& changed) const;

 private:
  static constexpr std::uint8_t kLive = 1, kPinned = 2, kQueued = 4, kRounded = 8;  // flags of a job
  struct Record {                                                                   // of a job before a change
    Job job;
    Slot assigned;
    std::int32_t position;
    std::uint8_t flags;
    Cost key;
  };
  struct Assignment {  // of all jobs before they are assigned again; empty: none was assigned
    std::vector<Slot> assigned;
    std::vector<Cost> key;
    std::vector<std::uint8_t> flags;
  };
  struct Basis {
    StoreColumns columns;
    double resolution;
    Slot unplaced;
  };
  // Records a job that is about to change.
  void record(Job job) {
    if (all_ || (!records_.empty() && records_.back().job == job)) return;
    records_.push_back({job, assigned_[at(job)], member_position_[at(job)], flags_[at(job)], key_[at(job)]});
  }
  void restore(const Record& before) noexcept;
  void restore(const Assignment& before) noexcept;
  void restore(const Basis& before) noexcept;
  void leave_class(Job job) noexcept;
  void enter_class(Job job, Slot slot) noexcept;
  void count() noexcept;
  bool read_unplaced(Job job, Cost& key) const;
  [[nodiscard]] bool fits(double key, Slot n_slots) const;
  void set(Job job, std::uint8_t flag, bool on) noexcept {
    flags_[at(job)] = static_cast<std::uint8_t>(on ? flags_[at(job)] | flag : flags_[at(job)] & ~flag);
  }

  Slot unplaced_;
  StoreColumns columns_;
  std::optional<SwitchingCost> cost_;
  transport::Problem problem_;
  std::optional<transport::IntegerKeys> quantised_;  // for these columns and this resolution
  double resolution_ = 0;
  Index n_live_ = 0, n_rounded_ = 0, n_forbidden_ = 0;
  Wide key_sum_ = 0;
  std::vector<Slot> assigned_, placed_;
  std::vector<std::int32_t> member_position_;  // among the members of the assigned class
  std::vector<Cost> key_;
  std::vector<std::uint8_t> flags_;
  std::vector<std::vector<Job>> members_;

  // What was changed since the last commit(); the jobs added came before those recorded.
  std::vector<Job> added_;
  std::vector<Record> records_;
  std::optional<Assignment> all_;
  std::optional<Basis> basis_;
};

// The positions of jobs whose ids are integers: a hash table with open addressing.
//
// Definitions. An id is a 64-bit integer that the caller chose; its position is a small index, assigned from 0 on. The
// position freed last is assigned next, so that positions depend on the order of calls only.
//
// Why not a Python dictionary: ids that are looked up, say a thousandth of a million, lie all over memory, and this
// table prefetches the slots of all of them before it reads the first.
//
// Method. Linear probing at a load of at most a half, from the high bits of id * an odd constant; a removal moves
// later entries of its run back, so that no mark of removed entries is ever needed.
//
// Complexity. Constant time for each id, expected; ids chosen to collide make it linear, as in any table without a
// secret. Memory: 12 bytes for each slot, two to four slots for each id, and 14 bytes for each position.

class JobNumbers {
 public:
  JobNumbers();

  // Writes the position of each id, -1 where it has none.
  void lookup(std::span<const std::int64_t> ids, std::span<std::int32_t> out) const;
  // Assigns each id a position; an id that has one, or is in the list twice, is an Error, and nothing has changed.
  void add(std::span<const std::int64_t> ids, std::span<std::int32_t> out);
  // Frees assigned positions, each once.
  void release(std::span<const std::int32_t> positions);
  // Returns the first index whose position occurred before, or -1. All positions are assigned.
  [[nodiscard]] Index repeated(std::span<const std::int32_t> positions);

  [[nodiscard]] bool is_given(std::int32_t position) const noexcept {
    return position >= 0 && position < size() && given_[at(position)] != 0;
  }
  [[nodiscard]] std::int64_t id(std::int32_t position) const noexcept { return id_[at(position)]; }
  [[nodiscard]] Index count() const noexcept { return count_; }
  [[nodiscard]] Index size() const noexcept {
    return static_cast<Index>(id_.size());
  }  // positions assigned at any time

 private:
  [[nodiscard]] std::size_t home(std::int64_t id) const noexcept;
  [[nodiscard]] std::size_t find(std::int64_t id) const noexcept;  // the slot of the id, or the empty slot for it
  void prefetch(std::int64_t id) const noexcept;
  void reserve(Index more);
  [[noreturn]] void refuse(std::span<const std::int64_t> ids, std::span<const std::int32_t> out, std::size_t k);
  void erase(std::int64_t id) noexcept;

  std::vector<std::int64_t> slot_id_;
  std::vector<std::int32_t> slot_position_;  // -1: empty
  int bits_ = 0;                             // of the number of slots
  Index count_ = 0;
  std::vector<std::int64_t> id_;  // by position
  std::vector<std::uint8_t> given_;
  std::vector<std::uint8_t> seen_;  // by position; all 0 between calls
  std::vector<std::int32_t> free_;
};

}  // namespace gridcompute::live

namespace gridcompute::live::kernels {

// Loops over rows and columns of keys, written for the compiler's vector code: blocks without a hit are skipped whole.

// Writes the classes with row + base <= limit, ascending, into out (room for n + 1); returns their number. `all`: every
// class.
Index classes_within(const Cost* row, const Cost* base, Index n, Cost limit, bool all, Slot* out);

// Writes the classes with row - here <= threshold likewise.
Index classes_below(const Cost* row, const Cost* threshold, Index n, Cost here, Slot* out);

// Writes the classes with sketch <= here + limit likewise; the caller has rounded `here` and the limits up by as much
// as the sketch, and these sums, may be off.
Index classes_near(const float* sketch, const float* limit, Index n, float here, Slot* out);

// Returns min(row + price) over all classes.
Cost least_reduced(const Cost* row, const Cost* price, Index n);

// Relaxes the arcs of one node: for each of n classes with length < kForbidden, `there` = base + length + price (less
// the price if `minus`); where that is below its distance it becomes its distance and its open label, and `from` its
// predecessor. Returns whether any is below `least`.
bool relax_all(const Cost* length, const Cost* price, bool minus, Index n, Cost base, Cost least, Cost from,
               Cost* distance, Cost* open, Cost* predecessor);

// Returns the first class with the least label; -1: none is below kForbidden.
Index nearest(const Cost* open, Index n);

// Quantises costs within the stated max_abs_cost, +inf to kForbidden, and writes for each key whether it equals its
// cost. The resolution is a power of two.
void quantise(const double* cost, Index n, double resolution, Cost* out, std::uint8_t* exact);

}  // namespace gridcompute::live::kernels
