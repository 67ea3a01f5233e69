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

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"
#include "gridcompute/transport/problem.hpp"

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
  [[nodiscard]] double marginal(Index i, Slot s) const { return marginal_[pair(i, s)]; }

  [[nodiscard]] bool open(Index i, Slot s) const { return open_[pair(i, s)] != 0; }
  void close(Index i, Slot s) { open_[pair(i, s)] = 0; }

  [[nodiscard]] const std::vector<double>& charges() const noexcept { return charge_; }         // in keys
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
  [[nodiscard]] std::size_t pair(Index i, Slot s) const { return at(i) * (at(model_.classes()) + 1) + at(s); }
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

// Costs as 128-bit integers in a common unit, a power of two: sums are exact, or rounded down where a cost has digits
// below the unit.

// mantissa * 2^exponent; integers have the exponent 0, doubles odd mantissas of up to 53 bits.
struct ScaledInteger {
  Wide mantissa = 0;
  int exponent = 0;
};

[[nodiscard]] ScaledInteger to_scaled_integer(double finite);
[[nodiscard]] double value_of(const ScaledInteger& x);  // rounded to the nearest double
[[nodiscard]] bool cheaper(const ScaledInteger& a,
                           const ScaledInteger& b);  // exact among integers and among doubles

// The finest unit, no finer than needed, in which all numbers included have at most a given number of bits.
class CommonUnit {
 public:
  explicit CommonUnit(int most_bits) : most_bits_(most_bits) {}
  void include(const ScaledInteger& x);
  [[nodiscard]] int exponent() const noexcept { return low_ > top_ - most_bits_ ? low_ : top_ - most_bits_; }
  // Returns x in units, rounded down; sets `whole` to false if that was inexact.
  [[nodiscard]] Wide count(const ScaledInteger& x, bool& whole) const;

 private:
  int most_bits_;
  int top_ = -2000, low_ = 0;  // above the highest bit; the lowest bit
};

// Returns the largest double not above value * 2^exponent; sets `exact` to whether it equals that.
[[nodiscard]] double double_below(Wide value, int exponent, bool* exact = nullptr);

// An allowed class that is large enough for a job, and the job's cost there.
struct Choice {
  Slot slot;
  ScaledInteger cost;
};
[[nodiscard]] std::vector<Choice> choices_of(const Problem& problem, Index job);

// Returns the cost of leaving a job unplaced; nullopt if it must be assigned.
[[nodiscard]] std::optional<ScaledInteger> unplaced_cost(const Problem& problem, Index job);

// The Lagrangian knapsack bound from the costs themselves, without rounding: verifiable from the multipliers alone.
//
// Definitions.  As at the top: for multipliers ("charges") y,
// L(y) = sum_i y_i - sum_s K_s(y) + sum_i min(0, out_i - y_i). Costs and multipliers are 128-bit integers in a common
// unit; costs with digits below it are rounded down, which lowers L.
//
// Complexity.  One evaluation of every cost, and O(profitable jobs * capacity / gcd of the demands) a class.

// Returns the exact cost of a plan; nullopt where the sum does not fit into 126 bits.
[[nodiscard]] std::optional<ScaledInteger> exact_cost(const Problem& problem, std::span<const std::int32_t> assignment);

// Returns L(charges); nullopt where that would take more steps, or memory, than the tuning allows.
[[nodiscard]] std::optional<ScaledInteger> exact_knapsack_bound(const Problem& problem,
                                                                std::span<const double> charges);

}  // namespace gridcompute::transport
