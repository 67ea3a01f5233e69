#include "gridcompute/flow/cost_scaling/cost_scaling.hpp"

#include <algorithm>
#include <bit>

namespace gridcompute::flow {

namespace {

constexpr int kAlphaBits = 4;
constexpr std::int64_t kAlpha = 1 << kAlphaBits;  // eps falls by this a phase
constexpr std::int64_t kFar = 4;                  // arcs are fixed beyond this times n eps
constexpr int kRefinementRounds = 4;              // of price refinement, before flow is moved
constexpr Index kLooks = 4;  // at halves, times all there are, for shortest paths before the first phase

}  // namespace

CostScaling::CostScaling(const Network<std::int64_t>& net)
    : graph_(net, net.n + 1),
      price_(at(net.n), 0),
      refine_(graph_, price_, counts_, {(kAlpha + 1) * (Index{net.n} + 1), std::numeric_limits<Price>::min(), false}) {
  const auto most = static_cast<std::uint64_t>(net.most_cost * (net.n + 1));
  bits_ = static_cast<int>(std::bit_width(most));
}

std::int64_t CostScaling::largest_cost(Index n) noexcept {
  const Wide least = static_cast<Wide>(n + 1) * (n + 1) * 4 * (kAlpha + 1);
  return static_cast<std::int64_t>((static_cast<Wide>(1) << 61) / least);
}

CostScaling::End CostScaling::run(Stop& stop) {
  switch (graph_.feasible(stop)) {
    case Residual<Price>::End::infeasible:
      return End::infeasible;
    case Residual<Price>::End::stopped:
      return End::stopped;
    case Residual<Price>::End::feasible:
      break;
  }
  if (price_by_paths()) return End::optimal;
  for (;;) {
    ++counts_.phases;
    bits_ = std::max(0, bits_ - kAlphaBits);
    if (!refine_prices() && refine_.run(bits_, stop) == Refine<Price>::End::stopped) return End::stopped;
    if (bits_ > 0) {
      fix_arcs();
    } else if (holds()) {
      return End::optimal;
    } else {  // prices moved past a fixed arc: all arcs take part again
      std::copy(graph_.start.begin() + 1, graph_.start.end(), graph_.end.begin());
    }
    if (stop.poll()) return End::stopped;
  }
}

// The flow is eps-optimal: arcs far from 0 keep their flow in every flow that is so for a smaller eps.
void CostScaling::fix_arcs() {
  const Wide far = static_cast<Wide>(kFar) * graph_.n * eps();
  for (Node v = 0; v < graph_.n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)];) {
      if (reduced(v, graph_.halves[at(k)]) > far)
        graph_.fix(v, k), ++counts_.fixed_arcs;
      else
        ++k;
    }
}

// Shortest residual paths from anywhere, first in first out, for as many looks as the graph has halves, times kLooks.
// If they end, the first flow is optimal: so it is where units went for nothing wherever they could (a maximum flow).
// What falls further than a path of n arcs can take it has been round a cycle.
bool CostScaling::price_by_paths() {
  const Price lowest = -eps() * graph_.n;
  bool cycle = false;
  Index looks = kLooks * std::ssize(graph_.halves);
  std::deque<Node> queue;
  std::vector<bool> queued(at(graph_.n), true);
  for (Node v = 0; v < graph_.n; ++v) queue.push_back(v);
  while (!queue.empty() && looks > 0 && !cycle) {
    const Node v = queue.front();
    queue.pop_front();
    queued[at(v)] = false;
    looks -= graph_.end[at(v)] - graph_.start[at(v)];
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const Half<Price>& h = graph_.halves[at(k)];
      const Price r = h.room > 0 ? reduced(v, h) : 0;
      if (r >= 0) continue;
      cycle |= (price_[at(h.to)] += r) < lowest;
      if (!queued[at(h.to)]) queued[at(h.to)] = true, queue.push_back(h.to);
    }
  }
  if (queue.empty() && !cycle) return true;
  std::fill(price_.begin(), price_.end(), 0);
  return false;
}

// Residual arcs of negative reduced cost in topological order of their nodes; false if they have a cycle.
bool CostScaling::order_admissible(std::vector<Node>& order) const {
  const Node n = graph_.n;
  std::vector<Node> entering(at(n), 0);
  for (Node v = 0; v < n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const Half<Price>& h = graph_.halves[at(k)];
      if (h.room > 0 && reduced(v, h) < 0) ++entering[at(h.to)];
    }
  order.clear();
  for (Node v = 0; v < n; ++v)
    if (entering[at(v)] == 0) order.push_back(v);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Node v = order[i];
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const Half<Price>& h = graph_.halves[at(k)];
      if (h.room > 0 && reduced(v, h) < 0 && --entering[at(h.to)] == 0) order.push_back(h.to);
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
  for (int round = 0; round < kRefinementRounds && order_admissible(order); ++round) {
    fall.assign(at(graph_.n), 0);
    bool changed = false;
    for (const Node v : order)
      for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
        const Half<Price>& h = graph_.halves[at(k)];
        const Price r = reduced(v, h);
        if (h.room == 0 || r >= 0) continue;
        const Price need = fall[at(v)] + (-r - eps() > 0 ? (-r - 1) / eps() : 0);
        if (need > graph_.n) return give_up();
        if (need > fall[at(h.to)]) fall[at(h.to)] = need, changed = true;
      }
    if (!changed) {
      ++counts_.refinements;
      return true;
    }
    for (std::size_t v = 0; v < fall.size(); ++v) price_[v] -= fall[v] * eps();
  }
  return give_up();
}

Solution<std::int64_t> CostScaling::solution() const {
  Solution<std::int64_t> out{graph_.flow(), std::vector<std::int64_t>(price_.size(), 0)};
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
      if (graph_.halves[at(k)].room > 0 && reduced(v, graph_.halves[at(k)]) < -eps()) return false;
  return true;
}

}  // namespace gridcompute::flow
