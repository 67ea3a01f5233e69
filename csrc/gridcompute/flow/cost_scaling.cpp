#include "gridcompute/flow/cost_scaling.hpp"

#include <algorithm>

namespace gridcompute::flow {

namespace {

constexpr std::int64_t kAlpha = 16;   // eps falls by this a phase
constexpr std::int64_t kFar = 4;      // arcs are fixed beyond this times n eps
constexpr int kRefinementRounds = 4;  // of price refinement, before flow is moved
constexpr Index kLooks = 4;           // at halves, times all there are, for shortest paths before the first phase
constexpr Index kDischargesPerPoll = 256;

}  // namespace

void Buckets::clear() {
  std::fill(level_.begin(), level_.end(), kMost);
  std::fill(first_.begin(), first_.begin() + (highest_ + 1), kNone);
  highest_ = -1;
}

void Buckets::move(Node v, std::int32_t level) {
  if (level_[at(v)] != kMost) unlink(v);
  if (first_.size() <= at(level)) first_.resize(2 * at(level) + 1, kNone);
  const Node next = first_[at(level)];
  next_[at(v)] = next;
  previous_[at(v)] = kNone;
  if (next != kNone) previous_[at(next)] = v;
  first_[at(level)] = v;
  level_[at(v)] = level;
  highest_ = std::max(highest_, level);
}

Node Buckets::take(std::int32_t level) {
  const Node v = first_[at(level)];
  if (v != kNone) unlink(v);
  return v;
}

void Buckets::unlink(Node v) {
  const Node next = next_[at(v)], previous = previous_[at(v)];
  if (next != kNone) previous_[at(next)] = previous;
  (previous == kNone ? first_[at(level_[at(v)])] : next_[at(previous)]) = next;
}

CostScaling::CostScaling(const Network<std::int64_t>& net)
    : graph_(net, net.n + 1), price_(at(net.n), 0), current_(at(net.n), 0), buckets_(net.n) {
  eps_ = std::max<Price>(1, net.most_cost * (net.n + 1));
}

std::int64_t CostScaling::largest_cost(Index n) noexcept {
  const Wide least = static_cast<Wide>(n + 1) * (n + 1) * 4 * (kAlpha + 1);
  return static_cast<std::int64_t>((static_cast<Wide>(1) << 61) / least);
}

CostScaling::End CostScaling::run(Stop& stop) {
  switch (graph_.feasible(stop)) {
    case Residual::End::infeasible:
      return End::infeasible;
    case Residual::End::stopped:
      return End::stopped;
    case Residual::End::feasible:
      break;
  }
  if (price_by_paths()) return End::optimal;
  for (;;) {
    ++counts_.phases;
    eps_ = std::max<Price>(1, eps_ / kAlpha);
    if (!refine_prices() && !refine(stop)) return End::stopped;
    if (eps_ > 1) {
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
  const Wide far = static_cast<Wide>(kFar) * graph_.n * eps_;
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
  const Price lowest = -eps_ * graph_.n;
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
      const Half& h = graph_.halves[at(k)];
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
      const Half& h = graph_.halves[at(k)];
      if (h.room > 0 && reduced(v, h) < 0) ++entering[at(h.to)];
    }
  order.clear();
  for (Node v = 0; v < n; ++v)
    if (entering[at(v)] == 0) order.push_back(v);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Node v = order[i];
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const Half& h = graph_.halves[at(k)];
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
        const Half& h = graph_.halves[at(k)];
        const Price r = reduced(v, h);
        if (h.room == 0 || r >= 0) continue;
        const Price need = fall[at(v)] + (-r - eps_ > 0 ? (-r - 1) / eps_ : 0);
        if (need > graph_.n) return give_up();
        if (need > fall[at(h.to)]) fall[at(h.to)] = need, changed = true;
      }
    if (!changed) {
      ++counts_.refinements;
      return true;
    }
    for (std::size_t v = 0; v < fall.size(); ++v) price_[v] -= fall[v] * eps_;
  }
  return give_up();
}

void CostScaling::saturate() {
  for (Node v = 0; v < graph_.n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const Half& h = graph_.halves[at(k)];
      if (h.room > 0 && reduced(v, h) < 0) graph_.push(k, v, h.room);
    }
}

// Only without an admissible arc: then the price falls by eps or more, no arc into v is admissible afterwards, and
// admissible arcs never close a cycle (units would run round it for ever). So nothing before current_ may be left out.
void CostScaling::relabel(Node v) {
  Price best = std::numeric_limits<Price>::min();
  for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
    const Half& h = graph_.halves[at(k)];
    if (h.room > 0) best = std::max(best, price_[at(h.to)] - h.cost);
  }
  if (best == std::numeric_limits<Price>::min()) return;  // looked at ahead: it can only give units back
  price_[at(v)] = best - eps_;
  current_[at(v)] = graph_.start[at(v)];
  ++counts_.relabels;
  ++relabels_since_update_;
}

// Can w take units, or send them on? One that cannot is relabelled, and then the arc to it is no longer admissible.
bool CostScaling::passes_on(Node w) {
  if (graph_.excess[at(w)] < 0) return true;
  for (Arc& k = current_[at(w)]; k < graph_.end[at(w)]; ++k) {
    const Half& h = graph_.halves[at(k)];
    if (h.room > 0 && reduced(w, h) < 0) return true;
  }
  relabel(w);
  return false;
}

bool CostScaling::discharge(Node v) {
  while (graph_.excess[at(v)] > 0) {
    Arc& k = current_[at(v)];
    for (; k < graph_.end[at(v)]; ++k) {
      const Half& h = graph_.halves[at(k)];
      if (h.room == 0 || reduced(v, h) >= 0) continue;
      if (!passes_on(h.to) && reduced(v, h) >= 0) continue;
      const bool was_active = graph_.excess[at(h.to)] > 0;
      const Node to = h.to;
      graph_.push(k, v, Residual::fitting(graph_.excess[at(v)], h.room));
      ++counts_.pushes;
      if (!was_active && graph_.excess[at(to)] > 0) active_.push_back(to);
      if (graph_.excess[at(v)] == 0) return true;
    }
    relabel(v);
  }
  return true;
}

bool CostScaling::refine(Stop& stop) {
  saturate();
  std::copy(graph_.start.begin(), graph_.start.end() - 1, current_.begin());
  active_.clear();
  for (Node v = 0; v < graph_.n; ++v)
    if (graph_.excess[at(v)] > 0) active_.push_back(v);
  relabels_since_update_ = 0;
  update_globally();
  for (Index count = 1; !active_.empty(); ++count) {
    const Node v = active_.front();
    active_.pop_front();
    discharge(v);
    if (relabels_since_update_ > graph_.n) update_globally();
    if (count % kDischargesPerPoll == 0 && stop.poll()) return false;
  }
  return true;
}

// Falls of prices, in eps, by a search from the deficits with lengths floor(reduced / eps) + 1: afterwards every node
// with excess has an admissible path. Nodes farther than the last one with excess fall as far as that.
void CostScaling::update_globally() {
  relabels_since_update_ = 0;
  const Node n = graph_.n;
  Node waiting = 0;
  buckets_.clear();
  for (Node v = 0; v < n; ++v) {
    if (graph_.excess[at(v)] < 0) buckets_.move(v, 0);
    waiting += graph_.excess[at(v)] > 0;
  }
  if (waiting == 0) return;
  ++counts_.global_updates;
  const auto farthest = static_cast<std::int32_t>(
      std::min<std::int64_t>((kAlpha + 1) * (static_cast<std::int64_t>(n) + 1), Buckets::kMost - 1));
  std::int32_t level = 0;
  for (; waiting > 0 && level <= buckets_.highest(); ++level) {
    for (Node w = buckets_.take(level); w != Buckets::kNone; w = buckets_.take(level)) {
      if (graph_.excess[at(w)] > 0) --waiting;
      for (Arc k = graph_.start[at(w)]; k < graph_.end[at(w)]; ++k) {
        const Half& back = graph_.halves[at(k)];
        if (buckets_.level(back.to) <= level || graph_.halves[at(back.mate)].room == 0) continue;
        const Price r = -reduced(w, back);
        const Price far = r < 0 ? 0 : r / eps_ + 1;
        if (far <= farthest - level && far + level < buckets_.level(back.to))
          buckets_.move(back.to, level + static_cast<std::int32_t>(far));
      }
    }
  }
  counts_.levels += level;
  if (waiting > 0) return;  // beyond the buckets: relabels alone will do
  for (Node v = 0; v < n; ++v) {
    price_[at(v)] -= static_cast<Price>(std::min(buckets_.level(v), level - 1)) * eps_;
    current_[at(v)] = graph_.start[at(v)];
  }
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
      if (graph_.halves[at(k)].room > 0 && reduced(v, graph_.halves[at(k)]) < -eps_) return false;
  return true;
}

}  // namespace gridcompute::flow
