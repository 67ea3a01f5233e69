#include "gridcompute/flow/network_simplex/simplex.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace gridcompute::flow {

namespace {

constexpr Index kPivotsPerPoll = 64;

// Arcs priced at once, times sqrt(m).
constexpr double kBlock = 3;
constexpr Arc kLeastBlock = 64;

Arc block_size(Arc m) { return std::max(kLeastBlock, static_cast<Arc>(kBlock * std::sqrt(static_cast<double>(m)))); }

}  // namespace

template <class Int>
Simplex<Int>::Simplex(Network<Int> net, const Basis& basis, std::vector<Int> prices)
    : net_(std::move(net)),
      root_(net_.n),
      block_(block_size(net_.m())),
      least_block_(block_),
      base_(std::move(prices)) {
  carve();
  std::ranges::fill(turned_, 0);
  std::ranges::copy(net_.cost, cost_.begin());
  take_values();
  lay_ends();
  start_big();
  for (std::size_t e = 0; e < basis.full.size(); ++e)
    if (basis.full[e] != 0) turn(static_cast<Arc>(e));
  plant(basis.pred);
}

// Sets up the tree that `pred` says, and the flow; arcs off the tree stand as they are turned, those of the tree are
// not turned. Flows are added up wide, and where they leave the width the artificial tree takes the place of it all.
template <class Int>
void Simplex<Int>::plant(std::span<const Arc> pred) {
  std::vector<Sum> excess(supply_.begin(), supply_.end());
  for (Arc e = 0; e < net_.m(); ++e) {
    if (!turned(e)) continue;
    excess[at(net_.tail[at(e)])] -= cap(e);
    excess[at(net_.head[at(e)])] += cap(e);
  }
  std::vector<Node> parent(at(net_.n), root_);
  if (!pred.empty()) {
    parent = parents(pred);
    thread_tree(parent);
    route(pred, parent, excess);
  }
  Wide hung = 0;
  for (Node v = 0; v < net_.n; ++v)
    if (parent[at(v)] == root_) hung += excess[at(v)] < 0 ? -excess[at(v)] : excess[at(v)];
  if (hung > 2 * static_cast<Wide>(Range<Int>::kMaxFlow)) {
    for (Arc e = 0; e < net_.m(); ++e)
      if (turned(e)) turn(e);
    cut_arcs_ = net_.n;
    plant({});
    return;
  }
  if (pred.empty() || cut_arcs_ > 0) thread_tree(parent);
  for (Node v = 0; v < net_.n; ++v) {
    const Int out = static_cast<Int>(excess[at(v)]);
    if (parent[at(v)] == root_) {
      hang(v, out);
      continue;
    }
    const Arc e = pred[at(v)];
    const Int most = cap(e);
    link_[at(v)].pred = e;
    node_[at(v)].up = net_.tail[at(e)] == v ? most - out : -out;
    node_[at(v)].down = most - node_[at(v)].up;
  }
  price_tree();
}

// The other end of each node's arc; what closes a cycle hangs on the root.
template <class Int>
std::vector<Node> Simplex<Int>::parents(std::span<const Arc> pred) const {
  std::vector<Node> parent(at(net_.n), root_);
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = pred[at(v)];
    if (e != kNoArc) parent[at(v)] = net_.tail[at(e)] == v ? net_.head[at(e)] : net_.tail[at(e)];
  }
  std::vector<Node> visit(at(net_.n) + 1, kNoNode);
  visit[at(root_)] = root_;
  for (Node v = 0; v < net_.n; ++v) {
    Node w = v, before = v;
    for (; visit[at(w)] == kNoNode; before = w, w = parent[at(w)]) visit[at(w)] = v;
    if (visit[at(w)] == v && w != root_ && before != w) parent[at(before)] = root_;
  }
  return parent;
}

// Sends each node's excess along its arc, leaves first.
template <class Int>
void Simplex<Int>::route(std::span<const Arc> pred, std::vector<Node>& parent, std::vector<Sum>& excess) {
  for (Node v = prev_[at(root_)]; v != root_; v = prev_[at(v)]) {
    if (parent[at(v)] == root_) continue;
    if (fits(pred[at(v)], v, excess[at(v)])) {
      excess[at(parent[at(v)])] += excess[at(v)];
    } else {
      parent[at(v)] = root_;
      ++cut_arcs_;
    }
  }
}

template <class Int>
bool Simplex<Int>::fits(Arc e, Node v, Sum excess) const {
  const Int most = cap(e);
  return net_.tail[at(e)] == v ? 0 <= excess && excess < most : -most <= excess && excess < 0;
}

template <class Int>
template <class Other>
Simplex<Int>::Simplex(Network<Int> net, const Simplex<Other>& other)
    : net_(std::move(net)),
      root_(other.root_),
      block_(other.block_),
      cursor_(other.cursor_),
      least_block_(other.least_block_),
      per_block_(other.per_block_),
      paced_(other.paced_),
      counts_(other.counts_) {
  carve();
  take_values();
  std::ranges::copy(other.turned_, turned_.begin());
  std::ranges::copy(other.cost_, cost_.begin());
  lay_ends();
  std::ranges::copy(other.next_, next_.begin());
  std::ranges::copy(other.prev_, prev_.begin());
  base_.assign(other.base_.begin(), other.base_.end());
  start_big();
  for (std::size_t v = 0; v < node_.size(); ++v) {
    const auto& r = other.node_[v];
    const auto& l = other.link_[v];
    node_[v] = {r.parent, 0, r.up, r.down};
    link_[v] = {l.last, l.pred};
  }
  price_tree();
}

// Costs of kDown arcs: more than any path in the wide width; in the narrow one as much as fits, grown if need be.
template <class Int>
void Simplex<Int>::start_big() {
  const Wide enough = static_cast<Wide>(net_.most_cost + 1) * (net_.n + 1);
  big_ = static_cast<Int>(std::min<Wide>(enough, Range<Int>::kMaxBig));
}

template <class Int>
void Simplex<Int>::hang(Node v, Int excess) {
  link_[at(v)].pred = excess >= 0 ? kUp : kDown;
  node_[at(v)].up = excess >= 0 ? kArtificialRoom : -excess;
  node_[at(v)].down = excess >= 0 ? excess : kArtificialRoom;
}

template <class Int>
void Simplex<Int>::price_tree() {
  outgrown_ = false;
  near_ = false;
  potential_[at(root_)] = 0;
  for (Node v = next_[at(root_)]; v != root_; v = next_[at(v)]) {
    const Int above = potential_[at(node_[at(v)].parent)];
    const Arc e = link_[at(v)].pred;
    Int& p = potential_[at(v)];
    if (e < 0)
      p = above + (base_.empty() ? 0 : base_[at(v)]) + (e == kDown ? big_ : 0);
    else
      p = tail(e) == v ? above - cost_[at(e)] : above + cost_[at(e)];
    watch(p);
    if (outgrown_) return;
  }
}

// Both ends climb in turn and leave marks. On the side of the tail the first node without room downwards blocks, unless
// the paths meet below it: then something can be pushed.
template <class Int>
typename Simplex<Int>::Cycle Simplex<Int>::cycle_of(Arc e) {
  listed_ = 0;
  if (mark_ > std::numeric_limits<std::uint32_t>::max() - 2) forget_marks();
  const std::uint32_t from_tail = ++mark_, from_head = ++mark_;
  Node a = tail(e), b = head(e);
  for (;;) {
    Step& t = node_[at(a)];
    if (t.mark == from_head) return cycle_through(e, a);
    t.mark = from_tail;
    if (t.down == 0) break;
    Step& h = node_[at(b)];
    if (h.mark == from_tail) return cycle_through(e, b);
    h.mark = from_head;
    if (a != root_) a = t.parent;
    if (b != root_) b = h.parent;
  }
  // Is the head below a? Whichever ends first knows: a walk through the subtree of a, or the climb of b.
  const Node to = head(e), end = next_[at(link_[at(a)].last)];
  below_[0] = a;
  for (listed_ = 1;;) {
    if (b == root_) return {kNoNode, a, true, 0};
    const Step& h = node_[at(b)];
    if (h.mark == from_tail) return cycle_through(e, b);
    b = h.parent;
    const Node v = next_[at(below_[at(listed_ - 1)])];
    if (v == end) return {kNoNode, a, true, 0};
    below_[at(listed_++)] = v;
    if (v != to) continue;
    while (node_[at(b)].mark != from_tail) b = node_[at(b)].parent;
    return cycle_through(e, b);
  }
}

template <class Int>
void Simplex<Int>::forget_marks() {
  for (Step& r : node_) r.mark = 0;
  mark_ = 0;
}

// The last that blocks on the way apex -> tail -> head -> apex.
template <class Int>
typename Simplex<Int>::Cycle Simplex<Int>::cycle_through(Arc e, Node apex) {
  Node above_tail = kNoNode, above_head = kNoNode;
  Int tail_room = std::numeric_limits<Int>::max(), head_room = tail_room;
  Index steps = 0;
  for (Node v = tail(e); v != apex; v = node_[at(v)].parent, ++steps)
    if (node_[at(v)].down < tail_room) tail_room = node_[at(v)].down, above_tail = v;
  for (Node v = head(e); v != apex; v = node_[at(v)].parent, ++steps)
    if (node_[at(v)].up <= head_room) head_room = node_[at(v)].up, above_head = v;
  counts_.walked += steps;
  const Int own = cap(e);
  if (head_room <= own && head_room <= tail_room) return {apex, above_head, false, head_room};
  if (own <= tail_room) return {apex, kNoNode, false, own};
  return {apex, above_tail, true, tail_room};
}

// Lists the nodes on the smaller side of the arc above `top`. cycle_of() may have begun those below. Each side is
// walked from both its ends, in turn, until one is through: four walks that wait for memory at once.
template <class Int>
bool Simplex<Int>::list_smaller(Node top) {
  if (listed_ == 0 || below_[0] != top) below_[0] = top, listed_ = 1;
  Node front = below_[at(listed_ - 1)], back = link_[at(top)].last;
  if (front == back) return true;
  below_[at(listed_++)] = back;
  Node others_front = next_[at(back)], others_back = prev_[at(top)], others = 0;
  beside_[at(others++)] = others_front;
  if (others_front != others_back) beside_[at(others++)] = others_back;
  for (;;) {
    if (front = next_[at(front)]; front == back) return true;
    below_[at(listed_++)] = front;
    if (back = prev_[at(back)]; back == front) return true;
    below_[at(listed_++)] = back;
    if (others_front == others_back) break;
    if (others_front = next_[at(others_front)]; others_front == others_back) break;
    beside_[at(others++)] = others_front;
    if (others_back = prev_[at(others_back)]; others_back == others_front) break;
    beside_[at(others++)] = others_back;
  }
  listed_ = others;
  return false;
}

// An artificial arc may leave empty; one that is full was given too little room for this width.
template <class Int>
bool Simplex<Int>::fills_artificial(const Cycle& cycle) const {
  if (cycle.leaving == kNoNode || link_[at(cycle.leaving)].pred >= 0) return false;
  return (link_[at(cycle.leaving)].pred == kUp) != cycle.tail_side;
}

template <class Int>
void Simplex<Int>::push(Arc e, const Cycle& cycle) {
  for (Node v = tail(e); v != cycle.apex; v = node_[at(v)].parent)
    node_[at(v)].down -= cycle.room, node_[at(v)].up += cycle.room;
  for (Node v = head(e); v != cycle.apex; v = node_[at(v)].parent)
    node_[at(v)].up -= cycle.room, node_[at(v)].down += cycle.room;
}

template <class Int>
void Simplex<Int>::turn(Arc e) {
  turned_[at(e)] ^= 1;
  if (!tail_.empty()) std::swap(tail_[at(e)], head_[at(e)]);
  cost_[at(e)] = -cost_[at(e)];
  if (near_) promising_.push_back(e);
}

// The subtree of the leaving arc comes off and hangs on the entering arc. `from`: the end of the leaving arc in whose
// direction it has room, the one to store; `inside`: what list_smaller() said of it.
template <class Int>
void Simplex<Int>::exchange(Arc e, const Cycle& cycle, Node from, bool inside) {
  const Node top = cycle.leaving, foot = cycle.tail_side ? tail(e) : head(e);
  const Node below = cycle.tail_side ? head(e) : tail(e);
  const Int gain = reduced(e);
  const Arc out = link_[at(top)].pred;
  if (out >= 0 && tail(out) != from) turn(out);
  last_ = out >= 0 ? out : e;
  detach(top);
  reroot(foot, top);
  attach(foot, below);
  Step& r = node_[at(foot)];
  const Int rest = cap(e) - cycle.room;
  link_[at(foot)].pred = e;
  r.up = cycle.tail_side ? rest : cycle.room;
  r.down = cycle.tail_side ? cycle.room : rest;
  shift(inside ? below_ : beside_, inside == cycle.tail_side ? -gain : gain);
}

template <class Int>
void Simplex<Int>::detach(Node top) {
  const Node before = prev_[at(top)], end = link_[at(top)].last, after = next_[at(end)];
  next_[at(before)] = after;
  prev_[at(after)] = before;
  for (Node v = node_[at(top)].parent; v != kNoNode && link_[at(v)].last == end; v = node_[at(v)].parent)
    link_[at(v)].last = before;
}

// Turns the detached subtree of `top` so that `foot` becomes its root. On the path foot = s_0, s_1, .., s_k = top the
// new preorder is subtree(s_0), then for each i what subtree(s_i) had before and after subtree(s_{i-1}).
template <class Int>
void Simplex<Int>::reroot(Node foot, Node top) {
  Step lower = node_[at(foot)];  // of s_{i-1}, as they were
  Link hung = link_[at(foot)];
  Node below = foot, end = hung.last, after = next_[at(end)], before = prev_[at(foot)];
  while (below != top) {
    const Node s = lower.parent;
    const Step step = node_[at(s)];
    const Link link = link_[at(s)];
    next_[at(end)] = s;
    const Node before_s = std::exchange(prev_[at(s)], end);
    end = std::exchange(before, before_s);
    if (link.last != hung.last) {
      next_[at(end)] = after;
      prev_[at(after)] = end;
      end = link.last;
      after = next_[at(end)];
    }
    node_[at(s)] = {below, 0, lower.down, lower.up};
    link_[at(s)].pred = hung.pred;
    lower = step;
    hung = link;
    below = s;
  }
  for (Node v = top;; v = node_[at(v)].parent) {
    link_[at(v)].last = end;
    if (v == foot) break;
  }
}

// `foot` becomes the first child of `below`.
template <class Int>
void Simplex<Int>::attach(Node foot, Node below) {
  const Node end = link_[at(foot)].last, after = next_[at(below)];
  node_[at(foot)].parent = below;
  prev_[at(foot)] = below;
  next_[at(below)] = foot;
  next_[at(end)] = after;
  prev_[at(after)] = end;
  for (Node v = below; v != kNoNode && link_[at(v)].last == below; v = node_[at(v)].parent) link_[at(v)].last = end;
}

template <class Int>
void Simplex<Int>::shift(std::span<const Node> list, Int by) {
  counts_.repriced += listed_;
  Int low = 0, high = 0;
  for (Node i = 0; i < listed_; ++i) {
    const Int p = potential_[at(list[at(i)])] += by;
    low = std::min(low, p);
    high = std::max(high, p);
  }
  watch(low);
  watch(high);
  if (near_ && !outgrown_)  // else all are priced anew
    for (const Node v : list.first(at(listed_))) look_around(v);
}

template <class Int>
typename Simplex<Int>::End Simplex<Int>::run(Stop& stop, Index budget) {
  if (outgrown_) return End::outgrown;
  for (;;) {
    for (Arc e = entering(); e != kNoArc; e = entering()) {
      ++counts_.pivots;
      if (cap(e) == 0) {  // no room either way: at its capacity it promises nothing
        turn(e);
        continue;
      }
      const Cycle cycle = cycle_of(e);
      counts_.degenerate += cycle.room == 0;
      if (fills_artificial(cycle)) return End::outgrown;
      if (cycle.room != 0) push(e, cycle);
      if (cycle.leaving == kNoNode) {
        turn(e);
      } else {
        const Node from = cycle.tail_side ? cycle.leaving : node_[at(cycle.leaving)].parent;
        exchange(e, cycle, from, list_smaller(cycle.leaving));
      }
      if (outgrown_) price_tree();  // perhaps only the root has drifted
      if (outgrown_) return End::outgrown;
      if (counts_.pivots % kPivotsPerPoll != 0) continue;
      if (stop.poll()) return End::stopped;
      if (effort() > budget) return End::spent;
    }
    if (unserved() == 0) return End::optimal;
    if (separated(reach())) return End::infeasible;
    if (big_ > Range<Int>::kMaxBig / 8 || (!base_.empty() && big_ / 64 >= net_.most_cost)) {
      if (base_.empty()) return End::outgrown;  // never in the wide width: big exceeds every path
      base_.clear();                            // no small penalty will do: as from nothing
      start_big();
    } else {
      big_ *= 8;
    }
    price_tree();
    if (outgrown_) return End::outgrown;
  }
}

template class Simplex<std::int32_t>;
template class Simplex<std::int64_t>;
template Simplex<std::int64_t>::Simplex(Network<std::int64_t>, const Simplex<std::int32_t>&);

}  // namespace gridcompute::flow
