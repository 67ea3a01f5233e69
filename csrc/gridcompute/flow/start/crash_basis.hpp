// Crash bases for network simplex: a shortest path forest, and a star on a hub.
//
// Definitions.  Costs >= 0. d(v): the least cost of a path from v to any node with a demand. The forest has each node's
// arc on such a path; ties go to the sink of the largest demand, then to fewer arcs, so that trees are shallow. Sinks
// are roots. Then a sink that is still short, and has an arc from a root with enough units left, is attached to that: a
// node that collects and distributes ends with hardly an artificial arc in use.
//
// Why it helps.  The potentials of the forest price out nearly all arcs at once where sinks are many and near
// (time-expanded networks: 50 times fewer potential updates). Where the flow does not fit on it, trees are cut and it
// does not help: start_heuristics.hpp decides.
//
// Complexity.  O(m) in practice: label correcting with buckets of a hundredth of a mean cost; given up after
// tuning.labels_per_node labels per node.
// Source.  Dial, Comm. ACM 12 (1969) 632 (buckets); Bradley, Brown and Graves, Management Sci. 24 (1977) 1 (crash
// bases). Deviations.  Flow is routed along the forest, and whether it fits decides about its use.
#pragma once

#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

struct CrashBasis {
  Basis basis;
  Index cut_off = 0;    // nodes whose flow did not fit on their arc; all nodes where the search was given up
  Index path_arcs = 0;  // arcs from each node to its root, summed over all nodes
};

// Returns the forest. Costs must be >= 0. Flow that does not fit on an arc is spread over its parallel arcs, the
// cheapest first, if it fits on them together.
template <class Int>
[[nodiscard]] CrashBasis shortest_path_forest(const Network<Int>& net, const FlowTuning& tuning);

// Returns the star: each node attached to `hub`, by the cheapest arc that carries the node's whole supply or demand, if
// one does. Sources and sinks then need no artificial arc, whatever the costs.
template <class Int>
[[nodiscard]] CrashBasis hub_star(const Network<Int>& net, Node hub);

}  // namespace gridcompute::flow
