#include "gridcompute/flow/network_simplex/dual_repair.hpp"

#include <algorithm>
#include <utility>

namespace gridcompute::flow {

template <class Int>
DualRepair<Int>::DualRepair(TreeSolution<Int>& solution, const FlowTuning& tuning)
    : solution_(solution),
      tree_(solution.tree()),
      tuning_(tuning),
      queued_(at(solution.n()) + 1, 0),
      on_side_(at(solution.n()) + 1, 0) {}

template <class Int>
bool DualRepair<Int>::set_capacities_and_supplies(std::span<const Arc> arcs, std::span<const Int> capacity,
                                                  std::span<const Int> supply) {
  const auto size = [](Wide x) { return x < 0 ? -x : x; };
  const std::span<const Int> before = solution_.supply();
  Wide moved = 0;
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    // Orders the ends so that an arc of capacity 0 is not eligible when it gets capacity.
    if (solution_.capacity(e) == 0 && solution_.reduced_cost(e) < 0) solution_.flip_bound(e);
    if (solution_.at_upper(e)) moved += size(static_cast<Wide>(capacity[i]) - solution_.capacity(e));
  }
  for (std::size_t v = 0; v < supply.size(); ++v) moved += size(static_cast<Wide>(supply[v]) - before[v]);
  if (moved > FlowRange<Int>::kMaxFlow / 2) return false;
  const Node root = tree_.root();
  for (Node v = tree_.next(root); v != root; v = tree_.next(tree_.last(v)))
    tree_.node(v).up = SpanningTree<Int>::kArtificialCapacity;
  std::vector<Int> excess(at(solution_.n()) + 1, 0);
  for (std::size_t v = 0; v < supply.size(); ++v) excess[v] = supply[v] - before[v];
  RawVector<Int> capacities;
  if (!arcs.empty()) capacities = solution_.copy_capacities();
  for (std::size_t i = 0; i < arcs.size(); ++i) {
    const Arc e = arcs[i];
    const Int more = capacity[i] - std::exchange(capacities[at(e)], capacity[i]);
    const Node t = solution_.network().tail[at(e)], h = solution_.network().head[at(e)];
    if (const Node v = solution_.node_above(e); v != kNoNode) {
      (v == t ? tree_.node(v).up : tree_.node(v).down) += more;
      enqueue_if_infeasible(v);
    } else if (solution_.at_upper(e)) {
      excess[at(t)] -= more;
      excess[at(h)] += more;
    }
  }
  solution_.replace(supply, std::move(capacities));
  if (moved == 0) return true;
  for (Node v = tree_.prev(root); v != root; v = tree_.prev(v)) {
    const Int d = excess[at(v)];
    if (d == 0) continue;
    tree_.node(v).up -= d;
    tree_.node(v).down += d;
    excess[at(tree_.node(v).parent)] += d;
    enqueue_if_infeasible(v);
  }
  return true;
}

template <class Int>
typename DualRepair<Int>::Infeasibility DualRepair<Int>::infeasibility(Node v) const {
  const auto& r = tree_.node(v);
  if (tree_.arc(v) < 0) return {r.down < 0 ? -r.down : r.down, r.down > 0, r.down != 0};
  if (r.up <= 0) return {-r.up, true, true};
  return {-r.down, false, r.down < 0};
}

template <class Int>
void DualRepair<Int>::enqueue_if_infeasible(Node v) {
  if (queued_[at(v)] != 0 || !infeasibility(v).any) return;
  queued_[at(v)] = 1;
  queue_.push_back(v);
}

// Takes from the queue the node with the most units to move, of those found last.
template <class Int>
Node DualRepair<Int>::pop_most_infeasible() {
  const std::size_t first = queue_.size() - std::min(queue_.size(), at(tuning_.violated_window));
  std::size_t worst = first;
  for (std::size_t i = first; i < queue_.size(); ++i)
    if (infeasibility(queue_[i]).units > infeasibility(queue_[worst]).units) worst = i;
  const Node v = std::exchange(queue_[worst], queue_.back());
  queue_.pop_back();
  queued_[at(v)] = 0;
  return v;
}

// How often the clock is read (dual pivots).
constexpr Index kDualPivotsPerPoll = 16;
// Projected work at which dual repair gives up at once (times repair_passes).
constexpr Index kRepairHopeless = 4;

template <class Int>
bool DualRepair<Int>::run(Stop& stop) {
  const Index most = tuning_.repair_passes * (Index{solution_.m()} + solution_.n());
  PivotCounts& counts = solution_.counts;
  bool going = true;
  Index counted = work_;
  while (going && !queue_.empty()) {
    const Node v = pop_most_infeasible();
    if (!infeasibility(v).any) continue;
    ++counts.dual_pivots;
    going = pivot(v) && work_ <= most && !overflow_ &&
            !(counts.dual_pivots % kDualPivotsPerPoll == 0 && stop.poll(work_ - std::exchange(counted, work_)));
    if (counts.dual_pivots > 1) going &= work_ / counts.dual_pivots * std::ssize(queue_) <= kRepairHopeless * most;
    if (solution_.overflowed()) solution_.compute_potentials();  // perhaps only the root's potential has drifted
    if (solution_.overflowed()) break;
  }
  for (const Node v : queue_) queued_[at(v)] = 0;
  queue_.clear();
  return going && !solution_.overflowed();
}

// Makes a dual pivot on the arc above `top`; false if no arc crosses its cut.
template <class Int>
bool DualRepair<Int>::pivot(Node top) {
  const Infeasibility wrong = infeasibility(top);
  tree_.clear_list();
  const bool inside = tree_.list_smaller_side(top);
  list_crossing_arcs(tree_.listed(inside), wrong.surplus == inside, tree_.arc(top));
  Int left = wrong.units;
  const auto dearer = [](const CrossingArc& a, const CrossingArc& b) {
    return a.reduced_cost != b.reduced_cost ? a.reduced_cost > b.reduced_cost : a.arc > b.arc;
  };
  bool heap = false;  // a heap is made once a second arc is needed: one is usually enough
  while (!crossing_.empty()) {
    if (heap) {
      std::pop_heap(crossing_.begin(), crossing_.end(), dearer);
    } else {
      std::iter_swap(std::max_element(crossing_.begin(), crossing_.end(), dearer), crossing_.end() - 1);
    }
    const Arc e = crossing_.back().arc;
    crossing_.pop_back();
    const Int most = solution_.capacity(e);
    const Node apex = tree_.find_apex(solution_.tail(e), solution_.head(e));
    if (wrong.surplus ? most <= left : most < left) {
      left -= most;
      push_and_enqueue(e, apex, most);
      solution_.flip_bound(e);
      ++solution_.counts.bound_flips;
      if (!heap) std::make_heap(crossing_.begin(), crossing_.end(), dearer), heap = true;
      continue;
    }
    push_and_enqueue(e, apex, left);
    const Node foot = wrong.surplus ? solution_.tail(e) : solution_.head(e);
    const Node from = wrong.surplus ? tree_.node(top).parent : top;
    solution_.exchange(e, {apex, top, wrong.surplus, left}, from, inside);
    for (Node v = top;; v = tree_.node(v).parent) {  // the stem has been turned
      enqueue_if_infeasible(v);
      if (v == foot) break;
    }
    return true;
  }
  if (left != 0) {
    enqueue_if_infeasible(top);
    return false;
  }
  if (wrong.surplus && tree_.arc(top) >= 0) solution_.attach_to_root(top, inside);
  return true;
}

// Lists the arcs off the tree, of positive capacity, that leave `side` (or enter it).
template <class Int>
void DualRepair<Int>::list_crossing_arcs(std::span<const Node> side, bool outwards, Arc leaving) {
  const Network<Int>& net = solution_.network();
  const ReverseStar& in = net.topology->reverse_star();
  crossing_.clear();
  for (const Node v : side) on_side_[at(v)] = 1;
  const auto examine = [&](Arc e, Node v) {
    const Node t = solution_.tail(e), h = solution_.head(e);
    if ((t == v) != outwards || on_side_[at(t == v ? h : t)] != 0 || solution_.capacity(e) == 0 || e == leaving) return;
    crossing_.push_back({solution_.reduced_cost(e), e});
  };
  work_ += std::ssize(side);
  for (const Node v : side) {
    if (v == tree_.root()) continue;
    const Arc first = net.start[at(v)], last = net.start[at(v) + 1];
    for (Arc k = first; k < last; ++k) examine(k, v);
    for (const Arc k : in.of(v)) examine(k, v);
    work_ += last - first + std::ssize(in.of(v));
  }
  for (const Node v : side) on_side_[at(v)] = 0;
}

// Pushes units along the cycle of `e`, and enqueues the nodes that become infeasible by it.
template <class Int>
void DualRepair<Int>::push_and_enqueue(Arc e, Node apex, Int units) {
  if (units == 0) return;
  solution_.push(e, apex, units);
  for (const Node end : {solution_.tail(e), solution_.head(e)})
    for (Node v = end; v != apex; v = tree_.node(v).parent) {
      const Int down = tree_.node(v).down;
      overflow_ |= down > kMaxInfeasibleFlow || down < -kMaxInfeasibleFlow;
      enqueue_if_infeasible(v);
    }
}

template class DualRepair<std::int32_t>;
template class DualRepair<std::int64_t>;

}  // namespace gridcompute::flow
