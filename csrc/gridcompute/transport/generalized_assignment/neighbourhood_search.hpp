// Large neighbourhood search: a few classes with all their jobs, solved by branch and bound, the rest fixed.
//
// Steps.  Around a job of large regret, classes are gathered that its jobs, and those of these classes in turn, prefer;
// the jobs in them and unassigned ones form a subproblem with the classes' capacities. branch_and_bound.hpp gets a
// share of the steps for it. Subproblems grow while they are solved to optimality without a gain, and shrink where they
// are not solved.
//
// Source.  Local branching of fixed parts: Danna, Rothberg and Le Pape, Math. Program. 102 (2005) 71; large
// neighbourhood search: Shaw, CP 1998, 417.
#pragma once

#include "gridcompute/transport/generalized_assignment/window_search.hpp"

namespace gridcompute::transport {

class NeighbourhoodSearch {
 public:
  NeighbourhoodSearch(const IntegralModel& model, WindowSearch& search, std::uint64_t seed, Stop& stop,
                      const WholeJobTuning& tuning = kDefaultWholeJobTuning)
      : model_(model), search_(search), seed_(seed), stop_(stop), tuning_(tuning), size_(tuning.part_classes_first) {}

  // The number of classes of the next subproblem.
  [[nodiscard]] double size() const noexcept { return size_; }
  void set_size(double size) { size_ = size; }

  // Runs for at most `steps`, or until a plan costs at most `target`. Ends at once where even the smallest subproblems
  // are too large for branch and bound.
  void improve(double steps, double target);
  [[nodiscard]] double steps() const noexcept { return steps_; }
  [[nodiscard]] Index nodes() const noexcept { return nodes_; }

 private:
  // Solves one subproblem; false if the smallest size is too large.
  bool improve_part(double steps, double target);

  const IntegralModel& model_;
  WindowSearch& search_;
  std::uint64_t seed_;
  Stop& stop_;
  const WholeJobTuning& tuning_;
  double steps_ = 0, size_;  // size_: classes
  Index nodes_ = 0;
};

}  // namespace gridcompute::transport
