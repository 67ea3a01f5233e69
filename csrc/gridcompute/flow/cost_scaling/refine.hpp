// Units moved until a flow is eps-optimal: a phase of cost scaling, and the whole of a scaled start.
//
// Definitions.  A flow is eps-optimal for prices p if every residual arc has reduced cost cost + p[v] - p[w] >= -eps.
// Arcs of negative reduced cost are admissible.
//
// Steps.  Saturate the admissible arcs, then discharge nodes with excess, first in first out: units go along admissible
// arcs, only to nodes that can take or pass them on (push look-ahead); a node without any falls in price by eps or
// more. Global price updates by a bucket search from the deficits. The units may be those of a flow so far, or the
// supplies themselves.
//
// Invariants.  No admissible arcs close a cycle. Reduced costs stay >= -eps.
//
// Range proof.  `lowest` is watched: a price below it ends the phase. Reduced costs are then within
// max|cost| - lowest, which callers keep within the width.
//
// Source.  Goldberg, J. Algorithms 22 (1997) 1; Buennagel, Korte and Vygen, Optim. Methods Softw. 10 (1998) 157.
#pragma once

#include <deque>

#include "gridcompute/flow/cost_scaling/residual.hpp"

namespace gridcompute::flow {

struct ScalingCounts {
  Index phases = 0, pushes = 0, relabels = 0, global_updates = 0, refinements = 0, fixed_arcs = 0;
  Index levels = 0;  // of the searches of global updates
};

// Nodes by level, for searches with small integer distances (Dial). A node that was taken keeps its level.
class Buckets {
 public:
  static constexpr Node kNone = -1;
  static constexpr std::int32_t kMost = 1 << 24;  // the level of a node not reached

  explicit Buckets(Node n) : first_(1, kNone), next_(at(n)), previous_(at(n)), level_(at(n), kMost) {}
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
    std::int64_t farthest;  // a node with excess has a deficit within so many levels
    std::int64_t lowest;    // price of a node
    bool unsure;            // some units may have no way at all
  };
  Refine(Residual<Int>& graph, std::vector<Int>& price, ScalingCounts& counts, const Limits& limits);

  enum class End { done, stopped, lost, spent };

  // Lost: a price fell below the lowest, or units have no way. Spent: more looks at halves than `budget`.
  // eps is 2^bits, so that searches divide by it cheaply.
  End run(int bits, Stop& stop, Index budget = std::numeric_limits<Index>::max());
  [[nodiscard]] Int reduced(Node v, const Half<Int>& h) const noexcept {
    return h.cost + price_[at(v)] - price_[at(h.to)];
  }

  [[nodiscard]] Index looks() const noexcept { return looks_; }  // at halves, in relabels and searches

 private:
  void saturate();
  void discharge(Node v);
  [[nodiscard]] bool passes_on(Node w);
  bool relabel(Node v);
  void update_globally();

  Residual<Int>& graph_;
  std::vector<Int>& price_;
  ScalingCounts& counts_;
  std::int32_t farthest_;
  std::int64_t lowest_;
  bool unsure_;
  int bits_ = 0;
  std::vector<Arc> current_;
  std::deque<Node> active_;
  Buckets buckets_;
  Index relabels_since_update_ = 0, looks_ = 0;
  bool lost_ = false;
};

}  // namespace gridcompute::flow
