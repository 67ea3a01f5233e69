#include "gridcompute/certificate/flow.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace gridcompute::certificate {

namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

std::int64_t lower_of(const FlowProblem& p, std::size_t e) { return p.lower.empty() ? 0 : p.lower[e]; }

FlowReport wrong(std::string reason, std::size_t index) {
  FlowReport out;
  out.valid = false;
  out.reason = std::move(reason);
  out.index = static_cast<Index>(index);
  return out;
}

FlowReport wrong_size(const char* field, std::size_t found, const char* name, std::size_t needed) {
  return wrong(std::string(field) + ": found " + std::to_string(found) + " entries, needed " + name + " = " +
                   std::to_string(needed),
               found);
}

// Checks the bounds of a flow, sums its cost, and computes the excess of each node.
FlowReport check_bounds(const FlowProblem& p, std::span<const std::int64_t> flow, std::vector<Wide>& excess) {
  FlowReport out = check_problem(p);
  if (!out.valid) return out;
  if (flow.size() != p.tail.size()) return wrong_size("flow", flow.size(), "n_arcs", p.tail.size());
  excess.assign(p.supply.begin(), p.supply.end());
  bool over = false;
  for (std::size_t e = 0; e < flow.size(); ++e) {
    if (flow[e] < lower_of(p, e)) return wrong("arc " + std::to_string(e) + " carries less than its lower bound", e);
    if (flow[e] > p.capacity[e]) return wrong("arc " + std::to_string(e) + " carries more than its capacity", e);
    excess[at(p.tail[e])] -= flow[e];
    excess[at(p.head[e])] += flow[e];
    over |= __builtin_add_overflow(out.objective, static_cast<Wide>(p.cost[e]) * flow[e], &out.objective);
  }
  if (over) return wrong("the total cost does not fit 127 bits", 0);
  return out;
}

}  // namespace

FlowReport check_problem(const FlowProblem& p) {
  const std::size_t m = p.tail.size();
  if (p.head.size() != m) return wrong_size("head", p.head.size(), "n_arcs", m);
  if (p.capacity.size() != m) return wrong_size("capacity", p.capacity.size(), "n_arcs", m);
  if (p.cost.size() != m) return wrong_size("cost", p.cost.size(), "n_arcs", m);
  if (!p.lower.empty() && p.lower.size() != m) return wrong_size("lower", p.lower.size(), "n_arcs", m);
  const auto outside = [&](std::int64_t node) { return node < 0 || at(node) >= p.supply.size(); };
  for (std::size_t e = 0; e < m; ++e) {
    if (outside(p.tail[e]) || outside(p.head[e]))
      return wrong("arc " + std::to_string(e) + " goes from node " + std::to_string(p.tail[e]) + " to node " +
                       std::to_string(p.head[e]) + ", and there are " + std::to_string(p.supply.size()),
                   e);
    if (p.capacity[e] < lower_of(p, e))
      return wrong("arc " + std::to_string(e) + " has a capacity below its lower bound", e);
  }
  return {};
}

FlowReport check_partial(const FlowProblem& p, std::span<const std::int64_t> flow) {
  std::vector<Wide> excess;
  FlowReport out = check_bounds(p, flow, excess);
  out.conserves = out.valid;
  for (const Wide units : excess) {
    out.unserved += std::max<Wide>(units, 0);
    out.conserves &= units == 0;
  }
  return out;
}

FlowReport check_feasible(const FlowProblem& p, std::span<const std::int64_t> flow) {
  std::vector<Wide> excess;
  FlowReport out = check_bounds(p, flow, excess);
  if (!out.valid) return out;
  for (std::size_t v = 0; v < excess.size(); ++v)
    if (excess[v] != 0) return wrong("node " + std::to_string(v) + " does not conserve flow", v);
  return out;
}

FlowReport check_optimal(const FlowProblem& p, std::span<const std::int64_t> flow,
                         std::span<const std::int64_t> potentials) {
  if (potentials.size() != p.supply.size())
    return wrong_size("potentials", potentials.size(), "n_nodes", p.supply.size());
  FlowReport out = check_feasible(p, flow);
  if (!out.valid) return out;
  for (std::size_t e = 0; e < flow.size(); ++e) {
    const Wide r = static_cast<Wide>(p.cost[e]) + potentials[at(p.tail[e])] - potentials[at(p.head[e])];
    if ((r < 0 && flow[e] < p.capacity[e]) || (r > 0 && flow[e] > lower_of(p, e)))
      return wrong("arc " + std::to_string(e) + " violates complementary slackness", e);
  }
  return out;
}

FlowReport check_cut(const FlowProblem& p, std::span<const Index> nodes) {
  if (FlowReport problem = check_problem(p); !problem.valid) return problem;
  std::vector<bool> in(p.supply.size(), false);
  Wide supply = 0;
  for (const Index v : nodes) {
    if (v < 0 || at(v) >= in.size() || in[at(v)])
      return wrong("the cut names node " + std::to_string(v) + " twice, or it is none", at(v));
    in[at(v)] = true;
    supply += p.supply[at(v)];
  }
  Wide most_out = 0, least_out = 0;  // net
  bool no_limit_out = false, no_limit_in = false;
  for (std::size_t e = 0; e < p.tail.size(); ++e) {
    const bool tail = in[at(p.tail[e])], head = in[at(p.head[e])];
    if (tail == head) continue;
    const std::int64_t most = p.capacity[e], least = lower_of(p, e);
    if (most == kNoLimit) (tail ? no_limit_out : no_limit_in) = true;
    most_out += tail ? most : -static_cast<Wide>(least);
    least_out += tail ? least : -static_cast<Wide>(most);
  }
  if ((supply > most_out && !no_limit_out) || (supply < least_out && !no_limit_in)) return {};
  return wrong("the cut can be served", 0);
}

FlowReport check_cycle(const FlowProblem& p, std::span<const Index> arcs) {
  if (FlowReport problem = check_problem(p); !problem.valid) return problem;
  if (arcs.empty()) return wrong("the cycle has no arcs", 0);
  std::vector<Index> sorted(arcs.begin(), arcs.end());
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end() || sorted.front() < 0 ||
      at(sorted.back()) >= p.tail.size())
    return wrong("the cycle names an arc twice or one that is none", 0);
  Wide cost = 0;
  for (std::size_t k = 0; k < arcs.size(); ++k) {
    const std::size_t e = at(arcs[k]), next = at(arcs[(k + 1) % arcs.size()]);
    if (p.capacity[e] != kNoLimit) return wrong("arc " + std::to_string(e) + " of the cycle has a capacity", e);
    if (p.head[e] != p.tail[next]) return wrong("the cycle is broken after arc " + std::to_string(e), e);
    cost += p.cost[e];
  }
  if (cost >= 0) return wrong("the cycle does not have a negative cost", 0);
  FlowReport out;
  out.objective = cost;
  return out;
}

}  // namespace gridcompute::certificate
