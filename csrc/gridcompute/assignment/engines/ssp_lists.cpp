#include "gridcompute/assignment/engines/ssp_lists.hpp"

#include <algorithm>

namespace gridcompute::assignment {

namespace {

constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLabelLimit = std::int64_t{1} << 61;
constexpr Index kPollWork = Index{1} << 20;  // list entries between two polls of the stop within a search

std::size_t at(std::int32_t k) { return static_cast<std::size_t>(k); }

}  // namespace

template <class V>
Paths<V>::Paths(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread)
    : state_(state), lists_(lists), reread_(reread) {
  const auto m = static_cast<std::size_t>(state.m);
  label_.resize(m + 1, std::numeric_limits<Label>::min());  // the padding's: no offer beats it
  from_.resize(m);
  from_cost_.resize(m);
  stamp_.resize(m + 1, 0);
  done_.resize(m);
}

template <class V>
void Paths<V>::push(Label label, std::int32_t id) {
  heap_.push_back({label, id});
  std::push_heap(heap_.begin(), heap_.end());
}

template <class V>
V Paths<V>::least(std::int32_t i) {
  for (;;) {
    const auto list = lists_[i];
    V u = Range<V>::kHopeless;
    for (Index k = 0; k < list.size; ++k) u = std::min(u, static_cast<V>(list.cost[k] - state_.v[at(list.col[k])]));
    if (u <= lists_.bound(i)) return u;
    reread(i);
  }
}

template <class V>
void Paths<V>::reread(std::int32_t i) {
  work_ += 2 * state_.m * reread_(lists_, i, state_.v.data(), lists_.bound(i));
}

template <class V>
void Paths<V>::offer(std::int32_t i, Label label) {
  const Label base = label - (i == source_ ? source_u_ : Label{state_.u(i)});
  const auto list = lists_[i];
  work_ += list.size;
  for (Index k = 0; k < list.size; ++k) {
    const std::int32_t j = list.col[k];
    const Label h = base + (list.cost[k] - state_.v[at(j)]);
    if (h >= best_ || list.cost[k] >= Range<V>::kForbidden) continue;
    if (stamp_[at(j)] == round_) {
      if (h >= label_[at(j)]) continue;
    } else {
      stamp_[at(j)] = round_;
      done_[at(j)] = 0;
    }
    label_[at(j)] = h;
    from_[at(j)] = i;
    from_cost_[at(j)] = list.cost[k];
    if (state_.mate_of[at(j)] == kFree) {
      best_ = h;
      best_col_ = j;
    } else if (h == level_) {
      now_.push_back(j);
    } else {
      push(h, j);
    }
  }
  const V bound = lists_.bound(i);
  if (bound < Range<V>::kHopeless && base + bound < best_) push(base + bound, ~i);
}

template <class V>
Searched Paths<V>::search(std::int32_t source, Index budget, Stop& stop) {
  ++round_;
  heap_.clear();
  now_.clear();
  settled_.clear();
  rows_.assign(1, source);
  source_ = source;
  best_ = kFar;
  best_col_ = kFree;
  level_ = 0;
  source_u_ = least(source);
  if (source_u_ >= Range<V>::kHopeless) return Searched::infeasible;
  offer(source, 0);
  while (level_ < best_) {
    if (work_ - polled_ > kPollWork) {
      polled_ = work_;
      if (stop.poll()) return Searched::stopped;
    }
    std::int32_t id;
    if (!now_.empty()) {
      id = now_.back();
      now_.pop_back();
    } else if (!heap_.empty()) {
      if (heap_.front().label >= best_) break;
      std::pop_heap(heap_.begin(), heap_.end());
      id = heap_.back().id;
      level_ = heap_.back().label;
      heap_.pop_back();
      if (level_ > kLabelLimit) throw PriceRange();
    } else {
      break;
    }
    if (id < 0) {
      if (work_ > budget) return Searched::budget;
      const std::int32_t i = ~id;
      reread(i);
      offer(i, i == source ? 0 : label_[at(state_.col_of[at(i)])]);
      continue;
    }
    if (done_[at(id)] || label_[at(id)] != level_) continue;
    done_[at(id)] = 1;
    settled_.push_back(id);
    rows_.push_back(state_.mate_of[at(id)]);
    offer(rows_.back(), level_);
  }
  return best_col_ == kFree ? Searched::infeasible : Searched::complete;
}

template <class V>
void Paths<V>::flip(std::int32_t source) {
  for (const std::int32_t j : settled_) state_.set_price(j, Label{state_.v[at(j)]} + label_[at(j)] - best_);
  for (std::int32_t j = best_col_; j != kFree;) {
    const std::int32_t i = from_[at(j)];
    const std::int32_t next = i == source ? kFree : state_.col_of[at(i)];
    state_.match(i, j, from_cost_[at(j)]);
    j = next;
  }
}

template <class V>
Searched Paths<V>::run(Index budget, Stats& stats, Stop& stop) {
  for (const std::int32_t i : state_.free_rows()) {
    if (work_ > budget) return Searched::budget;
    if ((stats.searches++ & 15) == 0 && stop.poll()) return Searched::stopped;
    const Index before = work_;
    const Searched found = search(i, budget, stop);
    stats.arcs += work_ - before;
    if (found != Searched::complete) return found;
    flip(i);
  }
  return Searched::complete;
}

template class Paths<std::int32_t>;
template class Paths<std::int64_t>;

}  // namespace gridcompute::assignment
