#include "gridcompute/assignment/input/input_stats.hpp"

#include <algorithm>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

// Adds a row's costs less its mean to the column sums, and their squares to `square`. False without allowed pairs.
template <class V>
GRIDCOMPUTE_INLINE bool add_to_sums(const V* GRIDCOMPUTE_RESTRICT row, Index m, double* GRIDCOMPUTE_RESTRICT sum,
                                    double& square) {
  constexpr Index kChains = 8;  // floating-point sums keep their order: several chains let them vectorise
  double total[kChains] = {}, squares[kChains] = {};
  Index allowed = 0;
  for (Index j = 0; j < m; ++j) allowed += row[j] < IntRange<V>::kForbidden ? 1 : 0;
  if (allowed == 0) return false;
  const auto value = [&](Index j, double otherwise) GRIDCOMPUTE_FORCED {
    return row[j] < IntRange<V>::kForbidden ? static_cast<double>(row[j]) : otherwise;
  };
  Index j = 0;
  for (; j + kChains <= m; j += kChains)
    for (Index k = 0; k < kChains; ++k) total[k] += value(j + k, 0);
  for (; j < m; ++j) total[0] += value(j, 0);
  double mean = 0;
  for (const double t : total) mean += t / static_cast<double>(allowed);
  const auto add = [&](Index c, double& into) GRIDCOMPUTE_FORCED {
    const double x = value(c, mean) - mean;
    sum[c] += x;
    into += x * x;
  };
  for (j = 0; j + kChains <= m; j += kChains)
    for (Index k = 0; k < kChains; ++k) add(j + k, squares[k]);
  for (; j < m; ++j) add(j, squares[0]);
  for (const double q : squares) square += q;
  return true;
}

// Returns how many columns are at the row's least cost, and one of them: cyclically from `start` on the first that is
// not taken, if there is one.
struct Cheapest {
  Index at, tied;
};
template <class V>
GRIDCOMPUTE_INLINE Cheapest least_place(const V* row, Index m, Index start, const char* taken) {
  V least = row[0];
  for (Index j = 1; j < m; ++j) least = row[j] < least ? row[j] : least;
  Index found = 0, tied = 0;
  for (Index j = 0; j < m; ++j) tied += row[j] == least ? 1 : 0;
  for (Index k = 0; k < m; ++k) {
    const Index j = k + start < m ? k + start : k + start - m;
    if (row[j] != least) continue;
    found = j;
    if (taken[j] == 0) break;
  }
  return {found, tied};
}

#define GRIDCOMPUTE_SUMS(V)                                                                        \
  GRIDCOMPUTE_CLONES bool add_sums(const V* row, Index m, double* sum, double& square) {           \
    return add_to_sums(row, m, sum, square);                                                       \
  }                                                                                                \
  GRIDCOMPUTE_CLONES Cheapest cheapest_of(const V* row, Index m, Index start, const char* taken) { \
    return least_place(row, m, start, taken);                                                      \
  }
GRIDCOMPUTE_SUMS(std::int32_t)
GRIDCOMPUTE_SUMS(std::int64_t)

constexpr std::int64_t kNoMinimum = std::int64_t{1} << 61;  // above every cost

template <class V>
GRIDCOMPUTE_INLINE void lower_minima_in(const V* GRIDCOMPUTE_RESTRICT row, Index m,
                                        std::int64_t* GRIDCOMPUTE_RESTRICT least) {
  std::int64_t sum = 0, allowed = 0;
  for (Index j = 0; j < m; ++j) {
    const bool good = row[j] < IntRange<V>::kForbidden;
    sum += good ? row[j] >> 4 : 0;  // sums of 2^24 columns of 2^60 would not fit; a sixteenth is precise enough
    allowed += good ? 1 : 0;
  }
  const std::int64_t mean = allowed > 0 ? sum / allowed * 16 : 0;
  for (Index j = 0; j < m; ++j) {
    const std::int64_t x = row[j] < IntRange<V>::kForbidden ? row[j] - mean : kNoMinimum;
    least[j] = x < least[j] ? x : least[j];
  }
}

GRIDCOMPUTE_CLONES void lower_minima(const std::int32_t* row, Index m, std::int64_t* least) {
  lower_minima_in(row, m, least);
}
GRIDCOMPUTE_CLONES void lower_minima(const std::int64_t* row, Index m, std::int64_t* least) {
  lower_minima_in(row, m, least);
}

}  // namespace

template <class V>
InputStats sample_input_stats(RowReader<V>& rows, const AssignmentTuning& tuning) {
  const Index count = std::min(tuning.sample_rows, rows.n);
  std::vector<V> row(at(rows.m));
  std::vector<double> sum(at(rows.m));
  double square = 0, total = 0;
  std::vector<V> spreads;
  Index cheapest = 0, tied = 0;
  std::vector<char> taken(at(rows.m));
  for (Index k = 0; k < count; ++k) {
    const Index i = sampled(k, count, rows.n);
    if (rows.measure(i) > RowFit::rounded) continue;
    spreads.push_back(rows.spread[at(i)]);
    rows.load(i, row.data());
    if (!add_sums(row.data(), rows.m, sum.data(), square)) continue;
    const Cheapest found = cheapest_of(row.data(), rows.m, sampled(k, count, rows.m), taken.data());
    tied += found.tied;
    char& least = taken[at(found.at)];
    if (least == 0) ++cheapest;
    least = 1;
  }
  const double wanted = static_cast<double>(cheapest) / static_cast<double>(count);
  for (const double s : sum) total += s * s;
  const bool uneven = total > tuning.column_variance * square;  // independent entries: total is about square
  const auto middle = spreads.begin() + static_cast<std::ptrdiff_t>(spreads.size() / 2);
  std::nth_element(spreads.begin(), middle, spreads.end());
  const V most = spreads.empty() ? V{0} : *std::max_element(middle, spreads.end());
  return {uneven, uneven && wanted < tuning.own_column_share, most > 0 && most / tuning.scale_ratio > *middle,
          tied > count * (uneven ? tuning.tied_columns : std::max(tuning.tied_columns, rows.m / tuning.tied_share))};
}

template <class V>
void sampled_column_reduction(RowReader<V>& rows, Pool& pool, Stop& stop, std::vector<V>& v,
                              const AssignmentTuning& tuning) {
  const Index count = std::min(rows.n, std::max<Index>(tuning.reduction_rows, rows.n / tuning.reduction_share));
  const Index chunk = std::max<Index>(16, (count + 63) / 64);
  std::vector<std::vector<std::int64_t>> low(at(Pool::chunks(count, chunk)));
  stop.count(count * rows.m);
  pool.for_chunks(
      count, chunk,
      [&](Index c, Index begin, Index end) {
        std::vector<V> row(at(rows.m));
        std::vector<std::int64_t> least(at(rows.m), kNoMinimum);
        for (Index k = begin; k < end; ++k) {
          const Index i = sampled(k, count, rows.n);
          if (rows.measure(i) > RowFit::rounded) return;
          rows.load(i, row.data());
          lower_minima(row.data(), rows.m, least.data());
        }
        low[at(c)] = std::move(least);
      },
      &stop);
  std::vector<std::int64_t> least(at(rows.m), kNoMinimum);
  for (const auto& l : low)
    for (Index j = 0; j < (l.empty() ? 0 : rows.m); ++j) least[at(j)] = std::min(least[at(j)], l[at(j)]);
  const std::int64_t base = *std::min_element(least.begin(), least.end());
  for (Index j = 0; j < rows.m; ++j)
    v[at(j)] = static_cast<V>(std::min(least[at(j)] - base, std::int64_t{IntRange<V>::kLimit / 2}));
}

template InputStats sample_input_stats(RowReader<std::int32_t>&, const AssignmentTuning&);
template InputStats sample_input_stats(RowReader<std::int64_t>&, const AssignmentTuning&);
template void sampled_column_reduction(RowReader<std::int32_t>&, Pool&, Stop&, std::vector<std::int32_t>&,
                                       const AssignmentTuning&);
template void sampled_column_reduction(RowReader<std::int64_t>&, Pool&, Stop&, std::vector<std::int64_t>&,
                                       const AssignmentTuning&);

}  // namespace gridcompute::assignment
