// An optimal tree taken to another problem: new costs, or new rooms and supplies and the dual pivots that repair them.
//
// Definitions.  A node is broken where the flow of its tree arc has left its bounds, or would break S2 (no room left
// upwards): its subtree then has units too many (surplus) or too few. An artificial arc must carry nothing.
//
// Steps.  Take the broken node with the most units to move, of those found last. Of the arcs off the tree that cross
// from the side with too many to the side with too few, the one of least reduced cost enters and takes them; arcs too
// narrow for that are filled on the way (the long step of the dual ratio test). Its tree arc leaves at the bound it had
// broken. All reduced costs stay >= 0, so when no node is broken the tree is optimal. Where nothing crosses, or the
// work passes its limit, the tree is planted anew as it stands, what does not fit hangs on the root, and run() goes on.
//
// S2 is kept by a standing hair of supply in every node but the root: a subtree without a unit too many that has no
// room upwards has a hair too many, one whose arc is full downwards has none too few.
//
// Complexity.  The smaller side of the cut and its arcs a pivot.  Source.  Ahuja, Magnanti and Orlin, Network Flows
// (1993) 11.8; Kostina, Math. Methods Oper. Res. 55 (2002) 413 (long steps).
#include <algorithm>
#include <utility>

#include "gridcompute/flow/network_simplex/simplex.hpp"

namespace gridcompute::flow {

namespace {

constexpr std::size_t kWindow = 32;  // broken nodes compared
constexpr Node kFewNodes = 8;        // one in so many
constexpr Index kWork = 1;           // arcs looked at, times all there are, until repair gives up
constexpr Index kHopeless = 4;       // at once if so many will be needed, as it seems
constexpr int kDetour = 32;          // dearest arcs that a unit may be carried round, as replant() sees it first

}  // namespace

// By how much it has risen, in the direction stored.
template <class Int>
Int Simplex<Int>::set_cost(Arc e, Int cost) {
  net_.most_cost = std::max(net_.most_cost, cost < 0 ? -cost : cost);
  const Int now = turned(e) ? -cost : cost;
  return now - std::exchange(cost_[at(e)], now);
}

template <class Int>
void Simplex<Int>::recost(std::span<const Arc> arcs, std::span<const Int> cost) {
  std::vector<Lift> moved;
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    const Int more = set_cost(e, cost[i]);
    if (const Node v = hangs_on(e); v != kNoNode) moved.push_back({v, tail(e) == v ? -more : more});
  }
  start_big();
  if (!lift(moved)) price_tree();
  if (!near_) return;
  for (const Arc e : arcs)
    if (reduced(e) < 0) promising_.push_back(e);
  for (const Lift& l : moved) look_below(l.top);
}

// New potentials of subtrees, if these are few nodes; false where price_tree() is the better way.
template <class Int>
bool Simplex<Int>::lift(std::span<const Lift> subtrees) {
  Node left = net_.n / kFewNodes;
  for (const auto& [top, by] : subtrees)
    for (Node v = top;; v = next_[at(v)]) {
      if (left-- == 0) return false;
      watch(potential_[at(v)] += by);
      if (outgrown_) return false;
      if (v == link_[at(top)].last) break;
    }
  return true;
}

template <class Int>
bool Simplex<Int>::reroom(std::span<const Arc> arcs, std::span<const Int> room, std::span<const Int> supply) {
  const auto size = [](Wide x) { return x < 0 ? -x : x; };
  Wide moved = 0;
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    if (cap(e) == 0 && reduced(e) < 0) turn(e);  // so that it promises nothing when it has room
    if (turned(e)) moved += size(static_cast<Wide>(room[i]) - cap(e));
  }
  for (std::size_t v = 0; v < supply.size(); ++v) moved += size(static_cast<Wide>(supply[v]) - supply_[v]);
  if (moved > Range<Int>::kMaxFlow / 2) return false;
  for (Node v = next_[at(root_)]; v != root_; v = next_[at(link_[at(v)].last)]) node_[at(v)].up = kArtificialRoom;
  std::vector<Int> excess(at(net_.n) + 1, 0);
  for (std::size_t v = 0; v < supply.size(); ++v) excess[v] = supply[v] - supply_[v];
  std::ranges::copy(supply, supply_.begin());
  std::ranges::fill(queued_, 0);
  Values<Int> rooms;
  if (!arcs.empty()) rooms = *room_;
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    const Int more = room[i] - std::exchange(rooms[at(e)], room[i]);
    const Node t = net_.tail[at(e)], h = net_.head[at(e)];
    if (const Node v = hangs_on(e); v != kNoNode) {
      (v == t ? node_[at(v)].up : node_[at(v)].down) += more;
      suspect(v);
    } else if (turned(e)) {
      excess[at(t)] -= more;
      excess[at(h)] += more;
    }
  }
  if (!arcs.empty()) room_ = std::make_shared<const Values<Int>>(std::move(rooms));
  if (moved == 0) return true;
  for (Node v = prev_[at(root_)]; v != root_; v = prev_[at(v)]) {
    const Int d = excess[at(v)];
    if (d == 0) continue;
    node_[at(v)].up -= d;
    node_[at(v)].down += d;
    excess[at(node_[at(v)].parent)] += d;
    suspect(v);
  }
  return true;
}

// Units its subtree has too many (negative: too few) and whether anything is wrong at all.
template <class Int>
typename Simplex<Int>::Break Simplex<Int>::break_of(Node v) const {
  const Step& s = node_[at(v)];
  if (link_[at(v)].pred < 0) return {s.down < 0 ? -s.down : s.down, s.down > 0, s.down != 0};
  if (s.up <= 0) return {-s.up, true, true};
  return {-s.down, false, s.down < 0};
}

template <class Int>
void Simplex<Int>::suspect(Node v) {
  if (queued_[at(v)] != 0 || !break_of(v).broken) return;
  queued_[at(v)] = 1;
  broken_.push_back(v);
}

template <class Int>
bool Simplex<Int>::repair(Stop& stop) {
  const Index most = kWork * (net_.m() + net_.n);
  Index work = 0;
  bool done = true;
  while (done && !broken_.empty()) {
    const std::size_t first = broken_.size() - std::min(broken_.size(), kWindow);
    std::size_t worst = first;
    for (std::size_t i = first; i < broken_.size(); ++i)
      if (break_of(broken_[i]).units > break_of(broken_[worst]).units) worst = i;
    const Node v = std::exchange(broken_[worst], broken_.back());
    broken_.pop_back();
    queued_[at(v)] = 0;
    if (!break_of(v).broken) continue;
    ++counts_.dual_pivots;
    done = mend(v, work) && work <= most && !overfull_ && !(counts_.dual_pivots % 16 == 0 && stop.poll());
    if (counts_.dual_pivots > 1) done &= work / counts_.dual_pivots * std::ssize(broken_) <= kHopeless * most;
    if (outgrown_) price_tree();  // perhaps only the root has drifted
    if (outgrown_) break;
  }
  broken_.clear();
  return done && !outgrown_;
}

// One dual pivot on the arc above `top`; false if nothing crosses.
template <class Int>
bool Simplex<Int>::mend(Node top, Index& work) {
  const Break wrong = break_of(top);
  listed_ = 0;
  const bool inside = list_smaller(top);
  const std::span<const Node> side = (inside ? below_ : beside_).first(at(listed_));
  work += crossing(side, wrong.surplus == inside, link_[at(top)].pred);
  Int left = wrong.units;
  const auto dearer = [](const Crossing& a, const Crossing& b) {
    return a.reduced != b.reduced ? a.reduced > b.reduced : a.arc > b.arc;
  };
  bool heaped = false;
  while (!crossing_.empty()) {
    if (heaped) {
      std::pop_heap(crossing_.begin(), crossing_.end(), dearer);
    } else {
      std::iter_swap(std::max_element(crossing_.begin(), crossing_.end(), dearer), crossing_.end() - 1);
    }
    const Arc e = crossing_.back().arc;
    crossing_.pop_back();
    const Int most = cap(e);
    const Node apex = apex_of(e);
    if (wrong.surplus ? most <= left : most < left) {
      left -= most;
      carry(e, apex, most);
      turn(e);
      ++counts_.filled;
      if (!heaped) std::make_heap(crossing_.begin(), crossing_.end(), dearer), heaped = true;
      continue;
    }
    carry(e, apex, left);
    const Node foot = wrong.surplus ? tail(e) : head(e);
    exchange(e, {apex, top, wrong.surplus, left}, wrong.surplus ? node_[at(top)].parent : top, inside);
    for (Node v = top;; v = node_[at(v)].parent) {  // what turned round with the stem
      suspect(v);
      if (v == foot) break;
    }
    return true;
  }
  if (left != 0) {
    suspect(top);
    return false;
  }
  if (wrong.surplus && link_[at(top)].pred >= 0) hang_alone(top, inside);
  return true;
}

// Arcs off the tree, with room, from `side` to the others (or from the others to it).
template <class Int>
Index Simplex<Int>::crossing(std::span<const Node> side, bool outwards, Arc leaving) {
  const ByHead& in = net_.shape->by_head();
  crossing_.clear();
  for (const Node v : side) inside_[at(v)] = 1;
  const auto look = [&](Arc e, Node v) {
    const Node t = tail(e), h = head(e);
    if ((t == v) != outwards || inside_[at(t == v ? h : t)] != 0 || cap(e) == 0 || e == leaving) return;
    crossing_.push_back({cost_[at(e)] + potential_[at(t)] - potential_[at(h)], e});
  };
  Index work = static_cast<Index>(side.size());
  for (const Node v : side) {
    if (v == root_) continue;
    const Arc first = net_.start[at(v)], last = net_.start[at(v) + 1];
    for (Arc k = first; k < last; ++k) look(k, v);
    for (const Arc k : in.of(v)) look(k, v);
    work += last - first + std::ssize(in.of(v));
  }
  for (const Node v : side) inside_[at(v)] = 0;
  return work;
}

template <class Int>
Node Simplex<Int>::apex_of(Arc e) {
  if (mark_ > std::numeric_limits<std::uint32_t>::max() - 2) forget_marks();
  const std::uint32_t from_tail = ++mark_, from_head = ++mark_;
  for (Node a = tail(e), b = head(e);;) {
    if (node_[at(a)].mark == from_head) return a;
    node_[at(a)].mark = from_tail;
    if (a != root_) a = node_[at(a)].parent;
    if (node_[at(b)].mark == from_tail) return b;
    node_[at(b)].mark = from_head;
    if (b != root_) b = node_[at(b)].parent;
  }
}

// push(), and who breaks by it.
template <class Int>
void Simplex<Int>::carry(Arc e, Node apex, Int units) {
  if (units == 0) return;
  push(e, {apex, kNoNode, false, units});
  for (const Node end : {tail(e), head(e)})
    for (Node v = end; v != apex; v = node_[at(v)].parent) {
      overfull_ |= node_[at(v)].down > kMostFlow || node_[at(v)].down < -kMostFlow;
      suspect(v);
    }
}

// A subtree that nothing can leave, and nothing has to, hangs on the root.
template <class Int>
void Simplex<Int>::hang_alone(Node top, bool inside) {
  const Arc out = link_[at(top)].pred;
  if (tail(out) == top) turn(out);
  const Int by = potential_[at(root_)] - potential_[at(top)];
  detach(top);
  attach(top, root_);
  hang(top, 0);
  shift(inside ? below_ : beside_, inside ? by : -by);
}

// What was begun is given up: the tree stays as far as its flow fits. Artificial arcs cost what keeps potentials as
// they are, and those that bring units some dear arcs more (kDown; run() raises it): few arcs off the tree then promise
// anything, where potentials torn apart by the big cost of a cold start would make nearly all do so. On street grids
// too little is what costs: each time it is raised all is priced and searched again.
// For the same reason what hangs on an arc of another cost is cut off.
template <class Int>
Index Simplex<Int>::replant(std::span<const Arc> recosted, std::span<const Int> cost) {
  near_ = false;
  base_.assign(potential_.begin(), potential_.end() - 1);
  for (Int& p : base_) p -= potential_[at(root_)];
  std::vector<Arc> pred(at(net_.n));
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = pred[at(v)] = std::max(link_[at(v)].pred, kNoArc);
    if (e == kNoArc) continue;
    if (turned(e)) turn(e);
  }
  Index promising = 0;
  for (std::size_t i = 0; i < recosted.size(); ++i) {
    const Arc e = recosted[i];
    set_cost(e, cost[i]);
    const Int r = reduced(e);
    promising += r < 0;
    if (const Node v = hangs_on(e); v != kNoNode && r != 0) pred[at(v)] = kNoArc;
  }
  const Int dearest = std::max<Int>(1, net_.most_cost);
  big_ = std::max(dearest, std::min<Int>(dearest, Range<Int>::kMaxBig / 8 / kDetour) * kDetour);
  plant(pred);
  return promising;
}

template class Simplex<std::int32_t>;
template class Simplex<std::int64_t>;

}  // namespace gridcompute::flow
