#include "gridcompute/flow/cost_scaling/residual_graph.hpp"

#include <algorithm>

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

}  // namespace gridcompute::flow
