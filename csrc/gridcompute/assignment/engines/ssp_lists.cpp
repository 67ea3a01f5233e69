#include "gridcompute/assignment/engines/ssp_lists.hpp"

#include <algorithm>
#include <utility>

namespace gridcompute::assignment {

namespace {

constexpr std::int64_t kUnreached = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLabelLimit = std::int64_t{1} << 61;  // sums of two labels fit 63 bits
constexpr Index kListPollWork = Index{1} << 20;  // list entries between two polls of the stop within a search

}  // namespace

template <class V>
ListSsp<V>::ListSsp(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& reread)
    : state_(state), lists_(lists), reread_(reread) {
  const auto m = at(state.m);
  label_.resize(m + 1, std::numeric_limits<Label>::min());  // the padding's label: no relaxation lowers it
  from_.resize(m);
  from_cost_.resize(m);
  labelled_in_.resize(m + 1, 0);
  is_scanned_.resize(m);
}

template <class V>
void ListSsp<V>::push(Label label, std::int32_t id) {
  heap_.push_back({label, id});
  std::push_heap(heap_.begin(), heap_.end());
}

template <class V>
V ListSsp<V>::row_dual(std::int32_t i) {
  for (;;) {
    const auto list = lists_[i];
    V u = IntRange<V>::kForbiddenReduced;
    for (Index k = 0; k < list.size; ++k) u = std::min(u, static_cast<V>(list.cost[k] - state_.v[at(list.col[k])]));
    if (u <= lists_.bound(i)) return u;
    reread(i);
  }
}

template <class V>
void ListSsp<V>::reread(std::int32_t i) {
  work_ += 2 * state_.m * reread_(lists_, i, state_.v.data(), lists_.bound(i));
}

template <class V>
void ListSsp<V>::relax(std::int32_t i, Label label) {
  const Label base = label - (i == source_ ? source_u_ : Label{state_.u(i)});
  const auto list = lists_[i];
  work_ += list.size;
  for (Index k = 0; k < list.size; ++k) {
    const std::int32_t j = list.col[k];
    const Label h = base + (list.cost[k] - state_.v[at(j)]);
    if (h >= best_ || list.cost[k] >= IntRange<V>::kForbidden) continue;
    if (labelled_in_[at(j)] == search_id_) {
      if (h >= label_[at(j)]) continue;
    } else {
      labelled_in_[at(j)] = search_id_;
      is_scanned_[at(j)] = 0;
    }
    label_[at(j)] = h;
    from_[at(j)] = i;
    from_cost_[at(j)] = list.cost[k];
    if (state_.mate_of[at(j)] == kUnmatched) {
      best_ = h;
      best_col_ = j;
    } else if (h == level_) {
      at_level_.push_back(j);
    } else {
      push(h, j);
    }
  }
  const V bound = lists_.bound(i);
  if (bound < IntRange<V>::kForbiddenReduced && base + bound < best_) push(base + bound, ~i);
}

template <class V>
SearchStatus ListSsp<V>::search(std::int32_t source, Index budget, Stop& stop) {
  ++search_id_;
  heap_.clear();
  at_level_.clear();
  scanned_.clear();
  reached_rows_.assign(1, source);
  source_ = source;
  best_ = kUnreached;
  best_col_ = kUnmatched;
  level_ = 0;
  source_u_ = row_dual(source);
  if (source_u_ >= IntRange<V>::kForbiddenReduced) return SearchStatus::infeasible;
  relax(source, 0);
  while (level_ < best_) {
    if (work_ - polled_ > kListPollWork && stop.poll(work_ - std::exchange(polled_, work_)))
      return SearchStatus::stopped;
    std::int32_t id;
    if (!at_level_.empty()) {
      id = at_level_.back();
      at_level_.pop_back();
    } else if (!heap_.empty()) {
      if (heap_.front().label >= best_) break;
      std::pop_heap(heap_.begin(), heap_.end());
      id = heap_.back().id;
      level_ = heap_.back().label;
      heap_.pop_back();
      if (level_ > kLabelLimit) throw PriceOverflow();
    } else {
      break;
    }
    if (id < 0) {
      if (work_ > budget) return SearchStatus::budget;
      const std::int32_t i = ~id;
      reread(i);
      relax(i, i == source ? 0 : label_[at(state_.col_of[at(i)])]);
      continue;
    }
    if (is_scanned_[at(id)] || label_[at(id)] != level_) continue;
    is_scanned_[at(id)] = 1;
    scanned_.push_back(id);
    reached_rows_.push_back(state_.mate_of[at(id)]);
    relax(reached_rows_.back(), level_);
  }
  return best_col_ == kUnmatched ? SearchStatus::infeasible : SearchStatus::complete;
}

template <class V>
void ListSsp<V>::augment_path(std::int32_t source) {
  for (const std::int32_t j : scanned_) state_.set_price(j, Label{state_.v[at(j)]} + label_[at(j)] - best_);
  for (std::int32_t j = best_col_; j != kUnmatched;) {
    const std::int32_t i = from_[at(j)];
    const std::int32_t next = i == source ? kUnmatched : state_.col_of[at(i)];
    state_.match(i, j, from_cost_[at(j)]);
    j = next;
  }
}

template <class V>
SearchStatus ListSsp<V>::run(Index budget, AssignmentStats& stats, Stop& stop) {
  for (const std::int32_t i : state_.free_rows()) {
    if (work_ > budget) return SearchStatus::budget;
    if ((stats.searches++ & 15) == 0 && stop.poll(work_ - std::exchange(polled_, work_))) return SearchStatus::stopped;
    const Index before = work_;
    const SearchStatus found = search(i, budget, stop);
    stats.arcs += work_ - before;
    if (found != SearchStatus::complete) return found;
    augment_path(i);
  }
  return SearchStatus::complete;
}

template class ListSsp<std::int32_t>;
template class ListSsp<std::int64_t>;

}  // namespace gridcompute::assignment
