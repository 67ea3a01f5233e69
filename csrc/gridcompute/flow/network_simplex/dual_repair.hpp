// Dual repair: makes an optimal tree feasible for other capacities and supplies, by dual pivots.
//
// Definitions.  A node is infeasible where the flow of its tree arc has left its bounds, or where its residual capacity
// towards the root is 0 (the tree would not be strongly feasible): its subtree then has a surplus or a deficit of
// units. An artificial arc must carry nothing. An arc crosses the cut of a tree arc if exactly one of its ends is in
// the subtree.
//
// Steps.  Of the infeasible nodes found last, the one with the most units to move gives the leaving arc, its tree arc.
// Among the arcs off the tree that cross the cut from the side of the surplus to the side of the deficit the one of
// least reduced cost enters and carries the units; arcs too narrow for them are flipped to their other bound on the way
// (the long step of the dual ratio test). The leaving arc leaves at the bound that it had violated. All reduced costs
// stay >= 0, so when no node is infeasible the tree is optimal. Where no arc crosses, or the work passes its limit,
// the repair gives up: TreeSolution::rebuild() and primal pivots go on from there.
//
// Strong feasibility is kept by an imagined infinitesimal supply of every node but the root: a subtree without a
// surplus whose residual capacity upwards is 0 has an infinitesimal surplus, one whose arc is full downwards no
// deficit.
//
// Complexity.  A dual pivot: the smaller side of the cut and its arcs.
// Source.  Ahuja, Magnanti, Orlin, Network Flows (1993) 11.8; Kostina, Math. Methods Oper. Res. 55 (2002) 413 (long
// steps).
// Deviations.  A work limit, since on random graphs the smaller side has thousands of nodes.
#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network_simplex/tree_solution.hpp"

namespace gridcompute::flow {

template <class Int>
class DualRepair {
 public:
  // The solution must be optimal for the costs it has.
  DualRepair(TreeSolution<Int>& solution, const FlowTuning& tuning);

  // Sets capacities of `arcs` and all supplies; the flow of the tree follows and may leave its bounds. False, with
  // nothing changed but arcs of capacity 0, if the change is too large for this width.
  [[nodiscard]] bool set_capacities_and_supplies(std::span<const Arc> arcs, std::span<const Int> capacity,
                                                 std::span<const Int> supply);
  // Pivots until no node is infeasible; false if it gave up.
  [[nodiscard]] bool run(Stop& stop);

 private:
  struct Infeasibility {
    Int units;     // of surplus or deficit; 0 if only strong feasibility is violated
    bool surplus;  // else a deficit
    bool any;
  };
  struct CrossingArc {
    Int reduced_cost;
    Arc arc;
  };

  [[nodiscard]] Infeasibility infeasibility(Node v) const;
  void enqueue_if_infeasible(Node v);
  [[nodiscard]] Node pop_most_infeasible();
  [[nodiscard]] bool pivot(Node top);
  void list_crossing_arcs(std::span<const Node> side, bool outwards, Arc leaving);
  void push_and_enqueue(Arc e, Node apex, Int units);

  // The largest flow of an arc while nodes are infeasible: sums of two of them stay within the width.
  static constexpr Int kMaxInfeasibleFlow = FlowRange<Int>::kMaxFlow / 2 * 3 + 2;

  TreeSolution<Int>& solution_;
  SpanningTree<Int>& tree_;
  const FlowTuning& tuning_;
  std::vector<std::uint8_t> queued_, on_side_;
  std::vector<Node> queue_;  // infeasible nodes, each once: queued_
  std::vector<CrossingArc> crossing_;
  Index work_ = 0;         // nodes and arcs of the sides examined
  bool overflow_ = false;  // a flow has left kMaxInfeasibleFlow
};

}  // namespace gridcompute::flow
