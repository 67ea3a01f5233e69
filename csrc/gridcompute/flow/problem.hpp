// General min-cost flow: exact, certified, from any arrays.
//
// Problem.  Nodes 0..n-1 with supply b_v (positive produces), arcs e = (tail, head) with lower bound l_e, capacity u_e,
// cost c_e. Find integers l <= x <= u with flow out - flow in = b at each node and least total cost. Parallel arcs and
// self-loops are kept apart. A capacity of kInfinite (2^63 - 1) means none.
//
// Steps (one file each).
//   preprocess.cpp         checks, the range proof, lower bounds into supplies, sorting by tail; an infinite negative
//   cycle crash_basis.cpp          a start tree from shortest paths to the sinks scaled_start.cpp   a start tree from a
//   phase of cost scaling, where the first start was a bad one strong_components.cpp         arcs of negative cost that
//   lie on cycles: a start with these full start_heuristics.cpp         what the graph says of the start simplex.cpp
//   network simplex entering_arc.cpp  which arc enters cost_scaling.cpp   cost scaling; refine.cpp: a phase of it;
//   residual.cpp: its graph difference.cpp         what differs from the problem of an earlier answer dual_repair.cpp
//   its tree taken to this one local_pricing.cpp   pricing near what changed solve.cpp          which of them, warm
//   starts, back to the caller's arcs
//
// Answers.  optimal: the flow and potentials p with c_e + p[tail] - p[head] >= 0 where x_e < u_e and <= 0 where x_e >
// l_e. infeasible: nodes S whose supply exceeds what can leave S (or whose demand exceeds what can enter).
// unbounded: arcs of a cycle of negative cost and no capacity, and a feasible flow to push it on. Where both hold, the
// answer is infeasible.
//
// Range proof.  Let S be the sum of positive supplies after lower bounds, N the sum of the capacities of arcs of
// negative cost (of all finite ones, where one of negative cost is infinite). Some optimal flow keeps every arc within
// S + N: it decomposes into paths, together at most S, and cycles of negative cost, each through an arc counted in N;
// cycles of other cost can be dropped. So capacities are cut to S + N + 1 (the 1 keeps potentials valid where a
// capacity was cut); S + N and (max|c| + 1) (n + 1) must be at most 2^60. Totals are 128-bit, checked.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

inline constexpr std::int64_t kInfinite = std::numeric_limits<std::int64_t>::max();

struct Problem {
  Index n = 0;
  std::span<const std::int64_t> tail, head, lower, capacity, cost, supply;  // lower: empty, or one an arc

  [[nodiscard]] std::int64_t least(std::size_t e) const noexcept { return lower.empty() ? 0 : lower[e]; }
};

enum class Method { automatic, network_simplex, cost_scaling };
enum class Status { optimal, infeasible, unbounded, time_limit, stopped };

template <class Int>
struct Earlier;  // difference.hpp

// What an answer leaves for the next solve: the order of arcs, the flow and, after network simplex, the tree in the
// width it ended in. Never written to again: any number of solves start from it, at the same time too.
struct Kept {
  std::shared_ptr<const Topology> topology;
  std::shared_ptr<const Earlier<std::int32_t>> narrow;
  std::shared_ptr<const Earlier<std::int64_t>> wide;
  std::shared_ptr<const Values<std::int64_t>> written;  // the flow, where it does not follow from the tree alone

  // The flow of the caller's arcs: read off the tree when first asked for, by any thread.
  [[nodiscard]] std::shared_ptr<const Values<std::int64_t>> flow() const;
};

struct Stats {
  const char* method = "";
  const char* chosen = "by name";  // why this method: by name, within budget, budget spent
  Index effort = 0;                // steps of network simplex, all runs together
  const char* start = "cold";  // cold, full (negative arcs), forest, star, scaled, basis (tree kept), flow (from it)
  int bits = 0;                // of the width that finished
  Index pivots = 0, degenerate_pivots = 0, potential_updates = 0, priced_blocks = 0;
  Index phases = 0, pushes = 0, relabels = 0, global_updates = 0, refinements = 0, fixed_arcs = 0;
  Index kept_tree_arcs = 0, cut_tree_arcs = 0;  // of a warm start: as they were; hung anew for want of room
  Index changed_costs = 0, changed_capacities = 0, changed_supplies = 0;  // of a warm start on the same graph
  Index dual_pivots = 0, filled_arcs = 0;                                 // of its repair
  Index unserved = 0;                                                     // units still without a way when stopped
  double seconds_build = 0, seconds_start = 0, seconds_solve = 0;
};

struct Result {
  Status status = Status::optimal;
  std::vector<std::int64_t> potential;
  Wide objective = 0;
  std::vector<Index> cut, cycle;
  Kept kept;
  Stats stats;

  [[nodiscard]] const Values<std::int64_t>& flow() const { return *kept.flow(); }
};

// `start`: what an earlier answer kept, or none.
// `budget`: what network simplex may spend an arc and node before Method::automatic goes over to cost scaling; none: by
// the structure of the graph (start_heuristics.hpp).
[[nodiscard]] Result solve(const Problem& problem, Method method, const Kept* start, Stop& stop,
                           std::optional<Index> budget = {});

}  // namespace gridcompute::flow
