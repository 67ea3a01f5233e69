// Branch and bound over the classes of gangs, by the bound of knapsacks (knapsack_bound.hpp).
//
// Steps. At each node charges ascend for some evaluations; pairs that no better plan has are closed; the jobs' classes
// at the charges are completed to a plan, which the search of windows (window_search.hpp) improves. Then the job is
// chosen whose second-best class costs most, and each of its classes is tried, the cheapest first. Depth first, so that
// good plans come early; a run that ends before its steps have been taken has proved the best plan optimal.
#pragma once

#include "gridcompute/transport/generalized_assignment/knapsack_bound.hpp"
#include "gridcompute/transport/generalized_assignment/window_search.hpp"

namespace gridcompute::transport {

class BranchAndBound {
 public:
  BranchAndBound(const IntegralModel& model, WindowSearch& search, Stop& stop)
      : model_(model), search_(search), dual_(model), stop_(stop) {}

  // For so many steps, those of the search included; until a plan costs no more than `enough`.
  // `rounds`: evaluations at the root.
  void run(double steps, double target, int rounds);
  // In keys, of the root; they bound all plans. Empty where one evaluation would take too large a share of the steps.
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
  double until_ = 0, enough_ = 0;
  std::vector<double> charges_;
  bool complete_ = false;
  Index nodes_ = 0;
};

}  // namespace gridcompute::transport
