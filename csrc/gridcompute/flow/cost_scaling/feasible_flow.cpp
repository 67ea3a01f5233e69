#include "gridcompute/flow/cost_scaling/feasible_flow.hpp"

#include <algorithm>
#include <deque>

namespace gridcompute::flow {

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
    if (relabels > tuning_.relabels_per_update * n) {
      relabels = 0;
      compute_labels();
      std::copy(graph_.start.begin(), graph_.start.end() - 1, current_arc_.begin());
    }
    if (count % tuning_.discharges_per_poll == 0 && stop.poll(tuning_.discharges_per_poll * arcs_per_node)) return;
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
