#include "gridcompute/assignment/dense_integer_solver.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace gridcompute::assignment {

namespace {

constexpr Index kChunkRows = 64;  // rows of a chunk

// Thrown where a stop left rows without their list or copy, so that the solve cannot continue.
struct PassStopped {};

}  // namespace

template <class V>
template <class Body>
bool DenseIntegerSolver<V>::for_rows(const Body& body) {
  stop_.count(rows_.n * rows_.m);
  return pool_.for_chunks(
      rows_.n, kChunkRows,
      [&](Index, Index begin, Index end) {
        typename CandidateLists<V>::Scratch s = lists_.scratch();
        for (Index i = begin; i < end; ++i) body(i, s);
      },
      &stop_);
}

template <class V>
template <class Body>
void DenseIntegerSolver<V>::for_all_rows(const Body& body) {
  if (!for_rows(body)) throw PassStopped();
}

template <class V>
void DenseIntegerSolver<V>::start_from(const AssignmentResult& previous, int bits,
                                       const std::vector<std::pair<Index, std::int64_t>>& reductions) {
  constexpr double kMost = static_cast<double>(IntRange<V>::kLimit / 4);  // sums of four stay in V
  constexpr double kRounding = 4;  // two costs and two prices, in the coarser unit
  std::vector<double> price(previous.col_dual.begin(), previous.col_dual.end());
  for (const auto& [j, off] : reductions) price[at(j)] -= std::ldexp(static_cast<double>(off), -bits);
  const double most = *std::max_element(price.begin(), price.end());
  for (Index j = 0; j < rows_.m; ++j)
    state_.v[at(j)] = static_cast<V>(-std::min(std::ldexp(most - price[at(j)], bits), kMost));
  const double rounding = std::ldexp(kRounding, std::max(bits, 0));
  warm_ = {previous.col_of, std::min(rounding, kMost / static_cast<double>(8 * rows_.n))};
}

template <class V>
std::optional<RowFit> DenseIntegerSolver<V>::first_pass() {
  const bool warm = !warm_.col_of.empty();
  const InputStats stats = !warm && rows_.n == rows_.m ? sample_input_stats(rows_, t_) : InputStats{};
  start_ = choose_dense_start(stats, rows_.n, rows_.m, warm, t_);
  if (start_.rows_first) {
    copy_.emplace(rows_.n, rows_.m);
  } else {
    if (start_.reduce_columns) sampled_column_reduction(rows_, pool_, stop_, state_.v, t_);
    lists_.reserve_lists();
  }
  std::atomic<int> worst{0};
  const bool whole = for_rows([&](Index i, typename CandidateLists<V>::Scratch& s) {
    const RowFit fit = rows_.measure(i);
    int seen = worst.load(std::memory_order_relaxed);
    while (static_cast<int>(fit) > seen && !worst.compare_exchange_weak(seen, static_cast<int>(fit))) {
    }
    if (std::max(seen, static_cast<int>(fit)) > static_cast<int>(RowFit::rounded)) return;
    if (start_.rows_first)
      copy_->copy_row(i, rows_);
    else
      lists_.fill(i, rows_, state_.v.data(), s);
  });
  if (!whole) return std::nullopt;
  return static_cast<RowFit>(worst.load());
}

template <class V>
AssignmentResult DenseIntegerSolver<V>::solve() {
  AssignmentResult result;
  try {
    solve_rows(result);
  } catch (const PassStopped&) {
    result.status = AssignmentStatus::stopped;
  }
  return result;
}

template <class V>
void DenseIntegerSolver<V>::solve_rows(AssignmentResult& result) {
  if (start_.rows_first && rows_first_answers(result)) return;
  ListRefresher<V> refresh{copy_ ? &*copy_ : &rows_, {}, lists_.scratch(), 0};
  RowSource<V> source;
  source.rebuild_lists = [&](const std::vector<V>& v) {
    for_all_rows([&](Index i, typename CandidateLists<V>::Scratch& s) { lists_.fill(i, *refresh.rows, v.data(), s); });
  };
  source.copy_rows = [&]() -> const RowCopy<V>& {
    if (copy_) return *copy_;
    copy_.emplace(rows_.n, rows_.m);
    for_all_rows([&](Index i, typename CandidateLists<V>::Scratch&) { copy_->copy_row(i, rows_); });
    refresh.rows = &*copy_;
    return *copy_;
  };
  source.list_reach = [&](const std::vector<V>& v) {
    return list_reach(v, refresh, static_cast<double>(source.spread));
  };
  source.spread = sampled_spread();
  source.list_budget = rows_.n * rows_.m * t_.list_passes;
  source.square = rows_.n == rows_.m;
  source.epsilon_divisor = t_.list_epsilon;
  source.epsilon_fall = t_.list_epsilon_fall;
  const SearchStatus found = solve_lists(state_, lists_, refresh, source, result.stats, stop_, result.witness, t_);
  result.stats.rescans = refresh.count;
  write_result(found, result);
}

// Searches whole rows within their budget. Returns false if that gave no answer; lists are ready then.
template <class V>
bool DenseIntegerSolver<V>::rows_first_answers(AssignmentResult& result) {
  const SearchStatus found = ssp_rows(state_, *copy_, start_.budget, result.stats, stop_, result.witness, t_,
                                      start_.start, warm_.col_of.empty() ? nullptr : &warm_);
  if (found != SearchStatus::budget) {
    write_result(found, result);
    return true;
  }
  state_.clear();
  std::fill(state_.v.begin(), state_.v.end(), V{0});
  if (start_.reduce_columns) sampled_column_reduction(rows_, pool_, stop_, state_.v, t_);
  lists_.reserve_lists();
  for_all_rows([&](Index i, typename CandidateLists<V>::Scratch& s) { lists_.fill(i, *copy_, state_.v.data(), s); });
  return false;
}

template <class V>
void DenseIntegerSolver<V>::write_result(SearchStatus found, AssignmentResult& result) {
  result.status = status_of(found);
  result.stats.bits = static_cast<int>(sizeof(V)) * 8;
  result.col_of = state_.col_of;
  if (found != SearchStatus::complete) return;
  check_complete_matching(state_.col_of.data(), state_.mate_of.data(), state_.n, state_.m);
  result.col_dual.assign(state_.v.begin(), state_.v.end() - 1);
  for (std::int32_t i = 0; i < rows_.n; ++i) result.row_dual.push_back(state_.u(i) + rows_.shift[at(i)]);
}

// Returns the median reach of lists made at prices v, over a sample of rows; a complete list reaches as far as costs
// do.
template <class V>
double DenseIntegerSolver<V>::list_reach(const std::vector<V>& v, ListRefresher<V>& refresh, double largest) {
  std::vector<double> reach;
  for (Index k = 0; k < t_.width_sample; ++k) {
    const Index i = sampled(k, t_.width_sample, rows_.n);
    lists_.fill(i, *refresh.rows, v.data(), refresh.scratch);
    V least = IntRange<V>::kForbiddenReduced;
    for (Index c = 0; c < lists_[i].size; ++c)
      least = std::min(least, static_cast<V>(lists_[i].cost[c] - v[at(lists_[i].col[c])]));
    reach.push_back(std::min(static_cast<double>(lists_.bound(i)) - static_cast<double>(least), largest));
  }
  const auto middle = reach.begin() + static_cast<std::ptrdiff_t>(reach.size() / 2);
  std::nth_element(reach.begin(), middle, reach.end());
  return *middle;
}

template <class V>
V DenseIntegerSolver<V>::sampled_spread() const {
  V most = 0;
  const Index count = std::min(t_.sample_rows, rows_.n);
  for (Index k = 0; k < count; ++k) most = std::max(most, rows_.spread[at(sampled(k, count, rows_.n))]);
  return most;
}

template class DenseIntegerSolver<std::int32_t>;
template class DenseIntegerSolver<std::int64_t>;

}  // namespace gridcompute::assignment
