#include "gridcompute/assignment/engines/hopcroft_karp.hpp"

#include <algorithm>
#include <queue>

namespace gridcompute::assignment {

namespace {

constexpr std::size_t kFew = 8;      // free rows
constexpr std::size_t kHelped = 20;  // one in so many free rows, or single searches are as good

std::size_t at(std::int32_t k) { return static_cast<std::size_t>(k); }

template <class V>
class Tied {
 public:
  Tied(Matching<V>& state, const Lists<V>& lists, Stats& stats, Stop& stop)
      : state_(state), lists_(lists), stats_(stats), stop_(stop), u_(at(static_cast<std::int32_t>(state.n))) {
    seen_.resize(state.v.size());
    label_.resize(state.v.size());
    next_.resize(u_.size());
    for (std::int32_t i = 0; i < state.n; ++i) {
      const auto list = lists[i];
      V least = Range<V>::kHopeless;
      for (Index k = 0; k < list.size; ++k)
        least = std::min(least, static_cast<V>(list.cost[k] - state.v[at(list.col[k])]));
      u_[at(i)] = least;
    }
  }

  Searched run(std::vector<std::int32_t>& witness) {
    std::vector<std::int32_t> free = state_.free_rows();
    for (;;) {
      const std::size_t before = free.size();
      for (bool more = true; more;) {
        if (stop_.poll()) return Searched::stopped;
        more = sweep(free);
      }
      if (free.empty()) return Searched::complete;
      if (changed_ && (free.size() <= kFew || (before - free.size()) * kHelped < before)) return Searched::budget;
      if (!change_duals(free)) {
        witness = free;
        for (const std::int32_t j : settled_) witness.push_back(state_.mate_of[at(j)]);
        return Searched::infeasible;
      }
      changed_ = true;
    }
  }

 private:
  struct Item {
    std::int64_t label;
    std::int32_t col;
    friend bool operator<(const Item& a, const Item& b) {
      return a.label > b.label || (a.label == b.label && a.col > b.col);
    }
  };

  [[nodiscard]] bool tight(std::int32_t i, std::int32_t j, V cost) const {
    return cost < Range<V>::kForbidden && cost - state_.v[at(j)] == u_[at(i)];
  }

  // Augments along disjoint tight paths; takes the rows matched from `free`. False if there was none.
  bool sweep(std::vector<std::int32_t>& free) {
    ++round_;
    const auto left = std::remove_if(free.begin(), free.end(), [&](std::int32_t i) { return augment(i); });
    const bool some = left != free.end();
    free.erase(left, free.end());
    return some;
  }

  // Depth first: next_ says where each row of the path goes on.
  bool augment(std::int32_t source) {
    path_.assign(1, source);
    next_[at(source)] = 0;
    while (!path_.empty()) {
      const std::int32_t i = path_.back();
      const auto list = lists_[i];
      stats_.arcs += list.size;
      Index& k = next_[at(i)];
      if (k == 0)  // a free column ends it: these first
        for (Index f = 0; f < list.size; ++f) {
          const std::int32_t j = list.col[f];
          if (j == state_.m || state_.mate_of[at(j)] != kFree || !tight(i, j, list.cost[f])) continue;
          k = f;
          flip();
          return true;
        }
      for (; k < list.size; ++k)
        if (const std::int32_t j = list.col[k]; seen_[at(j)] != round_ && tight(i, j, list.cost[k])) break;
      if (k == list.size) {
        path_.pop_back();
        if (!path_.empty()) ++next_[at(path_.back())];
        continue;
      }
      seen_[at(list.col[k])] = round_;
      path_.push_back(state_.mate_of[at(list.col[k])]);
      next_[at(path_.back())] = 0;
    }
    return false;
  }

  void flip() {
    ++stats_.searches;
    for (const std::int32_t i : path_) {
      const Index k = next_[at(i)];
      state_.match(i, lists_[i].col[k], lists_[i].cost[k]);
    }
  }

  void offer(std::int32_t i, std::int64_t label, std::int64_t& best) {
    const auto list = lists_[i];
    stats_.arcs += list.size;
    for (Index k = 0; k < list.size; ++k) {
      const std::int32_t j = list.col[k];
      if (list.cost[k] >= Range<V>::kForbidden) continue;
      const std::int64_t h = label + (list.cost[k] - state_.v[at(j)] - u_[at(i)]);
      if (h >= best || (seen_[at(j)] == round_ && h >= label_[at(j)])) continue;
      seen_[at(j)] = round_;
      label_[at(j)] = h;
      if (state_.mate_of[at(j)] == kFree)
        best = h;
      else
        queue_.push({h, j});
    }
  }

  // False if no free column is within reach of the free rows: then settled_ are all that are.
  bool change_duals(const std::vector<std::int32_t>& free) {
    constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
    ++round_;
    settled_.clear();
    queue_ = {};
    std::int64_t best = kFar;
    for (const std::int32_t i : free) offer(i, 0, best);
    while (!queue_.empty() && queue_.top().label < best) {
      const auto [label, j] = queue_.top();
      queue_.pop();
      if (label != label_[at(j)]) continue;  // offered less since
      settled_.push_back(j);
      offer(state_.mate_of[at(j)], label, best);
    }
    if (best == kFar) return false;
    for (const std::int32_t j : settled_) {
      u_[at(state_.mate_of[at(j)])] = static_cast<V>(u_[at(state_.mate_of[at(j)])] + best - label_[at(j)]);
      state_.set_price(j, std::int64_t{state_.v[at(j)]} + label_[at(j)] - best);
    }
    for (const std::int32_t i : free) u_[at(i)] = static_cast<V>(u_[at(i)] + best);
    return true;
  }

  Matching<V>& state_;
  const Lists<V>& lists_;
  Stats& stats_;
  Stop& stop_;
  std::vector<V> u_;
  std::vector<std::int32_t> seen_;  // per column: the round that saw it last
  std::vector<std::int64_t> label_;
  std::vector<Index> next_;
  std::vector<std::int32_t> path_, settled_;
  std::priority_queue<Item> queue_;
  std::int32_t round_ = 0;
  bool changed_ = false;
};

}  // namespace

template <class V>
Searched match_tied(Matching<V>& state, const Lists<V>& lists, Stats& stats, Stop& stop,
                    std::vector<std::int32_t>& witness) {
  return Tied<V>(state, lists, stats, stop).run(witness);
}

template Searched match_tied(Matching<std::int32_t>&, const Lists<std::int32_t>&, Stats&, Stop&,
                             std::vector<std::int32_t>&);
template Searched match_tied(Matching<std::int64_t>&, const Lists<std::int64_t>&, Stats&, Stop&,
                             std::vector<std::int32_t>&);

}  // namespace gridcompute::assignment
