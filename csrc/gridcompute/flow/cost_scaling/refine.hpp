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
#pragma once

#include <deque>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/cost_scaling/residual_graph.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

struct CostScalingCounts {
  Index phases = 0, pushes = 0, relabels = 0, global_updates = 0, price_refinements = 0, fixed_arcs = 0;
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

}  // namespace gridcompute::flow
