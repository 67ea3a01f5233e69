// The residual graph as paired half-arcs, and a feasible flow on it (or the cut that forbids one).
//
// Definitions.  Each arc is two halves: one at its tail with the room left, one at its head (`mate`) with the flow that
// can be taken back. Each knows the room of its mate (`back`): searches go against the arcs and need not look there.
// Halves of v: [start[v], end[v]); beyond end[v], up to start[v + 1], lie those that were fixed.
// The excess of a node is a sum of many rooms, each up to 2^60: twice the width.
//
// Steps of feasible().  Push-relabel, first over halves that cost nothing, so that no unit takes a dear way (back)
// while there is a free one, then over all. Levels are distances in arcs to the nodes short of units, by breadth-first
// search backwards; a node with units pushes them one level down, or rises to just above the lowest it could push to,
// out of reach at last. When no node with units reaches one that is short, the nodes they reach are the cut.
//
// Complexity.  O(n^2 m), in practice a few passes.  Source.  Goldberg and Tarjan, J. ACM 35 (1988) 921.
#pragma once

#include <span>
#include <type_traits>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

template <class Int>
struct Half {
  Node to;
  Arc mate;
  Int room, back, cost;
};

template <class Int>
class Residual {
 public:
  using Sum = std::conditional_t<sizeof(Int) == 4, std::int64_t, Wide>;
  enum class End { feasible, infeasible, stopped };

  // Costs are multiplied by `scale`; arcs of negative cost start full.
  Residual(const Network<Int>& net, Int scale);

  End feasible(Stop& stop);
  // What of `wanted` units has room.
  [[nodiscard]] static Int fitting(Sum wanted, Int room) noexcept {
    return wanted < room ? static_cast<Int>(wanted) : room;
  }
  // Takes a pair of halves out of the reach of every loop over [start, end).
  void fix(Node v, Arc half);
  void push(Arc half, Node from, Int amount) noexcept {
    Half<Int>& h = halves[at(half)];
    Half<Int>& mate = halves[at(h.mate)];
    h.room -= amount, h.back += amount;
    mate.room += amount, mate.back -= amount;
    excess[at(from)] -= amount;
    excess[at(h.to)] += amount;
  }

  [[nodiscard]] Values<Int> flow() const;
  [[nodiscard]] std::vector<Node> cut() const;
  [[nodiscard]] Sum unserved() const;
  [[nodiscard]] bool holds() const;

  Node n;
  std::vector<Arc> start, end;
  std::vector<Half<Int>> halves;
  std::vector<Sum> excess;

 private:
  [[nodiscard]] bool open(const Half<Int>& h) const noexcept { return h.room != 0 && usable(h); }
  [[nodiscard]] bool usable(const Half<Int>& h) const noexcept { return h.cost == 0 || !free_only_; }
  bool levels();  // false if no node with units has a way
  void discharge(Stop& stop);
  void relabel(Node v);
  void swap(Arc a, Arc b);

  const Network<Int>* net_;
  std::vector<Arc> first_, current_;  // the half at the tail of each arc; where the search of a node stands
  std::vector<Arc> arc_;              // the arc of each half
  std::vector<Node> level_;
  bool free_only_ = false;
};

}  // namespace gridcompute::flow
