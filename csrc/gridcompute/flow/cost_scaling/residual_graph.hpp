// The residual graph as paired half-arcs, each with its reverse.
//
// Definitions.  Each arc of the network is two half-arcs: one at its tail, whose residual capacity is what is left of
// the capacity, and its reverse at its head, whose residual capacity is the flow. Each half-arc also stores the
// residual capacity of its reverse (`reverse_residual`): searches against the arcs then need not read the reverse.
// Half-arcs of v: [start[v], end[v]); from end[v] to start[v + 1] lie those that were fixed. excess[v]: supply plus
// inflow minus outflow. It is a sum of many residual capacities, each up to 2^60, and so has twice the width.
//
// Invariants (holds()).  Residual capacities of a pair are >= 0 and sum to the capacity; excess follows from the flow.
#pragma once

#include <span>
#include <type_traits>

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

template <class Int>
struct HalfArc {
  Node to;
  Arc reverse;
  Int residual, reverse_residual, cost;
};

template <class Int>
class ResidualGraph {
 public:
  using Sum = std::conditional_t<sizeof(Int) == 4, std::int64_t, Wide>;

  // Multiplies costs by `scale`; arcs of negative cost start at their capacity.
  ResidualGraph(const Network<Int>& net, Int scale);

  // Returns min(wanted, residual).
  [[nodiscard]] static Int fitting(Sum wanted, Int residual) noexcept {
    return wanted < residual ? static_cast<Int>(wanted) : residual;
  }
  void push(Arc half, Node from, Int amount) noexcept {
    HalfArc<Int>& h = halves[at(half)];
    HalfArc<Int>& reverse = halves[at(h.reverse)];
    h.residual -= amount, h.reverse_residual += amount;
    reverse.residual += amount, reverse.reverse_residual -= amount;
    excess[at(from)] -= amount;
    excess[at(h.to)] += amount;
  }
  // Takes a half-arc of `v` and its reverse out of every loop over [start, end).
  void fix(Node v, Arc half);
  void unfix_all();

  [[nodiscard]] RawVector<Int> flow() const;
  [[nodiscard]] std::vector<Node> cut() const;  // all nodes that a node with excess reaches, ascending
  [[nodiscard]] Sum unserved() const;
  [[nodiscard]] bool holds() const;

  Node n;
  std::vector<Arc> start, end;
  std::vector<HalfArc<Int>> halves;
  std::vector<Sum> excess;

 private:
  void swap(Arc a, Arc b);

  const Network<Int>* net_;
  std::vector<Arc> first_;  // of each arc: its half-arc at the tail
  std::vector<Arc> arc_;    // of each half-arc: its arc
};

}  // namespace gridcompute::flow
