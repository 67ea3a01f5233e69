// Cost scaling push-relabel.
//
// Definitions.  Costs are multiplied by n + 1. Epsilon-optimality: refine.hpp. A feasible flow that is 1-optimal for
// the multiplied costs is optimal: a residual cycle of negative cost would cost at most -(n + 1), and a simple cycle of
// n arcs of reduced cost >= -1 costs at least -n.
//
// Steps.  A feasible flow first (feasible_flow.hpp), or the cut; shortest paths then find whether it is optimal
// already, as maximum flows are. Then epsilon falls from max|cost| by the scaling factor alpha = 2^scaling_bits per
// phase down to 1; each phase
//   fixes arcs whose reduced cost exceeds 4 n epsilon: no later flow differs on them, and prices move by less;
//   tries price refinement: prices that make the present flow epsilon-optimal (longest paths over the residual arcs
//     of negative reduced cost, while these close no cycle);
//   else refines (refine.hpp).
// At epsilon = 1 the optimality of all arcs is checked once more, fixed ones too; if one fails, all take part again.
// Prices divided by n + 1 are then exact potentials: n prices leave one residue modulo n + 1 free; shifted so that it
// is n, floor(p / (n + 1)) rounds no reduced cost across 0.
//
// Invariants (holds()).  ResidualGraph::holds(), and epsilon-optimality between phases.
//
// Complexity.  O(n^2 m log(n max|cost|)).
//
// Levels of the bucket search.  A node with excess has a residual path to a deficit whose arcs were backwards residual
// in the flow the phase began with, so each costs at most alpha epsilon; deficits have not moved and excesses only
// fallen since. So it lies within (alpha + 1) n levels, and the search ends there, whatever costs are elsewhere.
//
// Range proof.  Prices fall by at most (alpha + 1) n epsilon in a phase, global updates included, so by less than
// 2 (alpha + 1) n (n + 1) max|cost| in all; price refinement rounds are limited so as to add at most as much again.
// largest_cost() keeps that below 2^61 for the largest alpha that the tuning allows.
//
// Source.  Goldberg, J. Algorithms 22 (1997) 1; Buennagel, Korte and Vygen, Optim. Methods Softw. 10 (1998) 157.
// Deviations.  Exact potentials by the free residue instead of a last shortest path search.
#pragma once

#include "gridcompute/flow/cost_scaling/refine.hpp"

namespace gridcompute::flow {

class CostScaling {
 public:
  enum class End { optimal, infeasible, stopped };

  explicit CostScaling(const Network<std::int64_t>& net, const FlowTuning& tuning = kFlowTuning);
  CostScaling(const CostScaling&) = delete;  // refine_ works on its graph and prices
  CostScaling& operator=(const CostScaling&) = delete;

  // Returns the largest |cost| that n nodes allow.
  [[nodiscard]] static std::int64_t largest_cost(Index n) noexcept;

  End run(Stop& stop);

  [[nodiscard]] FlowAndPotentials<std::int64_t> solution() const;
  [[nodiscard]] std::vector<Node> cut() const { return graph_.cut(); }
  [[nodiscard]] Wide unserved() const { return graph_.unserved(); }
  [[nodiscard]] const CostScalingCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] bool holds() const;

 private:
  using Price = std::int64_t;

  [[nodiscard]] Price epsilon() const noexcept { return Price{1} << bits_; }
  [[nodiscard]] Price reduced_cost(Node v, const HalfArc<Price>& h) const noexcept {
    return refine_.reduced_cost(v, h);
  }
  void fix_arcs();
  bool price_by_shortest_paths();
  bool refine_prices();
  bool order_admissible(std::vector<Node>& order) const;

  const FlowTuning& tuning_;
  ResidualGraph<Price> graph_;
  int bits_ = 0;  // of epsilon
  std::vector<Price> price_;
  CostScalingCounts counts_;
  Refine<Price> refine_;
};

}  // namespace gridcompute::flow
