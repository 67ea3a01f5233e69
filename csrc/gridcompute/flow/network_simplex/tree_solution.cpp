#include "gridcompute/flow/network_simplex/tree_solution.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/flow/network_simplex/spanning_tree.hpp"

namespace gridcompute::flow {

namespace {

// Prices the runs of at most kPricingLanes arcs for which `each_run` calls its argument with (first, count).
template <class Int, class EachRun>
GRIDCOMPUTE_INLINE void price_runs(const ArcPrices<Int>& prices, BlockCandidates<Int>& best, EachRun&& each_run) {
  const Int *GRIDCOMPUTE_RESTRICT cost = prices.cost, *GRIDCOMPUTE_RESTRICT potential = prices.potential;
  const Node *GRIDCOMPUTE_RESTRICT tail = prices.tail, *GRIDCOMPUTE_RESTRICT head = prices.head;
  Int least[kPricingLanes] = {};
  Arc row[kPricingLanes] = {};
  const auto price_run = [&](Arc k, Arc count) GRIDCOMPUTE_FORCED {
    const auto lane = [&](Arc l) GRIDCOMPUTE_FORCED {
      const Int r = cost[k + l] + potential[tail[k + l]] - potential[head[k + l]];
      row[l] = r < least[l] ? k : row[l];
      least[l] = r < least[l] ? r : least[l];
    };
    if (count >= kPricingLanes)
      for (Arc l = 0; l < kPricingLanes; ++l) lane(l);
    else
      for (Arc l = 0; l < count; ++l) lane(l);
  };
  each_run(price_run);
  for (Arc l = 0; l < kPricingLanes; ++l) {
    best.reduced_cost[at(l)] = least[l];
    best.arc[at(l)] = row[l] + l;
  }
}

template <class Int>
GRIDCOMPUTE_INLINE void block(const ArcPrices<Int>& prices, Arc first, Arc count, BlockCandidates<Int>& best) {
  price_runs(prices, best, [&](auto&& price_run) GRIDCOMPUTE_FORCED {
    const Arc end = first + count;
    Arc k = first;
    for (; k + kPricingLanes <= end; k += kPricingLanes) price_run(k, kPricingLanes);
    price_run(k, end - k);
  });
}

template <class Int>
GRIDCOMPUTE_INLINE void scattered(const ArcPrices<Int>& prices, ScatteredOrder& order, Arc count,
                                  BlockCandidates<Int>& best) {
  price_runs(prices, best, [&](auto&& price_run) GRIDCOMPUTE_FORCED {
    Arc group = order.next;
    for (; count > 0; --count) {
      price_run(group * kPricingLanes, order.m - group * kPricingLanes);
      group += order.step;
      if (group >= order.groups) group -= order.groups;
    }
    order.next = group;
  });
}

}  // namespace

// Steps by the golden section of the number of groups spread any number of consecutive groups evenly; a step coprime to
// that number visits them all.
ScatteredOrder::ScatteredOrder(Arc arcs)
    : m(arcs), groups(std::max<Arc>(1, (arcs + kPricingLanes - 1) / kPricingLanes)), step(1) {
  constexpr double kGoldenSection = 0.618;  // (sqrt(5) - 1) / 2
  step = std::max<Arc>(1, static_cast<Arc>(kGoldenSection * groups));
  while (std::gcd(step, groups) != 1) ++step;
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const ArcPrices<std::int32_t>& prices, Arc first, Arc count,
                                                BlockCandidates<std::int32_t>& best) {
  block(prices, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const ArcPrices<std::int64_t>& prices, Arc first, Arc count,
                                                BlockCandidates<std::int64_t>& best) {
  block(prices, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_scattered(const ArcPrices<std::int32_t>& prices, ScatteredOrder& order,
                                                    Arc count, BlockCandidates<std::int32_t>& best) {
  scattered(prices, order, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_scattered(const ArcPrices<std::int64_t>& prices, ScatteredOrder& order,
                                                    Arc count, BlockCandidates<std::int64_t>& best) {
  scattered(prices, order, count, best);
}

namespace {

// Frees the memory of vectors; an assignment of {} would keep it.
template <class... Vectors>
void release(Vectors&... vectors) {
  ((vectors = Vectors()), ...);
}

}  // namespace

// ---------------------------------------------------------------- construction and memory

template <class Int>
TreeSolution<Int>::TreeSolution(Network<Int> net, const Basis& basis, std::vector<Int> artificial_cost,
                                const FlowTuning& tuning)
    : net_(std::move(net)), tuning_(&tuning), tree_(net_.n), artificial_cost_(std::move(artificial_cost)) {
  carve();
  std::ranges::fill(at_upper_, 0);
  std::ranges::copy(net_.cost, cost_.begin());
  move_values_in();
  store_ends();
  start_big_cost();
  for (std::size_t e = 0; e < basis.at_upper.size(); ++e)
    if (basis.at_upper[e] != 0) flip_bound(static_cast<Arc>(e));
  route_basis(basis.tree_arc);
}

template <class Int>
template <class Other>
TreeSolution<Int>::TreeSolution(Network<Int> net, const TreeSolution<Other>& other)
    : counts(other.counts), net_(std::move(net)), tuning_(other.tuning_), tree_(other.tree_) {
  carve();
  move_values_in();
  std::ranges::copy(other.at_upper_, at_upper_.begin());
  std::ranges::copy(other.cost_, cost_.begin());
  store_ends();
  artificial_cost_.assign(other.artificial_cost_.begin(), other.artificial_cost_.end());
  start_big_cost();
  compute_potentials();
}

template <class Int>
void TreeSolution<Int>::carve() {
  const std::size_t m = at(net_.m()), n = at(net_.n);
  carve_into(costs_, [&](auto& take) { take(cost_, m); });
  carve_into(uppers_, [&](auto& take) { take(at_upper_, m); });
  carve_into(nodes_, [&](auto& take) { take(potential_, n + 1), take(supply_, n); });
}

template <class Int>
void TreeSolution<Int>::move_values_in() {
  capacity_ = std::make_shared<const RawVector<Int>>(std::move(net_.capacity));
  std::ranges::copy(net_.supply, supply_.begin());
  release(net_.capacity, net_.supply, net_.cost);
}

// Stores the ends of all arcs. An arc of capacity 0, which no tree contains, becomes a loop of cost >= 0.
template <class Int>
void TreeSolution<Int>::store_ends() {
  tails_ = {}, heads_ = {};
  carve_into(tails_, [&](auto& take) { take(tail_, at_upper_.size()); });
  carve_into(heads_, [&](auto& take) { take(head_, at_upper_.size()); });
  for (Arc e = 0; e < net_.m(); ++e) {
    const Node t = net_.tail[at(e)], h = net_.head[at(e)];
    const bool closed = capacity(e) == 0;
    tail_[at(e)] = at_upper(e) && !closed ? h : t;
    head_[at(e)] = at_upper(e) || closed ? t : h;
    if (closed && cost_[at(e)] < 0) flip_bound(e);
  }
}

template <class Int>
ArcPrices<Int> TreeSolution<Int>::prices() {
  if (tail_.empty()) store_ends();
  return {cost_.data(), tail_.data(), head_.data(), potential_.data()};
}

template <class Int>
void TreeSolution<Int>::compact() {
  tails_ = {}, heads_ = {};
  tail_ = {}, head_ = {};
  tree_.compact();
  release(artificial_cost_, eligible_);
}

template <class Int>
TreeSolution<Int> TreeSolution<Int>::resumed(const TreeSolution& compacted, const FlowTuning& tuning) {
  TreeSolution out(compacted);
  out.carve();
  out.tuning_ = &tuning;
  out.counts = {};
  out.dropped_arcs_ = 0;
  out.last_pivot_arc_ = kNoArc;
  out.tracked_ = true;
  return out;
}

// Sets the cost of kDown arcs: more than any path costs in the wide width; in the narrow one as much as fits, raised if
// that is too little.
template <class Int>
void TreeSolution<Int>::start_big_cost() {
  const Wide enough = static_cast<Wide>(net_.max_cost + 1) * (net_.n + 1);
  big_cost_ = static_cast<Int>(std::min<Wide>(enough, FlowRange<Int>::kMaxBig));
}

// ---------------------------------------------------------------- the flow of a basis

// Builds the tree of `tree_arc` (empty: all artificial) and its flow. Arcs off the tree stand at the bound they are
// stored for; those of `tree_arc` are not stored reversed. Flows are summed in twice the width; where they leave it,
// all arcs go to their lower bound and the artificial tree is built instead.
template <class Int>
void TreeSolution<Int>::route_basis(std::span<const Arc> tree_arc) {
  std::vector<Sum> excess(supply_.begin(), supply_.end());
  for (Arc e = 0; e < net_.m(); ++e) {
    if (!at_upper(e)) continue;
    excess[at(net_.tail[at(e)])] -= capacity(e);
    excess[at(net_.head[at(e)])] += capacity(e);
  }
  const Node root = tree_.root();
  std::vector<Node> parent(at(net_.n), root);
  if (!tree_arc.empty()) {
    parent = parents(tree_arc);
    tree_.build(parent);
    route_flow(tree_arc, parent, excess);
  }
  Wide artificial = 0;
  for (Node v = 0; v < net_.n; ++v)
    if (parent[at(v)] == root) artificial += excess[at(v)] < 0 ? -excess[at(v)] : excess[at(v)];
  if (artificial > 2 * static_cast<Wide>(FlowRange<Int>::kMaxFlow)) {
    for (Arc e = 0; e < net_.m(); ++e)
      if (at_upper(e)) flip_bound(e);
    dropped_arcs_ = net_.n;
    route_basis({});
    return;
  }
  if (tree_arc.empty() || dropped_arcs_ > 0) tree_.build(parent);
  for (Node v = 0; v < net_.n; ++v) {
    const Int out = static_cast<Int>(excess[at(v)]);
    if (parent[at(v)] == root) {
      tree_.make_artificial(v, out);
      continue;
    }
    const Arc e = tree_arc[at(v)];
    const Int most = capacity(e);
    tree_.set_arc(v, e);
    tree_.node(v).up = net_.tail[at(e)] == v ? most - out : -out;
    tree_.node(v).down = most - tree_.node(v).up;
  }
  compute_potentials();
}

// Returns the other end of each node's arc; an arc that closes a cycle is replaced by an artificial one.
template <class Int>
std::vector<Node> TreeSolution<Int>::parents(std::span<const Arc> tree_arc) const {
  const Node root = tree_.root();
  std::vector<Node> parent(at(net_.n), root);
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = tree_arc[at(v)];
    if (e != kNoArc) parent[at(v)] = net_.tail[at(e)] == v ? net_.head[at(e)] : net_.tail[at(e)];
  }
  std::vector<Node> visit(at(net_.n) + 1, kNoNode);
  visit[at(root)] = root;
  for (Node v = 0; v < net_.n; ++v) {
    Node w = v, before = v;
    for (; visit[at(w)] == kNoNode; before = w, w = parent[at(w)]) visit[at(w)] = v;
    if (visit[at(w)] == v && w != root && before != w) parent[at(before)] = root;
  }
  return parent;
}

// Sends each node's excess along its arc, leaves first; where it does not fit, the node gets an artificial arc.
template <class Int>
void TreeSolution<Int>::route_flow(std::span<const Arc> tree_arc, std::vector<Node>& parent, std::vector<Sum>& excess) {
  const Node root = tree_.root();
  for (Node v = tree_.prev(root); v != root; v = tree_.prev(v)) {
    if (parent[at(v)] == root) continue;
    if (fits(tree_arc[at(v)], v, excess[at(v)])) {
      excess[at(parent[at(v)])] += excess[at(v)];
    } else {
      parent[at(v)] = root;
      ++dropped_arcs_;
    }
  }
}

template <class Int>
bool TreeSolution<Int>::fits(Arc e, Node v, Sum excess) const noexcept {
  const Int most = capacity(e);
  return net_.tail[at(e)] == v ? 0 <= excess && excess < most : -most <= excess && excess < 0;
}

// ---------------------------------------------------------------- potentials

template <class Int>
void TreeSolution<Int>::compute_potentials() {
  overflowed_ = false;
  tracked_ = false;
  const Node root = tree_.root();
  potential_[at(root)] = 0;
  for (Node v = tree_.next(root); v != root; v = tree_.next(v)) {
    const Int above = potential_[at(tree_.node(v).parent)];
    const Arc e = tree_.arc(v);
    Int& p = potential_[at(v)];
    if (e < 0)
      p = above + artificial_cost(v, e);
    else
      p = tail(e) == v ? above - cost_[at(e)] : above + cost_[at(e)];
    check_range(p);
    if (overflowed_) return;
  }
}

// Shifts the potentials of the nodes listed last.
template <class Int>
void TreeSolution<Int>::shift_potentials(bool inside, Int by) {
  const std::span<const Node> listed = tree_.listed(inside);
  counts.repriced += std::ssize(listed);
  Int low = 0, high = 0;
  for (const Node v : listed) {
    const Int p = potential_[at(v)] += by;
    low = std::min(low, p);
    high = std::max(high, p);
  }
  check_range(low);
  check_range(high);
  if (tracked_ && !overflowed_)  // after an overflow all potentials are computed again
    for (const Node v : listed) track_arcs_of(v);
}

// Shifts the potentials of subtrees while these have few nodes; false where compute_potentials() is the cheaper way.
template <class Int>
bool TreeSolution<Int>::shift_subtrees(std::span<const PotentialChange> subtrees) {
  Index left = net_.n / tuning_->subtree_share;
  for (const auto& [top, by] : subtrees)
    for (Node v = top;; v = tree_.next(v)) {
      if (left-- == 0) return false;
      check_range(potential_[at(v)] += by);
      if (overflowed_) return false;
      if (v == tree_.last(top)) break;
    }
  return true;
}

// How the cost of artificial arcs grows where it was too small (factor).
constexpr Index kBigCostGrowth = 8;
// Up to where a rebuilt tree's artificial cost grows before it becomes that of a cold start (times the largest cost).
constexpr Index kMaxSmallBigCost = 64;

template <class Int>
bool TreeSolution<Int>::raise_big_cost() {
  constexpr Int kMaxBig = FlowRange<Int>::kMaxBig;
  const bool small = !artificial_cost_.empty();  // after rebuild()
  const bool too_small = small && big_cost_ / static_cast<Int>(kMaxSmallBigCost) >= net_.max_cost;
  if (big_cost_ > kMaxBig / static_cast<Int>(kBigCostGrowth) || too_small) {
    if (!small) return false;  // never in the wide width: big_cost_ exceeds the cost of every path
    artificial_cost_.clear();  // no small cost suffices: artificial arcs cost as in a start from nothing
    start_big_cost();
  } else {
    big_cost_ *= static_cast<Int>(kBigCostGrowth);
  }
  compute_potentials();
  return !overflowed_;
}

// ---------------------------------------------------------------- pivots

template <class Int>
void TreeSolution<Int>::flip_bound(Arc e) {
  at_upper_[at(e)] ^= 1;
  if (!tail_.empty()) std::swap(tail_[at(e)], head_[at(e)]);
  cost_[at(e)] = -cost_[at(e)];
  if (tracked_) eligible_.push_back(e);
}

template <class Int>
void TreeSolution<Int>::exchange(Arc e, const Cycle& cycle, Node from, bool inside) {
  const Node top = cycle.leaving, foot = cycle.tail_side ? tail(e) : head(e);
  const Node below = cycle.tail_side ? head(e) : tail(e);
  const Int gain = reduced_cost(e);
  const Arc leaving = tree_.arc(top);
  if (leaving >= 0 && tail(leaving) != from) flip_bound(leaving);
  last_pivot_arc_ = leaving >= 0 ? leaving : e;
  tree_.detach(top);
  tree_.reroot(foot, top);
  tree_.attach(foot, below);
  auto& record = tree_.node(foot);
  const Int rest = capacity(e) - cycle.residual;
  tree_.set_arc(foot, e);
  record.up = cycle.tail_side ? rest : cycle.residual;
  record.down = cycle.tail_side ? cycle.residual : rest;
  shift_potentials(inside, inside == cycle.tail_side ? -gain : gain);
}

template <class Int>
void TreeSolution<Int>::attach_to_root(Node top, bool inside) {
  const Arc leaving = tree_.arc(top);
  if (tail(leaving) == top) flip_bound(leaving);
  const Int by = potential_[at(tree_.root())] - potential_[at(top)];
  tree_.detach(top);
  tree_.attach(top, tree_.root());
  tree_.make_artificial(top, 0);
  shift_potentials(inside, inside ? by : -by);
}

template <class Int>
bool TreeSolution<Int>::fills_artificial_arc(const Cycle& cycle) const noexcept {
  if (cycle.leaving == kNoNode || tree_.arc(cycle.leaving) >= 0) return false;
  return (tree_.arc(cycle.leaving) == Tree::kUp) != cycle.tail_side;
}

// ---------------------------------------------------------------- changes of the problem

// Returns by how much the cost has risen, in the direction stored.
template <class Int>
Int TreeSolution<Int>::set_cost(Arc e, Int cost) {
  net_.max_cost = std::max(net_.max_cost, cost < 0 ? -cost : cost);
  const Int now = at_upper(e) ? -cost : cost;
  return now - std::exchange(cost_[at(e)], now);
}

template <class Int>
void TreeSolution<Int>::set_costs(std::span<const Arc> arcs, std::span<const Int> cost) {
  std::vector<PotentialChange> moved;
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    const Int more = set_cost(e, cost[i]);
    if (const Node v = node_above(e); v != kNoNode) moved.push_back({v, tail(e) == v ? -more : more});
  }
  start_big_cost();
  if (!shift_subtrees(moved)) compute_potentials();
  if (!tracked_) return;
  for (const Arc e : arcs)
    if (reduced_cost(e) < 0) eligible_.push_back(e);
  for (const PotentialChange& change : moved) track_subtree(change.top);
}

template <class Int>
void TreeSolution<Int>::replace(std::span<const Int> supply, RawVector<Int>&& capacity) {
  std::ranges::copy(supply, supply_.begin());
  if (!capacity.empty()) capacity_ = std::make_shared<const RawVector<Int>>(std::move(capacity));
}

// Sets the cost of artificial arcs to values that keep the potentials, and adds rebuild_big_cost times the largest cost
// to those that carry units: few arcs off the tree are then eligible, whereas the big cost of a start from nothing
// would change the potentials and make nearly all of them eligible. For the same reason an arc whose new cost does not
// match its potentials leaves the tree.
template <class Int>
Index TreeSolution<Int>::rebuild(std::span<const Arc> arcs, std::span<const Int> cost) {
  tracked_ = false;
  artificial_cost_.assign(potential_.begin(), potential_.end() - 1);
  for (Int& p : artificial_cost_) p -= potential_[at(tree_.root())];
  std::vector<Arc> tree_arc(at(net_.n));
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = tree_arc[at(v)] = std::max(tree_.arc(v), kNoArc);
    if (e == kNoArc) continue;
    if (at_upper(e)) flip_bound(e);
  }
  Index eligible = 0;
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    set_cost(e, cost[i]);
    const Int r = reduced_cost(e);
    eligible += r < 0;
    if (const Node v = node_above(e); v != kNoNode && r != 0) tree_arc[at(v)] = kNoArc;
  }
  const Int dearest = std::max<Int>(1, net_.max_cost);
  const auto factor = static_cast<Int>(tuning_->rebuild_big_cost);
  const Int most = FlowRange<Int>::kMaxBig / static_cast<Int>(kBigCostGrowth) / factor;
  big_cost_ = std::max(dearest, std::min<Int>(dearest, most) * factor);
  route_basis(tree_arc);
  return eligible;
}

// Lists the eligible arcs of a node whose potential has changed.
template <class Int>
void TreeSolution<Int>::track_arcs_of(Node v) {
  if (v == tree_.root()) return;
  const std::span<const Arc> in = net_.topology->reverse_star().of(v);
  for (Arc e = net_.start[at(v)]; e < net_.start[at(v) + 1]; ++e)
    if (reduced_cost(e) < 0) eligible_.push_back(e);
  for (const Arc e : in)
    if (reduced_cost(e) < 0) eligible_.push_back(e);
  counts.listed_arcs += net_.start[at(v) + 1] - net_.start[at(v)] + std::ssize(in);
}

template <class Int>
void TreeSolution<Int>::track_subtree(Node top) {
  for (Node v = top;; v = tree_.next(v)) {
    track_arcs_of(v);
    if (v == tree_.last(top)) break;
  }
}

template <class Int>
Index TreeSolution<Int>::eligible_arcs() const {
  if (tracked_) return std::ssize(eligible_);
  Index count = 0;
  for (Arc e = 0; e < net_.m(); ++e) count += reduced_cost(e) < 0;
  return count;
}

// ---------------------------------------------------------------- answers

template <class Int>
Int TreeSolution<Int>::unserved() const {
  Int sum = 0;
  for (Node v = 0; v < net_.n; ++v)
    if (tree_.arc(v) == Tree::kDown) sum += tree_.node(v).up;
  return sum;
}

template <class Int>
std::vector<bool> TreeSolution<Int>::reachable_from_excess() const {
  const Node n = net_.n;
  std::vector<Arc> start(at(n) + 2, 0);
  const auto each = [&](auto&& visit) {  // residual arcs; those of tree arcs come from their nodes
    for (Arc e = 0; e < net_.m(); ++e) {
      const Node t = tail(e), h = head(e);
      if (capacity(e) != 0 && node_above(e) == kNoNode) visit(t, h);
    }
    for (Node v = 0; v < n; ++v) {
      const auto& r = tree_.node(v);
      if (tree_.arc(v) < 0) continue;
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
    if (tree_.arc(v) == Tree::kUp && tree_.node(v).down > 0) seen[at(v)] = true, queue.push_back(v);
  for (std::size_t i = 0; i < queue.size(); ++i)
    for (Arc k = start[at(queue[i])]; k < start[at(queue[i]) + 1]; ++k)
      if (const Node h = to[at(k)]; !seen[at(h)]) seen[at(h)] = true, queue.push_back(h);
  return seen;
}

template <class Int>
bool TreeSolution<Int>::separates(const std::vector<bool>& reachable) const {
  for (Node v = 0; v < net_.n; ++v)
    if (reachable[at(v)] && tree_.arc(v) == Tree::kDown && tree_.node(v).up > 0) return false;
  return true;
}

template <class Int>
std::vector<Node> TreeSolution<Int>::cut() const {
  const std::vector<bool> reachable = reachable_from_excess();
  std::vector<Node> out;
  for (Node v = 0; v < net_.n; ++v)
    if (reachable[at(v)]) out.push_back(v);
  return out;
}

// The total is summed as if no arc were in the tree, then the tree is added. Strong duality: sum of cost * flow = sum
// of reduced cost * flow - sum of potential * supply, if the flow meets the supplies. Reduced costs are 0 in the tree
// and flows are 0 elsewhere, except for arcs of U. The sums of the dual side wrap at 64 bits, on both sides alike.
template <class Int>
typename TreeSolution<Int>::Verification TreeSolution<Int>::verify() const {
  Wide sum = 0;
  std::uint64_t dual = 0;
  bool over = false, within = true;
  const auto add = [&](Wide x) {
    if constexpr (sizeof(Int) == 4) {
      sum += x;  // of fewer than 2^33 products below 2^62
    } else {
      over |= __builtin_add_overflow(sum, x, &sum);
    }
  };
  const auto product = [](Int cost, Int units) { return static_cast<Sum>(cost) * units; };
  for_each_flag(at_upper_, 0, at_upper_.size(), [&](Arc e) {
    const Int cost = cost_[at(e)], most = capacity(e);
    add(-product(cost, most));
    const std::int64_t apart =
        static_cast<std::int64_t>(potential_[at(net_.tail[at(e)])]) - potential_[at(net_.head[at(e)])];
    within &= apart <= cost || most == 0;
    dual += static_cast<std::uint64_t>(apart - cost) * static_cast<std::uint64_t>(most);
  });
  // Separate loops, which the compiler vectorises.
  Int least = 0;
  for (const auto& record : tree_.nodes()) least = std::min({least, record.up, record.down});
  within &= least >= 0;
  const Int *potential = potential_.data(), *supply = supply_.data();
  for (Node v = 0; v < net_.n; ++v)
    dual -= static_cast<std::uint64_t>(potential[at(v)]) * static_cast<std::uint64_t>(supply[at(v)]);
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = tree_.arc(v);
    if (e < 0) continue;
    add((at_upper(e) ? -1 : 1) * product(cost_[at(e)], tree_flow(v)));
    if (at_upper(e)) add(product(cost_[at(e)], capacity(e)));
  }
  if (over) return {{}, within};
  return {sum, within && dual == static_cast<std::uint64_t>(sum)};
}

template <class Int>
Index TreeSolution<Int>::tree_arcs() const {
  Index count = 0;
  for (Node v = 0; v < net_.n; ++v) count += tree_.arc(v) >= 0;
  return count;
}

template <class Int>
Basis TreeSolution<Int>::basis() const {
  Basis out{std::vector<Arc>(at(net_.n)), {at_upper_.begin(), at_upper_.end()}};
  for (Node v = 0; v < net_.n; ++v) {
    const Arc e = out.tree_arc[at(v)] = std::max(tree_.arc(v), kNoArc);
    if (e != kNoArc) out.at_upper[at(e)] = 0;
  }
  return out;
}

template <class Int>
bool TreeSolution<Int>::holds() const {
  if (!tree_.holds()) return false;
  const Node root = tree_.root();
  std::vector<Int> excess(supply_.begin(), supply_.end());
  for (Arc e = 0; e < net_.m(); ++e)
    if (tail(e) != net_.tail[at(e)] && node_above(e) == kNoNode)
      excess[at(net_.tail[at(e)])] -= capacity(e), excess[at(net_.head[at(e)])] += capacity(e);
  for (Node v = tree_.prev(root); v != root; v = tree_.prev(v)) {
    const auto& r = tree_.node(v);
    const Arc e = tree_.arc(v);
    if (r.up <= 0 || r.down < 0) return false;
    if (e < 0) {
      if (r.parent != root || excess[at(v)] != (e == Tree::kUp ? r.down : -r.up)) return false;
      if (potential_[at(v)] != potential_[at(root)] + artificial_cost(v, e)) return false;
      continue;
    }
    const Node t = tail(e), h = head(e);
    if ((t != v || h != r.parent) && (h != v || t != r.parent)) return false;
    if (r.up + r.down != capacity(e) || reduced_cost(e) != 0) return false;
    const Int out = net_.tail[at(e)] == v ? r.down : -r.up;
    excess[at(v)] -= out;
    if (excess[at(v)] != 0) return false;
    if (r.parent != root) excess[at(r.parent)] += out;
  }
  if (tracked_)
    for (Arc e = 0; e < net_.m(); ++e)
      if (capacity(e) != 0 && reduced_cost(e) < 0 && std::ranges::find(eligible_, e) == eligible_.end()) return false;
  return true;
}

template class TreeSolution<std::int32_t>;
template class TreeSolution<std::int64_t>;
template TreeSolution<std::int64_t>::TreeSolution(Network<std::int64_t>, const TreeSolution<std::int32_t>&);

}  // namespace gridcompute::flow
