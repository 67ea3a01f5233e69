#include "gridcompute/flow/cost_scaling.hpp"

#include <algorithm>
#include <bit>
#include <deque>
#include <utility>

namespace gridcompute::flow {

template <class Int>
ResidualGraph<Int>::ResidualGraph(const Network<Int>& net, Int scale)
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
    halves[at(i)] = {h, j, net.capacity[at(e)], 0, net.cost[at(e)] * scale};
    halves[at(j)] = {t, i, 0, net.capacity[at(e)], -net.cost[at(e)] * scale};
    if (net.cost[at(e)] < 0) push(i, t, net.capacity[at(e)]);
  }
}

template <class Int>
void ResidualGraph<Int>::swap(Arc a, Arc b) {
  if (a == b) return;
  std::swap(halves[at(a)], halves[at(b)]);
  std::swap(arc_[at(a)], arc_[at(b)]);
  // Two half-arcs of one node are never reverses of each other: there are no self-loops.
  halves[at(halves[at(a)].reverse)].reverse = a;
  halves[at(halves[at(b)].reverse)].reverse = b;
  for (const Arc k : {a, b})
    if (halves[at(k)].to == net_->head[at(arc_[at(k)])]) first_[at(arc_[at(k)])] = k;
}

template <class Int>
void ResidualGraph<Int>::fix(Node v, Arc half) {
  const Node w = halves[at(half)].to;
  const Arc reverse = halves[at(half)].reverse;
  swap(half, --end[at(v)]);
  swap(reverse, --end[at(w)]);
}

template <class Int>
void ResidualGraph<Int>::unfix_all() {
  std::copy(start.begin() + 1, start.end(), end.begin());
}

template <class Int>
RawVector<Int> ResidualGraph<Int>::flow() const {
  RawVector<Int> out(first_.size());
  for (std::size_t e = 0; e < out.size(); ++e) out[e] = net_->capacity[e] - halves[at(first_[e])].residual;
  return out;
}

template <class Int>
std::vector<Node> ResidualGraph<Int>::cut() const {
  std::vector<bool> seen(at(n), false);
  std::vector<Node> queue;
  for (Node v = 0; v < n; ++v)
    if (excess[at(v)] > 0) seen[at(v)] = true, queue.push_back(v);
  for (std::size_t i = 0; i < queue.size(); ++i)
    for (Arc k = start[at(queue[i])]; k < start[at(queue[i]) + 1]; ++k) {
      const HalfArc<Int>& h = halves[at(k)];
      if (h.residual > 0 && !seen[at(h.to)]) seen[at(h.to)] = true, queue.push_back(h.to);
    }
  std::sort(queue.begin(), queue.end());
  return queue;
}

template <class Int>
typename ResidualGraph<Int>::Sum ResidualGraph<Int>::unserved() const {
  Sum sum = 0;
  for (const Sum x : excess) sum += std::max<Sum>(x, 0);
  return sum;
}

template <class Int>
bool ResidualGraph<Int>::holds() const {
  std::vector<Sum> left(net_->supply.begin(), net_->supply.end());
  for (std::size_t e = 0; e < first_.size(); ++e) {
    const HalfArc<Int>& h = halves[at(first_[e])];
    const HalfArc<Int>& back = halves[at(h.reverse)];
    if (h.residual < 0 || back.residual < 0 || h.residual + back.residual != net_->capacity[e]) return false;
    if (h.reverse_residual != back.residual || back.reverse_residual != h.residual) return false;
    if (h.to != net_->head[e] || back.to != net_->tail[e] || h.cost != -back.cost) return false;
    left[at(net_->tail[e])] -= back.residual;
    left[at(net_->head[e])] += back.residual;
  }
  return left == excess;
}

template class ResidualGraph<std::int32_t>;
template class ResidualGraph<std::int64_t>;

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
      max_relabels_(kRelabelsPerUpdate * graph.n) {}

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

// How often the clock is read (discharges).
constexpr Index kDischargesPerPoll = 256;

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
    if (count % kDischargesPerPoll != 0) continue;
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
    if (refine_.run(bits_, stop) == Refine<Price>::End::stopped) return End::stopped;
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

namespace {

constexpr Node kUnreachable = std::numeric_limits<Node>::max();

}  // namespace

// Computes exact distance labels; false if no excess reaches a deficit.
template <class Int>
bool FeasibleFlow<Int>::compute_labels() {
  const Node n = graph_.n;
  label_.assign(at(n), kUnreachable);
  std::vector<Node> queue;
  for (Node v = 0; v < n; ++v)
    if (graph_.excess[at(v)] < 0) label_[at(v)] = 0, queue.push_back(v);
  bool found = false;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Node v = queue[i];
    found |= graph_.excess[at(v)] > 0;
    for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k) {
      const HalfArc<Int>& h = graph_.halves[at(k)];
      if (label_[at(h.to)] != kUnreachable || h.reverse_residual == 0 || !in_pass(h)) continue;
      label_[at(h.to)] = label_[at(v)] + 1;
      queue.push_back(h.to);
    }
  }
  return found;
}

template <class Int>
void FeasibleFlow<Int>::discharge_all(Stop& stop) {
  const Node n = graph_.n;
  current_arc_.assign(graph_.start.begin(), graph_.start.end() - 1);
  std::deque<Node> queue;
  const auto active = [&](Node v) { return graph_.excess[at(v)] > 0 && label_[at(v)] != kUnreachable; };
  for (Node v = 0; v < n; ++v)
    if (active(v)) queue.push_back(v);
  Index relabels = 0;
  const Index arcs_per_node = std::ssize(graph_.halves) / std::max<Index>(1, n) + 1;
  for (Index count = 1; !queue.empty(); ++count) {
    const Node v = queue.front();
    queue.pop_front();
    while (active(v)) {
      Arc& k = current_arc_[at(v)];
      if (k == graph_.end[at(v)]) {
        relabel(v);
        ++relabels;
        continue;
      }
      const HalfArc<Int>& h = graph_.halves[at(k)];
      if (!residual(h) || label_[at(h.to)] != label_[at(v)] - 1) {
        ++k;
        continue;
      }
      const Node to = h.to;
      const bool was_active = graph_.excess[at(to)] > 0;
      graph_.push(k, v, ResidualGraph<Int>::fitting(graph_.excess[at(v)], h.residual));
      if (!was_active && graph_.excess[at(to)] > 0) queue.push_back(to);
    }
    if (relabels > kRelabelsPerUpdate * n) {
      relabels = 0;
      compute_labels();
      std::copy(graph_.start.begin(), graph_.start.end() - 1, current_arc_.begin());
    }
    if (count % kDischargesPerPoll == 0 && stop.poll(kDischargesPerPoll * arcs_per_node)) return;
  }
}

template <class Int>
void FeasibleFlow<Int>::relabel(Node v) {
  Node least = kUnreachable - 1;
  for (Arc k = graph_.start[at(v)]; k < graph_.end[at(v)]; ++k)
    if (residual(graph_.halves[at(k)])) least = std::min(least, label_[at(graph_.halves[at(k)].to)]);
  label_[at(v)] = least >= graph_.n ? kUnreachable : least + 1;
  current_arc_[at(v)] = graph_.start[at(v)];
}

template <class Int>
typename FeasibleFlow<Int>::End FeasibleFlow<Int>::run(Stop& stop) {
  for (const bool free : {true, false}) {
    free_only_ = free;
    while (compute_labels()) {
      stop.count(std::ssize(graph_.halves));
      discharge_all(stop);
      if (stop.requested()) return End::stopped;
    }
  }
  return graph_.unserved() == 0 ? End::feasible : End::infeasible;
}

template class FeasibleFlow<std::int64_t>;

}  // namespace gridcompute::flow
