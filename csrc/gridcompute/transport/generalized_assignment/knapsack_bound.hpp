// Lower bounds of gangs by knapsacks: each job is charged, each class packs what pays most.
//
// Problem. The relaxation that splits gangs does not know what fits together. This one does: jobs may be in several
// classes, or in none, but no class holds a set of jobs that does not fit.
//
// Definitions. With a charge y_i for each job, L(y) = sum_i y_i - sum_s K_s(y) + sum_i min(0, out_i - y_i), where K_s
// is the largest sum of y_i - c_is over sets of jobs that fit into class s together. Every whole plan costs at least
// L(y), for any y. The relaxation's optimum is L at y_i = the least cost plus price, or less.
//
// Steps. Subgradient ascent: charges rise for jobs that are nowhere, and fall for those that are in several classes.
// What a plan costs at least if job i is in class s follows from the knapsacks of all classes with i forced in or out,
// by tables from either end; a pair for which that is no less than the best plan is closed.
//
// Complexity. O(jobs that pay * capacity) a class and evaluation.
//
// Source. Lagrangian relaxation of the assignment constraints: Fisher, Jaikumar and Van Wassenhove, Management Science
// 32 (1986) 1095; fixing by both tables: Posta, Ferland and Michelon, Comput. Optim. Appl. 52 (2012) 629; step sizes:
// Held, Wolfe and Crowder, Math. Program. 6 (1974) 62; deflection: Camerini, Fratta and Maffioli, Math. Program. Study
// 3 (1975) 26.
#pragma once

#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"

namespace gridcompute::transport {

class KnapsackBound {
 public:
  explicit KnapsackBound(const IntegralModel& model);

  // Are the tables of all classes small enough to be held?
  [[nodiscard]] bool fits() const;

  // L at the charges; chosen(i) is how many classes hold job i then, left out included.
  double evaluate();
  // Up to so many evaluations; `target` is what a plan costs. Ends at the best charges, evaluated, and returns L; ends
  // early once that is `enough`, or after a stop.
  double ascend(int rounds, double plan_cost, double cutoff, Stop& stop);
  // After evaluate(): the least cost with job i in class s (last: left out), for all open pairs.
  void marginals();
  [[nodiscard]] double marginal(Index i, Slot s) const { return marginal_[at(i, s)]; }

  [[nodiscard]] bool open(Index i, Slot s) const { return open_[at(i, s)] != 0; }
  void close(Index i, Slot s) { open_[at(i, s)] = 0; }

  [[nodiscard]] const std::vector<double>& charges() const noexcept { return charge_; }  // in keys
  [[nodiscard]] int chosen(Index i) const { return chosen_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const std::vector<std::vector<Index>>& sets() const noexcept { return sets_; }  // (classes)
  [[nodiscard]] double steps() const noexcept { return steps_; }

  // What a branch changes, and takes back.
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
  Cost unit_ = 1;                    // greatest common divisor of the demands
  std::vector<Cost> weight_, room_;  // in that unit
  std::vector<char> open_;           // (jobs, classes + 1)
  std::vector<double> charge_;       // (jobs)
  std::vector<int> chosen_;          // (jobs)
  std::vector<std::vector<Index>> sets_;
  std::vector<double> packed_;  // (classes): K
  double value_ = 0;
  std::vector<double> marginal_, direction_;
  double steps_ = 0;

  std::vector<Index> item_;     // jobs that pay in the class at hand,
  std::vector<double> profit_;  // and what
  std::vector<double> forward_, backward_;
};

}  // namespace gridcompute::transport
