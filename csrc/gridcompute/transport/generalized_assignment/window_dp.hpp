// Window subproblems of the generalized assignment problem, solved exactly by dynamic programming.
//
// Problem.  Some jobs leave their classes; the capacity this frees in a few classes is known. Each goes to one of
// these, or is unassigned, at least total cost.
//
// Steps.  By loads: f_j(r) is the least cost of the first j jobs within capacity vector r (multiple knapsack); jobs are
// added one by one. By subsets: as in subset_dp.hpp. The first suits small capacities and any number of jobs, the
// second few jobs and any capacities.
//
// Complexity.  By loads O(jobs * classes * product of (capacity + 1)), by subsets O(3^jobs * classes).
//
// Source.  Dynamic programs for (multiple) knapsacks: Martello and Toth, Knapsack Problems (1990), chapters 2 and 6.
#pragma once

#include <vector>

#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"

namespace gridcompute::transport {

// Keys are below 2^54 in magnitude and their sums below 2^60; kForbidden marks forbidden pairs.
struct JobWindow {
  std::vector<Cost> weight;  // (jobs)
  std::vector<Cost> key;     // (jobs, classes + 1); the last: unassigned, never forbidden
  std::vector<Cost> room;    // (classes)

  [[nodiscard]] Index jobs() const noexcept { return static_cast<Index>(weight.size()); }
  [[nodiscard]] Slot classes() const noexcept { return static_cast<Slot>(room.size()); }
};

class WindowDp {
 public:
  // Return the steps of each method; infinity also where it takes too much memory.
  [[nodiscard]] static double steps_by_loads(const JobWindow& window, const WholeJobTuning& tuning);
  [[nodiscard]] static double steps_by_subsets(const JobWindow& window, const WholeJobTuning& tuning);

  // Write the classes of an optimal plan to `to` (the number of classes: unassigned). `random` chooses among optima.
  void solve_by_loads(const JobWindow& window, std::uint64_t random, std::vector<Slot>& to);
  void solve_by_subsets_of_jobs(const JobWindow& window, std::vector<Slot>& to);

 private:
  std::vector<Cost> layers_;
  std::vector<Cost> sum_, weight_;
  std::vector<Cost> room_, stride_;
};

}  // namespace gridcompute::transport
