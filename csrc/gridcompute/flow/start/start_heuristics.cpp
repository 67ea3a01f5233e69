#include "gridcompute/flow/start/start_heuristics.hpp"

#include <algorithm>

namespace gridcompute::flow {

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
  return net.m() <= t.hub_arcs_per_node * net.n && find_hub(net, t) >= 0;
}

// Returns the mean over a sample of the arcs.
template <class Int>
double mean_cost(const Network<Int>& net, const FlowTuning& t) {
  double sum = 0, count = 0;
  for (Index e = 0; e < net.m(); e += std::max<Index>(1, net.m() / t.cost_sample), ++count)
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

template <class Int>
Node find_hub(const Network<Int>& net, const FlowTuning& t) {
  Index most = std::max<Index>(t.hub_min_arcs, (net.n - 1) / t.hub_degree_share);
  Node hub = -1;
  for (Node v = 0; v < net.n; ++v)
    if (const Arc arcs = net.start[at(v) + 1] - net.start[at(v)]; arcs > most) most = arcs, hub = v;
  return hub;
}

// Where the arcs of the hub are expensive, most units will leave them again; the number of pivots that takes grows with
// the number of arcs.
template <class Int>
bool use_star(const Network<Int>& net, Node hub, const CrashBasis& star, const FlowTuning& t) {
  if (t.star_unserved_share * star.cut_off > net.n) return false;
  double sum = 0, count = 0;
  for (Node v = 0; v < net.n; ++v) {
    const Arc e = star.basis.tree_arc[at(v)];
    if (v == hub || e == kNoArc || net.supply[at(v)] == 0) continue;
    sum += static_cast<double>(net.cost[at(e)]);
    ++count;
  }
  const double others = mean_cost(net, t) * static_cast<double>(net.n) / static_cast<double>(net.m());
  return sum <= t.star_cost_ratio * others * count;
}

template <class Int>
bool try_forest(const Network<Int>& net, const FlowTuning& t) {
  return sources_fit(net, t) || costs_tie(net, t) || sparse_with_hub(net, t) || has_single_sink(net);
}

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
    return single || (t.forest_cut_nodes * forest.cut_off <= net.n && t.forest_source_share * sources <= net.n);
  return single && static_cast<double>(forest.path_arcs) <= t.forest_sink_path * static_cast<double>(net.n);
}

template Node find_hub(const Network<std::int32_t>&, const FlowTuning&);
template Node find_hub(const Network<std::int64_t>&, const FlowTuning&);
template bool use_star(const Network<std::int32_t>&, Node, const CrashBasis&, const FlowTuning&);
template bool use_star(const Network<std::int64_t>&, Node, const CrashBasis&, const FlowTuning&);
template bool try_forest(const Network<std::int32_t>&, const FlowTuning&);
template bool try_forest(const Network<std::int64_t>&, const FlowTuning&);
template bool use_forest(const Network<std::int32_t>&, const CrashBasis&, const FlowTuning&);
template bool use_forest(const Network<std::int64_t>&, const CrashBasis&, const FlowTuning&);

}  // namespace gridcompute::flow
