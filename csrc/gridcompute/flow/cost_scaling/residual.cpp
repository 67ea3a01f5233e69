#include "gridcompute/flow/cost_scaling/residual.hpp"

#include <algorithm>
#include <deque>

namespace gridcompute::flow {

namespace {

constexpr Node kFar = std::numeric_limits<Node>::max();
constexpr Index kDischargesPerPoll = 256;

}  // namespace

template <class Int>
Residual<Int>::Residual(const Network<Int>& net, Int scale)
    : n(net.n),
      start(at(net.n) + 1, 0),
      halves(2 * at(net.m())),
      excess(net.supply.begin(), net.supply.end()),
      net_(&net),
      first_(at(net.m())),
      arc_(2 * at(net.m())) {
  for (Arc e = 0; e < net.m(); ++e) ++start[at(net.tail[at(e)]) + 1], ++start[at(net.head[at(e)]) + 1];
  for (Node v = 0; v < n; ++v) start[at(v) + 1] += start[at(v)];
  end.assign(start.begin() + 1, start.end());
  std::vector<Arc> next(start.begin(), start.end() - 1);
  for (Arc e = 0; e < net.m(); ++e) {
    const Node t = net.tail[at(e)], h = net.head[at(e)];
    const Arc i = next[at(t)]++, j = next[at(h)]++;
    first_[at(e)] = i;
    arc_[at(i)] = arc_[at(j)] = e;
    halves[at(i)] = {h, j, net.cap[at(e)], 0, net.cost[at(e)] * scale};
    halves[at(j)] = {t, i, 0, net.cap[at(e)], -net.cost[at(e)] * scale};
    if (net.cost[at(e)] < 0) push(i, t, net.cap[at(e)]);
  }
}

// Distances in arcs to the nearest node that is short.
template <class Int>
bool Residual<Int>::levels() {
  level_.assign(at(n), kFar);
  std::vector<Node> queue;
  for (Node v = 0; v < n; ++v)
    if (excess[at(v)] < 0) level_[at(v)] = 0, queue.push_back(v);
  bool found = false;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Node v = queue[i];
    found |= excess[at(v)] > 0;
    for (Arc k = start[at(v)]; k < end[at(v)]; ++k) {
      const Half<Int>& h = halves[at(k)];
      if (level_[at(h.to)] != kFar || h.back == 0 || !usable(h)) continue;
      level_[at(h.to)] = level_[at(v)] + 1;
      queue.push_back(h.to);
    }
  }
  return found;
}

// First in first out; levels never exceed the distances, which are made anew after every n relabels.
template <class Int>
void Residual<Int>::discharge(Stop& stop) {
  current_.assign(start.begin(), start.end() - 1);
  std::deque<Node> active;
  const auto waits = [&](Node v) { return excess[at(v)] > 0 && level_[at(v)] != kFar; };
  for (Node v = 0; v < n; ++v)
    if (waits(v)) active.push_back(v);
  Index relabels = 0;
  for (Index count = 1; !active.empty(); ++count) {
    const Node v = active.front();
    active.pop_front();
    while (waits(v)) {
      Arc& k = current_[at(v)];
      if (k == end[at(v)]) {
        relabel(v);
        ++relabels;
        continue;
      }
      const Half<Int>& h = halves[at(k)];
      if (!open(h) || level_[at(h.to)] != level_[at(v)] - 1) {
        ++k;
        continue;
      }
      const bool waited = excess[at(h.to)] > 0;
      push(k, v, fitting(excess[at(v)], h.room));
      if (!waited && excess[at(h.to)] > 0) active.push_back(h.to);
    }
    if (relabels > n) {
      relabels = 0;
      levels();
      std::copy(start.begin(), start.end() - 1, current_.begin());
    }
    if (count % kDischargesPerPoll == 0 && stop.poll()) return;
  }
}

template <class Int>
void Residual<Int>::relabel(Node v) {
  Node least = kFar - 1;
  for (Arc k = start[at(v)]; k < end[at(v)]; ++k)
    if (open(halves[at(k)])) least = std::min(least, level_[at(halves[at(k)].to)]);
  level_[at(v)] = least >= n ? kFar : least + 1;
  current_[at(v)] = start[at(v)];
}

template <class Int>
typename Residual<Int>::End Residual<Int>::feasible(Stop& stop) {
  for (const bool free : {true, false}) {
    free_only_ = free;
    while (levels()) {
      discharge(stop);
      if (stop.requested()) return End::stopped;
    }
  }
  return unserved() == 0 ? End::feasible : End::infeasible;
}

template <class Int>
void Residual<Int>::swap(Arc a, Arc b) {
  if (a == b) return;
  std::swap(halves[at(a)], halves[at(b)]);
  std::swap(arc_[at(a)], arc_[at(b)]);
  // Two halves of one node are never mates: loops are gone.
  halves[at(halves[at(a)].mate)].mate = a;
  halves[at(halves[at(b)].mate)].mate = b;
  for (const Arc k : {a, b})
    if (halves[at(k)].to == net_->head[at(arc_[at(k)])]) first_[at(arc_[at(k)])] = k;
}

template <class Int>
void Residual<Int>::fix(Node v, Arc half) {
  const Node w = halves[at(half)].to;
  const Arc mate = halves[at(half)].mate;
  swap(half, --end[at(v)]);
  swap(mate, --end[at(w)]);
}

template <class Int>
Values<Int> Residual<Int>::flow() const {
  Values<Int> out(first_.size());
  for (std::size_t e = 0; e < out.size(); ++e) out[e] = net_->cap[e] - halves[at(first_[e])].room;
  return out;
}

template <class Int>
std::vector<Node> Residual<Int>::cut() const {
  std::vector<bool> seen(at(n), false);
  std::vector<Node> queue;
  for (Node v = 0; v < n; ++v)
    if (excess[at(v)] > 0) seen[at(v)] = true, queue.push_back(v);
  for (std::size_t i = 0; i < queue.size(); ++i)
    for (Arc k = start[at(queue[i])]; k < start[at(queue[i]) + 1]; ++k) {
      const Half<Int>& h = halves[at(k)];
      if (h.room > 0 && !seen[at(h.to)]) seen[at(h.to)] = true, queue.push_back(h.to);
    }
  std::sort(queue.begin(), queue.end());
  return queue;
}

template <class Int>
typename Residual<Int>::Sum Residual<Int>::unserved() const {
  Sum sum = 0;
  for (const Sum x : excess) sum += std::max<Sum>(x, 0);
  return sum;
}

template <class Int>
bool Residual<Int>::holds() const {
  std::vector<Sum> left(net_->supply.begin(), net_->supply.end());
  for (std::size_t e = 0; e < first_.size(); ++e) {
    const Half<Int>& h = halves[at(first_[e])];
    const Half<Int>& back = halves[at(h.mate)];
    if (h.room < 0 || back.room < 0 || h.room + back.room != net_->cap[e]) return false;
    if (h.back != back.room || back.back != h.room) return false;
    if (h.to != net_->head[e] || back.to != net_->tail[e] || h.cost != -back.cost) return false;
    left[at(net_->tail[e])] -= back.room;
    left[at(net_->head[e])] += back.room;
  }
  return left == excess;
}

template class Residual<std::int32_t>;
template class Residual<std::int64_t>;

}  // namespace gridcompute::flow
