// A start for network simplex from one phase of cost scaling.
//
// Why it helps.  Where capacities bind nearly everywhere (layered graphs, long networks), an artificial start takes
// dozens of pivots per arc, each of which moves a good part of the nodes. A flow that is epsilon-optimal for an epsilon
// of a fraction of the mean cost comes from a single phase, and is so near the optimum that a few thousand pivots are
// left. On graphs where units find paths easily the phase takes longer than the pivots it saves: the strategy waits
// until the simplex has left too many units unserved (start_heuristics.hpp).
//
// Steps.
//   refine (refine.hpp) moves the supplies themselves, at prices 0, from an empty flow (arcs of negative cost begin at
//     their capacity);
//   arcs strictly between their bounds become a forest: where one closes a cycle, flow is pushed round it in the
//     direction that is not dearer, until an arc of the cycle is at a bound and leaves the forest;
//   the artificial arc of a root of the forest gets the cost that gives the root its price (TreeSolution).
//
// Complexity.  A phase of cost scaling, held to a budget; a cycle costs its length.
// Range proof.  Refine ends where a price falls below half of FlowRange::kMaxPotential.
// Source.  Goldberg, J. Algorithms 22 (1997) 1 (refine); Ahuja, Magnanti, Orlin, Network Flows (1993) 11.2 (a cycle
// free solution from any solution).
#pragma once

#include <optional>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/tuning.hpp"

namespace gridcompute::flow {

template <class Int>
struct CostScalingStart {
  Basis basis;
  std::vector<Int> price;
  Index work;  // work units, as of NetworkSimplex::work()
};

// Returns none where it would take more than `budget` scans of half-arcs, or where prices leave the width, which they
// also do where there is no feasible flow.
template <class Int>
[[nodiscard]] std::optional<CostScalingStart<Int>> cost_scaling_start(const Network<Int>& net, Stop& stop, Index budget,
                                                                      const FlowTuning& tuning = kFlowTuning);

}  // namespace gridcompute::flow
