#include "gridcompute/flow/choose.hpp"

#include <algorithm>

namespace gridcompute::flow {

namespace {

template <class Int>
Index sources(const Network<Int>& net) {
  return std::count_if(net.supply.begin(), net.supply.end(), [](Int b) { return b > 0; });
}

// Would nearly all of the sources' cheapest arcs take what these send? Where they are too narrow a forest will not
// carry its flow, and its search is saved.
template <class Int>
bool sources_fit(const Network<Int>& net) {
  Index sources = 0, narrow = 0;
  for (Node v = 0; v < net.n; ++v) {
    if (net.supply[at(v)] <= 0) continue;
    Int least = std::numeric_limits<Int>::max(), cap = 0;
    for (Arc e = net.start[at(v)]; e < net.start[at(v) + 1]; ++e) {
      if (net.cost[at(e)] > least || net.cap[at(e)] == 0) continue;
      cap = net.cost[at(e)] < least ? net.cap[at(e)] : std::max(cap, net.cap[at(e)]);
      least = net.cost[at(e)];
    }
    ++sources;
    narrow += cap <= net.supply[at(v)];
  }
  return 10 * narrow <= sources;
}

// A node that reaches a quarter of the others in a sparse graph: paths are short, and what does not fit is a leaf.
template <class Int>
bool has_hub(const Network<Int>& net) {
  if (net.m() > 8 * static_cast<Index>(net.n)) return false;
  Arc most = 0;
  for (Node v = 0; v < net.n; ++v) most = std::max(most, net.start[at(v) + 1] - net.start[at(v)]);
  return 4 * static_cast<Index>(most) >= net.n;
}

// Costs that hardly differ: any short way will do, and a tree of them is nearly the answer where few sources share it.
template <class Int>
bool costs_tie(const Network<Int>& net) {
  return net.most_cost <= 1 || (net.most_cost < 64 && 32 * sources(net) <= net.n);
}

}  // namespace

template <class Int>
bool promises_forest(const Network<Int>& net) {
  return sources_fit(net) || costs_tie(net) || has_hub(net);
}

// Its flow fits, but for one arc in a hundred sources; where arcs are few, for one in a thousand nodes too: in long
// thin networks the way to the sinks is most of the answer. Elsewhere cuts spoil it (a single source that is cut off: 3
// times slower than from nothing), unless paths are short or costs tie.
template <class Int>
bool carries(const Network<Int>& net, const Forest& forest) {
  if (forest.too_full == net.n) return false;  // given up
  const bool sparse = net.m() <= 4 * static_cast<Index>(net.n);
  return 100 * forest.too_full <= sources(net) || (sparse && 1000 * forest.too_full <= net.n) || costs_tie(net) ||
         has_hub(net);
}

template bool promises_forest(const Network<std::int32_t>&);
template bool promises_forest(const Network<std::int64_t>&);
template bool carries(const Network<std::int32_t>&, const Forest&);
template bool carries(const Network<std::int64_t>&, const Forest&);

}  // namespace gridcompute::flow
