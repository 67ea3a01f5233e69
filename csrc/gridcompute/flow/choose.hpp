// Method::automatic: what a look at the graph says, and what happens where it says nothing.
//
// Network simplex is the faster method nearly everywhere and has no polynomial bound; cost scaling has one. So the
// simplex runs first, on a budget of steps (Simplex::effort(), the same on every machine) in proportion to the size of
// the graph; when it is spent, cost scaling takes over and its bound holds for the whole.
//
// The start is what structure tells. Where arcs of negative cost lie on cycles the optimum is full of such cycles,
// which a tree that begins without flow finds one by one: these arcs begin full (cycles.hpp), and flow that should not
// be there is sent back. Arcs of negative cost on no cycle begin empty: in layered and bipartite graphs a full start
// would be undone nearly everywhere.
//
// Without negative costs a look at the sources, a hub, or costs that hardly differ tell whether a forest of shortest
// paths (crash.hpp) serves; figures in docs/explanation/flow-methods.md.
#pragma once

#include "gridcompute/flow/crash.hpp"
#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

// Steps that network simplex may spend, an arc and node, before cost scaling is the better bet: figures in the docs.
inline constexpr Index kSteps = 3000;

// Is a forest worth its search?
template <class Int>
[[nodiscard]] bool promises_forest(const Network<Int>& net);

// Is it worth starting from, now that it is known how much of the flow it carries?
template <class Int>
[[nodiscard]] bool carries(const Network<Int>& net, const Forest& forest);

}  // namespace gridcompute::flow
