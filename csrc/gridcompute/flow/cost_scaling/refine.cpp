#include "gridcompute/flow/cost_scaling/refine.hpp"

#include <algorithm>

namespace gridcompute::flow {

namespace {

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

template <class Int>
Refine<Int>::Refine(Residual<Int>& graph, std::vector<Int>& price, ScalingCounts& counts, const Limits& limits)
    : graph_(graph),
      price_(price),
      counts_(counts),
      farthest_(static_cast<std::int32_t>(std::min<std::int64_t>(limits.farthest, Buckets::kMost - 1))),
      lowest_(limits.lowest),
      unsure_(limits.unsure),
      current_(at(graph.n), 0),
      buckets_(graph.n) {}

template <class Int>
void Refine<Int>::saturate() {
  for (Node v = 0; v < graph_.n; ++v)
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const Half<Int>& h = graph_.halves[at(k)];
      if (h.room > 0 && reduced(v, h) < 0) graph_.push(k, v, h.room);
    }
}

// Only without an admissible arc: then the price falls by eps or more, no arc into v is admissible afterwards, and
// admissible arcs never close a cycle (units would run round it for ever). So nothing before current_ may be left out.
template <class Int>
bool Refine<Int>::relabel(Node v) {
  Int best = std::numeric_limits<Int>::min();
  looks_ += graph_.end[at(v)] - graph_.start[at(v)];
  for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
    const Half<Int>& h = graph_.halves[at(k)];
    if (h.room > 0) best = std::max(best, price_[at(h.to)] - h.cost);
  }
  if (best == std::numeric_limits<Int>::min()) return false;  // looked at ahead: it can only give units back
  price_[at(v)] = best - (Int{1} << bits_);
  lost_ |= price_[at(v)] < lowest_;
  current_[at(v)] = graph_.start[at(v)];
  ++counts_.relabels;
  ++relabels_since_update_;
  return true;
}

// Can w take units, or send them on? One that cannot is relabelled, and then the arc to it is no longer admissible.
template <class Int>
bool Refine<Int>::passes_on(Node w) {
  if (graph_.excess[at(w)] < 0) return true;
  for (Arc& k = current_[at(w)]; k < graph_.end[at(w)]; ++k) {
    const Half<Int>& h = graph_.halves[at(k)];
    if (h.room > 0 && reduced(w, h) < 0) return true;
  }
  (void)relabel(w);
  return false;
}

template <class Int>
void Refine<Int>::discharge(Node v) {
  while (!lost_) {
    Arc& k = current_[at(v)];
    for (; k < graph_.end[at(v)]; ++k) {
      const Half<Int>& h = graph_.halves[at(k)];
      if (h.room == 0 || reduced(v, h) >= 0) continue;
      if (!passes_on(h.to) && reduced(v, h) >= 0) continue;
      const bool was_active = graph_.excess[at(h.to)] > 0;
      const Node to = h.to;
      graph_.push(k, v, Residual<Int>::fitting(graph_.excess[at(v)], h.room));
      ++counts_.pushes;
      if (!was_active && graph_.excess[at(to)] > 0) active_.push_back(to);
      if (graph_.excess[at(v)] == 0) return;
    }
    if (!relabel(v)) lost_ = true;  // more units than all its arcs take
    if (relabels_since_update_ <= graph_.n) continue;
    active_.push_back(v);  // a search is due first: there may be no way at all
    return;
  }
}

template <class Int>
typename Refine<Int>::End Refine<Int>::run(int bits, Stop& stop, Index budget) {
  bits_ = bits;
  saturate();
  std::copy(graph_.start.begin(), graph_.start.end() - 1, current_.begin());
  active_.clear();
  for (Node v = 0; v < graph_.n; ++v)
    if (graph_.excess[at(v)] > 0) active_.push_back(v);
  update_globally();
  for (Index count = 1; !active_.empty() && !lost_; ++count) {
    const Node v = active_.front();
    active_.pop_front();
    discharge(v);
    if (relabels_since_update_ > graph_.n) update_globally();
    if (count % kDischargesPerPoll != 0) continue;
    if (stop.poll()) return End::stopped;
    if (looks_ > budget) return End::spent;
  }
  return lost_ ? End::lost : End::done;
}

// Falls of prices, in eps, by a search from the deficits with lengths floor(reduced / eps) + 1: afterwards every node
// with excess has an admissible path. Nodes farther than the last one with excess fall as far as that.
template <class Int>
void Refine<Int>::update_globally() {
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
    for (Node w = buckets_.take(level); w != Buckets::kNone; w = buckets_.take(level)) {
      if (graph_.excess[at(w)] > 0) --waiting;
      looks_ += graph_.end[at(w)] - graph_.start[at(w)];
      for (Arc k = graph_.start[at(w)]; k < graph_.end[at(w)]; ++k) {
        const Half<Int>& h = graph_.halves[at(k)];
        if (buckets_.level(h.to) <= level || h.back == 0) continue;
        const Int r = -reduced(w, h);
        const Int far = r < 0 ? 0 : (r >> bits_) + 1;
        if (far <= farthest_ - level && far + level < buckets_.level(h.to))
          buckets_.move(h.to, level + static_cast<std::int32_t>(far));
      }
    }
  }
  counts_.levels += level;
  if (waiting > 0) {  // beyond the buckets, where relabels alone will do, or without a way
    lost_ |= unsure_;
    return;
  }
  for (Node v = 0; v < n; ++v) {
    const std::int64_t fall = static_cast<std::int64_t>(std::min(buckets_.level(v), level - 1)) << bits_;
    lost_ |= price_[at(v)] < lowest_ + fall;
    if (!lost_) price_[at(v)] -= static_cast<Int>(fall);
    current_[at(v)] = graph_.start[at(v)];
  }
}

template class Refine<std::int32_t>;
template class Refine<std::int64_t>;

}  // namespace gridcompute::flow
