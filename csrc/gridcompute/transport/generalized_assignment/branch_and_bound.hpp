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

}  // namespace gridcompute::transport
