// Resolution refinement: solving again with large costs capped, so that the unit of the keys becomes finer.
//
// Problem.  Real costs become integers in a unit set by the largest. Where few costs are far above all others, such as
// 1e15 for "rather not", the optimum is a few units only, and most of its digits are lost.
//
// Step.  Given a plan whose cost exceeds the dual bound by a gap: in no better plan does a job pay, prices included,
// more than its least plus the gap, and no job's least exceeds what it pays now. So all costs above the largest amount
// that any job pays now, prices included, plus twice the gap, may be capped there: the bound stays valid, plans with a
// capped cost are no better than the present one, and all others cost what they did. Prices prove no more of capped
// costs than of the original ones. Where capping makes the unit no finer, reduced costs may
//.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/strategy.hpp"

namespace gridcompute::transport {

// Refines an optimum of the keys to one of the costs as long as capping makes the unit finer. Unit demand only.
void refine_resolution(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                       Result& result);

// A problem with costs mapped by a function: each finite cost is mapped, forbidden pairs stay forbidden.

// Map: (double) -> double and (Cost) -> Cost, for finite reals and for integers that are allowed.
template <class Map>
class CappedOrScaledCost final : public CostSource {
 public:
  CappedOrScaledCost(const CostSource& cost, Map map)
      : CostSource(cost.n_jobs(), cost.n_slots()), cost_(cost), map_(map) {}

  [[nodiscard]] bool real() const noexcept override { return cost_.real(); }
  void integers(Rows rows, Cost* out) const override {
    cost_.integers(rows, out);
    std::for_each(out, out + rows.count * n_slots(), [&](Cost& c) { c = mapped(c); });
  }
  void reals(Rows rows, double* out) const override {
    cost_.reals(rows, out);
    std::for_each(out, out + rows.count * n_slots(), [&](double& c) { c = mapped(c); });
  }
  [[nodiscard]] bool singles() const noexcept override { return cost_.singles(); }
  [[nodiscard]] Cost integer_at(Index job, Index slot) const override { return mapped(cost_.integer_at(job, slot)); }
  [[nodiscard]] double real_at(Index job, Index slot) const override { return mapped(cost_.real_at(job, slot)); }
  void reals_at(Index job, std::span<const Slot> slots, double* out) const override {
    cost_.reals_at(job, slots, out);
    std::for_each(out, out + slots.size(), [&](double& c) { c = mapped(c); });
  }
  void column(Rows rows, Index slot, double* out) const override {
    cost_.column(rows, slot, out);
    std::for_each(out, out + rows.count, [&](double& c) { c = mapped(c); });
  }
  void prefetch(Index job) const noexcept override { cost_.prefetch(job); }
  void prefetch(Index job, Index slot) const noexcept override { cost_.prefetch(job, slot); }
  [[nodiscard]] bool forbids() const noexcept override { return cost_.forbids(); }
  [[nodiscard]] Index listed(Index job) const noexcept override { return cost_.listed(job); }
  [[nodiscard]] Slot listed_slot(Index job, Index k) const noexcept override { return cost_.listed_slot(job, k); }
  void listed_integers(Index first, Index count, Slot* slots, Cost* costs) const override {
    cost_.listed_integers(first, count, slots, costs);
    std::for_each(costs, costs + pairs(first, count), [&](Cost& c) { c = mapped(c); });
  }
  void listed_reals(Index first, Index count, Slot* slots, double* costs) const override {
    cost_.listed_reals(first, count, slots, costs);
    std::for_each(costs, costs + pairs(first, count), [&](double& c) { c = mapped(c); });
  }

 private:
  [[nodiscard]] double mapped(double c) const {
    return std::fabs(c) < std::numeric_limits<double>::infinity() ? map_(c) : c;
  }
  [[nodiscard]] Cost mapped(Cost c) const { return c == kForbidden && forbids() ? c : map_(c); }
  [[nodiscard]] Index pairs(Index first, Index count) const {
    Index sum = 0;
    for (Index k = 0; k < count; ++k) sum += cost_.listed(first + k);
    return sum;
  }

  const CostSource& cost_;
  Map map_;
};

// The problem with mapped costs, those of unplaced jobs included.
template <class Map>
class CappedOrScaledProblem {
 public:
  CappedOrScaledProblem(const Problem& problem, Map map) : cost_(*problem.cost, map), problem_(problem) {
    problem_.cost = &cost_;
    if (problem.unplaced == nullptr) return;
    const Index n = problem.unplaced_stride == 0 ? 1 : problem.cost->n_jobs();
    for (Index k = 0; k < n; ++k) {
      const double out = problem.unplaced[k * problem.unplaced_stride];
      unplaced_.push_back(out < std::numeric_limits<double>::infinity() ? map(out) : out);
    }
    problem_.unplaced = unplaced_.data();
    problem_.unplaced_stride = std::min<Index>(problem.unplaced_stride, 1);
  }
  CappedOrScaledProblem(const CappedOrScaledProblem&) = delete;
  CappedOrScaledProblem& operator=(const CappedOrScaledProblem&) = delete;

  [[nodiscard]] const Problem& problem() const noexcept { return problem_; }

 private:
  CappedOrScaledCost<Map> cost_;
  std::vector<double> unplaced_;
  Problem problem_;
};

// Scaling of costs so small that no resolution makes integers of them.
//
// A resolution is a double, at most 2^1023: 5e-324 times that is a fraction. Where all costs are below 2^-900 they are
// multiplied by a power of two first, which is exact.

// Solves the scaled problem if all costs are that small; otherwise does nothing and returns false. most: the likely
// largest cost. An optimum is one of rounded costs (Result::rounding), and its bound may be weak.
[[nodiscard]] bool solve_scaled(const Problem& problem, const Options& options, double most, Pool& pool, Stop& stop,
                                SolveOnce* solve_once, Result& result);

// Iterative refinement by reduced costs: subtracts from the costs what all good plans pay, and solves in a far finer
// unit.
//
// Problem.  Where some job must pay 1e40, or all class prices are near the 1e15 that leaving a job unplaced costs, no
// cost may be capped, and what distinguishes plans is below the unit of the keys.
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
