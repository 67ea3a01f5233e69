// Iterative refinement by reduced costs: subtracts from the costs what all good plans pay, and solves in a far finer
// unit.
//
// Problem.  Where some job must pay 1e40, or all class prices are near the 1e15 that leaving a job unplaced costs, no
// cost may be capped (resolution_refinement.hpp), and what distinguishes plans is below the unit of the keys.
//
// Step.  Let p be prices, V_i = min_s c_is + p_s, and let g bound how much less than the present plan any plan costs.
// Take w_s = max(0, p_s - 2 g) and c'_is = c_is + w_s - V_i, capped at 2 g. A constant per job changes no choice. A
// class with p_s > g is full in every plan that is no worse, so w_s adds the same to each of them; at prices
// min(p_s, 2 g) the new problem proves what p proved. A pair that was capped costs its job more than g too much. So the
// optimal plans of both are the same, and |c'| is a small multiple of g, where |c| was 2^50 units.
//
// Rounding.  c + w - V is summed in two doubles with error 2^-105 of its terms: usually less than the next unit. It
// only guides the search: exact sums decide (cycle_canceling.hpp).
//
// Source.  Iterative refinement of linear programs: Gleixner, Steffy and Wolter, INFORMS J. Comput. 28 (2016) 449.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

class ShiftedCost final : public CostSource {
 public:
  // add: (n_slots), subtract: (n_jobs); both must outlive this source.
  ShiftedCost(const CostSource& cost, std::span<const double> add, std::span<const double> subtract, double most)
      : CostSource(cost.n_jobs(), cost.n_slots()), cost_(cost), add_(add), subtract_(subtract), most_(most) {}

  [[nodiscard]] bool real() const noexcept override { return true; }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] bool singles() const noexcept override { return cost_.singles(); }
  [[nodiscard]] double real_at(Index job, Index slot) const override;
  void prefetch(Index job) const noexcept override { cost_.prefetch(job); }
  void prefetch(Index job, Index slot) const noexcept override { cost_.prefetch(job, slot); }
  [[nodiscard]] Index listed(Index job) const noexcept override { return cost_.listed(job); }
  [[nodiscard]] Slot listed_slot(Index job, Index k) const noexcept override { return cost_.listed_slot(job, k); }
  void listed_reals(Index first, Index count, Slot* slots, double* costs) const override;

  // Returns the shifted cost of leaving a job unplaced at `cost`.
  [[nodiscard]] double unplaced(Index job, double cost) const { return shifted(cost, 0, subtract_[job]); }

 private:
  [[nodiscard]] double shifted(double cost, double add, double subtract) const;

  const CostSource& cost_;
  std::span<const double> add_, subtract_;
  double most_;
};

// The problem in shifted costs, from a plan and its prices. gap: bounds how much less any plan costs.
class ShiftedProblem {
 public:
  ShiftedProblem(const Problem& problem, const Result& result, double gap, Pool& pool, Stop& stop);
  ShiftedProblem(const ShiftedProblem&) = delete;
  ShiftedProblem& operator=(const ShiftedProblem&) = delete;

  [[nodiscard]] const Problem& problem() const noexcept { return problem_; }
  // Returns the cap of all costs.
  [[nodiscard]] double most() const noexcept { return most_; }
  // Returns the largest rounding error of a cost.
  [[nodiscard]] double rounding() const noexcept { return rounding_; }
  // Returns start prices of the shifted problem; converts its prices to prices of the original one.
  [[nodiscard]] const std::vector<double>& start() const noexcept { return start_; }
  [[nodiscard]] std::vector<double> prices(std::span<const double> own) const;
  // Returns whether a job of this plan pays a capped cost: then the plan is not optimal for the original problem.
  [[nodiscard]] bool uses_capped_cost(const Result& result) const;

 private:
  double most_, rounding_ = 0;
  std::vector<double> add_, start_, least_;  // w, min(p, 2 g), V
  ShiftedCost cost_;
  std::vector<double> unplaced_;
  Problem problem_;
};

}  // namespace gridcompute::transport
