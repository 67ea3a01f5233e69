// Method::automatic: what a look at the graph says, and what happens where it says nothing.
//
// Network simplex is the faster method nearly everywhere and has no polynomial bound; cost scaling has one. So the
// simplex runs first, on a budget of steps (Simplex::effort(), the same on every machine) in proportion to the size of
// the graph; when it is spent, cost scaling takes over and its bound holds for the whole.
//
// Structure sets the budget. Where many arcs have negative costs the optimum is full of cycles that a tree finds one
// at a time, and cost scaling all at once: on random graphs it is then 1.5 to 4 times faster. On layered or bipartite
// graphs, and small ones, it is not, and the simplex is done before the smaller budget is spent. So no guess fails
// badly.
//
// And the start: a look at the sources, a hub, or costs that hardly differ tell whether a forest of shortest paths
// (crash.hpp) serves; figures in docs/explanation/flow-methods.md.
#pragma once

#include "gridcompute/flow/crash.hpp"
#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

// An arc and node. Solves that cost scaling would have won pass the second before half their time where many costs are
// negative; those it would not have won stay below the first (benches, and the families of the docs).
inline constexpr Index kSteps = 3000, kStepsIfNegative = 400;

// Steps network simplex may spend before cost scaling is the better bet.
template <class Int>
[[nodiscard]] Index budget_by_structure(const Network<Int>& net);

// Is a forest worth its search?
template <class Int>
[[nodiscard]] bool promises_forest(const Network<Int>& net);

// Is it worth starting from, now that it is known how much of the flow it carries?
template <class Int>
[[nodiscard]] bool carries(const Network<Int>& net, const Forest& forest);

}  // namespace gridcompute::flow
