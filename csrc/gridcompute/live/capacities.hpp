// The capacity of each class: what was set, or the number of jobs pinned there if that is more.
//
// A pinned job keeps its slot even where its class has lost it. The effective capacity therefore counts as many slots
// as there are pinned jobs, so that a class without capacity never makes a round infeasible.
#pragma once

#include <algorithm>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

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

}  // namespace gridcompute::live
