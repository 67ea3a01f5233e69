// A window of gangs and classes, placed again at least cost: the exact steps of which the search of gangs is made.
//
// Problem. Some jobs leave their classes; what room that leaves in a few classes is known. Each goes to one of these,
// or is left out, at least cost in all.
//
// Steps. By loads: f_j(r) is the least cost of the first j jobs in room r, a vector of one entry a class; jobs are
// added one by one. By subsets: as in subset_dp.hpp. The first is for small classes however many jobs, the second for
// few jobs however large the classes.
//
// Complexity. By loads O(jobs * classes * product of (room + 1)), by subsets O(3^jobs * classes).
//
// Source. Dynamic programs for (multiple) knapsacks: Martello and Toth, Knapsack Problems (1990), chapters 2 and 6.
#pragma once

#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

// Costs are below 2^54 in size and sums of all below 2^60; kForbidden where a job may not go.
struct JobWindow {
  std::vector<Cost> weight;  // (jobs)
  std::vector<Cost> key;     // (jobs, classes + 1); the last: left out, never forbidden
  std::vector<Cost> room;    // (classes)

  [[nodiscard]] Index jobs() const noexcept { return static_cast<Index>(weight.size()); }
  [[nodiscard]] Slot classes() const noexcept { return static_cast<Slot>(room.size()); }
};

class WindowDp {
 public:
  // Steps of each way; kTooMuch where it takes too much memory, too.
  static constexpr double kTooMuch = 1e18;
  [[nodiscard]] static double steps_by_loads(const JobWindow& window);
  [[nodiscard]] static double steps_by_subsets(const JobWindow& window);

  // to: (jobs), a class of the window or the number of classes. Of equal plans `random` chooses one.
  void solve_by_loads(const JobWindow& window, std::uint64_t random, std::vector<Slot>& to);
  void solve_by_subsets_of_jobs(const JobWindow& window, std::vector<Slot>& to);

 private:
  std::vector<Cost> layers_;
  std::vector<Cost> sum_, weight_;
  std::vector<Cost> room_, stride_;
};

}  // namespace gridcompute::transport
