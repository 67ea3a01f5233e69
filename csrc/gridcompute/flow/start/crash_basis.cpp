#include "gridcompute/flow/start/crash_basis.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>

namespace gridcompute::flow {

namespace {

struct ForestLabel {
  std::int64_t distance;
  Node node;
  std::int32_t next;
};

// Labels in buckets of distances, first in first out within a bucket, unsorted. A node whose label falls while its
// bucket is being emptied is taken again, so distances are exact all the same. Labels beyond the last bucket wait in an
// overflow list until the buckets are empty; the buckets then begin at the least of them.
class DistanceBuckets {
 public:
  // A bucket spans 2^shift units of distance.
  explicit DistanceBuckets(int shift) : shift_(shift) { first_.fill(kNone); }
  void push(std::int64_t distance, Node v) {
    const auto label = static_cast<std::int32_t>(labels_.size());
    labels_.push_back({distance, v, kNone});
    place(label);
  }
  // Returns whether there is space for this many more labels.
  [[nodiscard]] bool has_space(std::size_t more) const noexcept { return labels_.size() + more <= at(kMaxLabels); }
  // Takes the next label; false if there is none. Labels above distance[v] are out of date and skipped.
  bool pop(std::span<const std::int64_t> distance, ForestLabel& out) {
    for (;;) {
      while (waiting_ > 0) {
        while (first_[at(now_) % kBuckets] == kNone) ++now_;
        out = labels_[at(first_[at(now_) % kBuckets])];
        first_[at(now_) % kBuckets] = out.next;
        --waiting_;
        if (out.distance == distance[at(out.node)]) return true;
      }
      std::erase_if(overflow_,
                    [&](std::int32_t k) { return labels_[at(k)].distance != distance[at(labels_[at(k)].node)]; });
      if (overflow_.empty()) return false;
      const auto nearer = [&](std::int32_t a, std::int32_t b) {
        return labels_[at(a)].distance < labels_[at(b)].distance;
      };
      now_ = labels_[at(*std::min_element(overflow_.begin(), overflow_.end(), nearer))].distance >> shift_;
      for (const std::int32_t k : std::exchange(overflow_, {})) place(k);
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;  // no label
  static constexpr std::int32_t kMaxLabels = std::numeric_limits<std::int32_t>::max();
  static constexpr std::size_t kBuckets = std::size_t{1} << 10;  // 8 KB of heads and tails stay in the first cache

  void place(std::int32_t label) {
    const std::int64_t bucket = labels_[at(label)].distance >> shift_;
    if (bucket >= now_ + static_cast<std::int64_t>(kBuckets)) {
      overflow_.push_back(label);
      return;
    }
    std::int32_t& first = first_[at(bucket) % kBuckets];
    (first == kNone ? first : labels_[at(last_[at(bucket) % kBuckets])].next) = label;
    last_[at(bucket) % kBuckets] = label;
    ++waiting_;
  }

  int shift_;
  std::int64_t now_ = 0;
  Index waiting_ = 0;
  std::array<std::int32_t, kBuckets> first_, last_;
  RawVector<ForestLabel> labels_;
  std::vector<std::int32_t> overflow_;
};

// Returns the mean number of bits of a sample of costs, which a few large costs change little.
template <class Int>
int mean_cost_bits(const Network<Int>& net, const FlowTuning& tuning) {
  Index sum = 0, count = 0;
  for (Index e = 0; e < net.m(); e += std::max<Index>(1, net.m() / tuning.cost_sample), ++count)
    sum += std::bit_width(static_cast<std::make_unsigned_t<Int>>(net.cost[at(e)]));
  return static_cast<int>(sum / std::max<Index>(1, count));
}

// Fills tree_arc, and returns the nodes with a path to a sink, each after the next node of its path. Empty where the
// search was given up.
template <class Int>
std::vector<Node> search(const Network<Int>& net, const ReverseStar& in, std::vector<Arc>& tree_arc,
                         const FlowTuning& tuning) {
  std::vector<Node> sinks, taken;
  for (Node v = 0; v < net.n; ++v)
    if (net.supply[at(v)] < 0) sinks.push_back(v);
  std::stable_sort(sinks.begin(), sinks.end(), [&](Node a, Node b) { return net.supply[at(a)] < net.supply[at(b)]; });
  std::vector<std::int64_t> distance(at(net.n), std::numeric_limits<std::int64_t>::max());
  std::vector<std::size_t> last(at(net.n), 0);
  DistanceBuckets buckets(std::max(0, mean_cost_bits(net, tuning) - static_cast<int>(tuning.bucket_bits)));
  for (const Node v : sinks) distance[at(v)] = 0, buckets.push(0, v);
  for (ForestLabel top{}; buckets.pop(distance, top);) {
    const auto arcs = in.of(top.node);
    if (taken.size() > at(tuning.labels_per_node) * at(net.n) || !buckets.has_space(arcs.size())) return {};
    last[at(top.node)] = taken.size();
    taken.push_back(top.node);
    for (const Arc arc : arcs) {
      if (net.capacity[at(arc)] == 0) continue;
      const Node tail = net.tail[at(arc)];
      const std::int64_t d = top.distance + net.cost[at(arc)];
      if (d >= distance[at(tail)]) continue;
      distance[at(tail)] = d;
      tree_arc[at(tail)] = arc;
      buckets.push(d, tail);
    }
  }
  // A node taken more than once counts at its last time, which is after the last time of the next node of its path.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (last[at(taken[i])] == i) taken[kept++] = taken[i];
  taken.resize(kept);
  return taken;
}

// Returns the arcs of positive capacity with the ends of `e`, the cheapest first.
template <class Int>
std::vector<Arc> parallel_arcs(const Network<Int>& net, Arc e) {
  const Node from = net.tail[at(e)], to = net.head[at(e)];
  std::vector<Arc> out;
  for (Arc a = net.start[at(from)]; a < net.start[at(from) + 1]; ++a)
    if (net.head[at(a)] == to && net.capacity[at(a)] > 0) out.push_back(a);
  std::stable_sort(out.begin(), out.end(), [&](Arc a, Arc b) { return net.cost[at(a)] < net.cost[at(b)]; });
  return out;
}

// Fills the parallel arcs of `e`, the cheapest first, with `units`; returns the first that is not full, which becomes
// the tree arc, or kNoArc where they do not fit.
template <class Int>
Arc fill_parallel_arcs(const Network<Int>& net, Arc e, std::int64_t units, std::vector<std::uint8_t>& at_upper) {
  const std::vector<Arc> arcs = parallel_arcs(net, e);
  std::size_t k = 0;
  while (k < arcs.size() && units >= net.capacity[at(arcs[k])]) units -= net.capacity[at(arcs[k++])];
  if (k == arcs.size()) return kNoArc;
  at_upper.resize(at(net.m()), 0);
  for (std::size_t i = 0; i < k; ++i) at_upper[at(arcs[i])] = 1;
  return arcs[k];
}

// Returns the number of arcs from each node to its root, summed up; `order` has the next node of a path before it.
template <class Int>
Index sum_of_path_arcs(const Network<Int>& net, std::span<const Node> order, std::span<const Arc> tree_arc) {
  std::vector<Node> depth(at(net.n), 0);
  Index sum = 0;
  for (const Node v : order)
    if (const Arc e = tree_arc[at(v)]; e != kNoArc) sum += depth[at(v)] = depth[at(net.head[at(e)])] + 1;
  return sum;
}

}  // namespace

template <class Int>
CrashBasis shortest_path_forest(const Network<Int>& net, const FlowTuning& tuning) {
  CrashBasis out;
  out.basis.tree_arc.assign(at(net.n), kNoArc);
  std::vector<Arc>& tree_arc = out.basis.tree_arc;
  std::vector<std::uint8_t>& at_upper = out.basis.at_upper;
  const ReverseStar& in = net.topology->reverse_star();
  const std::vector<Node> order = search(net, in, tree_arc, tuning);
  std::vector<std::int64_t> excess(net.supply.begin(), net.supply.end());
  if (order.empty()) tree_arc.assign(at(net.n), kNoArc), out.cut_off = net.n;
  for (auto v = order.rbegin(); v != order.rend(); ++v) {
    Arc& e = tree_arc[at(*v)];
    if (e == kNoArc) continue;
    const Node next = net.head[at(e)];
    if (excess[at(*v)] >= net.capacity[at(e)]) e = fill_parallel_arcs(net, e, excess[at(*v)], at_upper);
    if (e == kNoArc) {
      ++out.cut_off;
    } else {
      excess[at(next)] += excess[at(*v)];
      excess[at(*v)] = 0;
    }
  }
  out.path_arcs = sum_of_path_arcs<Int>(net, order, tree_arc);
  for (const Node v : order) {  // sinks that are short, next to a root with units left
    if (excess[at(v)] >= 0) continue;
    Arc best = kNoArc;
    for (const Arc e : in.of(v)) {
      const Node u = net.tail[at(e)];
      if (!at_upper.empty() && at_upper[at(e)] != 0) continue;
      if (tree_arc[at(u)] != kNoArc || excess[at(u)] < -excess[at(v)] || net.capacity[at(e)] < -excess[at(v)]) continue;
      if (best == kNoArc || net.cost[at(e)] < net.cost[at(best)]) best = e;
    }
    if (best == kNoArc) continue;
    tree_arc[at(v)] = best;
    excess[at(net.tail[at(best)])] += excess[at(v)];
    excess[at(v)] = 0;
  }
  return out;
}

template <class Int>
CrashBasis hub_star(const Network<Int>& net, Node hub) {
  CrashBasis out;
  std::vector<Arc>& tree_arc = out.basis.tree_arc;
  tree_arc.assign(at(net.n), kNoArc);
  const auto consider = [&](Node v, Arc e, Int units, bool right_direction) {
    const bool fits = right_direction && (units < 0 ? net.capacity[at(e)] >= -units : net.capacity[at(e)] > units);
    if (fits && (tree_arc[at(v)] == kNoArc || net.cost[at(e)] < net.cost[at(tree_arc[at(v)])])) tree_arc[at(v)] = e;
  };
  for (Arc e = net.start[at(hub)]; e < net.start[at(hub) + 1]; ++e) {
    const Node v = net.head[at(e)];
    consider(v, e, net.supply[at(v)], net.supply[at(v)] < 0);
  }
  for (const Arc e : net.topology->reverse_star().of(hub)) {
    const Node v = net.tail[at(e)];
    consider(v, e, net.supply[at(v)], net.supply[at(v)] >= 0);
  }
  out.cut_off = static_cast<Node>(std::count(tree_arc.begin(), tree_arc.end(), kNoArc)) - 1;
  return out;
}

template CrashBasis hub_star(const Network<std::int32_t>&, Node);
template CrashBasis hub_star(const Network<std::int64_t>&, Node);
template CrashBasis shortest_path_forest(const Network<std::int32_t>&, const FlowTuning&);
template CrashBasis shortest_path_forest(const Network<std::int64_t>&, const FlowTuning&);

}  // namespace gridcompute::flow
