#include "gridcompute/flow/cost_scaling/cost_scaling.hpp"

#include <algorithm>
#include <bit>

#include "gridcompute/flow/cost_scaling/feasible_flow.hpp"

namespace gridcompute::flow {

namespace {

// The largest scaling factor that FlowTuning::scaling_bits allows; the range proof is for it.
constexpr std::int64_t kMaxAlpha = 1 << 4;

// Arcs are fixed beyond this times n epsilon. A factor of 2 is enough for the flow: epsilon-optimal prices of one flow
// differ by less from those of another. This is twice that, since prices move on; arcs that were fixed wrongly all the
// same are found at the end and released.
constexpr std::int64_t kFixingFactor = 4;

std::int64_t alpha(const FlowTuning& tuning) { return std::int64_t{1} << tuning.scaling_bits; }

}  // namespace

CostScaling::CostScaling(const Network<std::int64_t>& net, const FlowTuning& tuning)
    : tuning_(tuning),
      graph_(net, net.n + 1),
      price_(at(net.n), 0),
      refine_(graph_, price_, counts_,
              {(alpha(tuning) + 1) * (Index{net.n} + 1), std::numeric_limits<Price>::min(), false}, tuning) {
  const auto most = static_cast<std::uint64_t>(net.max_cost * (net.n + 1));
  bits_ = static_cast<int>(std::bit_width(most));
}

std::int64_t CostScaling::largest_cost(Index n) noexcept {
  const Wide least = static_cast<Wide>(n + 1) * (n + 1) * 4 * (kMaxAlpha + 1);
  return static_cast<std::int64_t>((static_cast<Wide>(1) << 61) / least);
}

CostScaling::End CostScaling::run(Stop& stop) {
  switch (FeasibleFlow<Price>(graph_, tuning_).run(stop)) {
    case FeasibleFlow<Price>::End::infeasible:
      return End::infeasible;
    case FeasibleFlow<Price>::End::stopped:
      return End::stopped;
    case FeasibleFlow<Price>::End::feasible:
      break;
  }
  if (price_by_shortest_paths()) return End::optimal;
  for (;;) {
    ++counts_.phases;
    bits_ = std::max(0, bits_ - static_cast<int>(tuning_.scaling_bits));
    if (!refine_prices() && refine_.run(bits_, stop) == Refine<Price>::End::stopped) return End::stopped;
    if (bits_ > 0) {
      fix_arcs();
    } else if (holds()) {
      return End::optimal;
    } else {  // prices moved past a fixed arc
      graph_.unfix_all();
    }
    if (stop.poll()) return End::stopped;
  }
}

// Fixes arcs: the flow is epsilon-optimal, and an arc far from reduced cost 0 keeps its flow in every flow that is
// optimal for a smaller epsilon.
void CostScaling::fix_arcs() {
  const Wide far = static_cast<Wide>(kFixingFactor) * graph_.n * epsilon();
  for (Node v = 0; v < graph_.n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)];) {
      if (reduced_cost(v, graph_.halves[at(k)]) > far)
        graph_.fix(v, k), ++counts_.fixed_arcs;
      else
        ++k;
    }
}

// Searches shortest residual paths from all nodes (Bellman-Ford, first in first out) within tuning.path_passes scans of
// all half-arcs. If the search ends, the first flow is optimal, as a maximum flow over arcs of cost 0 is. A price below
// the least length of a path of n arcs shows a cycle of negative cost.
bool CostScaling::price_by_shortest_paths() {
  const Price lowest = -epsilon() * graph_.n;
  bool cycle = false;
  Index scans = tuning_.path_passes * std::ssize(graph_.halves);
  std::deque<Node> queue;
  std::vector<bool> queued(at(graph_.n), true);
  for (Node v = 0; v < graph_.n; ++v) queue.push_back(v);
  while (!queue.empty() && scans > 0 && !cycle) {
    const Node v = queue.front();
    queue.pop_front();
    queued[at(v)] = false;
    scans -= graph_.end[at(v)] - graph_.start[at(v)];
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const HalfArc<Price>& h = graph_.halves[at(k)];
      const Price r = h.residual > 0 ? reduced_cost(v, h) : 0;
      if (r >= 0) continue;
      cycle |= (price_[at(h.to)] += r) < lowest;
      if (!queued[at(h.to)]) queued[at(h.to)] = true, queue.push_back(h.to);
    }
  }
  if (queue.empty() && !cycle) return true;
  std::fill(price_.begin(), price_.end(), 0);
  return false;
}

// Lists the nodes in topological order of the admissible arcs; false if these close a cycle.
bool CostScaling::order_admissible(std::vector<Node>& order) const {
  const Node n = graph_.n;
  std::vector<Node> entering(at(n), 0);
  for (Node v = 0; v < n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const HalfArc<Price>& h = graph_.halves[at(k)];
      if (h.residual > 0 && reduced_cost(v, h) < 0) ++entering[at(h.to)];
    }
  order.clear();
  for (Node v = 0; v < n; ++v)
    if (entering[at(v)] == 0) order.push_back(v);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Node v = order[i];
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const HalfArc<Price>& h = graph_.halves[at(k)];
      if (h.residual > 0 && reduced_cost(v, h) < 0 && --entering[at(h.to)] == 0) order.push_back(h.to);
    }
  }
  return order.size() == at(n);
}

bool CostScaling::refine_prices() {
  std::vector<Node> order;
  std::vector<Price> fall;
  const std::vector<Price> before = price_;
  const auto give_up = [&] {
    price_ = before;
    return false;
  };
  for (Index round = 0; round < tuning_.price_refinement_rounds && order_admissible(order); ++round) {
    fall.assign(at(graph_.n), 0);
    bool changed = false;
    for (const Node v : order)
      for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
        const HalfArc<Price>& h = graph_.halves[at(k)];
        const Price r = reduced_cost(v, h);
        if (h.residual == 0 || r >= 0) continue;
        const Price need = fall[at(v)] + (-r - epsilon() > 0 ? (-r - 1) / epsilon() : 0);
        if (need > graph_.n) return give_up();
        if (need > fall[at(h.to)]) fall[at(h.to)] = need, changed = true;
      }
    if (!changed) {
      ++counts_.price_refinements;
      return true;
    }
    for (std::size_t v = 0; v < fall.size(); ++v) price_[v] -= fall[v] * epsilon();
  }
  return give_up();
}

FlowAndPotentials<std::int64_t> CostScaling::solution() const {
  FlowAndPotentials<std::int64_t> out{graph_.flow(), std::vector<std::int64_t>(price_.size(), 0)};
  const std::int64_t modulus = graph_.n + 1;
  const auto residue = [modulus](Price p) { return ((p % modulus) + modulus) % modulus; };
  std::vector<bool> used(at(modulus), false);
  for (const Price p : price_) used[at(residue(p))] = true;
  const std::int64_t free = std::find(used.begin(), used.end(), false) - used.begin();
  for (std::size_t v = 0; v < price_.size(); ++v) {
    const Price p = price_[v] + graph_.n - free;
    out.potential[v] = (p - residue(p)) / modulus;
  }
  return out;
}

bool CostScaling::holds() const {
  if (!graph_.holds()) return false;
  for (Node v = 0; v < graph_.n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.start[at(v) + 1]; ++k)
      if (graph_.halves[at(k)].residual > 0 && reduced_cost(v, graph_.halves[at(k)]) < -epsilon()) return false;
  return true;
}

}  // namespace gridcompute::flow
