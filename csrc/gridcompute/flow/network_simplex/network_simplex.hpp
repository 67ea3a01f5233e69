// Primal network simplex on a strongly feasible spanning tree.
//
// Problem.  Minimise sum of cost * x over the reduced network (network.hpp): flow out minus flow in of each node is its
// supply, 0 <= x <= capacity.
//
// Definitions.  Spanning tree solution, U, reduced cost, artificial arcs: tree_solution.hpp. A tree is strongly
// feasible if every node can send a positive amount to the root. A pivot is degenerate if it pushes nothing.
//
// Steps.
//   Entering arc: block pricing; in a warm start the arcs near what changed (entering_arc_pricing.hpp).
//   Leaving arc: the last blocking arc of the cycle, seen from its apex in the direction of the push (Cunningham's
//     rule): the tree stays strongly feasible, and so no sequence of degenerate pivots returns to the same tree.
//   Exchange: the subtree of the leaving arc is attached to the entering arc, by one splice of the thread per node of
//     the stem, and its potentials are shifted, or those of all other nodes if they are fewer.
//   At an optimum with flow left on artificial arcs: a search of the residual graph either proves a cut (no feasible
//     flow), or the cost of the artificial arcs was too small and is raised.
// Most pivots are degenerate. By strong feasibility the leaving arc is then the first without residual capacity above
// the tail, and only whether the head is below it matters, not the apex: both ends climb until that is known, a few
// steps where the cycle has hundreds (spanning_tree.hpp).
//
// Complexity.  No polynomial bound on the number of pivots. A pivot costs O(length of its cycle + nodes repriced), a
// degenerate one less. Figures: docs/development/experiments.md.
//
// Range proof.  tree_solution.hpp; End::overflow says that a potential or an artificial arc left the narrow width.
//
// Source.  Cunningham, Math. Program. 11 (1976) 105 (strong feasibility); Ahuja, Magnanti, Orlin, Network Flows (1993)
// 11.5, 11.6; Kiraly and Kovacs, Acta Univ. Sapientiae Inform. 4 (2012) 67; Grigoriadis, Math. Program. Study 26 (1986)
// 83.
// Deviations.  Residual capacities lie in the node records; arcs of U are stored reversed; degenerate pivots do not
// walk to the apex; the smaller side of the cut is repriced; crash bases (start/).
#pragma once

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network_simplex/entering_arc_pricing.hpp"
#include "gridcompute/flow/network_simplex/tree_solution.hpp"

namespace gridcompute::flow {

inline constexpr Index kNoBudget = std::numeric_limits<Index>::max();

template <class Int>
class NetworkSimplex {
 public:
  enum class End { optimal, infeasible, overflow, stopped, budget_spent };

  // Starts from a basis as TreeSolution does. `tuning` must outlive the solver, but not its compacted copy.
  explicit NetworkSimplex(Network<Int> net, const Basis& basis = {}, std::vector<Int> artificial_cost = {},
                          const FlowTuning& tuning = kFlowTuning);
  // Copies the tree of another width.
  template <class Other>
  NetworkSimplex(Network<Int> net, const NetworkSimplex<Other>& other);
  // Copies a compacted solver, ready for a change of its problem.
  [[nodiscard]] static NetworkSimplex resumed(const NetworkSimplex& compacted, const FlowTuning& tuning);

  // Pivots to the end; budget_spent when work() passes `budget`.
  End run(Stop& stop, Index budget = kNoBudget);
  // Work units done so far: the same on every machine, unlike seconds.
  [[nodiscard]] Index work() const noexcept;

  void compact() { solution_.compact(); }
  [[nodiscard]] TreeSolution<Int>& solution() noexcept { return solution_; }
  [[nodiscard]] const TreeSolution<Int>& solution() const noexcept { return solution_; }

 private:
  template <class Other>
  friend class NetworkSimplex;

  NetworkSimplex(TreeSolution<Int>&& solution, const PricingPace& pace, const FlowTuning& tuning);

  [[nodiscard]] Arc entering_arc();
  [[nodiscard]] bool pivot(Arc e);

  const FlowTuning* tuning_;
  TreeSolution<Int> solution_;
  BlockPricing<Int> pricing_;
};

}  // namespace gridcompute::flow
