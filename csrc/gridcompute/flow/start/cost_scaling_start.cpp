#include "gridcompute/flow/start/cost_scaling_start.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/flow/cost_scaling/refine.hpp"

namespace gridcompute::flow {

namespace {

// Makes a flow cycle free: the arcs strictly between their bounds become a forest. Only parents are kept, since paths
// are short beside the phase before.
template <class Int>
class CycleFreeSolution {
 public:
  CycleFreeSolution(const Network<Int>& net, RawVector<Int>& flow)
      : net_(net), flow_(flow), parent_(at(net.n), kNone), tree_arc_(at(net.n), kNoArc), mark_(at(net.n), 0) {}

  Basis build() {
    for (Arc e = 0; e < net_.m(); ++e)
      if (free(e)) add(e);
    Basis out{std::move(tree_arc_), std::vector<std::uint8_t>(at(net_.m()))};
    for (Arc e = 0; e < net_.m(); ++e) out.at_upper[at(e)] = flow_[at(e)] > 0 && flow_[at(e)] == net_.capacity[at(e)];
    return out;
  }

 private:
  static constexpr Node kNone = -1;  // no node

  // Returns whether the flow is strictly between its bounds.
  [[nodiscard]] bool free(Arc e) const { return flow_[at(e)] > 0 && flow_[at(e)] < net_.capacity[at(e)]; }
  // Returns whether units that move up from v (or down to it) follow the direction of its tree arc.
  [[nodiscard]] bool along(Node v, bool up) const { return (net_.tail[at(tree_arc_[at(v)])] == v) == up; }

  void add(Arc e) {
    const Node apex = find_apex(e);
    if (apex != kNone) cancel_cycle(e, apex);
    if (free(e)) attach(net_.tail[at(e)], net_.head[at(e)], e);
  }

  // Returns the lowest common ancestor of the ends, or none.
  Node find_apex(Arc e) {
    const std::uint32_t from_tail = ++marks_, from_head = ++marks_;
    for (Node a = net_.tail[at(e)], b = net_.head[at(e)]; a != kNone || b != kNone;) {
      if (a != kNone) {
        if (mark_[at(a)] == from_head) return a;
        mark_[at(a)] = from_tail;
        a = parent_[at(a)];
      }
      if (b != kNone) {
        if (mark_[at(b)] == from_tail) return b;
        mark_[at(b)] = from_head;
        b = parent_[at(b)];
      }
    }
    return kNone;
  }

  // Calls visit(v, up) for each node of the cycle below the apex: units along `e` go up from its head, and down to its
  // tail.
  template <class Visit>
  void for_cycle(Arc e, Node apex, Visit&& visit) const {
    for (Node v = net_.head[at(e)]; v != apex;) visit(std::exchange(v, parent_[at(v)]), true);
    for (Node v = net_.tail[at(e)]; v != apex;) visit(std::exchange(v, parent_[at(v)]), false);
  }

  // Pushes flow round the cycle of `e` until an arc is at a bound; such arcs leave the forest.
  void cancel_cycle(Arc e, Node apex) {
    std::int64_t cost = net_.cost[at(e)];
    Int more = net_.capacity[at(e)] - flow_[at(e)], less = flow_[at(e)];
    for_cycle(e, apex, [&](Node v, bool up) {
      const Arc k = tree_arc_[at(v)];
      const bool forward = along(v, up);
      const Int residual = net_.capacity[at(k)] - flow_[at(k)];
      cost += forward ? net_.cost[at(k)] : -static_cast<std::int64_t>(net_.cost[at(k)]);
      more = std::min(more, forward ? residual : flow_[at(k)]);
      less = std::min(less, forward ? flow_[at(k)] : residual);
    });
    const Int units = cost <= 0 ? more : -less;
    flow_[at(e)] += units;
    std::vector<Node> roots;
    for_cycle(e, apex, [&](Node v, bool up) {
      const Arc k = tree_arc_[at(v)];
      flow_[at(k)] += along(v, up) ? units : -units;
      if (!free(k)) roots.push_back(v);
    });
    for (const Node v : roots) parent_[at(v)] = kNone, tree_arc_[at(v)] = kNoArc;
  }

  // Makes `v` the root of its tree, and attaches it to `above` by `e`.
  void attach(Node v, Node above, Arc e) {
    while (v != kNone) {
      const Node next = std::exchange(parent_[at(v)], above);
      e = std::exchange(tree_arc_[at(v)], e);
      above = std::exchange(v, next);
    }
  }

  const Network<Int>& net_;
  RawVector<Int>& flow_;
  std::vector<Node> parent_;
  std::vector<Arc> tree_arc_;
  std::vector<std::uint32_t> mark_;
  std::uint32_t marks_ = 0;
};

// Returns log2 of epsilon: scaled_start_epsilon times the mean cost over sqrt(n), rounded down to a power of two. In
// large graphs pivots move many nodes, and fewer should be left.
template <class Int>
int epsilon_bits(const Network<Int>& net, const FlowTuning& tuning) {
  double sum = 0, count = 1;
  for (Arc e = 0; e < net.m(); ++e)
    if (net.capacity[at(e)] > 0) sum += std::abs(static_cast<double>(net.cost[at(e)])), ++count;
  const double epsilon = tuning.scaled_start_epsilon * sum / count / std::sqrt(net.n + 1.0);
  const double most = static_cast<double>(FlowRange<Int>::kMaxBig);
  return epsilon < 1 ? 0 : std::ilogb(std::min(epsilon, most));
}

}  // namespace

template <class Int>
std::optional<CostScalingStart<Int>> cost_scaling_start(const Network<Int>& net, Stop& stop, Index budget,
                                                        const FlowTuning& tuning) {
  const int bits = epsilon_bits(net, tuning);
  ResidualGraph<Int> graph(net, 1);
  std::vector<Int> price(at(net.n), 0);
  CostScalingCounts counts;
  Refine<Int> refine(graph, price, counts, {BucketQueue::kUnreached, -FlowRange<Int>::kMaxPotential / 2, true}, tuning);
  if (refine.run(bits, stop, budget) != Refine<Int>::End::done) return {};
  RawVector<Int> flow = graph.flow();
  return CostScalingStart<Int>{CycleFreeSolution<Int>(net, flow).build(), std::move(price),
                               tuning.work_per_scan * refine.scans()};
}

template std::optional<CostScalingStart<std::int32_t>> cost_scaling_start(const Network<std::int32_t>&, Stop&, Index,
                                                                          const FlowTuning&);
template std::optional<CostScalingStart<std::int64_t>> cost_scaling_start(const Network<std::int64_t>&, Stop&, Index,
                                                                          const FlowTuning&);

}  // namespace gridcompute::flow
