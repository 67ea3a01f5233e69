#include "gridcompute/flow/start/scaled_start.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/flow/cost_scaling/refine.hpp"

namespace gridcompute::flow {

namespace {

// The forest of arcs strictly between their bounds, kept as parents alone: paths are short beside the phase before.
template <class Int>
class Forester {
 public:
  Forester(const Network<Int>& net, Values<Int>& flow)
      : net_(net), flow_(flow), parent_(at(net.n), kNone), pred_(at(net.n), kNoArc), mark_(at(net.n), 0) {}

  Basis grow() {
    for (Arc e = 0; e < net_.m(); ++e)
      if (between(e)) add(e);
    Basis out{std::move(pred_), std::vector<std::uint8_t>(at(net_.m()))};
    for (Arc e = 0; e < net_.m(); ++e) out.full[at(e)] = flow_[at(e)] > 0 && flow_[at(e)] == net_.cap[at(e)];
    return out;
  }

 private:
  static constexpr Node kNone = -1;

  [[nodiscard]] bool between(Arc e) const { return flow_[at(e)] > 0 && flow_[at(e)] < net_.cap[at(e)]; }
  // Do units that climb from v go along its arc?
  [[nodiscard]] bool along(Node v, bool up) const { return (net_.tail[at(pred_[at(v)])] == v) == up; }

  void add(Arc e) {
    const Node apex = apex_of(e);
    if (apex != kNone) close(e, apex);
    if (between(e)) hang(net_.tail[at(e)], net_.head[at(e)], e);
  }

  // Where the ways up from both ends meet, or none.
  Node apex_of(Arc e) {
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

  // visit(v, up) for each node below the apex: units along `e` climb from its head, and come down to its tail.
  template <class Visit>
  void around(Arc e, Node apex, Visit&& visit) const {
    for (Node v = net_.head[at(e)]; v != apex;) visit(std::exchange(v, parent_[at(v)]), true);
    for (Node v = net_.tail[at(e)]; v != apex;) visit(std::exchange(v, parent_[at(v)]), false);
  }

  void close(Arc e, Node apex) {
    std::int64_t cost = net_.cost[at(e)];
    Int more = net_.cap[at(e)] - flow_[at(e)], less = flow_[at(e)];
    around(e, apex, [&](Node v, bool up) {
      const Arc k = pred_[at(v)];
      const bool forward = along(v, up);
      const Int room = net_.cap[at(k)] - flow_[at(k)];
      cost += forward ? net_.cost[at(k)] : -static_cast<std::int64_t>(net_.cost[at(k)]);
      more = std::min(more, forward ? room : flow_[at(k)]);
      less = std::min(less, forward ? flow_[at(k)] : room);
    });
    const Int units = cost <= 0 ? more : -less;
    flow_[at(e)] += units;
    std::vector<Node> loose;
    around(e, apex, [&](Node v, bool up) {
      const Arc k = pred_[at(v)];
      flow_[at(k)] += along(v, up) ? units : -units;
      if (!between(k)) loose.push_back(v);
    });
    for (const Node v : loose) parent_[at(v)] = kNone, pred_[at(v)] = kNoArc;
  }

  // The tree of `v` turns, so that v is its root, and hangs on `above`.
  void hang(Node v, Node above, Arc e) {
    while (v != kNone) {
      const Node next = std::exchange(parent_[at(v)], above);
      e = std::exchange(pred_[at(v)], e);
      above = std::exchange(v, next);
    }
  }

  const Network<Int>& net_;
  Values<Int>& flow_;
  std::vector<Node> parent_;
  std::vector<Arc> pred_;
  std::vector<std::uint32_t> mark_;
  std::uint32_t marks_ = 0;
};

// The mean cost times 8 / sqrt(n), rounded down to a power of two: where pivots move many nodes, fewer should be left.
template <class Int>
int bits_of_eps(const Network<Int>& net) {
  double sum = 0, count = 1;
  for (Arc e = 0; e < net.m(); ++e)
    if (net.cap[at(e)] > 0) sum += std::abs(static_cast<double>(net.cost[at(e)])), ++count;
  const double eps = 8 * sum / count / std::sqrt(net.n + 1.0);
  return eps < 1 ? 0 : std::ilogb(eps);
}

}  // namespace

template <class Int>
std::optional<ScaledStart<Int>> scaled_start(const Network<Int>& net, Stop& stop, Index budget) {
  const int bits = bits_of_eps(net);
  Residual<Int> graph(net, 1);
  std::vector<Int> price(at(net.n), 0);
  ScalingCounts counts;
  Refine<Int> refine(graph, price, counts, {Buckets::kMost, -Range<Int>::kMaxPotential / 2, true});
  if (refine.run(bits, stop, budget) != Refine<Int>::End::done) return {};
  Values<Int> flow = graph.flow();
  return ScaledStart<Int>{Forester<Int>(net, flow).grow(), std::move(price), 2 * refine.looks()};
}

template std::optional<ScaledStart<std::int32_t>> scaled_start(const Network<std::int32_t>&, Stop&, Index);
template std::optional<ScaledStart<std::int64_t>> scaled_start(const Network<std::int64_t>&, Stop&, Index);

}  // namespace gridcompute::flow
