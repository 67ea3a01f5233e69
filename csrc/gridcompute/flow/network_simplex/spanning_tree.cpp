#include "gridcompute/flow/network_simplex/spanning_tree.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace gridcompute::flow {

template <class Int>
void SpanningTree<Int>::carve() {
  const std::size_t n = at(root_) + 1;
  carve_into(nodes_, [&](auto& take) { take(node_, n), take(link_, n), take(next_, n), take(prev_, n); });
  carve_into(work_, [&](auto& take) { take(inside_, n), take(outside_, n); });
}

template <class Int>
template <class Other>
SpanningTree<Int>::SpanningTree(const SpanningTree<Other>& other) : root_(other.root_) {
  carve();
  std::ranges::copy(other.next_, next_.begin());
  std::ranges::copy(other.prev_, prev_.begin());
  for (std::size_t v = 0; v < node_.size(); ++v) {
    const auto& r = other.node_[v];
    node_[v] = {r.parent, 0, r.up, r.down};
    link_[v] = {other.link_[v].last, other.link_[v].arc};
  }
}

template <class Int>
void SpanningTree<Int>::compact() {
  work_ = {};
  inside_ = {}, outside_ = {};
}

template <class Int>
void SpanningTree<Int>::build(std::span<const Node> parent) {
  const Node n = root_;
  std::vector<Node> child(at(n) + 1, kNoNode), sibling(at(n), kNoNode);
  for (Node v = n - 1; v >= 0; --v) {
    const auto p = at(parent[at(v)]);
    node_[at(v)].parent = parent[at(v)];
    sibling[at(v)] = child[p];
    child[p] = v;
  }
  node_[at(root_)] = {kNoNode, 0, kArtificialCapacity, kArtificialCapacity};
  next_[at(root_)] = root_;
  prev_[at(root_)] = root_;
  link_[at(root_)] = {root_, kUp};
  Node end = root_;
  for (Node v = child[at(root_)]; v != kNoNode;) {
    next_[at(end)] = v;
    prev_[at(v)] = end;
    end = v;
    node_[at(v)].mark = 0;
    if (child[at(v)] != kNoNode) {
      v = child[at(v)];
      continue;
    }
    link_[at(v)].last = v;
    while (v != root_ && sibling[at(v)] == kNoNode) {
      v = node_[at(v)].parent;
      link_[at(v)].last = end;
    }
    v = v == root_ ? kNoNode : sibling[at(v)];
  }
  next_[at(end)] = root_;
  prev_[at(root_)] = end;
  link_[at(root_)].last = end;
  mark_ = 0;
}

template <class Int>
void SpanningTree<Int>::make_artificial(Node v, Int excess) noexcept {
  link_[at(v)].arc = excess >= 0 ? kUp : kDown;
  node_[at(v)].up = excess >= 0 ? kArtificialCapacity : -excess;
  node_[at(v)].down = excess >= 0 ? excess : kArtificialCapacity;
}

// Both ends climb in turn and leave marks. By strong feasibility the first node above the tail without residual
// capacity downwards decides a degenerate pivot, unless the two paths meet below it: then units can be pushed.
template <class Int>
typename SpanningTree<Int>::Cycle SpanningTree<Int>::find_cycle(Node tail, Node head, Int capacity) {
  listed_ = 0;
  if (mark_ > std::numeric_limits<std::uint32_t>::max() - 2) clear_marks();
  const std::uint32_t from_tail = ++mark_, from_head = ++mark_;
  Node a = tail, b = head;
  for (;;) {
    NodeRecord& t = node_[at(a)];
    if (t.mark == from_head) return cycle_through(tail, head, capacity, a);
    t.mark = from_tail;
    if (t.down == 0) break;
    NodeRecord& h = node_[at(b)];
    if (h.mark == from_tail) return cycle_through(tail, head, capacity, b);
    h.mark = from_head;
    if (a != root_) a = t.parent;
    if (b != root_) b = h.parent;
  }
  // Decides whether the head is in the subtree of a: a walk through that subtree and the climb of b alternate until one
  // of them decides. The nodes walked are those that list_smaller_side() would list first, and are kept for it.
  const Node end = next_[at(link_[at(a)].last)];
  inside_[0] = a;
  for (listed_ = 1;;) {
    if (b == root_) return {kNoNode, a, true, 0};
    const NodeRecord& h = node_[at(b)];
    if (h.mark == from_tail) return cycle_through(tail, head, capacity, b);
    b = h.parent;
    const Node v = next_[at(inside_[at(listed_ - 1)])];
    if (v == end) return {kNoNode, a, true, 0};
    inside_[at(listed_++)] = v;
    if (v != head) continue;
    while (node_[at(b)].mark != from_tail) b = node_[at(b)].parent;
    return cycle_through(tail, head, capacity, b);
  }
}

template <class Int>
void SpanningTree<Int>::clear_marks() noexcept {
  for (NodeRecord& r : node_) r.mark = 0;
  mark_ = 0;
}

// Finds the last blocking arc on the way apex -> tail -> head -> apex.
template <class Int>
typename SpanningTree<Int>::Cycle SpanningTree<Int>::cycle_through(Node tail, Node head, Int capacity,
                                                                   Node apex) const {
  Node above_tail = kNoNode, above_head = kNoNode;
  Int tail_residual = std::numeric_limits<Int>::max(), head_residual = tail_residual;
  Index length = 0;
  for (Node v = tail; v != apex; v = node_[at(v)].parent, ++length)
    if (node_[at(v)].down < tail_residual) tail_residual = node_[at(v)].down, above_tail = v;
  for (Node v = head; v != apex; v = node_[at(v)].parent, ++length)
    if (node_[at(v)].up <= head_residual) head_residual = node_[at(v)].up, above_head = v;
  if (head_residual <= capacity && head_residual <= tail_residual)
    return {apex, above_head, false, head_residual, length};
  if (capacity <= tail_residual) return {apex, kNoNode, false, capacity, length};
  return {apex, above_tail, true, tail_residual, length};
}

template <class Int>
Node SpanningTree<Int>::find_apex(Node tail, Node head) {
  if (mark_ > std::numeric_limits<std::uint32_t>::max() - 2) clear_marks();
  const std::uint32_t from_tail = ++mark_, from_head = ++mark_;
  for (Node a = tail, b = head;;) {
    if (node_[at(a)].mark == from_head) return a;
    node_[at(a)].mark = from_tail;
    if (a != root_) a = node_[at(a)].parent;
    if (node_[at(b)].mark == from_tail) return b;
    node_[at(b)].mark = from_head;
    if (b != root_) b = node_[at(b)].parent;
  }
}

template <class Int>
void SpanningTree<Int>::push(Node tail, Node head, Node apex, Int units) noexcept {
  for (Node v = tail; v != apex; v = node_[at(v)].parent) node_[at(v)].down -= units, node_[at(v)].up += units;
  for (Node v = head; v != apex; v = node_[at(v)].parent) node_[at(v)].up -= units, node_[at(v)].down += units;
}

// find_cycle() may have listed the first nodes of the subtree. Each side is walked from both its ends, in turn, until
// one side is complete: four walks that wait for memory at the same time.
template <class Int>
bool SpanningTree<Int>::list_smaller_side(Node top) {
  if (listed_ == 0 || inside_[0] != top) inside_[0] = top, listed_ = 1;
  Node front = inside_[at(listed_ - 1)], back = link_[at(top)].last;
  if (front == back) return true;
  inside_[at(listed_++)] = back;
  Node outer_front = next_[at(back)], outer_back = prev_[at(top)], outer = 0;
  outside_[at(outer++)] = outer_front;
  if (outer_front != outer_back) outside_[at(outer++)] = outer_back;
  for (;;) {
    if (front = next_[at(front)]; front == back) return true;
    inside_[at(listed_++)] = front;
    if (back = prev_[at(back)]; back == front) return true;
    inside_[at(listed_++)] = back;
    if (outer_front == outer_back) break;
    if (outer_front = next_[at(outer_front)]; outer_front == outer_back) break;
    outside_[at(outer++)] = outer_front;
    if (outer_back = prev_[at(outer_back)]; outer_back == outer_front) break;
    outside_[at(outer++)] = outer_back;
  }
  listed_ = outer;
  return false;
}

template <class Int>
void SpanningTree<Int>::detach(Node top) {
  const Node before = prev_[at(top)], end = link_[at(top)].last, after = next_[at(end)];
  next_[at(before)] = after;
  prev_[at(after)] = before;
  for (Node v = node_[at(top)].parent; v != kNoNode && link_[at(v)].last == end; v = node_[at(v)].parent)
    link_[at(v)].last = before;
}

// On the stem foot = s_0, s_1, .., s_k = top the new preorder is subtree(s_0), then for each i what subtree(s_i) had
// before and after subtree(s_{i-1}).
template <class Int>
void SpanningTree<Int>::reroot(Node foot, Node top) {
  NodeRecord lower = node_[at(foot)];  // of s_{i-1}, before it was turned
  Link link = link_[at(foot)];
  Node below = foot, end = link.last, after = next_[at(end)], before = prev_[at(foot)];
  while (below != top) {
    const Node s = lower.parent;
    const NodeRecord record = node_[at(s)];
    const Link upper = link_[at(s)];
    next_[at(end)] = s;
    const Node before_s = std::exchange(prev_[at(s)], end);
    end = std::exchange(before, before_s);
    if (upper.last != link.last) {
      next_[at(end)] = after;
      prev_[at(after)] = end;
      end = upper.last;
      after = next_[at(end)];
    }
    node_[at(s)] = {below, 0, lower.down, lower.up};
    link_[at(s)].arc = link.arc;
    lower = record;
    link = upper;
    below = s;
  }
  for (Node v = top;; v = node_[at(v)].parent) {
    link_[at(v)].last = end;
    if (v == foot) break;
  }
}

template <class Int>
void SpanningTree<Int>::attach(Node foot, Node below) {
  const Node end = link_[at(foot)].last, after = next_[at(below)];
  node_[at(foot)].parent = below;
  prev_[at(foot)] = below;
  next_[at(below)] = foot;
  next_[at(end)] = after;
  prev_[at(after)] = end;
  for (Node v = below; v != kNoNode && link_[at(v)].last == below; v = node_[at(v)].parent) link_[at(v)].last = end;
}

template <class Int>
bool SpanningTree<Int>::holds() const {
  Node seen = 0;
  std::vector<Node> last(at(root_) + 1);
  for (Node v = 0; v <= root_; ++v) last[at(v)] = v;
  for (Node v = next_[at(root_)]; v != root_ && seen <= root_; v = next_[at(v)], ++seen)
    if (next_[at(prev_[at(v)])] != v) return false;
  if (seen != root_) return false;
  for (Node v = prev_[at(root_)]; v != root_; v = prev_[at(v)]) {
    if (last[at(v)] != link_[at(v)].last) return false;
    const Node p = node_[at(v)].parent;
    if (last[at(p)] == p) last[at(p)] = last[at(v)];  // the order is backwards, so the last child is found first
  }
  return true;
}

template class SpanningTree<std::int32_t>;
template class SpanningTree<std::int64_t>;
template SpanningTree<std::int64_t>::SpanningTree(const SpanningTree<std::int32_t>&);

}  // namespace gridcompute::flow
