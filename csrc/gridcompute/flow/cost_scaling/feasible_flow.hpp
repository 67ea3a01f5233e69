// A feasible flow on the residual graph, or the cut that excludes one, by push-relabel.
//
// Definitions.  A node with excess is active while it has a path to a node with a deficit. Distance labels are lower
// bounds on the number of arcs of that path.
//
// Steps.  First over half-arcs of cost 0, so that no unit takes a dear path (or flows back on one) while there is a
// free one, then over all. Exact distance labels by breadth-first search backwards from the deficits; active nodes,
// first in first out, push along half-arcs to a node one label lower, or are relabelled to one more than the lowest
// such node, at last out of reach. Labels are computed again after every tuning.relabels_per_update * n relabels. When
// no excess reaches a deficit, the nodes that the excesses reach are the cut (ResidualGraph::cut()).
//
// Complexity.  O(n^2 m), in practice a few passes.
// Source.  Goldberg and Tarjan, J. ACM 35 (1988) 921; Cherkassky and Goldberg, Algorithmica 19 (1997) 390 (global
// relabelling).
#pragma once

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/cost_scaling/residual_graph.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

template <class Int>
class FeasibleFlow {
 public:
  enum class End { feasible, infeasible, stopped };

  FeasibleFlow(ResidualGraph<Int>& graph, const FlowTuning& tuning) : graph_(graph), tuning_(tuning) {}
  [[nodiscard]] End run(Stop& stop);

 private:
  [[nodiscard]] bool in_pass(const HalfArc<Int>& h) const noexcept { return h.cost == 0 || !free_only_; }
  [[nodiscard]] bool residual(const HalfArc<Int>& h) const noexcept { return h.residual != 0 && in_pass(h); }
  bool compute_labels();
  void discharge_all(Stop& stop);
  void relabel(Node v);

  ResidualGraph<Int>& graph_;
  const FlowTuning& tuning_;
  std::vector<Arc> current_arc_;
  std::vector<Node> label_;
  bool free_only_ = false;  // the pass over half-arcs of cost 0
};

}  // namespace gridcompute::flow
