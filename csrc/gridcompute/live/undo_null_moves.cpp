#include "gridcompute/live/undo_null_moves.hpp"

namespace gridcompute::live {

namespace {

// Finds null moves that can be reverted together.
class NullMoveFinder {
 public:
  NullMoveFinder(const MatcherState& state, std::span<const Job> jobs, std::span<Slot> slots,
                 const std::vector<Cost>& prices, const std::vector<Cost>& capacity)
      : state_(state),
        jobs_(jobs),
        slots_(slots),
        prices_(prices),
        free_capacity_(capacity),
        outgoing_(capacity.size()) {
    for (std::size_t k = jobs.size(); k-- > 0;) {
      --free_capacity_[at(slots[k])];
      if (is_null_move(k)) outgoing_[at(slots[k])].push_back(k);  // used from the back, the lowest first
    }
    trail_position_.assign(capacity.size(), kNone);
  }

  void follow_all() {
    for (const bool free : {true, false}) {
      for (Slot s = 0; s < state_.n_classes(); ++s) {
        while (!outgoing_[at(s)].empty() && (!free || prices_[at(s)] == 0)) follow(s, free);
      }
    }
  }

  // Writes the result only at the end, because following arcs reads the classes of x.
  void write() {
    for (const std::size_t k : reverted_) slots_[k] = state_.placed_class(jobs_[k]);
  }

 private:
  [[nodiscard]] bool is_null_move(std::size_t k) const {
    const Slot placed = state_.placed_class(jobs_[k]);
    if (placed == slots_[k] || placed == state_.unplaced_class()) return false;
    const Cost there = state_.read_key(jobs_[k], placed);
    return there < kForbidden &&
           there + prices_[at(placed)] == state_.read_key(jobs_[k], slots_[k]) + prices_[at(slots_[k])];
  }

  // Follows arcs from class s until they are used up or a path has ended. `free`: s may end with one job fewer.
  void follow(const Slot s, bool free) {
    trail_.clear();
    Slot here = s;
    trail_position_[at(s)] = 0;
    while (true) {
      auto& arcs = outgoing_[at(here)];
      if (arcs.empty()) {  // the last arc leads no farther
        trail_position_[at(here)] = kNone;
        if (trail_.empty()) return;
        here = slots_[trail_.back()];
        trail_.pop_back();
        continue;
      }
      const std::size_t k = arcs.back();
      arcs.pop_back();
      trail_.push_back(k);
      here = state_.placed_class(jobs_[k]);
      if (trail_position_[at(here)] != kNone) {
        revert(at(trail_position_[at(here)]));
      } else if (free && prices_[at(here)] == 0 && free_capacity_[at(here)] > 0) {
        ++free_capacity_[at(s)];
        --free_capacity_[at(here)];
        revert(0);
        trail_position_[at(s)] = kNone;
        return;
      } else {
        trail_position_[at(here)] = static_cast<Slot>(trail_.size());
      }
    }
  }

  // Reverts the arcs of the trail from `first` on, and removes their classes except the first from the trail.
  void revert(std::size_t first) {
    for (std::size_t j = first; j < trail_.size(); ++j) {
      const std::size_t k = trail_[j];
      if (j > first) trail_position_[at(slots_[k])] = kNone;
      reverted_.push_back(k);
    }
    trail_.resize(first);
  }

  const MatcherState& state_;
  std::span<const Job> jobs_;
  std::span<Slot> slots_;
  const std::vector<Cost>& prices_;
  std::vector<Cost> free_capacity_;
  std::vector<std::vector<std::size_t>> outgoing_;  // by class of x: jobs that may go placed from there
  std::vector<Slot> trail_position_;                // by class: arcs of the trail before it; kNone: not on the trail
  std::vector<std::size_t> trail_, reverted_;
};

}  // namespace

void undo_null_moves(const MatcherState& state, std::span<const Job> jobs, std::span<Slot> slots,
                     const std::vector<Cost>& prices, const std::vector<Cost>& capacity) {
  NullMoveFinder walker(state, jobs, slots, prices, capacity);
  walker.follow_all();
  walker.write();
}

}  // namespace gridcompute::live
