// A start tree for the simplex from shortest paths.
//
// Definitions.  Costs >= 0. d(v): the least cost of a path from v to any node that needs units. The forest takes each
// node's arc on such a path; ties go to the sink that needs most, then to fewer steps, so trees are shallow. Sinks stay
// roots. Then a sink that is still short, and has an arc from a root with enough left over, hangs on that: a hub that
// collects and hands out ends with hardly an artificial arc in use.
//
// Why it helps.  Potentials of the forest price out nearly everything at once where sinks are many and near (time-
// expanded graphs: 50 times fewer potential updates). Where flow does not fit on it, trees are cut and it is no help.
//
// Complexity.  O(m) in practice, steps of a hundredth of a usual cost; given up after 8 n labels.  Source.  Dial, Comm.
// ACM 12 (1969) 632 (buckets); Bradley, Brown and Graves, Management Sci. 24 (1977) 1 (advanced starts);
// deviation: flow is routed along the forest, and the rule in solve.cpp decides by whether it fits.
#pragma once

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

struct Forest {
  Basis basis;
  Index too_full = 0;  // arcs whose flow would not fit; all nodes where the search was given up
  Index steps = 0;     // from each node to where its way ends, summed up
};

// Costs must be >= 0. What does not fit on an arc takes those beside it, of the same ends, if it fits on them together.
template <class Int>
[[nodiscard]] Forest shortest_path_forest(const Network<Int>& net);

// Each node on a hub, by the cheapest arc that takes all it sends or needs, if one does. Sources and sinks then need no
// arc of their own to the root, whatever the costs: too_full counts the nodes left over.
template <class Int>
[[nodiscard]] Forest star_on(const Network<Int>& net, Node hub);

}  // namespace gridcompute::flow
