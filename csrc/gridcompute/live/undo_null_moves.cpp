#include "gridcompute/live/undo_null_moves.hpp"

namespace gridcompute::matcher {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

class Walker {
 public:
  Walker(const World& world, std::span<const Job> jobs, std::span<Slot> slots, const std::vector<Cost>& prices,
         const std::vector<Cost>& capacity)
      : world_(world), jobs_(jobs), slots_(slots), prices_(prices), room_(capacity), back_(capacity.size()) {
    for (std::size_t k = jobs.size(); k-- > 0;) {
      --room_[at(slots[k])];
      if (may_go_back(k)) back_[at(slots[k])].push_back(k);  // the lowest is taken first, from the back
    }
    place_.assign(capacity.size(), kNone);
  }

  void walk_all() {
    for (const bool free : {true, false}) {
      for (Slot s = 0; s < world_.classes(); ++s) {
        while (!back_[at(s)].empty() && (!free || prices_[at(s)] == 0)) walk(s, free);
      }
    }
  }

  // Only now: the walks read where x had the jobs.
  void write() {
    for (const std::size_t k : moved_back_) slots_[k] = world_.home(jobs_[k]);
  }

 private:
  [[nodiscard]] bool may_go_back(std::size_t k) const {
    const Slot home = world_.home(jobs_[k]);
    if (home == slots_[k] || home == world_.out()) return false;
    const Cost there = world_.read_one(jobs_[k], home);
    return there < kForbidden &&
           there + prices_[at(home)] == world_.read_one(jobs_[k], slots_[k]) + prices_[at(slots_[k])];
  }

  // From class s until its arcs are used up or a path is done. `free`: s may lose a job for good.
  void walk(const Slot s, bool free) {
    trail_.clear();
    Slot here = s;
    place_[at(s)] = 0;
    while (true) {
      auto& arcs = back_[at(here)];
      if (arcs.empty()) {  // it leads nowhere
        place_[at(here)] = kNone;
        if (trail_.empty()) return;
        here = slots_[trail_.back()];
        trail_.pop_back();
        continue;
      }
      const std::size_t k = arcs.back();
      arcs.pop_back();
      trail_.push_back(k);
      here = world_.home(jobs_[k]);
      if (place_[at(here)] != kNone) {
        take_back(at(place_[at(here)]));
      } else if (free && prices_[at(here)] == 0 && room_[at(here)] > 0) {
        ++room_[at(s)];
        --room_[at(here)];
        take_back(0);
        place_[at(s)] = kNone;
        return;
      } else {
        place_[at(here)] = static_cast<Slot>(trail_.size());
      }
    }
  }

  // The arcs of the trail from `first` on; their classes but the first are off the trail.
  void take_back(std::size_t first) {
    for (std::size_t j = first; j < trail_.size(); ++j) {
      const std::size_t k = trail_[j];
      if (j > first) place_[at(slots_[k])] = kNone;
      moved_back_.push_back(k);
    }
    trail_.resize(first);
  }

  const World& world_;
  std::span<const Job> jobs_;
  std::span<Slot> slots_;
  const std::vector<Cost>& prices_;
  std::vector<Cost> room_;
  std::vector<std::vector<std::size_t>> back_;  // by class of x: jobs that may go home from there
  std::vector<Slot> place_;                     // of a class on the trail: arcs before it; kNone: not on it
  std::vector<std::size_t> trail_, moved_back_;
};

}  // namespace

void stay_where_equal(const World& world, std::span<const Job> jobs, std::span<Slot> slots,
                      const std::vector<Cost>& prices, const std::vector<Cost>& capacity) {
  Walker walker(world, jobs, slots, prices, capacity);
  walker.walk_all();
  walker.write();
}

}  // namespace gridcompute::matcher
