// What a tree says when the pivots are over: the flow, the basis, or the cut that forbids one.
#include <algorithm>

#include "gridcompute/flow/network_simplex/simplex.hpp"

namespace gridcompute::flow {

template <class Int>
Int Simplex<Int>::unserved() const {
  Int sum = 0;
  for (Node v = 0; v < net_.n; ++v)
    if (link_[at(v)].pred == kDown) sum += node_[at(v)].up;
  return sum;
}

// The nodes that still have units to send, and all that these can reach.
template <class Int>
std::vector<bool> Simplex<Int>::reach() const {
  const Node n = net_.n;
  std::vector<Arc> start(at(n) + 2, 0);
  const auto each = [&](auto&& visit) {  // residual arcs; tree arcs are left to their nodes
    for (Arc e = 0; e < net_.m(); ++e) {
      const Node t = tail(e), h = head(e);
      if (cap(e) != 0 && !in_tree(e)) visit(t, h);
    }
    for (Node v = 0; v < n; ++v) {
      const Step& r = node_[at(v)];
      if (link_[at(v)].pred < 0) continue;
      if (r.up > 0) visit(v, r.parent);
      if (r.down > 0) visit(r.parent, v);
    }
  };
  each([&](Node t, Node) { ++start[at(t) + 2]; });
  for (Node v = 0; v < n; ++v) start[at(v) + 2] += start[at(v) + 1];
  std::vector<Node> to(at(start[at(n) + 1]));
  each([&](Node t, Node h) { to[at(start[at(t) + 1]++)] = h; });
  std::vector<bool> seen(at(n), false);
  std::vector<Node> queue;
  for (Node v = 0; v < n; ++v)
    if (link_[at(v)].pred == kUp && node_[at(v)].down > 0) seen[at(v)] = true, queue.push_back(v);
  for (std::size_t i = 0; i < queue.size(); ++i)
    for (Arc k = start[at(queue[i])]; k < start[at(queue[i]) + 1]; ++k)
      if (const Node h = to[at(k)]; !seen[at(h)]) seen[at(h)] = true, queue.push_back(h);
  return seen;
}

template <class Int>
bool Simplex<Int>::separated(const std::vector<bool>& reached) const {
  for (Node v = 0; v < net_.n; ++v)
    if (reached[at(v)] && link_[at(v)].pred == kDown && node_[at(v)].up > 0) return false;
  return true;
}

template <class Int>
std::vector<Node> Simplex<Int>::cut() const {
  const std::vector<bool> reached = reach();
  std::vector<Node> out;
  for (Node v = 0; v < net_.n; ++v)
    if (reached[at(v)]) out.push_back(v);
  return out;
}

// The total first as if no arc were in the tree, then the tree. The proof by duality: sum of cost * flow = sum of
// reduced cost * flow - sum of potential * supply, if the flow meets the supplies. Reduced costs are 0 in the tree and
// flows are 0 elsewhere, but for arcs at capacity. The sums of the proof wrap at 64 bits, on both sides.
template <class Int>
typename Simplex<Int>::Account Simplex<Int>::account() const {
  Wide sum = 0;
  std::uint64_t dual = 0;
  bool over = false, within = true;
  const auto add = [&](Wide x) { over |= __builtin_add_overflow(sum, x, &sum); };
  const auto product = [](Int cost, Int units) { return static_cast<Sum>(cost) * units; };
  each_flag(turned_, 0, turned_.size(), [&](Arc e) {
    const Int cost = cost_[at(e)], room = cap(e);
    add(-product(cost, room));
    const std::int64_t apart =
        static_cast<std::int64_t>(potential_[at(net_.tail[at(e)])]) - potential_[at(net_.head[at(e)])];
    within &= apart <= cost || room == 0;
    dual += static_cast<std::uint64_t>(apart - cost) * static_cast<std::uint64_t>(room);
  });
  // In loops of their own, which the compiler vectorises.
  Int least = 0;
  for (const Step& step : node_.first(at(net_.n))) least = std::min({least, step.up, step.down});
  within &= least >= 0;
  const Int *potential = potential_.data(), *supply = supply_.data();
  for (Node v = 0; v < net_.n; ++v)
    dual -= static_cast<std::uint64_t>(potential[at(v)]) * static_cast<std::uint64_t>(supply[at(v)]);
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = link_[at(v)].pred;
    if (e < 0) continue;
    add((turned(e) ? -1 : 1) * product(cost_[at(e)], flow_above(v)));
    if (turned(e)) add(product(cost_[at(e)], cap(e)));
  }
  if (over) return {{}, within};
  return {sum, within && dual == static_cast<std::uint64_t>(sum)};
}

template <class Int>
Index Simplex<Int>::tree_arcs() const {
  return std::count_if(link_.begin(), link_.end() - 1, [](const Link& l) { return l.pred >= 0; });
}

template <class Int>
Basis Simplex<Int>::basis() const {
  Basis out{std::vector<Arc>(at(net_.n)), {turned_.begin(), turned_.end()}};
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = out.pred[at(v)] = std::max(link_[at(v)].pred, kNoArc);
    if (e != kNoArc) out.full[at(e)] = 0;
  }
  return out;
}

template std::int32_t Simplex<std::int32_t>::unserved() const;
template std::vector<bool> Simplex<std::int32_t>::reach() const;
template bool Simplex<std::int32_t>::separated(const std::vector<bool>&) const;
template std::vector<Node> Simplex<std::int32_t>::cut() const;
template Index Simplex<std::int32_t>::tree_arcs() const;
template Basis Simplex<std::int32_t>::basis() const;
template Simplex<std::int32_t>::Account Simplex<std::int32_t>::account() const;
template std::int64_t Simplex<std::int64_t>::unserved() const;
template std::vector<bool> Simplex<std::int64_t>::reach() const;
template bool Simplex<std::int64_t>::separated(const std::vector<bool>&) const;
template std::vector<Node> Simplex<std::int64_t>::cut() const;
template Index Simplex<std::int64_t>::tree_arcs() const;
template Basis Simplex<std::int64_t>::basis() const;
template Simplex<std::int64_t>::Account Simplex<std::int64_t>::account() const;

}  // namespace gridcompute::flow
