#include "gridcompute/flow/simplex.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "gridcompute/flow/pricing.hpp"

namespace gridcompute::flow {

namespace {

constexpr Index kPivotsPerPoll = 64;
constexpr Arc kLeastBlock = 32;

}  // namespace

template <class Int>
Simplex<Int>::Simplex(const Network<Int>& net) : Simplex(net, {}) {}

template <class Int>
Simplex<Int>::Simplex(const Network<Int>& net, std::span<const Arc> forest)
    : net_(&net),
      tail_(net.tail),
      head_(net.head),
      cost_(net.cost),
      node_(at(net.n) + 1),
      potential_(at(net.n) + 1),
      root_(net.n),
      block_(std::max(kLeastBlock, static_cast<Arc>(std::sqrt(static_cast<double>(net.m()))))) {
  reduced_.resize(at(block_));
  start_big();
  std::vector<Node> parent(at(net.n), root_);
  std::vector<Int> excess(net.supply);
  if (!forest.empty()) {
    for (Node v = 0; v < net.n; ++v)
      if (forest[at(v)] != kNoArc) parent[at(v)] = net.head[at(forest[at(v)])];
    thread_tree(parent);
    for (Node v = node_[at(root_)].prev; v != root_; v = node_[at(v)].prev) {  // leaves first
      const Arc e = forest[at(v)];
      if (e == kNoArc) continue;
      const Int f = excess[at(v)];
      if (f < 0 || f >= net.cap[at(e)]) {
        parent[at(v)] = root_;
        continue;
      }
      excess[at(parent[at(v)])] += f;
    }
  }
  thread_tree(parent);
  for (Node v = 0; v < net.n; ++v) {
    if (parent[at(v)] == root_) {
      hang(v, excess[at(v)]);
      continue;
    }
    Record& r = node_[at(v)];
    r.pred = forest[at(v)];
    r.down = excess[at(v)];
    r.up = net.cap[at(r.pred)] - r.down;
  }
  price_tree();
}

template <class Int>
template <class Other>
Simplex<Int>::Simplex(const Network<Int>& net, const Simplex<Other>& other)
    : net_(&net),
      tail_(other.tail_),
      head_(other.head_),
      cost_(other.cost_.begin(), other.cost_.end()),
      node_(other.node_.size()),
      potential_(other.potential_.size()),
      reduced_(other.reduced_.size()),
      root_(other.root_),
      block_(other.block_),
      cursor_(other.cursor_),
      counts_(other.counts_) {
  start_big();
  for (std::size_t v = 0; v < node_.size(); ++v) {
    const auto& r = other.node_[v];
    node_[v] = {r.parent, r.size, r.pred, r.next, r.prev, r.last, r.up, r.down};
  }
  price_tree();
}

template <class Int>
Simplex<Int>::Simplex(const Network<Int>& net, const Simplex& basis)
    : net_(&net),
      tail_(basis.tail_),
      head_(basis.head_),
      cost_(net.cost.size()),
      node_(basis.node_),
      potential_(basis.potential_.size()),
      reduced_(basis.reduced_.size()),
      root_(basis.root_),
      block_(basis.block_) {
  start_big();
  for (std::size_t e = 0; e < cost_.size(); ++e) cost_[e] = tail_[e] == net.tail[e] ? net.cost[e] : -net.cost[e];
  price_tree();
}

// Costs of kDown arcs: more than any path in the wide width; in the narrow one as much as fits, grown if need be.
template <class Int>
void Simplex<Int>::start_big() {
  Int most = 0;
  for (const Int c : net_->cost) most = std::max(most, c < 0 ? -c : c);
  const Wide enough = static_cast<Wide>(most + 1) * (net_->n + 1);
  big_ = static_cast<Int>(std::min<Wide>(enough, Range<Int>::kMaxBig));
}

template <class Int>
void Simplex<Int>::hang(Node v, Int excess) {
  Record& r = node_[at(v)];
  r.pred = excess >= 0 ? kUp : kDown;
  r.up = excess >= 0 ? kArtificialRoom : -excess;
  r.down = excess >= 0 ? excess : kArtificialRoom;
}

// Parents, preorder, sizes, lasts; children in ascending order.
template <class Int>
void Simplex<Int>::thread_tree(std::span<const Node> parent) {
  const Node n = net_->n;
  std::vector<Node> child(at(n) + 1, kNoNode), sibling(at(n), kNoNode);
  for (Node v = n - 1; v >= 0; --v) {
    const auto p = at(parent[at(v)]);
    node_[at(v)].parent = parent[at(v)];
    sibling[at(v)] = child[p];
    child[p] = v;
  }
  node_[at(root_)] = {kNoNode, 1, kUp, root_, root_, root_, 0, 0};
  Node end = root_;
  for (Node v = child[at(root_)]; v != kNoNode;) {
    node_[at(end)].next = v;
    node_[at(v)].prev = end;
    end = v;
    if (child[at(v)] != kNoNode) {
      v = child[at(v)];
      continue;
    }
    node_[at(v)].last = v;
    node_[at(v)].size = 1;
    while (v != root_ && sibling[at(v)] == kNoNode) {
      v = node_[at(v)].parent;
      node_[at(v)].last = end;
    }
    v = v == root_ ? kNoNode : sibling[at(v)];
  }
  node_[at(end)].next = root_;
  node_[at(root_)].prev = end;
  node_[at(root_)].last = end;
  for (std::size_t v = 0; v < node_.size(); ++v) node_[v].size = 1;
  for (Node v = end; v != root_; v = node_[at(v)].prev) node_[at(node_[at(v)].parent)].size += node_[at(v)].size;
}

template <class Int>
void Simplex<Int>::price_tree() {
  outgrown_ = false;
  potential_[at(root_)] = 0;
  for (Node v = node_[at(root_)].next; v != root_; v = node_[at(v)].next) {
    const Record& r = node_[at(v)];
    const Int above = potential_[at(r.parent)];
    Int& p = potential_[at(v)];
    if (r.pred < 0)
      p = above + (r.pred == kDown ? big_ : 0);
    else
      p = tail_[at(r.pred)] == v ? above - cost_[at(r.pred)] : above + cost_[at(r.pred)];
    watch(p);
    if (outgrown_) return;
  }
}

template <class Int>
Arc Simplex<Int>::entering() {
  const Arc m = net_->m();
  for (Arc left = m; left > 0;) {
    const Arc count = std::min({block_, m - cursor_, left});
    const Int least = price_block(cost_.data() + cursor_, tail_.data() + cursor_, head_.data() + cursor_,
                                  potential_.data(), count, reduced_.data());
    ++counts_.priced_blocks;
    const Arc first = cursor_;
    cursor_ += count;
    left -= count;
    if (cursor_ == m) cursor_ = 0;
    if (least < 0) return first + static_cast<Arc>(std::find(reduced_.begin(), reduced_.end(), least) - reduced_.begin());
  }
  return kNoArc;
}

template <class Int>
typename Simplex<Int>::Cycle Simplex<Int>::cycle_of(Arc e) const {
  Node t = tail_[at(e)], h = head_[at(e)], above_tail = kNoNode, above_head = kNoNode;
  Int tail_room = std::numeric_limits<Int>::max(), head_room = tail_room;
  while (t != h) {
    const Record &a = node_[at(t)], &b = node_[at(h)];
    if (a.size < b.size) {
      if (a.down < tail_room) tail_room = a.down, above_tail = t;
      t = a.parent;
    } else {
      if (b.up <= head_room) head_room = b.up, above_head = h;
      h = b.parent;
    }
  }
  const Int own = net_->cap[at(e)];
  // The last that blocks on the way apex -> tail -> head -> apex.
  if (head_room <= own && head_room <= tail_room) return {t, above_head, false, head_room};
  if (own <= tail_room) return {t, kNoNode, false, own};
  return {t, above_tail, true, tail_room};
}

// An artificial arc may leave empty; one that is full was given too little room for this width.
template <class Int>
bool Simplex<Int>::fills_artificial(const Cycle& cycle) const {
  if (cycle.leaving == kNoNode || node_[at(cycle.leaving)].pred >= 0) return false;
  return (node_[at(cycle.leaving)].pred == kUp) != cycle.tail_side;
}

template <class Int>
void Simplex<Int>::push(Arc e, const Cycle& cycle) {
  for (Node v = tail_[at(e)]; v != cycle.apex; v = node_[at(v)].parent)
    node_[at(v)].down -= cycle.room, node_[at(v)].up += cycle.room;
  for (Node v = head_[at(e)]; v != cycle.apex; v = node_[at(v)].parent)
    node_[at(v)].up -= cycle.room, node_[at(v)].down += cycle.room;
}

template <class Int>
void Simplex<Int>::turn(Arc e) {
  std::swap(tail_[at(e)], head_[at(e)]);
  cost_[at(e)] = -cost_[at(e)];
}

// The subtree of the leaving arc comes off and hangs on the entering arc.
template <class Int>
void Simplex<Int>::exchange(Arc e, const Cycle& cycle) {
  const Node top = cycle.leaving, foot = cycle.tail_side ? tail_[at(e)] : head_[at(e)];
  const Node below = cycle.tail_side ? head_[at(e)] : tail_[at(e)];
  const Int reduced = cost_[at(e)] + potential_[at(tail_[at(e)])] - potential_[at(head_[at(e)])];
  const Arc out = node_[at(top)].pred;
  if (out >= 0) {  // stored in the direction that has room
    const Node from = cycle.tail_side ? top : node_[at(top)].parent;
    if (tail_[at(out)] != from) turn(out);
  }
  const Node moved = node_[at(top)].size;
  for (Node v = node_[at(top)].parent; v != cycle.apex; v = node_[at(v)].parent) node_[at(v)].size -= moved;
  for (Node v = below; v != cycle.apex; v = node_[at(v)].parent) node_[at(v)].size += moved;
  detach(top);
  reroot(foot, top);
  attach(foot, below);
  Record& r = node_[at(foot)];
  const Int rest = net_->cap[at(e)] - cycle.room;
  r.pred = e;
  r.up = cycle.tail_side ? rest : cycle.room;
  r.down = cycle.tail_side ? cycle.room : rest;
  shift(foot, cycle.tail_side ? -reduced : reduced);
}

template <class Int>
void Simplex<Int>::detach(Node top) {
  const Node before = node_[at(top)].prev, end = node_[at(top)].last, after = node_[at(end)].next;
  node_[at(before)].next = after;
  node_[at(after)].prev = before;
  for (Node v = node_[at(top)].parent; v != kNoNode && node_[at(v)].last == end; v = node_[at(v)].parent)
    node_[at(v)].last = before;
}

// Turns the detached subtree of `top` so that `foot` becomes its root. On the path foot = s_0, s_1, .., s_k = top the
// new preorder is subtree(s_0), then for each i what subtree(s_i) had before and after subtree(s_{i-1}).
template <class Int>
void Simplex<Int>::reroot(Node foot, Node top) {
  const Node whole = node_[at(top)].size;
  Record lower = node_[at(foot)];  // of s_{i-1}, as it was
  Node below = foot, end = lower.last, after = node_[at(end)].next;
  node_[at(foot)].size = whole;
  while (below != top) {
    const Node s = lower.parent;
    Record& r = node_[at(s)];
    const Record was = r;
    r.prev = end;
    node_[at(end)].next = s;
    end = lower.prev;
    if (was.last != lower.last) {
      const Node next_after = node_[at(was.last)].next;
      node_[at(end)].next = after;
      node_[at(after)].prev = end;
      end = was.last;
      after = next_after;
    }
    r.parent = below;
    r.pred = lower.pred;
    r.up = lower.down;
    r.down = lower.up;
    r.size = whole - lower.size;
    lower = was;
    below = s;
  }
  for (Node v = top;; v = node_[at(v)].parent) {
    node_[at(v)].last = end;
    if (v == foot) break;
  }
}

// `foot` becomes the first child of `below`.
template <class Int>
void Simplex<Int>::attach(Node foot, Node below) {
  const Node end = node_[at(foot)].last, after = node_[at(below)].next;
  node_[at(foot)].parent = below;
  node_[at(foot)].prev = below;
  node_[at(below)].next = foot;
  node_[at(end)].next = after;
  node_[at(after)].prev = end;
  for (Node v = below; v != kNoNode && node_[at(v)].last == below; v = node_[at(v)].parent) node_[at(v)].last = end;
}

// Potentials of the subtree rise by `by`, or those of all other nodes fall by it.
template <class Int>
void Simplex<Int>::shift(Node foot, Int by) {
  const Record& r = node_[at(foot)];
  const bool inside = 2 * r.size <= net_->n + 1;
  Node v = inside ? foot : node_[at(r.last)].next;
  const Node stop = inside ? node_[at(r.last)].next : foot;
  const Int step = inside ? by : -by;
  counts_.repriced += inside ? r.size : net_->n + 1 - r.size;
  Int low = 0, high = 0;
  do {
    const Int p = potential_[at(v)] + step;
    potential_[at(v)] = p;
    low = std::min(low, p);
    high = std::max(high, p);
    v = node_[at(v)].next;
  } while (v != stop);
  watch(low);
  watch(high);
}

template <class Int>
typename Simplex<Int>::End Simplex<Int>::run(Stop& stop) {
  if (outgrown_) return End::outgrown;
  for (;;) {
    for (Arc e = entering(); e != kNoArc; e = entering()) {
      const Cycle cycle = cycle_of(e);
      ++counts_.pivots;
      counts_.degenerate += cycle.room == 0;
      if (fills_artificial(cycle)) return End::outgrown;
      if (cycle.room != 0) push(e, cycle);
      if (cycle.leaving == kNoNode)
        turn(e);
      else
        exchange(e, cycle);
      if (outgrown_) price_tree();  // perhaps only the root has drifted
      if (outgrown_) return End::outgrown;
      if (counts_.pivots % kPivotsPerPoll == 0 && stop.poll()) return End::stopped;
    }
    if (unserved() == 0) return End::optimal;
    if (separated(reach())) return End::infeasible;
    if (big_ > Range<Int>::kMaxBig / 8) return End::outgrown;  // never in the wide width: big exceeds every path
    big_ *= 8;
    price_tree();
    if (outgrown_) return End::outgrown;
  }
}

template <class Int>
Int Simplex<Int>::unserved() const {
  Int sum = 0;
  for (const Record& r : node_)
    if (r.pred == kDown) sum += r.up;
  return sum;
}

// The nodes that still have units to send, and all that these can reach.
template <class Int>
std::vector<bool> Simplex<Int>::reach() const {
  const Node n = net_->n;
  std::vector<Arc> start(at(n) + 2, 0);
  const auto each = [&](auto&& visit) {  // residual arcs; tree arcs are left to their nodes
    for (Arc e = 0; e < net_->m(); ++e) {
      const Node t = tail_[at(e)], h = head_[at(e)];
      if (node_[at(t)].pred != e && node_[at(h)].pred != e) visit(t, h);
    }
    for (Node v = 0; v < n; ++v) {
      const Record& r = node_[at(v)];
      if (r.pred < 0) continue;
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
    if (node_[at(v)].pred == kUp && node_[at(v)].down > 0) seen[at(v)] = true, queue.push_back(v);
  for (std::size_t i = 0; i < queue.size(); ++i)
    for (Arc k = start[at(queue[i])]; k < start[at(queue[i]) + 1]; ++k)
      if (const Node h = to[at(k)]; !seen[at(h)]) seen[at(h)] = true, queue.push_back(h);
  return seen;
}

template <class Int>
bool Simplex<Int>::separated(const std::vector<bool>& reached) const {
  for (Node v = 0; v < net_->n; ++v)
    if (reached[at(v)] && node_[at(v)].pred == kDown && node_[at(v)].up > 0) return false;
  return true;
}

template <class Int>
std::vector<Node> Simplex<Int>::cut() const {
  const std::vector<bool> reached = reach();
  std::vector<Node> out;
  for (Node v = 0; v < net_->n; ++v)
    if (reached[at(v)]) out.push_back(v);
  return out;
}

template <class Int>
Solution<Int> Simplex<Int>::solution() const {
  Solution<Int> out{std::vector<Int>(at(net_->m()), 0), {potential_.begin(), potential_.end() - 1}};
  for (std::size_t e = 0; e < out.flow.size(); ++e)
    if (tail_[e] != net_->tail[e]) out.flow[e] = net_->cap[e];
  for (Node v = 0; v < net_->n; ++v) {
    const Record& r = node_[at(v)];
    if (r.pred >= 0) out.flow[at(r.pred)] = net_->tail[at(r.pred)] == v ? r.down : r.up;
  }
  return out;
}

template <class Int>
bool Simplex<Int>::holds() const {
  const Node n = net_->n;
  Node seen = 0;
  std::vector<Node> size(at(n) + 1, 1), last(at(n) + 1);
  for (Node v = 0; v <= n; ++v) last[at(v)] = v;
  for (Node v = node_[at(root_)].next; v != root_ && seen <= n; v = node_[at(v)].next, ++seen)
    if (node_[at(node_[at(v)].prev)].next != v) return false;
  if (seen != n) return false;
  std::vector<Int> excess(net_->supply);
  for (Arc e = 0; e < net_->m(); ++e)
    if (tail_[at(e)] != net_->tail[at(e)] && node_[at(tail_[at(e)])].pred != e && node_[at(head_[at(e)])].pred != e)
      excess[at(net_->tail[at(e)])] -= net_->cap[at(e)], excess[at(net_->head[at(e)])] += net_->cap[at(e)];
  for (Node v = node_[at(root_)].prev; v != root_; v = node_[at(v)].prev) {
    const Record& r = node_[at(v)];
    const auto p = at(r.parent);
    if (r.up <= 0 || r.down < 0 || size[at(v)] != r.size || last[at(v)] != r.last) return false;
    size[p] += size[at(v)];
    if (last[p] == r.parent) last[p] = last[at(v)];  // the last child comes first, backwards
    if (r.pred < 0) {
      if (r.parent != root_ || excess[at(v)] != (r.pred == kUp ? r.down : -r.up)) return false;
      if (potential_[at(v)] != potential_[at(root_)] + (r.pred == kDown ? big_ : 0)) return false;
      continue;
    }
    const Node t = tail_[at(r.pred)], h = head_[at(r.pred)];
    if ((t != v || h != r.parent) && (h != v || t != r.parent)) return false;
    if (r.up + r.down != net_->cap[at(r.pred)]) return false;
    if (cost_[at(r.pred)] + potential_[at(t)] - potential_[at(h)] != 0) return false;
    const Int f = net_->tail[at(r.pred)] == v ? r.down : -r.up;  // out of v
    excess[at(v)] -= f;
    if (excess[at(v)] != 0) return false;
    if (r.parent != root_) excess[p] += f;
  }
  return true;
}

template class Simplex<std::int32_t>;
template class Simplex<std::int64_t>;
template Simplex<std::int64_t>::Simplex(const Network<std::int64_t>&, const Simplex<std::int32_t>&);

}  // namespace gridcompute::flow
