#include "gridcompute/flow/cost_scaling/refine.hpp"

#include <algorithm>
#include <utility>

namespace gridcompute::flow {

void BucketQueue::clear() {
  std::fill(level_.begin(), level_.end(), kUnreached);
  std::fill(first_.begin(), first_.begin() + (highest_ + 1), kNone);
  highest_ = -1;
}

void BucketQueue::move(Node v, std::int32_t level) {
  if (level_[at(v)] != kUnreached) unlink(v);
  if (first_.size() <= at(level)) first_.resize(2 * at(level) + 1, kNone);
  const Node next = first_[at(level)];
  next_[at(v)] = next;
  previous_[at(v)] = kNone;
  if (next != kNone) previous_[at(next)] = v;
  first_[at(level)] = v;
  level_[at(v)] = level;
  highest_ = std::max(highest_, level);
}

Node BucketQueue::take(std::int32_t level) {
  const Node v = first_[at(level)];
  if (v != kNone) unlink(v);
  return v;
}

void BucketQueue::unlink(Node v) {
  const Node next = next_[at(v)], previous = previous_[at(v)];
  if (next != kNone) previous_[at(next)] = previous;
  (previous == kNone ? first_[at(level_[at(v)])] : next_[at(previous)]) = next;
}

template <class Int>
Refine<Int>::Refine(ResidualGraph<Int>& graph, std::vector<Int>& price, CostScalingCounts& counts, const Limits& limits,
                    const FlowTuning& tuning)
    : graph_(graph),
      price_(price),
      counts_(counts),
      tuning_(tuning),
      max_level_(static_cast<std::int32_t>(std::min<std::int64_t>(limits.max_level, BucketQueue::kUnreached - 1))),
      lowest_price_(limits.lowest_price),
      may_be_infeasible_(limits.may_be_infeasible),
      current_arc_(at(graph.n), 0),
      buckets_(graph.n),
      max_relabels_(tuning.relabels_per_update * graph.n) {}

template <class Int>
void Refine<Int>::saturate() {
  for (Node v = 0; v < graph_.n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const HalfArc<Int>& h = graph_.halves[at(k)];
      if (h.residual > 0 && reduced_cost(v, h) < 0) graph_.push(k, v, h.residual);
    }
}

// To be called for a node without an admissible arc: its price then falls by epsilon or more, no arc into it is
// admissible afterwards, and admissible arcs never close a cycle, on which units would circulate for ever. So no arc
// before the current arc may be left out.
template <class Int>
bool Refine<Int>::relabel(Node v) {
  Int best = std::numeric_limits<Int>::min();
  scans_ += graph_.end[at(v)] - graph_.start[at(v)];
  for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
    const HalfArc<Int>& h = graph_.halves[at(k)];
    if (h.residual > 0) best = std::max(best, price_[at(h.to)] - h.cost);
  }
  if (best == std::numeric_limits<Int>::min()) return false;  // no residual arc: it can only return units
  price_[at(v)] = best - (Int{1} << bits_);
  failed_ |= price_[at(v)] < lowest_price_;
  current_arc_[at(v)] = graph_.start[at(v)];
  ++counts_.relabels;
  ++relabels_since_update_;
  return true;
}

// Returns whether w has a deficit or an admissible arc. If neither, w is relabelled, and the arc to it is no longer
// admissible.
template <class Int>
bool Refine<Int>::can_pass_on(Node w) {
  if (graph_.excess[at(w)] < 0) return true;
  for (Arc& k = current_arc_[at(w)]; k < graph_.end[at(w)]; ++k) {
    const HalfArc<Int>& h = graph_.halves[at(k)];
    if (h.residual > 0 && reduced_cost(w, h) < 0) return true;
  }
  (void)relabel(w);
  return false;
}

template <class Int>
void Refine<Int>::discharge(Node v) {
  while (!failed_) {
    Arc& k = current_arc_[at(v)];
    for (; k < graph_.end[at(v)]; ++k) {
      const HalfArc<Int>& h = graph_.halves[at(k)];
      if (h.residual == 0 || reduced_cost(v, h) >= 0) continue;
      if (!can_pass_on(h.to) && reduced_cost(v, h) >= 0) continue;
      const bool was_active = graph_.excess[at(h.to)] > 0;
      const Node to = h.to;
      graph_.push(k, v, ResidualGraph<Int>::fitting(graph_.excess[at(v)], h.residual));
      ++counts_.pushes;
      if (!was_active && graph_.excess[at(to)] > 0) active_.push_back(to);
      if (graph_.excess[at(v)] == 0) return;
    }
    if (!relabel(v)) failed_ = true;  // more units than all its arcs can carry
    if (relabels_since_update_ <= max_relabels_) continue;
    active_.push_back(v);  // a global update is due first: there may be no path at all
    return;
  }
}

template <class Int>
typename Refine<Int>::End Refine<Int>::run(int bits, Stop& stop, Index budget) {
  bits_ = bits;
  saturate();
  std::copy(graph_.start.begin(), graph_.start.end() - 1, current_arc_.begin());
  active_.clear();
  for (Node v = 0; v < graph_.n; ++v)
    if (graph_.excess[at(v)] > 0) active_.push_back(v);
  Index counted = scans_;
  update_prices();
  for (Index count = 1; !active_.empty() && !failed_; ++count) {
    const Node v = active_.front();
    active_.pop_front();
    discharge(v);
    if (relabels_since_update_ > max_relabels_) update_prices();
    if (count % tuning_.discharges_per_poll != 0) continue;
    if (stop.poll(scans_ - std::exchange(counted, scans_))) return End::stopped;
    if (scans_ > budget) return End::budget_spent;
  }
  return failed_ ? End::failed : End::done;
}

// Global price update: lowers prices by multiples of epsilon, found by a search from the deficits with lengths
// floor(reduced cost / epsilon) + 1; afterwards every node with excess has an admissible path. Nodes beyond the
// farthest node with excess fall by its distance.
template <class Int>
void Refine<Int>::update_prices() {
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
  std::int32_t level = 0;
  for (; waiting > 0 && level <= buckets_.highest(); ++level) {
    for (Node w = buckets_.take(level); w != BucketQueue::kNone; w = buckets_.take(level)) {
      if (graph_.excess[at(w)] > 0) --waiting;
      scans_ += graph_.end[at(w)] - graph_.start[at(w)];
      for (Arc k = graph_.start[at(w)]; k < graph_.end[at(w)]; ++k) {
        const HalfArc<Int>& h = graph_.halves[at(k)];
        if (buckets_.level(h.to) <= level || h.reverse_residual == 0) continue;
        const Int r = -reduced_cost(w, h);
        const Int length = r < 0 ? 0 : (r >> bits_) + 1;
        if (length <= max_level_ - level && length + level < buckets_.level(h.to))
          buckets_.move(h.to, level + static_cast<std::int32_t>(length));
      }
    }
  }
  counts_.levels += level;
  if (waiting > 0) {  // beyond the last bucket, where relabels alone suffice, or without a path
    failed_ |= may_be_infeasible_;
    return;
  }
  for (Node v = 0; v < n; ++v) {
    const std::int64_t fall = static_cast<std::int64_t>(std::min(buckets_.level(v), level - 1)) << bits_;
    failed_ |= price_[at(v)] < lowest_price_ + fall;
    if (!failed_) price_[at(v)] -= static_cast<Int>(fall);
    current_arc_[at(v)] = graph_.start[at(v)];
  }
}

template class Refine<std::int32_t>;
template class Refine<std::int64_t>;

}  // namespace gridcompute::flow
