// Checks answers of min-cost flow against the problem alone: it shares no code with any solver.
//
// Optimal.  (F1) flow out - flow in = supply at each node; (F2) lower <= x <= capacity; (F3) with r = cost + p[tail] -
// p[head]: r >= 0 where x < capacity and r <= 0 where x > lower; (F4) the objective is the sum of cost * x. By weak
// duality F1 - F3 prove that no flow costs less. A self-loop has r = cost.
// Partial (the flow of a stopped solve).  F2 and F4, and the excess that remains at nodes.
// Infeasible.  (W) A set S of nodes whose supply exceeds the capacity of arcs out of S less the lower bounds of arcs
// into S; or whose demand exceeds the capacity into S less the lower bounds out of S. Unbounded.  (C) A closed walk of
// distinct arcs, all without capacity (2^63 - 1), of negative total cost, beside a flow with F1 and F2.
//
// Range proof.  Sums over nodes and arcs in 128 bits: 2^31 terms below 2^63. A reduced cost is a sum of three 64-bit
// numbers, in 128 bits. The objective adds products below 2^126 and reports an overflow as a mismatch.
//
// Sizes.  Each check begins with the sizes of the arrays and the range of the nodes: arrays that do not fit are a
// reason, and are not indexed.
//
// Complexity.  O(n + m), two passes.
#pragma once

#include <span>
#include <string>

#include "gridcompute/base/types.hpp"

namespace gridcompute::certificate {

struct FlowProblem {
  std::span<const std::int64_t> tail, head, lower, capacity, cost, supply;  // lower may be empty: 0
};

struct FlowReport {
  bool valid = true;
  std::string reason;      // of the first fault
  Index index = -1;        // arc or node
  Wide objective = 0;      // recomputed; of check_cycle: the cost of the cycle
  Wide unserved = 0;       // of check_partial: units of supply that have not left their node
  bool conserves = false;  // of check_partial: no node has excess or deficit
};

// Checks that the arrays are a problem: equal lengths, nodes in range, capacities of at least the lower bounds.
[[nodiscard]] FlowReport check_problem(const FlowProblem& problem);
[[nodiscard]] FlowReport check_partial(const FlowProblem& problem, std::span<const std::int64_t> flow);
[[nodiscard]] FlowReport check_feasible(const FlowProblem& problem, std::span<const std::int64_t> flow);
[[nodiscard]] FlowReport check_optimal(const FlowProblem& problem, std::span<const std::int64_t> flow,
                                       std::span<const std::int64_t> potentials);
[[nodiscard]] FlowReport check_cut(const FlowProblem& problem, std::span<const Index> nodes);
[[nodiscard]] FlowReport check_cycle(const FlowProblem& problem, std::span<const Index> arcs);

}  // namespace gridcompute::certificate
