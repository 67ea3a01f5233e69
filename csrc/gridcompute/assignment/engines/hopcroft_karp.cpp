#include "gridcompute/assignment/engines/hopcroft_karp.hpp"

#include <algorithm>
#include <queue>
#include <utility>

namespace gridcompute::assignment {

namespace {

// Rows matched between two dual updates below which single searches take over (1 / share of free rows).
constexpr Index kPhaseGain = 20;

template <class V>
class HopcroftKarp {
 public:
  HopcroftKarp(Matching<V>& state, const CandidateLists<V>& lists, AssignmentStats& stats, Stop& stop,
               const AssignmentTuning& tuning)
      : state_(state),
        lists_(lists),
        stats_(stats),
        stop_(stop),
        counted_(stats.arcs),
        t_(tuning),
        u_(at(static_cast<std::int32_t>(state.n))) {
    visited_.resize(state.v.size());
    label_.resize(state.v.size());
    next_.resize(u_.size());
    for (std::int32_t i = 0; i < state.n; ++i) {
      const auto list = lists[i];
      V least = IntRange<V>::kForbiddenReduced;
      for (Index k = 0; k < list.size; ++k)
        least = std::min(least, static_cast<V>(list.cost[k] - state.v[at(list.col[k])]));
      u_[at(i)] = least;
    }
  }

  SearchStatus run(std::vector<std::int32_t>& witness) {
    std::vector<std::int32_t> free = state_.free_rows();
    for (;;) {
      const std::size_t before = free.size();
      for (bool more = true; more;) {
        if (stop_.poll(stats_.arcs - std::exchange(counted_, stats_.arcs))) return SearchStatus::stopped;
        more = phase(free);
      }
      if (free.empty()) return SearchStatus::complete;
      if (updated_ &&
          (static_cast<Index>(free.size()) <= t_.phase_free_rows || (before - free.size()) * at(kPhaseGain) < before))
        return SearchStatus::budget;
      if (!update_duals(free)) {
        witness = free;
        for (const std::int32_t j : scanned_) witness.push_back(state_.mate_of[at(j)]);
        return SearchStatus::infeasible;
      }
      updated_ = true;
    }
  }

 private:
  struct QueuedColumn {
    std::int64_t label;
    std::int32_t col;
    friend bool operator<(const QueuedColumn& a, const QueuedColumn& b) {
      return a.label > b.label || (a.label == b.label && a.col > b.col);
    }
  };

  [[nodiscard]] bool tight(std::int32_t i, std::int32_t j, V cost) const {
    return cost < IntRange<V>::kForbidden && cost - state_.v[at(j)] == u_[at(i)];
  }

  // Runs one phase: augments along disjoint tight paths, and removes the rows matched from `free`. False if there is
  // none.
  bool phase(std::vector<std::int32_t>& free) {
    ++visit_;
    const auto left = std::remove_if(free.begin(), free.end(), [&](std::int32_t i) { return augment(i); });
    const bool some = left != free.end();
    free.erase(left, free.end());
    return some;
  }

  // Searches depth first from a free row; next_ is where each row of the path goes on.
  bool augment(std::int32_t source) {
    path_.assign(1, source);
    next_[at(source)] = 0;
    while (!path_.empty()) {
      const std::int32_t i = path_.back();
      const auto list = lists_[i];
      stats_.arcs += list.size;
      Index& k = next_[at(i)];
      if (k == 0)  // lookahead: a free column ends the path
        for (Index f = 0; f < list.size; ++f) {
          const std::int32_t j = list.col[f];
          if (j == state_.m || state_.mate_of[at(j)] != kUnmatched || !tight(i, j, list.cost[f])) continue;
          k = f;
          augment_path();
          return true;
        }
      for (; k < list.size; ++k)
        if (const std::int32_t j = list.col[k]; visited_[at(j)] != visit_ && tight(i, j, list.cost[k])) break;
      if (k == list.size) {
        path_.pop_back();
        if (!path_.empty()) ++next_[at(path_.back())];
        continue;
      }
      visited_[at(list.col[k])] = visit_;
      path_.push_back(state_.mate_of[at(list.col[k])]);
      next_[at(path_.back())] = 0;
    }
    return false;
  }

  void augment_path() {
    ++stats_.searches;
    for (const std::int32_t i : path_) {
      const Index k = next_[at(i)];
      state_.match(i, lists_[i].col[k], lists_[i].cost[k]);
    }
  }

  void relax(std::int32_t i, std::int64_t label, std::int64_t& best) {
    const auto list = lists_[i];
    stats_.arcs += list.size;
    for (Index k = 0; k < list.size; ++k) {
      const std::int32_t j = list.col[k];
      if (list.cost[k] >= IntRange<V>::kForbidden) continue;
      const std::int64_t h = label + (list.cost[k] - state_.v[at(j)] - u_[at(i)]);
      if (h >= best || (visited_[at(j)] == visit_ && h >= label_[at(j)])) continue;
      visited_[at(j)] = visit_;
      label_[at(j)] = h;
      if (state_.mate_of[at(j)] == kUnmatched)
        best = h;
      else
        queue_.push({h, j});
    }
  }

  // Updates duals so that a path to the nearest free column is tight. False if no free column is reachable from the
  // free rows: scanned_ then holds all columns that are.
  bool update_duals(const std::vector<std::int32_t>& free) {
    constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
    ++visit_;
    scanned_.clear();
    queue_ = {};
    std::int64_t best = kFar;
    for (const std::int32_t i : free) relax(i, 0, best);
    while (!queue_.empty() && queue_.top().label < best) {
      const auto [label, j] = queue_.top();
      queue_.pop();
      if (label != label_[at(j)]) continue;  // relaxed since
      scanned_.push_back(j);
      relax(state_.mate_of[at(j)], label, best);
    }
    if (best == kFar) return false;
    for (const std::int32_t j : scanned_) {
      u_[at(state_.mate_of[at(j)])] = static_cast<V>(u_[at(state_.mate_of[at(j)])] + best - label_[at(j)]);
      state_.set_price(j, std::int64_t{state_.v[at(j)]} + label_[at(j)] - best);
    }
    for (const std::int32_t i : free) u_[at(i)] = static_cast<V>(u_[at(i)] + best);
    return true;
  }

  Matching<V>& state_;
  const CandidateLists<V>& lists_;
  AssignmentStats& stats_;
  Stop& stop_;
  Index counted_;  // of stats_.arcs, by the stop
  const AssignmentTuning& t_;
  std::vector<V> u_;
  std::vector<std::int32_t> visited_;  // per column: the phase or update that visited it last
  std::vector<std::int64_t> label_;
  std::vector<Index> next_;
  std::vector<std::int32_t> path_, scanned_;
  std::priority_queue<QueuedColumn> queue_;
  std::int32_t visit_ = 0;
  bool updated_ = false;
};

}  // namespace

template <class V>
SearchStatus hopcroft_karp(Matching<V>& state, const CandidateLists<V>& lists, AssignmentStats& stats, Stop& stop,
                           std::vector<std::int32_t>& witness, const AssignmentTuning& tuning) {
  return HopcroftKarp<V>(state, lists, stats, stop, tuning).run(witness);
}

template SearchStatus hopcroft_karp(Matching<std::int32_t>&, const CandidateLists<std::int32_t>&, AssignmentStats&,
                                    Stop&, std::vector<std::int32_t>&, const AssignmentTuning&);
template SearchStatus hopcroft_karp(Matching<std::int64_t>&, const CandidateLists<std::int64_t>&, AssignmentStats&,
                                    Stop&, std::vector<std::int32_t>&, const AssignmentTuning&);

}  // namespace gridcompute::assignment
