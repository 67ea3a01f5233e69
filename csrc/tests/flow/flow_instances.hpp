// Instances for the tests of min-cost flow, and the certificate of an answer.
#pragma once

#include <algorithm>
#include <random>

#include "gridcompute/certificate/flow.hpp"
#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

struct FlowInstance {
  std::vector<std::int64_t> tail, head, lower, capacity, cost, supply;

  MinCostFlow problem() const {
    MinCostFlow p;
    p.n = static_cast<Index>(supply.size());
    p.tail = tail, p.head = head, p.lower = lower, p.capacity = capacity, p.cost = cost, p.supply = supply;
    return p;
  }
  certificate::FlowProblem claim() const { return {tail, head, lower, capacity, cost, supply}; }
};

// Parallel arcs, loops, zero capacities, negative costs, lower bounds, infinite arcs; about half are feasible.
inline FlowInstance random_instance(std::mt19937& r, int nodes, int arcs) {
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  FlowInstance x;
  x.supply.assign(static_cast<std::size_t>(nodes), 0);
  for (int k = 0; k < arcs; ++k) {
    x.tail.push_back(draw(0, nodes - 1));
    x.head.push_back(draw(0, nodes - 1));
    x.lower.push_back(draw(0, 3) == 0 ? draw(-2, 2) : 0);
    x.capacity.push_back(draw(0, 9) == 0 ? kInfinite : x.lower.back() + draw(0, 8));
    x.cost.push_back(draw(0, 2) == 0 ? draw(-6, 6) : draw(0, 9));
  }
  for (int k = 0; k < nodes; ++k) {
    const std::int64_t amount = draw(0, 3);
    x.supply[static_cast<std::size_t>(draw(0, nodes - 1))] += amount;
    x.supply[static_cast<std::size_t>(draw(0, nodes - 1))] -= amount;
  }
  return x;
}

// Is the answer proved by the certificate, which shares no code with the solver?
inline bool certified(const FlowInstance& x, const FlowResult& r) {
  switch (r.status) {
    case FlowStatus::optimal: {
      const auto report = certificate::check_optimal(x.claim(), r.flow(), r.potential);
      return report.valid && report.objective == r.objective;
    }
    case FlowStatus::infeasible:
      return certificate::check_cut(x.claim(), r.cut).valid;
    case FlowStatus::unbounded:
      return certificate::check_feasible(x.claim(), r.flow()).valid &&
             certificate::check_cycle(x.claim(), r.cycle).valid;
    default:
      return false;
  }
}

// Changes costs (kind 0), capacities, also to and from 0 (1), supplies (2) or all (3) of some arcs and nodes.
inline void perturb(std::mt19937& r, FlowInstance& x, int kind, int percent) {
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  for (std::size_t e = 0; e < x.tail.size(); ++e) {
    if (draw(0, 99) >= percent) continue;
    if (kind == 0 || kind == 3) x.cost[e] += draw(-3, 3);
    if (kind == 1 || kind == 3) x.capacity[e] = draw(0, 2) == 0 ? 0 : draw(0, 12);
  }
  if (kind < 2) return;
  for (int k = 0; k < 3; ++k) {
    const std::int64_t amount = draw(0, 3), last = static_cast<std::int64_t>(x.supply.size()) - 1;
    x.supply[static_cast<std::size_t>(draw(0, static_cast<int>(last)))] += amount;
    x.supply[static_cast<std::size_t>(draw(0, static_cast<int>(last)))] -= amount;
  }
}

// Without self-loops, lower bounds and infinite arcs: an answer that a warm start can resume.
inline FlowInstance plain_instance(std::mt19937& r, int nodes, int arcs) {
  FlowInstance x = random_instance(r, nodes, arcs);
  x.lower.clear();
  for (std::size_t e = 0; e < x.tail.size(); ++e) {
    if (x.tail[e] == x.head[e]) x.head[e] = (x.head[e] + 1) % nodes;
    x.capacity[e] = std::clamp<std::int64_t>(x.capacity[e], 0, 12);
  }
  return x;
}

}  // namespace gridcompute::flow
