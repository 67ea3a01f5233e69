#include "gridcompute/flow/start/crash_basis.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>

namespace gridcompute::flow {

namespace {

struct Label {
  std::int64_t distance;
  Node node;
  std::int32_t next;
};

// Labels by distance in coarse steps, first come, first served within one: no sorting. A node whose label falls while
// its step is on comes again, so distances are exact all the same. What lies beyond the last step waits in a list of
// its own until the steps are empty, and then they begin at the least of it.
class Steps {
 public:
  // `bits`: how many a usual cost has.
  explicit Steps(int bits) : shift_(std::max(0, bits - kBits + 3)) { first_.fill(kNone); }
  void push(std::int64_t distance, Node v) {
    const auto label = static_cast<std::int32_t>(labels_.size());
    labels_.push_back({distance, v, kNone});
    place(label);
  }
  // Is there room for so many more?
  [[nodiscard]] bool takes(std::size_t more) const noexcept { return labels_.size() + more <= at(kMostLabels); }
  // False if none is left. Labels above distance[v] are old.
  bool pop(std::span<const std::int64_t> distance, Label& out) {
    for (;;) {
      while (waiting_ > 0) {
        while (first_[at(now_) % kSteps] == kNone) ++now_;
        out = labels_[at(first_[at(now_) % kSteps])];
        first_[at(now_) % kSteps] = out.next;
        --waiting_;
        if (out.distance == distance[at(out.node)]) return true;
      }
      std::erase_if(far_, [&](std::int32_t k) { return labels_[at(k)].distance != distance[at(labels_[at(k)].node)]; });
      if (far_.empty()) return false;
      const auto nearer = [&](std::int32_t a, std::int32_t b) {
        return labels_[at(a)].distance < labels_[at(b)].distance;
      };
      now_ = labels_[at(*std::min_element(far_.begin(), far_.end(), nearer))].distance >> shift_;
      for (const std::int32_t k : std::exchange(far_, {})) place(k);
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::int32_t kMostLabels = std::numeric_limits<std::int32_t>::max();
  static constexpr int kBits = 10;
  static constexpr std::size_t kSteps = std::size_t{1} << kBits;

  void place(std::int32_t label) {
    const std::int64_t step = labels_[at(label)].distance >> shift_;
    if (step >= now_ + static_cast<std::int64_t>(kSteps)) {
      far_.push_back(label);
      return;
    }
    std::int32_t& first = first_[at(step) % kSteps];
    (first == kNone ? first : labels_[at(last_[at(step) % kSteps])].next) = label;
    last_[at(step) % kSteps] = label;
    ++waiting_;
  }

  int shift_;
  std::int64_t now_ = 0;
  Index waiting_ = 0;
  std::array<std::int32_t, kSteps> first_, last_;
  Values<Label> labels_;
  std::vector<std::int32_t> far_;
};

// The bits of a usual cost: the mean over some of the arcs, which a few dear ones do not sway.
template <class Int>
int usual_bits(const Network<Int>& net) {
  constexpr Arc kSample = 4096;
  Index sum = 0, count = 0;
  for (Arc e = 0; e < net.m(); e += std::max<Arc>(1, net.m() / kSample), ++count)
    sum += std::bit_width(static_cast<std::make_unsigned_t<Int>>(net.cost[at(e)]));
  return static_cast<int>(sum / std::max<Index>(1, count));
}

constexpr std::size_t kMostTimes = 8;  // a node may come on average, or the search is given up

// The nodes with a way to a sink, each after the next on its way; pred filled. None where it would take too long.
template <class Int>
std::vector<Node> search(const Network<Int>& net, const ByHead& in, std::vector<Arc>& pred) {
  std::vector<Node> sinks, taken;
  for (Node v = 0; v < net.n; ++v)
    if (net.supply[at(v)] < 0) sinks.push_back(v);
  std::stable_sort(sinks.begin(), sinks.end(), [&](Node a, Node b) { return net.supply[at(a)] < net.supply[at(b)]; });
  std::vector<std::int64_t> distance(at(net.n), std::numeric_limits<std::int64_t>::max());
  std::vector<std::size_t> last(at(net.n), 0);
  Steps steps(usual_bits(net));
  for (const Node v : sinks) distance[at(v)] = 0, steps.push(0, v);
  for (Label top{}; steps.pop(distance, top);) {
    const auto arcs = in.of(top.node);
    if (taken.size() > kMostTimes * at(net.n) || !steps.takes(arcs.size())) return {};
    last[at(top.node)] = taken.size();
    taken.push_back(top.node);
    for (const Arc arc : arcs) {
      if (net.cap[at(arc)] == 0) continue;
      const Node tail = net.tail[at(arc)];
      const std::int64_t d = top.distance + net.cost[at(arc)];
      if (d >= distance[at(tail)]) continue;
      distance[at(tail)] = d;
      pred[at(tail)] = arc;
      steps.push(d, tail);
    }
  }
  // Those that came again count from their last time: by then the next on their way had come for its last.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (last[at(taken[i])] == i) taken[kept++] = taken[i];
  taken.resize(kept);
  return taken;
}

// Arcs of the same ends as `e`, the cheapest first.
template <class Int>
std::vector<Arc> beside(const Network<Int>& net, Arc e) {
  const Node from = net.tail[at(e)], to = net.head[at(e)];
  std::vector<Arc> out;
  for (Arc a = net.start[at(from)]; a < net.start[at(from) + 1]; ++a)
    if (net.head[at(a)] == to && net.cap[at(a)] > 0) out.push_back(a);
  std::stable_sort(out.begin(), out.end(), [&](Arc a, Arc b) { return net.cost[at(a)] < net.cost[at(b)]; });
  return out;
}

// The arc for what is left of `units` when those before it are full (and marked so); none where they do not fit.
template <class Int>
Arc fill_beside(const Network<Int>& net, Arc e, std::int64_t units, std::vector<std::uint8_t>& full) {
  const std::vector<Arc> arcs = beside(net, e);
  std::size_t k = 0;
  while (k < arcs.size() && units >= net.cap[at(arcs[k])]) units -= net.cap[at(arcs[k++])];
  if (k == arcs.size()) return kNoArc;
  full.resize(at(net.m()), 0);
  for (std::size_t i = 0; i < k; ++i) full[at(arcs[i])] = 1;
  return arcs[k];
}

// The steps along `pred` from each node, summed up; the next of a node comes before it.
template <class Int>
Index steps_of(const Network<Int>& net, std::span<const Node> order, std::span<const Arc> pred) {
  std::vector<Node> steps(at(net.n), 0);
  Index sum = 0;
  for (const Node v : order)
    if (const Arc e = pred[at(v)]; e != kNoArc) sum += steps[at(v)] = steps[at(net.head[at(e)])] + 1;
  return sum;
}

}  // namespace

template <class Int>
Forest shortest_path_forest(const Network<Int>& net) {
  Forest out;
  out.basis.pred.assign(at(net.n), kNoArc);
  std::vector<Arc>& pred = out.basis.pred;
  const ByHead& in = net.shape->by_head();
  const std::vector<Node> settled = search(net, in, pred);
  std::vector<std::int64_t> excess(net.supply.begin(), net.supply.end());
  if (settled.empty()) pred.assign(at(net.n), kNoArc), out.too_full = net.n;
  for (auto v = settled.rbegin(); v != settled.rend(); ++v) {
    Arc& e = pred[at(*v)];
    if (e == kNoArc) continue;
    const Node next = net.head[at(e)];
    if (excess[at(*v)] >= net.cap[at(e)]) e = fill_beside(net, e, excess[at(*v)], out.basis.full);
    if (e == kNoArc) {
      ++out.too_full;
    } else {
      excess[at(next)] += excess[at(*v)];
      excess[at(*v)] = 0;
    }
  }
  out.steps = steps_of<Int>(net, settled, pred);
  for (const Node v : settled) {  // who is short, beside a root with units left over
    if (excess[at(v)] >= 0) continue;
    Arc best = kNoArc;
    for (const Arc e : in.of(v)) {
      const Node u = net.tail[at(e)];
      if (!out.basis.full.empty() && out.basis.full[at(e)] != 0) continue;
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

template <class Int>
Forest star_on(const Network<Int>& net, Node hub) {
  Forest out;
  std::vector<Arc>& pred = out.basis.pred;
  pred.assign(at(net.n), kNoArc);
  const auto offer = [&](Node v, Arc e, Int units, bool serves) {
    const bool fits = serves && (units < 0 ? net.cap[at(e)] >= -units : net.cap[at(e)] > units);
    if (fits && (pred[at(v)] == kNoArc || net.cost[at(e)] < net.cost[at(pred[at(v)])])) pred[at(v)] = e;
  };
  for (Arc e = net.start[at(hub)]; e < net.start[at(hub) + 1]; ++e) {
    const Node v = net.head[at(e)];
    offer(v, e, net.supply[at(v)], net.supply[at(v)] < 0);
  }
  for (const Arc e : net.shape->by_head().of(hub)) {
    const Node v = net.tail[at(e)];
    offer(v, e, net.supply[at(v)], net.supply[at(v)] >= 0);
  }
  out.too_full = static_cast<Node>(std::count(pred.begin(), pred.end(), kNoArc)) - 1;
  return out;
}

template Forest star_on(const Network<std::int32_t>&, Node);
template Forest star_on(const Network<std::int64_t>&, Node);
template Forest shortest_path_forest(const Network<std::int32_t>&);
template Forest shortest_path_forest(const Network<std::int64_t>&);

}  // namespace gridcompute::flow
