// The world a matcher keeps: live jobs in a slab, where each stands, and its keys, read when they are asked for.
//
// Definitions. A job is a position of the slab; positions are the caller's to give and to give again. Its costs are
// rows of a cost source over the slab, read when a change concerns it, never stored as a matrix. Class n_slots is being
// left out: a class like any other, with room for all and price 0. `home` is the class that the last round told the
// caller, `slot` the one that the search has it in now; between rounds they differ only for jobs that a limit held
// back.
//
// Keys are rint(cost * resolution) as in transport/model/quantised_cost.hpp, of costs with moves (switching_cost.hpp):
// a class other than home costs the job's move on top, if it has a home; a pinned job may be nowhere else.
//
// Invariants (holds()): members of a class are the live jobs whose slot it is, each at its place; `key` is the job's
// key there.
//
// Range. |cost| + move <= reach gives |key| <= largest_cost(n_slots + 2), the proof of base/types.hpp; whoever adds a
// job or changes a table says the reach, and a resolution too fine or far too coarse for it is replaced before the next
// search.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/live/switching_cost.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"

namespace gridcompute::matcher {

struct Scratch {
  std::vector<double> cost;
  std::vector<Cost> row;
  std::vector<Index> list;
  std::vector<std::uint8_t> exact;
};

class World {
 public:
  explicit World(Slot n_slots);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] Slot out() const noexcept { return out_; }          // the class of those left out
  [[nodiscard]] Slot classes() const noexcept { return out_ + 1; }  // that one included
  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(slot_.size()); }
  [[nodiscard]] Index live() const noexcept { return live_; }
  [[nodiscard]] double resolution() const noexcept { return resolution_ > 0 ? resolution_ : 1; }  // before any cost: 1
  [[nodiscard]] const Slab& slab() const noexcept { return slab_; }

  void set_slab(const Slab& slab);
  void grow(Slot n_slots);  // new classes before that of those left out; a slab with as many is to follow
  // What costs of this reach need in place of the resolution at hand, if they do. Changing it changes every key.
  [[nodiscard]] std::optional<double> new_resolution(double reach, Slot n_slots) const;
  [[nodiscard]] static bool possible(double resolution);            // one that new_resolution may choose
  [[nodiscard]] bool suits(double resolution, double reach) const;  // one that it would keep for this reach
  void set_resolution(double resolution);

  void add(Job job, Slot home);
  void remove(Job job);  // out of its class already
  [[nodiscard]] bool is_live(Job job) const noexcept { return flags_[at(job)] & kLive; }
  [[nodiscard]] bool pinned(Job job) const noexcept { return flags_[at(job)] & kPinned; }
  void pin(Job job, bool pinned) noexcept { set(job, kPinned, pinned); }
  [[nodiscard]] bool queued(Job job) const noexcept { return flags_[at(job)] & kQueued; }
  void queue(Job job, bool queued) noexcept { set(job, kQueued, queued); }
  [[nodiscard]] Slot slot(Job job) const noexcept { return slot_[at(job)]; }  // kNone: in no class
  [[nodiscard]] Slot home(Job job) const noexcept { return home_[at(job)]; }
  void set_home(Job job, Slot home) noexcept { home_[at(job)] = home; }
  [[nodiscard]] Cost key(Job job) const noexcept { return key_[at(job)]; }
  [[nodiscard]] Index rounded() const noexcept { return rounded_; }  // live jobs with a key that is not its cost

  // Keys of the job in every class, (classes()) into scratch.row; tells whether all of them are exact.
  bool read(Job job, Scratch& scratch) const;
  // Likewise of many jobs, row after row, scratch.exact for each.
  void read_many(std::span<const Job> jobs, Scratch& scratch) const;
  [[nodiscard]] Cost read_one(Job job, Slot column) const;
  // Likewise of many jobs in one column, into scratch.row; scratch.exact for each.
  void read_column(std::span<const Job> jobs, Slot column, Scratch& scratch) const;

  // Into a class and out of it; `key` is the job's key there.
  void enter(Job job, Slot slot, Cost key, bool exact);
  void leave(Job job);
  void rekey(Job job, Cost key, bool exact);  // in its class
  void note_rounded(Job job);                 // some key of a job in a class is not its cost
  [[nodiscard]] std::span<const Job> members(Slot s) const noexcept { return members_[static_cast<std::size_t>(s)]; }
  [[nodiscard]] Cost load(Slot s) const noexcept { return static_cast<Cost>(members(s).size()); }
  [[nodiscard]] Wide keys() const noexcept { return keys_; }  // of all jobs where they are; 0 for forbidden ones
  void clear();                                               // everybody out of their classes
  [[nodiscard]] Index hopeless() const noexcept { return hopeless_; }  // live jobs that may be nowhere at all; in out()

  [[nodiscard]] double cost_at(Job job, Slot column) const;  // the cost itself, moves left out
  [[nodiscard]] double move(Job job) const noexcept { return slab_.move_of(job); }
  [[nodiscard]] double unplaced(Job job) const noexcept { return slab_.unplaced_of(job); }
  [[nodiscard]] Stay stay(Job job) const noexcept { return {home(job), pinned(job)}; }
  [[nodiscard]] std::vector<Job> list() const;  // the live jobs, ascending
  [[nodiscard]] bool holds() const;

 private:
  static constexpr std::uint8_t kLive = 1, kPinned = 2, kQueued = 4, kRounded = 8;
  bool read_out(Job job, Cost& key) const;
  static std::size_t at(Job job) noexcept { return static_cast<std::size_t>(job); }
  void set(Job job, std::uint8_t flag, bool on) noexcept {
    flags_[at(job)] = static_cast<std::uint8_t>(on ? flags_[at(job)] | flag : flags_[at(job)] & ~flag);
  }

  Slot out_;
  Slab slab_;
  std::optional<StickyCost> cost_;
  transport::Problem problem_;
  std::optional<transport::QuantisedCost> read_;  // for this slab and resolution
  double resolution_ = 0;
  Index live_ = 0, rounded_ = 0, hopeless_ = 0;
  Wide keys_ = 0;
  std::vector<Slot> slot_, home_;
  std::vector<std::int32_t> place_;  // among the members of its class
  std::vector<Cost> key_;
  std::vector<std::uint8_t> flags_;
  std::vector<std::vector<Job>> members_;
};

}  // namespace gridcompute::matcher
