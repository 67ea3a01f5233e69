// Graphs for the tests of min-cost flow, and what proves an answer.
#pragma once

#include <algorithm>
#include <random>

#include "gridcompute/certificate/flow.hpp"
#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

struct Instance {
  std::vector<std::int64_t> tail, head, lower, capacity, cost, supply;

  Problem problem() const {
    Problem p;
    p.n = static_cast<Index>(supply.size());
    p.tail = tail, p.head = head, p.lower = lower, p.capacity = capacity, p.cost = cost, p.supply = supply;
    return p;
  }
  certificate::FlowProblem claim() const { return {tail, head, lower, capacity, cost, supply}; }
};

// Parallel arcs, loops, zero capacities, negative costs, lower bounds, infinite arcs; about half are feasible.
inline Instance random_instance(std::mt19937& r, int nodes, int arcs) {
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  Instance x;
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

inline bool proved(const Instance& x, const Result& r) {
  switch (r.status) {
    case Status::optimal: {
      const auto report = certificate::check_optimal(x.claim(), r.flow(), r.potential);
      return report.valid && report.objective == r.objective;
    }
    case Status::infeasible:
      return certificate::check_cut(x.claim(), r.cut).valid;
    case Status::unbounded:
      return certificate::check_feasible(x.claim(), r.flow()).valid &&
             certificate::check_cycle(x.claim(), r.cycle).valid;
    default:
      return false;
  }
}

// Costs, capacities (also to none and from none) and supplies of some arcs and nodes; the graph stays.
inline void shake(std::mt19937& r, Instance& x, int kind, int percent) {
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

// Without loops, lower bounds and infinite arcs: what a tree can be taken on from.
inline Instance plain_instance(std::mt19937& r, int nodes, int arcs) {
  Instance x = random_instance(r, nodes, arcs);
  x.lower.clear();
  for (std::size_t e = 0; e < x.tail.size(); ++e) {
    if (x.tail[e] == x.head[e]) x.head[e] = (x.head[e] + 1) % nodes;
    x.capacity[e] = std::clamp<std::int64_t>(x.capacity[e], 0, 12);
  }
  return x;
}

}  // namespace gridcompute::flow
