// Method::automatic: what a look at the graph says, and what happens where it says nothing.
//
// Network simplex is the faster method nearly everywhere and has no polynomial bound; cost scaling has one. So the
// simplex runs first, on a budget of steps (Simplex::effort(), the same on every machine) in proportion to the size of
// the graph; when it is spent, cost scaling takes over and its bound holds for the whole.
//
// The start is what structure tells. Where arcs of negative cost lie on cycles the optimum is full of such cycles,
// which a tree that begins without flow finds one by one: these arcs begin full (strong_components.hpp), and flow that
// should not be there is sent back. Arcs of negative cost on no cycle begin empty: in layered and bipartite graphs a
// full start would be undone nearly everywhere.
//
// Without negative costs a look at the sources, a hub, or costs that hardly differ tell whether a forest of shortest
// paths (crash_basis.hpp) serves; figures in docs/explanation/flow-methods.md.
#pragma once

#include <algorithm>
#include <cmath>

#include "gridcompute/flow/network.hpp"
#include "gridcompute/flow/start/crash_basis.hpp"

namespace gridcompute::flow {

// Steps that network simplex may spend, an arc and node, before cost scaling is the better bet: figures in the docs.
inline constexpr Index kSteps = 3000;

// A maximum flow, written as one arc in a thousand that pays while all others are free, shows early whether trees
// serve; cost scaling begins with such a flow and ends with it. The steps for `size` arcs and nodes.
inline constexpr Index kFewSteps = 16, kLeastSteps = 1 << 17;
[[nodiscard]] constexpr Index steps(Index size, Index arcs, Index costly) {
  const bool of_maximum = costly > 0 && 1000 * costly <= arcs + 1000;
  return of_maximum ? std::max(kLeastSteps, size * kFewSteps) : size * kSteps;
}

// A start is judged after so many steps. Where most units have a way by then, the simplex will do; where a third has
// none it would be long, and one phase of cost scaling (scaled_start.hpp) takes some twenty times as many looks.
inline constexpr Index kPatience = 48;  // it is given up after
[[nodiscard]] inline Index trial(Index nodes, Index arcs) {
  return static_cast<Index>(std::max(8.0, std::sqrt(static_cast<double>(nodes)) / 8) *
                            static_cast<double>(arcs + nodes));
}
[[nodiscard]] constexpr bool hardly_serves(Index unserved, Index units) { return unserved > units / 3; }

// A node with arcs to a quarter of the others; -1 if there is none.
template <class Int>
[[nodiscard]] Node hub_of(const Network<Int>& net);

// Is it a start to have all nodes on their hub?
template <class Int>
[[nodiscard]] bool serves(const Network<Int>& net, Node hub, const Forest& star);

// Is a forest worth its search?
template <class Int>
[[nodiscard]] bool promises_forest(const Network<Int>& net);

// Is it worth starting from, now that it is known how much of the flow it carries?
template <class Int>
[[nodiscard]] bool carries(const Network<Int>& net, const Forest& forest);

// Is the earlier tree a better start than none, now that so many arcs promise something after a change of costs?
// Where none is a forest, half as many are too many. A few are never.
[[nodiscard]] inline bool worth_going_on(Index promising, Index arcs, bool forest) {
  constexpr Index kFew = 8;
  return promising <= kFew || (forest ? 8 : 4) * promising <= arcs;
}

// The same of a tree that is planted anew at the earlier potentials, where only arcs of new costs are counted.
[[nodiscard]] inline bool worth_planting(Index promising, Index nodes, Index arcs) {
  return 6 * promising <= nodes || 400 * promising <= arcs;
}

}  // namespace gridcompute::flow
