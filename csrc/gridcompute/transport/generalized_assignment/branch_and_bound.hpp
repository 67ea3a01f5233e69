// Branch and bound for the generalized assignment problem with the Lagrangian knapsack bound (knapsack_bound.hpp).
//
// Steps.  At each node multipliers ascend for some evaluations; pairs that no better plan contains are closed (reduced
// cost fixing); the knapsack solution is completed to a plan, which window_search.hpp improves. The branching job is
// the one whose second-best class has the largest marginal; each of its classes is tried, cheapest first. Depth first,
// so that good plans come early. A run that ends before its steps are used up proves the best plan optimal.
#pragma once

#include "gridcompute/transport/generalized_assignment/knapsack_bound.hpp"
#include "gridcompute/transport/generalized_assignment/window_search.hpp"

namespace gridcompute::transport {

class BranchAndBound {
 public:
  BranchAndBound(const IntegralModel& model, WindowSearch& search, Stop& stop,
                 const WholeJobTuning& tuning = kDefaultWholeJobTuning)
      : model_(model), search_(search), dual_(model, tuning), stop_(stop), tuning_(tuning) {}

  // Runs for at most `steps`, those of the window search included, or until a plan costs at most `target`.
  // rounds: evaluations of the bound at the root.
  void run(double steps, double target, int rounds);
  // Returns the multipliers of the root, in keys; they bound all plans. Empty if one evaluation would take too large a
  // share of the steps.
  [[nodiscard]] const std::vector<double>& charges() const noexcept { return charges_; }
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  [[nodiscard]] double steps() const { return dual_.steps() + search_.steps(); }
  [[nodiscard]] Index nodes() const noexcept { return nodes_; }

 private:
  [[nodiscard]] bool finished();
  [[nodiscard]] double cutoff() const;
  void explore(int rounds, int depth);
  bool close_expensive_pairs();
  void complete_plan(double value);
  void offer_fixed_plan();

  const IntegralModel& model_;
  WindowSearch& search_;
  KnapsackBound dual_;
  Stop& stop_;
  const WholeJobTuning& tuning_;
  double until_ = 0, target_ = 0;
  std::vector<double> charges_;
  bool complete_ = false;
  Index nodes_ = 0;
};

// Large neighbourhood search: a few classes with all their jobs, solved by branch and bound, the rest fixed.
//
// Steps.  Around a job of large regret, classes are gathered that its jobs, and those of these classes in turn, prefer;
// the jobs in them and unassigned ones form a subproblem with the classes' capacities. branch and bound gets a
// share of the steps for it. Subproblems grow while they are solved to optimality without a gain, and shrink where they
// are not solved.
//
// Source.  Local branching of fixed parts: Danna, Rothberg and Le Pape, Math. Program. 102 (2005) 71; large
// neighbourhood search: Shaw, CP 1998, 417.

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
