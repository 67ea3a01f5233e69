#include "gridcompute/flow/start/start_heuristics.hpp"

#include <algorithm>

namespace gridcompute::flow {

namespace {

template <class Int>
Index sources(const Network<Int>& net) {
  return std::count_if(net.supply.begin(), net.supply.end(), [](Int b) { return b > 0; });
}

// The only node that needs units?
template <class Int>
bool one_sink(const Network<Int>& net) {
  return std::count_if(net.supply.begin(), net.supply.end(), [](Int b) { return b < 0; }) == 1;
}

// Would nearly all of the sources' cheapest arcs, with those beside them, take what these send? Where they are too
// narrow a forest will not carry its flow, and its search is saved.
template <class Int>
bool sources_fit(const Network<Int>& net) {
  Index sources = 0, narrow = 0;
  for (Node v = 0; v < net.n; ++v) {
    if (net.supply[at(v)] <= 0) continue;
    const Arc first = net.start[at(v)], last = net.start[at(v) + 1];
    Arc best = kNoArc;
    for (Arc e = first; e < last; ++e)
      if (net.cap[at(e)] > 0 && (best == kNoArc || net.cost[at(e)] < net.cost[at(best)])) best = e;
    std::int64_t room = 0;
    for (Arc e = first; e < last && room <= net.supply[at(v)]; ++e)
      if (best != kNoArc && net.head[at(e)] == net.head[at(best)]) room += net.cap[at(e)];
    ++sources;
    narrow += room <= net.supply[at(v)];
  }
  return 10 * narrow <= sources;
}

// With a hub in a sparse graph paths are short, and what does not fit is a leaf.
template <class Int>
bool has_hub(const Network<Int>& net) {
  return net.m() <= 8 * static_cast<Index>(net.n) && hub_of(net) >= 0;
}

// Of some of the arcs.
template <class Int>
double mean_cost(const Network<Int>& net) {
  constexpr Arc kSample = 4096;
  double sum = 0, count = 0;
  for (Arc e = 0; e < net.m(); e += std::max<Arc>(1, net.m() / kSample), ++count)
    sum += static_cast<double>(net.cost[at(e)]);
  return sum / std::max(1.0, count);
}

// Costs that hardly differ: any short way will do, and a tree of them is nearly the answer where few sources share it.
template <class Int>
bool costs_tie(const Network<Int>& net) {
  return net.most_cost <= 1 || (net.most_cost < 64 && 32 * sources(net) <= net.n);
}

}  // namespace

template <class Int>
Node hub_of(const Network<Int>& net) {
  Arc most = std::max<Arc>(2, (net.n - 1) / 4);
  Node hub = -1;
  for (Node v = 0; v < net.n; ++v)
    if (const Arc arcs = net.start[at(v) + 1] - net.start[at(v)]; arcs > most) most = arcs, hub = v;
  return hub;
}

// Where the hub is dear most units will go elsewhere, and the more arcs there are, the more steps that takes.
template <class Int>
bool serves(const Network<Int>& net, Node hub, const Forest& star) {
  constexpr double kDearest = 32;
  if (10 * star.too_full > net.n) return false;
  double sum = 0, count = 0;
  for (Node v = 0; v < net.n; ++v) {
    const Arc e = star.basis.pred[at(v)];
    if (v == hub || e == kNoArc || net.supply[at(v)] == 0) continue;
    sum += static_cast<double>(net.cost[at(e)]);
    ++count;
  }
  const double others = mean_cost(net) * static_cast<double>(net.n) / static_cast<double>(net.m());
  return sum <= kDearest * others * count;
}

template <class Int>
bool promises_forest(const Network<Int>& net) {
  return sources_fit(net) || costs_tie(net) || has_hub(net) || one_sink(net);
}

// Its flow fits, but for one arc in a hundred sources; where arcs are few, for one in a thousand nodes too: in long
// thin networks the way to the sinks is most of the answer. Where the sources have room one node in twenty may be cut
// off, unless sources and sinks are many: what is cut off is better served from nothing there. A single sink, or short
// ways, or costs that tie, leave little to choose in any case.
template <class Int>
bool carries(const Network<Int>& net, const Forest& forest) {
  if (forest.too_full == net.n) return false;  // given up
  const bool sparse = net.m() <= 4 * static_cast<Index>(net.n);
  if (100 * forest.too_full <= sources(net) || (sparse && 1000 * forest.too_full <= net.n)) return true;
  if (costs_tie(net) || has_hub(net)) return true;
  const bool single = one_sink(net);
  if (sources_fit(net)) return single || (20 * forest.too_full <= net.n && 10 * sources(net) <= net.n);
  return single && 2 * forest.steps <= 5 * static_cast<Index>(net.n);
}

template Node hub_of(const Network<std::int32_t>&);
template Node hub_of(const Network<std::int64_t>&);
template bool serves(const Network<std::int32_t>&, Node, const Forest&);
template bool serves(const Network<std::int64_t>&, Node, const Forest&);
template bool promises_forest(const Network<std::int32_t>&);
template bool promises_forest(const Network<std::int64_t>&);
template bool carries(const Network<std::int32_t>&, const Forest&);
template bool carries(const Network<std::int64_t>&, const Forest&);

}  // namespace gridcompute::flow
