// Cost scaling push-relabel.
//
// Definitions.  Costs are multiplied by n + 1. A flow is eps-optimal for prices p if every residual arc has reduced
// cost cost + p[v] - p[w] >= -eps. A feasible flow that is 1-optimal is optimal: a residual cycle of negative cost
// would cost at most -(n + 1), and a simple one loses at most n.
//
// Steps.  A feasible flow first (residual.hpp), or the cut; shortest paths tell whether it happens to be optimal, as
// maximum flows are. Then eps from max|cost| down by kAlpha to 1; each phase
//   fixes arcs whose reduced cost exceeds 4 n eps in size: no later flow differs on them, and prices move by less;
//   tries to find prices that make the flow eps-optimal as it stands (price refinement: longest paths over the residual
//     arcs of negative reduced cost while these have no cycle);
//   else refines (refine.hpp).
// At eps = 1 all arcs are looked at once more, fixed ones too; should one be wrong, all take part again.
// Then prices divided by n + 1 are exact potentials: n prices leave one residue modulo n + 1 free; shifted so that
// it is n, floor(p / (n + 1)) rounds no arc across 0.
//
// Invariants (holds()).  Residual::holds(), and eps-optimality between phases.
//
// Complexity.  O(n^2 m log(n max|cost|)).
//
// Levels of the bucket search.  A node with excess has a residual path to a deficit whose arcs were backwards residual
// in the flow the phase began with, so each costs at most kAlpha eps; deficits have not moved and excesses only fallen
// since. So it lies within (kAlpha + 1) n levels, and the search ends there, whatever costs are elsewhere.
//
// Range proof.  Prices fall by at most (kAlpha + 1) n eps in a phase, global updates included, so by less than
// 2 (kAlpha + 1) n (n + 1) max|cost| in all; price refinement rounds are limited so as to add at most as much again.
// largest_cost() keeps that below 2^61.
//
// Source.  Goldberg, J. Algorithms 22 (1997) 1; Buennagel, Korte and Vygen, Optim. Methods Softw. 10 (1998) 157.
// Deviations.  Exact potentials by the free residue instead of a last shortest-path pass.
#pragma once

#include "gridcompute/flow/cost_scaling/refine.hpp"

namespace gridcompute::flow {

class CostScaling {
 public:
  enum class End { optimal, infeasible, stopped };

  explicit CostScaling(const Network<std::int64_t>& net);
  CostScaling(const CostScaling&) = delete;  // refine_ works on its graph and prices
  CostScaling& operator=(const CostScaling&) = delete;

  // The largest |cost| that n nodes allow.
  [[nodiscard]] static std::int64_t largest_cost(Index n) noexcept;

  End run(Stop& stop);

  [[nodiscard]] Solution<std::int64_t> solution() const;
  [[nodiscard]] std::vector<Node> cut() const { return graph_.cut(); }
  [[nodiscard]] Wide unserved() const { return graph_.unserved(); }
  [[nodiscard]] const ScalingCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] bool holds() const;

 private:
  using Price = std::int64_t;

  [[nodiscard]] Price eps() const noexcept { return Price{1} << bits_; }
  [[nodiscard]] Price reduced(Node v, const Half<Price>& h) const noexcept { return refine_.reduced(v, h); }
  void fix_arcs();
  bool price_by_paths();
  bool refine_prices();
  bool order_admissible(std::vector<Node>& order) const;

  Residual<Price> graph_;
  int bits_ = 0;  // of eps
  std::vector<Price> price_;
  ScalingCounts counts_;
  Refine<Price> refine_;
};

}  // namespace gridcompute::flow
