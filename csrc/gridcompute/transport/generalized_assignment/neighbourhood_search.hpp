// Parts of a plan of gangs solved by branch and bound: a few classes with all their jobs, the rest as it is.
//
// Steps. Around a job of much regret, classes are gathered that its jobs, and theirs, would rather have; the jobs in
// them and those left out are a problem of their own, with the classes' room. Branch and bound (branch_and_bound.hpp)
// takes a share of the steps for it. Parts grow while they are solved to the end without a gain, and shrink where they
// are not solved.
//
// Source. Local branching of fixed parts: Danna, Rothberg and Le Pape, Math. Program. 102 (2005) 71; large
// neighbourhood search: Shaw, CP 1998, 417.
#pragma once

#include "gridcompute/transport/generalized_assignment/window_search.hpp"

namespace gridcompute::transport {

class NeighbourhoodSearch {
 public:
  NeighbourhoodSearch(const IntegralModel& model, WindowSearch& search, std::uint64_t seed, Stop& stop)
      : model_(model), search_(search), seed_(seed), stop_(stop) {}

  // Classes of the next part.
  [[nodiscard]] double size() const noexcept { return size_; }
  void set_size(double size) { size_ = size; }

  // For so many steps, until a plan costs no more than `enough`. Ends at once where even the smallest parts are too
  // large for branch and bound.
  void improve(double steps, double target);
  [[nodiscard]] double steps() const noexcept { return steps_; }
  [[nodiscard]] Index nodes() const noexcept { return nodes_; }

 private:
  // False: too large.
  bool improve_part(double steps, double target);

  const IntegralModel& model_;
  WindowSearch& search_;
  std::uint64_t seed_;
  Stop& stop_;
  double steps_ = 0, size_ = 5;  // size: classes
  Index nodes_ = 0;
};

}  // namespace gridcompute::transport
