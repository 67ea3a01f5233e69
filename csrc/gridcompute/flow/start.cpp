#include "gridcompute/flow/start.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <type_traits>
#include <utility>

#include "gridcompute/flow/cost_scaling.hpp"

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

// How many arcs a mean cost is taken over (arcs).
constexpr Index kCostSample = 4096;

// Returns the mean number of bits of a sample of costs, which a few large costs change little.
template <class Int>
int mean_cost_bits(const Network<Int>& net) {
  Index sum = 0, count = 0;
  for (Index e = 0; e < net.m(); e += std::max<Index>(1, net.m() / kCostSample), ++count)
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
  DistanceBuckets buckets(std::max(0, mean_cost_bits(net) - static_cast<int>(tuning.bucket_bits)));
  for (const Node v : sinks) distance[at(v)] = 0, buckets.push(0, v);
  for (ForestLabel top{}; buckets.pop(distance, top);) {
    const auto arcs = in.of(top.node);
    if (taken.size() > at(kLabelsPerNode) * at(net.n) || !buckets.has_space(arcs.size())) return {};
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

namespace {

template <class Int>
Index count_sources(const Network<Int>& net) {
  return std::count_if(net.supply.begin(), net.supply.end(), [](Int b) { return b > 0; });
}

template <class Int>
bool has_single_sink(const Network<Int>& net) {
  return std::count_if(net.supply.begin(), net.supply.end(), [](Int b) { return b < 0; }) == 1;
}

// Returns whether nearly all cheapest arcs of sources, with their parallel arcs, can carry the supply of the sources.
// Where they are too narrow a forest will not carry its flow, and the search for it is saved.
template <class Int>
bool sources_fit(const Network<Int>& net, const FlowTuning& t) {
  Index sources = 0, narrow = 0;
  for (Node v = 0; v < net.n; ++v) {
    if (net.supply[at(v)] <= 0) continue;
    const Arc first = net.start[at(v)], last = net.start[at(v) + 1];
    Arc best = kNoArc;
    for (Arc e = first; e < last; ++e)
      if (net.capacity[at(e)] > 0 && (best == kNoArc || net.cost[at(e)] < net.cost[at(best)])) best = e;
    std::int64_t capacity = 0;
    for (Arc e = first; e < last && capacity <= net.supply[at(v)]; ++e)
      if (best != kNoArc && net.head[at(e)] == net.head[at(best)]) capacity += net.capacity[at(e)];
    ++sources;
    narrow += capacity <= net.supply[at(v)];
  }
  return t.narrow_source_share * narrow <= sources;
}

// Returns whether this is a sparse graph with a hub. Its paths are short, and nodes whose flow does not fit are leaves.
template <class Int>
bool sparse_with_hub(const Network<Int>& net, const FlowTuning& t) {
  return net.m() <= t.hub_arcs_per_node * net.n && find_hub(net) >= 0;
}

// Returns the mean over a sample of the arcs.
template <class Int>
double mean_cost(const Network<Int>& net) {
  double sum = 0, count = 0;
  for (Index e = 0; e < net.m(); e += std::max<Index>(1, net.m() / kCostSample), ++count)
    sum += static_cast<double>(net.cost[at(e)]);
  return sum / std::max(1.0, count);
}

// Returns whether costs differ little. Any path of few arcs is good then, and a tree of such paths is nearly the answer
// where few sources share it.
template <class Int>
bool costs_tie(const Network<Int>& net, const FlowTuning& t) {
  return net.max_cost <= 1 || (net.max_cost < t.tie_max_cost && t.tie_source_share * count_sources(net) <= net.n);
}

}  // namespace

// A node is a hub if it has arcs to at least one in this many nodes.
constexpr Index kHubDegreeShare = 4;
// A hub has more arcs than this.
constexpr Index kHubMinArcs = 2;

template <class Int>
Node find_hub(const Network<Int>& net) {
  Index most = std::max<Index>(kHubMinArcs, (net.n - 1) / kHubDegreeShare);
  Node hub = -1;
  for (Node v = 0; v < net.n; ++v)
    if (const Arc arcs = net.start[at(v) + 1] - net.start[at(v)]; arcs > most) most = arcs, hub = v;
  return hub;
}

// A star is the start where at most this share is left over (nodes per node without a wide enough arc).
constexpr Index kStarUnservedShare = 10;

// Where the arcs of the hub are expensive, most units will leave them again; the number of pivots that takes grows with
// the number of arcs.
template <class Int>
bool use_star(const Network<Int>& net, Node hub, const CrashBasis& star, const FlowTuning& t) {
  if (kStarUnservedShare * star.cut_off > net.n) return false;
  double sum = 0, count = 0;
  for (Node v = 0; v < net.n; ++v) {
    const Arc e = star.basis.tree_arc[at(v)];
    if (v == hub || e == kNoArc || net.supply[at(v)] == 0) continue;
    sum += static_cast<double>(net.cost[at(e)]);
    ++count;
  }
  const double others = mean_cost(net) * static_cast<double>(net.n) / static_cast<double>(net.m());
  return sum <= t.star_cost_ratio * others * count;
}

template <class Int>
bool try_forest(const Network<Int>& net, const FlowTuning& t) {
  return sources_fit(net, t) || costs_tie(net, t) || sparse_with_hub(net, t) || has_single_sink(net);
}

// A graph has few sources if they are at most one in this many nodes.
constexpr Index kForestSourceShare = 10;

// Accepts a forest whose flow fits except for a small share of the sources; in sparse graphs, also except for a small
// share of the nodes, since in long thin networks the path to the sinks is most of the answer. Where sources have wide
// arcs a larger share of the nodes may be cut off, unless sources are many: then a start from nothing routes the flow
// that is cut off in fewer pivots. A single sink, short paths, or costs that tie leave little to choose in any case.
template <class Int>
bool use_forest(const Network<Int>& net, const CrashBasis& forest, const FlowTuning& t) {
  if (forest.cut_off == net.n) return false;  // given up
  const Index sources = count_sources(net);
  const bool sparse = net.m() <= t.forest_sparse_arcs * net.n;
  if (t.forest_cut_sources * forest.cut_off <= sources) return true;
  if (sparse && t.forest_cut_nodes_sparse * forest.cut_off <= net.n) return true;
  if (costs_tie(net, t) || sparse_with_hub(net, t)) return true;
  const bool single = has_single_sink(net);
  if (sources_fit(net, t))
    return single || (t.forest_cut_nodes * forest.cut_off <= net.n && kForestSourceShare * sources <= net.n);
  return single && static_cast<double>(forest.path_arcs) <= t.forest_sink_path * static_cast<double>(net.n);
}

template Node find_hub(const Network<std::int32_t>&);
template Node find_hub(const Network<std::int64_t>&);
template bool use_star(const Network<std::int32_t>&, Node, const CrashBasis&, const FlowTuning&);
template bool use_star(const Network<std::int64_t>&, Node, const CrashBasis&, const FlowTuning&);
template bool try_forest(const Network<std::int32_t>&, const FlowTuning&);
template bool try_forest(const Network<std::int64_t>&, const FlowTuning&);
template bool use_forest(const Network<std::int32_t>&, const CrashBasis&, const FlowTuning&);
template bool use_forest(const Network<std::int64_t>&, const CrashBasis&, const FlowTuning&);

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
