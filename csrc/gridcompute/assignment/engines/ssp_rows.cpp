#include "gridcompute/assignment/engines/ssp_rows.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/base/simd.hpp"

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

// Wide matrices of up to this many rows skip reduction (rows).
constexpr std::int32_t kUnreducedRows = 16;

template <class V>
bool started(RowSspState<V>& s) {
  const bool square = s.n == s.m;
  if (square) reduce_columns(s);
  greedy_start(s);
  return (!square && s.n <= kUnreducedRows) || reduce_rows(s);
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
  if (warm != nullptr) start_from_matching(s, *warm);
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

namespace {

template <class V>
GRIDCOMPUTE_INLINE V least_in(const V* GRIDCOMPUTE_RESTRICT row, Index m, const V* GRIDCOMPUTE_RESTRICT v) {
  V least = std::numeric_limits<V>::max();
  for (Index j = 0; j < m; ++j) {
    const V r = static_cast<V>(row[j] - v[j]);
    least = r < least ? r : least;
  }
  return least;
}

#define GRIDCOMPUTE_LEAST(V) \
  GRIDCOMPUTE_CLONES V least_of(const V* row, Index m, const V* v) { return least_in(row, m, v); }
GRIDCOMPUTE_LEAST(std::int32_t)
GRIDCOMPUTE_LEAST(std::int64_t)

// Price changes of a warm start before rows are left to searches (per row).
constexpr Index kWarmRepricings = 4;

template <class V>
class WarmStarter {
 public:
  WarmStarter(RowSspState<V>& s, double slack) : s_(s), slack_(slack) {}

  void run(const std::vector<std::int32_t>& col_of) {
    for (std::int32_t i = 0; i < s_.n; ++i)
      if (s_.row(i)[col_of[at(i)]] < IntRange<V>::kForbidden) s_.match(i, col_of[at(i)]);
    std::vector<std::int32_t> queue(at(s_.n));
    std::iota(queue.begin(), queue.end(), 0);
    Index left = kWarmRepricings * s_.n;
    for (std::size_t k = 0; k < queue.size(); ++k) {
      const std::int32_t i = queue[k];
      if (s_.col_of[i] == kUnmatched) continue;
      const V miss = static_cast<V>(dual(i) - least_of(s_.row(i), s_.stride, s_.v));
      if (miss <= 0) continue;
      if (static_cast<double>(miss) > slack_ || --left < 0)
        unmatch(i);
      else
        lower_prices(i, queue);
    }
  }

 private:
  [[nodiscard]] V dual(std::int32_t i) const { return static_cast<V>(s_.row(i)[s_.col_of[i]] - s_.v[s_.col_of[i]]); }
  void unmatch(std::int32_t i) {
    s_.mate_of[s_.col_of[i]] = kUnmatched;
    s_.col_of[i] = kUnmatched;
  }
  // Lowers the prices of the columns that row i would prefer. Only rows matched to these columns can miss afterwards.
  void lower_prices(std::int32_t i, std::vector<std::int32_t>& queue) {
    const V* row = s_.row(i);
    const V u = dual(i);
    for (std::int32_t j = 0; j < s_.m; ++j) {
      if (row[j] - u >= s_.v[j]) continue;
      s_.v[j] = static_cast<V>(row[j] - u);
      if (s_.mate_of[j] != kUnmatched) queue.push_back(static_cast<std::int32_t>(s_.mate_of[j]));
    }
  }

  RowSspState<V>& s_;
  double slack_;
};

}  // namespace

template <class V>
void start_from_matching(RowSspState<V>& s, const WarmMatching& warm) {
  std::fill_n(s.mate_of, s.stride, V{kUnmatched});
  std::fill_n(s.col_of, s.n, kUnmatched);
  WarmStarter<V>(s, warm.slack).run(warm.col_of);
}

template void start_from_matching(RowSspState<std::int32_t>&, const WarmMatching&);
template void start_from_matching(RowSspState<std::int64_t>&, const WarmMatching&);

}  // namespace gridcompute::assignment
