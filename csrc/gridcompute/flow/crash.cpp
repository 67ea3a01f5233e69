#include "gridcompute/flow/crash.hpp"

#include <algorithm>
#include <functional>
#include <tuple>

namespace gridcompute::flow {

namespace {

// Arcs by head, in order of arcs.
struct Incoming {
  std::vector<Arc> start, arc;
  template <class Int>
  explicit Incoming(const Network<Int>& net) : start(at(net.n) + 1, 0), arc(at(net.m())) {
    for (const Node h : net.head) ++start[at(h) + 1];
    for (Node v = 0; v < net.n; ++v) start[at(v) + 1] += start[at(v)];
    std::vector<Arc> next(start.begin(), start.end() - 1);
    for (Arc e = 0; e < net.m(); ++e) arc[at(next[at(net.head[at(e)])]++)] = e;
  }
};

struct Label {
  std::int64_t distance;
  std::uint32_t order;  // of arrival: ties go first come, first served
  Node node;
  bool operator>(const Label& o) const noexcept {
    return distance != o.distance ? distance > o.distance : order > o.order;
  }
};

// The nodes in the order in which they were settled; pred filled.
template <class Int>
std::vector<Node> search(const Network<Int>& net, const Incoming& in, std::vector<Arc>& pred) {
  std::vector<Node> sinks, settled;
  for (Node v = 0; v < net.n; ++v)
    if (net.supply[at(v)] < 0) sinks.push_back(v);
  std::stable_sort(sinks.begin(), sinks.end(), [&](Node a, Node b) { return net.supply[at(a)] < net.supply[at(b)]; });
  std::vector<std::int64_t> distance(at(net.n), std::numeric_limits<std::int64_t>::max());
  std::vector<Label> heap;
  std::uint32_t arrived = 0;
  for (const Node v : sinks) distance[at(v)] = 0, heap.push_back({0, arrived++, v});
  std::vector<bool> done(at(net.n), false);
  while (!heap.empty()) {
    const Label top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>{});
    heap.pop_back();
    if (done[at(top.node)]) continue;
    done[at(top.node)] = true;
    settled.push_back(top.node);
    for (Arc k = in.start[at(top.node)]; k < in.start[at(top.node) + 1]; ++k) {
      const Arc e = in.arc[at(k)];
      const Node w = net.tail[at(e)];
      const std::int64_t d = top.distance + net.cost[at(e)];
      if (d >= distance[at(w)]) continue;
      distance[at(w)] = d;
      pred[at(w)] = e;
      heap.push_back({d, arrived++, w});
      std::push_heap(heap.begin(), heap.end(), std::greater<>{});
    }
  }
  return settled;
}

}  // namespace

template <class Int>
Forest shortest_path_forest(const Network<Int>& net) {
  Forest out;
  out.basis.pred.assign(at(net.n), kNoArc);
  std::vector<Arc>& pred = out.basis.pred;
  const Incoming in(net);
  const std::vector<Node> settled = search(net, in, pred);
  std::vector<std::int64_t> excess(net.supply.begin(), net.supply.end());
  for (auto v = settled.rbegin(); v != settled.rend(); ++v) {
    const Arc e = pred[at(*v)];
    if (e == kNoArc) continue;
    if (excess[at(*v)] < net.cap[at(e)]) {
      excess[at(net.head[at(e)])] += excess[at(*v)];
      excess[at(*v)] = 0;
    } else {
      ++out.too_full;
      pred[at(*v)] = kNoArc;
    }
  }
  for (const Node v : settled) {  // who is short, beside a root with units left over
    if (excess[at(v)] >= 0) continue;
    Arc best = kNoArc;
    for (Arc k = in.start[at(v)]; k < in.start[at(v) + 1]; ++k) {
      const Arc e = in.arc[at(k)];
      const Node u = net.tail[at(e)];
      if (pred[at(u)] != kNoArc || excess[at(u)] < -excess[at(v)] || net.cap[at(e)] < -excess[at(v)]) continue;
      if (best == kNoArc || net.cost[at(e)] < net.cost[at(best)]) best = e;
    }
    if (best == kNoArc) continue;
    pred[at(v)] = best;
    excess[at(net.tail[at(best)])] += excess[at(v)];
    excess[at(v)] = 0;
  }
  return out;
}

template Forest shortest_path_forest(const Network<std::int32_t>&);
template Forest shortest_path_forest(const Network<std::int64_t>&);

}  // namespace gridcompute::flow
