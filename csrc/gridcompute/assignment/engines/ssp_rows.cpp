#include "gridcompute/assignment/engines/ssp_rows.hpp"

#include <algorithm>
#include <utility>

#include "gridcompute/assignment/engines/tie_order.hpp"
#include "gridcompute/assignment/engines/warm_start.hpp"

namespace gridcompute::assignment {

namespace {

template <class V>
GRIDCOMPUTE_INLINE V largest_cost_of(const V* c, Index size) {
  V most = 0;
  for (Index k = 0; k < size; ++k) {
    const V x = c[k] < IntRange<V>::kForbidden ? c[k] : V{0};
    most = x > most ? x : most;
  }
  return most;
}

GRIDCOMPUTE_CLONES std::int32_t largest_cost(const std::int32_t* c, Index size) { return largest_cost_of(c, size); }
GRIDCOMPUTE_CLONES std::int64_t largest_cost(const std::int64_t* c, Index size) { return largest_cost_of(c, size); }

GRIDCOMPUTE_CLONES void reduce_columns(RowSspState<std::int32_t>& s) { column_reduction(s); }
GRIDCOMPUTE_CLONES void reduce_columns(RowSspState<std::int64_t>& s) { column_reduction(s); }

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool reduce_rows_of(RowSspState<V>& s) {
  return row_reduction<kBytes>(s, s.tuning->first_bids * s.n);
}

template <class V>
bool started(RowSspState<V>& s) {
  const bool square = s.n == s.m;
  if (square) reduce_columns(s);
  greedy_start(s);
  return (!square && s.n <= s.tuning->unreduced_rows) || reduce_rows(s);
}

}  // namespace

#define GRIDCOMPUTE_ROW_STEPS(V)                                                                       \
  GRIDCOMPUTE_VERSIONS(AugmentStatus, augment, (RowSspState<V> & s, std::int32_t source), (s, source)) \
  GRIDCOMPUTE_VERSIONS(std::int32_t, greedy_at_prices, (RowSspState<V> & s), (s))                      \
  GRIDCOMPUTE_VERSIONS(bool, reduce_rows, (RowSspState<V> & s), (s))
GRIDCOMPUTE_ROW_STEPS(std::int32_t)
GRIDCOMPUTE_ROW_STEPS(std::int64_t)
GRIDCOMPUTE_ROW_STEPS(double)

bool cold_start(RowSspState<std::int32_t>& s) { return started(s); }
bool cold_start(RowSspState<std::int64_t>& s) { return started(s); }

template <class V>
SearchStatus ssp_rows(Matching<V>& state, const RowCopy<V>& rows, Index limit, AssignmentStats& stats, Stop& stop,
                      std::vector<std::int32_t>& witness, const AssignmentTuning& tuning, SspStart start,
                      const WarmMatching* warm) {
  constexpr V kMost = IntRange<V>::kLimit / 2;  // range proof in ssp_rows.hpp
  AlignedVector<V> columns(at(4 * rows.stride)), mate_of(at(rows.stride), V{kUnmatched});
  std::vector<std::int32_t> scanned(at(state.m));
  std::copy_n(state.v.begin(), state.m, columns.begin());
  std::copy(state.mate_of.begin(), state.mate_of.end(), mate_of.begin());
  RowSspState<V> s{rows.data(),
                   static_cast<std::int32_t>(state.n),
                   static_cast<std::int32_t>(state.m),
                   static_cast<std::int32_t>(rows.stride),
                   columns.data(),
                   columns.data() + rows.stride,
                   columns.data() + 2 * rows.stride,
                   columns.data() + 3 * rows.stride,
                   mate_of.data(),
                   scanned.data(),
                   state.col_of.data(),
                   kMost};
  const auto end = [&](SearchStatus why) {
    std::copy_n(columns.begin(), state.m, state.v.begin());
    for (Index j = 0; j < state.m; ++j) state.mate_of[at(j)] = static_cast<std::int32_t>(mate_of[at(j)]);
    for (std::int32_t i = 0; i < state.n; ++i)
      if (const std::int32_t j = state.col_of[at(i)]; j != kUnmatched) state.mate_cost[at(i)] = s.row(i)[j];
    return why;
  };
  const auto overflow = [&] {
    if (sizeof(V) == 4) throw PriceOverflow();
    return end(SearchStatus::budget);
  };
  if (largest_cost(rows.data(), state.n * rows.stride) > kMost) return end(SearchStatus::budget);
  s.tuning = &tuning;
  TieOrder<V> order(rows, tuning);
  if (order.active()) s.by_rank = order.by_rank(), s.rank = order.rank();
  if (start != SspStart::warm && !cold_start(s) && start == SspStart::cold_if_easy) return end(SearchStatus::budget);
  if (warm != nullptr) start_from_matching(s, *warm, tuning);
  if (s.rank != nullptr) s.reset_ranks();
  if (*std::min_element(columns.begin(), columns.begin() + state.m) < -kMost) return end(SearchStatus::budget);
  Index work = 0, counted = 0;
  for (std::int32_t i = 0; i < state.n; ++i) {
    if (state.col_of[at(i)] != kUnmatched) continue;
    if (stop.poll(work - std::exchange(counted, work))) return SearchStatus::stopped;
    if (work > limit) return end(SearchStatus::budget);
    ++stats.searches;
    const AugmentStatus found = augment(s, i);
    stats.arcs += Index{s.collected} * state.m;
    work += Index{s.collected} * state.m;
    if (found == AugmentStatus::overflow) return overflow();
    V lowest = 0;
    for (std::int32_t k = 0; k < s.collected; ++k) lowest = std::min(lowest, s.v[scanned[at(k)]]);
    if (lowest < -kMost) return overflow();
    if (found == AugmentStatus::augmented) continue;
    witness.assign(1, i);
    for (std::int32_t k = 0; k < s.collected; ++k)
      witness.push_back(static_cast<std::int32_t>(mate_of[at(scanned[at(k)])]));
    return SearchStatus::infeasible;
  }
  return end(SearchStatus::complete);
}

template SearchStatus ssp_rows(Matching<std::int32_t>&, const RowCopy<std::int32_t>&, Index, AssignmentStats&, Stop&,
                               std::vector<std::int32_t>&, const AssignmentTuning&, SspStart, const WarmMatching*);
template SearchStatus ssp_rows(Matching<std::int64_t>&, const RowCopy<std::int64_t>&, Index, AssignmentStats&, Stop&,
                               std::vector<std::int32_t>&, const AssignmentTuning&, SspStart, const WarmMatching*);

}  // namespace gridcompute::assignment
