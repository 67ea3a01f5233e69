// Lagrangian lower bound of the generalized assignment problem: knapsacks per class at multipliers per job.
//
// Problem.  The splittable relaxation ignores which demands fit together. Relaxing the assignment constraints instead
// keeps that: a job may be in several classes or in none, but no class holds a set of jobs that does not fit.
//
// Definitions.  For multipliers y_i ("charges"), L(y) = sum_i y_i - sum_s K_s(y) + sum_i min(0, out_i - y_i), where K_s
// is the largest sum of y_i - c_is over sets of jobs that fit into class s together. L(y) bounds every integral plan
// from below, for any y. The optimum of the splittable relaxation is at most L at y_i = the least cost plus price.
//
// Steps.  Subgradient ascent with deflected directions and Polyak step sizes: y rises for jobs in no class and falls
// for those in several. The marginal of a pair (i, s), a lower bound of every plan with job i in class s, follows from
// the knapsack tables from both ends with i forced in or out; a pair whose marginal is no less than the best plan's
// cost is closed.
//
// Complexity.  O(profitable jobs * capacity) a class and evaluation.
//
// Source.  Lagrangian relaxation of the assignment constraints: Fisher, Jaikumar and Van Wassenhove, Management Science
// 32 (1986) 1095; fixing by tables from both ends: Posta, Ferland and Michelon, Comput. Optim. Appl. 52 (2012) 629;
// step sizes: Held, Wolfe and Crowder, Math. Program. 6 (1974) 62; deflection: Camerini, Fratta and Maffioli, Math.
// Program. Study 3 (1975) 26.
#pragma once

#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"

namespace gridcompute::transport {

class KnapsackBound {
 public:
  explicit KnapsackBound(const IntegralModel& model, const WholeJobTuning& tuning = kDefaultWholeJobTuning);

  // Returns whether the knapsack tables of all classes fit in memory.
  [[nodiscard]] bool fits() const;

  // Evaluates L at the charges; chosen(i) is then the number of classes that contain job i, "unassigned" included.
  double evaluate();
  // Subgradient ascent of at most `rounds` evaluations; plan_cost: of a known plan. Ends at the best charges,
  // evaluated, and returns L; ends early once that reaches `cutoff`, or after a stop.
  double ascend(int rounds, double plan_cost, double cutoff, Stop& stop);
  // After evaluate(): computes the marginals of all open pairs; the last class is "unassigned".
  void marginals();
  [[nodiscard]] double marginal(Index i, Slot s) const { return marginal_[at(i, s)]; }

  [[nodiscard]] bool open(Index i, Slot s) const { return open_[at(i, s)] != 0; }
  void close(Index i, Slot s) { open_[at(i, s)] = 0; }

  [[nodiscard]] const std::vector<double>& charges() const noexcept { return charge_; }  // in keys
  [[nodiscard]] int chosen(Index i) const { return chosen_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const std::vector<std::vector<Index>>& sets() const noexcept { return sets_; }  // (classes)
  [[nodiscard]] double steps() const noexcept { return steps_; }

  // The state that a branch changes and restores.
  struct State {
    std::vector<char> open;
    std::vector<double> charge;
  };
  [[nodiscard]] State state() const { return {open_, charge_}; }
  void restore(const State& state) { open_ = state.open, charge_ = state.charge; }

 private:
  [[nodiscard]] std::size_t at(Index i, Slot s) const {
    return static_cast<std::size_t>(i) * (static_cast<std::size_t>(model_.classes()) + 1) + static_cast<std::size_t>(s);
  }
  void collect_items(Slot s);
  double solve_knapsack(Slot s);
  void fill_tables(Slot s);

  const IntegralModel& model_;
  const WholeJobTuning& tuning_;
  Cost unit_ = 1;                    // gcd of the demands
  std::vector<Cost> weight_, room_;  // in that unit
  std::vector<char> open_;           // (jobs, classes + 1)
  std::vector<double> charge_;       // (jobs)
  std::vector<int> chosen_;          // (jobs)
  std::vector<std::vector<Index>> sets_;
  std::vector<double> packed_;  // (classes) K_s
  double value_ = 0;
  std::vector<double> marginal_, direction_;
  double steps_ = 0;

  std::vector<Index> item_;     // profitable jobs of the current class
  std::vector<double> profit_;  // their profits
  std::vector<double> forward_, backward_;
};

}  // namespace gridcompute::transport
