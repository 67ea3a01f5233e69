// Cost scaling push-relabel.
//
// Definitions.  Costs are multiplied by n + 1. Epsilon-optimality: below. A feasible flow that is 1-optimal
// for the multiplied costs is optimal: a residual cycle of negative cost would cost at most -(n + 1), and a simple
// cycle of n arcs of reduced cost >= -1 costs at least -n.
//
// Steps.  A feasible flow first, or the cut; shortest paths then find whether it is optimal
// already, as maximum flows are. Then epsilon falls from max|cost| by the scaling factor alpha = 2^scaling_bits per
// phase down to 1; each phase
//   fixes arcs whose reduced cost exceeds 4 n epsilon: no later flow differs on them, and prices move by less;
//   refines (below).
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
// 2 (alpha + 1) n (n + 1) max|cost| in all. largest_cost() keeps twice that below 2^61 for the largest alpha that the
// tuning allows.
//
// Source.  Goldberg, J. Algorithms 22 (1997) 1; Buennagel, Korte and Vygen, Optim. Methods Softw. 10 (1998) 157.
// Deviations.  Exact potentials by the free residue instead of a last shortest path search.
#pragma once

#include <deque>
#include <span>
#include <type_traits>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

// The residual graph as paired half-arcs, each with its reverse.
//
// Definitions.  Each arc of the network is two half-arcs: one at its tail, whose residual capacity is what is left of
// the capacity, and its reverse at its head, whose residual capacity is the flow. Each half-arc also stores the
// residual capacity of its reverse (`reverse_residual`): searches against the arcs then need not read the reverse.
// Half-arcs of v: [start[v], end[v]); from end[v] to start[v + 1] lie those that were fixed. excess[v]: supply plus
// inflow minus outflow. It is a sum of many residual capacities, each up to 2^60, and so has twice the width.
//
// Invariants (holds()).  Residual capacities of a pair are >= 0 and sum to the capacity; excess follows from the flow.

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

// Makes a pseudoflow an epsilon-optimal flow (refine). One phase of cost scaling, and all of a cost scaling start.
//
// Definitions.  A pseudoflow satisfies the capacities; the excess of a node is what it receives beyond what it sends.
// It is epsilon-optimal for prices p if every residual arc has reduced cost cost + p[v] - p[w] >= -epsilon. A residual
// arc of negative reduced cost is admissible.
//
// Steps.  Saturate the admissible arcs, then discharge active nodes (of positive excess), first in first out: push
// along admissible arcs, only to nodes that have a deficit or an admissible arc themselves (push look-ahead); a node
// without an admissible arc is relabelled: its price falls by epsilon or more. Global price updates by a bucket search
// from the deficits. The excesses may be those of a flow so far, or the supplies themselves.
//
// Invariants.  Admissible arcs close no cycle. Reduced costs of residual arcs stay >= -epsilon.
//
// Range proof.  A price below Limits::lowest_price ends the phase. Reduced costs are then within max|cost| -
// lowest_price, which callers keep within the width.
//
// Source.  Goldberg, J. Algorithms 22 (1997) 1 (refine, look-ahead, price updates); Buennagel, Korte and Vygen, Optim.
// Methods Softw. 10 (1998) 157.

struct CostScalingCounts {
  Index phases = 0, pushes = 0, relabels = 0, global_updates = 0, fixed_arcs = 0;
  Index levels = 0;  // buckets that global updates went through
};

// Nodes by level, for searches with small integer distances (Dial). A node that was taken keeps its level.
class BucketQueue {
 public:
  static constexpr Node kNone = -1;                    // no node
  static constexpr std::int32_t kUnreached = 1 << 24;  // the level of a node not reached, above all others

  explicit BucketQueue(Node n) : first_(1, kNone), next_(at(n)), previous_(at(n)), level_(at(n), kUnreached) {}
  void clear();
  void move(Node v, std::int32_t level);
  [[nodiscard]] Node take(std::int32_t level);
  [[nodiscard]] std::int32_t level(Node v) const noexcept { return level_[at(v)]; }
  [[nodiscard]] std::int32_t highest() const noexcept { return highest_; }

 private:
  void unlink(Node v);

  std::vector<Node> first_, next_, previous_;
  std::vector<std::int32_t> level_;
  std::int32_t highest_ = -1;
};

template <class Int>
class Refine {
 public:
  struct Limits {
    std::int64_t max_level;     // a node with excess has a deficit within this many levels
    std::int64_t lowest_price;  // of a node
    bool may_be_infeasible;     // some units may have no path at all
  };
  Refine(ResidualGraph<Int>& graph, std::vector<Int>& price, CostScalingCounts& counts, const Limits& limits,
         const FlowTuning& tuning);

  // failed: a price fell below the lowest, or units have no path. budget_spent: scans() passed the budget.
  enum class End { done, stopped, failed, budget_spent };

  // Refines with epsilon = 2^bits; a power of two, so that searches divide by it with a shift.
  End run(int bits, Stop& stop, Index budget = std::numeric_limits<Index>::max());
  [[nodiscard]] Int reduced_cost(Node v, const HalfArc<Int>& h) const noexcept {
    return h.cost + price_[at(v)] - price_[at(h.to)];
  }

  [[nodiscard]] Index scans() const noexcept { return scans_; }  // of half-arcs, in relabels and searches

 private:
  void saturate();
  void discharge(Node v);
  [[nodiscard]] bool can_pass_on(Node w);
  bool relabel(Node v);
  void update_prices();

  ResidualGraph<Int>& graph_;
  std::vector<Int>& price_;
  CostScalingCounts& counts_;
  const FlowTuning& tuning_;
  std::int32_t max_level_;
  std::int64_t lowest_price_;
  bool may_be_infeasible_;
  int bits_ = 0;  // of epsilon
  std::vector<Arc> current_arc_;
  std::deque<Node> active_;
  BucketQueue buckets_;
  Index relabels_since_update_ = 0, max_relabels_, scans_ = 0;
  bool failed_ = false;
};

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

  const FlowTuning& tuning_;
  ResidualGraph<Price> graph_;
  int bits_ = 0;  // of epsilon
  std::vector<Price> price_;
  CostScalingCounts counts_;
  Refine<Price> refine_;
};

// Relabels between global price updates (times nodes).
inline constexpr Index kRelabelsPerUpdate = 1;

// A feasible flow on the residual graph, or the cut that excludes one, by push-relabel.
//
// Definitions.  A node with excess is active while it has a path to a node with a deficit. Distance labels are lower
// bounds on the number of arcs of that path.
//
// Steps.  First over half-arcs of cost 0, so that no unit takes a dear path (or flows back on one) while there is a
// free one, then over all. Exact distance labels by breadth-first search backwards from the deficits; active nodes,
// first in first out, push along half-arcs to a node one label lower, or are relabelled to one more than the lowest
// such node, at last out of reach. Labels are computed again after every kRelabelsPerUpdate * n relabels. When
// no excess reaches a deficit, the nodes that the excesses reach are the cut (ResidualGraph::cut()).
//
// Complexity.  O(n^2 m), in practice a few passes.
// Source.  Goldberg and Tarjan, J. ACM 35 (1988) 921; Cherkassky and Goldberg, Algorithmica 19 (1997) 390 (global
// relabelling).

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
