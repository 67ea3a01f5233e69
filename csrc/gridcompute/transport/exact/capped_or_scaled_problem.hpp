// A problem with costs mapped by a function: each finite cost is mapped, forbidden pairs stay forbidden.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

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

}  // namespace gridcompute::transport
