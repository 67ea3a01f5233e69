// A start tree for the simplex from one phase of cost scaling.
//
// Why it helps.  Where capacities bind nearly everywhere (layered graphs, long networks), an artificial start takes
// dozens of pivots an arc, each of which moves a good part of the nodes. A flow that is eps-optimal for an eps of a
// fraction of a usual cost comes from a single phase, and is so near the optimum that a few thousand pivots are left.
// On graphs where paths find room the phase takes longer than the pivots it saves: solve.cpp waits until the simplex
// has shown that it is hard.
//
// Steps.
//   refine.hpp moves the supplies themselves, at prices 0, from an empty flow (arcs of negative cost begin full);
//   arcs strictly between their bounds become a forest: each that closes a cycle takes or gives, whichever is not
//     dearer, until an arc of the cycle is at a bound and comes off;
//   where a tree of it hangs on the root, its artificial arc costs what gives it the price it had (Simplex).
//
// Complexity.  A phase of cost scaling, held to a budget; a cycle costs its length.  Range.  Prices are watched.
#pragma once

#include <optional>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

template <class Int>
struct ScaledStart {
  Basis basis;
  std::vector<Int> price;
  Index effort;  // as of Simplex::effort()
};

// None where it would take more than `budget` looks at arcs, or prices leave the width: so they do where there is no
// feasible flow.
template <class Int>
[[nodiscard]] std::optional<ScaledStart<Int>> scaled_start(const Network<Int>& net, Stop& stop, Index budget);

}  // namespace gridcompute::flow
