#include "gridcompute/assignment/input/column_stats.hpp"

#include <algorithm>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kMinimaShare = 4;
constexpr double kApart = 0.9;  // of the rows with a cheapest column of their own: prices may start at 0

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// A row's part in column sums of costs less the row's mean, and in the sum of their squares; false without allowed
// pairs.
template <class V>
GRIDCOMPUTE_INLINE bool add_to_sums(const V* GRIDCOMPUTE_RESTRICT row, Index m, double* GRIDCOMPUTE_RESTRICT sum,
                                    double& square) {
  constexpr Index kApartSums = 8;  // floating-point sums keep their order: so many let them vectorise
  double total[kApartSums] = {}, squares[kApartSums] = {};
  Index allowed = 0;
  for (Index j = 0; j < m; ++j) allowed += row[j] < Range<V>::kForbidden ? 1 : 0;
  if (allowed == 0) return false;
  const auto value = [&](Index j, double otherwise) GRIDCOMPUTE_FORCED {
    return row[j] < Range<V>::kForbidden ? static_cast<double>(row[j]) : otherwise;
  };
  Index j = 0;
  for (; j + kApartSums <= m; j += kApartSums)
    for (Index k = 0; k < kApartSums; ++k) total[k] += value(j + k, 0);
  for (; j < m; ++j) total[0] += value(j, 0);
  double mean = 0;
  for (const double t : total) mean += t / static_cast<double>(allowed);
  const auto add = [&](Index c, double& into) GRIDCOMPUTE_FORCED {
    const double x = value(c, mean) - mean;
    sum[c] += x;
    into += x * x;
  };
  for (j = 0; j + kApartSums <= m; j += kApartSums)
    for (Index k = 0; k < kApartSums; ++k) add(j + k, squares[k]);
  for (; j < m; ++j) add(j, squares[0]);
  for (const double q : squares) square += q;
  return true;
}

// How many columns are at the row's least, and one of them, not taken, if there is: the first from `start` on, and
// around.
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

constexpr std::int64_t kNoCost = std::int64_t{1} << 61;

template <class V>
GRIDCOMPUTE_INLINE void lower_least(const V* GRIDCOMPUTE_RESTRICT row, Index m,
                                    std::int64_t* GRIDCOMPUTE_RESTRICT least) {
  std::int64_t sum = 0, allowed = 0;
  for (Index j = 0; j < m; ++j) {
    const bool good = row[j] < Range<V>::kForbidden;
    sum += good ? row[j] >> 4 : 0;  // 2^24 columns of 2^60 would not fit; a sixteenth is near enough
    allowed += good ? 1 : 0;
  }
  const std::int64_t mean = allowed > 0 ? sum / allowed * 16 : 0;
  for (Index j = 0; j < m; ++j) {
    const std::int64_t x = row[j] < Range<V>::kForbidden ? row[j] - mean : kNoCost;
    least[j] = x < least[j] ? x : least[j];
  }
}

GRIDCOMPUTE_CLONES void lower_minima(const std::int32_t* row, Index m, std::int64_t* least) {
  lower_least(row, m, least);
}
GRIDCOMPUTE_CLONES void lower_minima(const std::int64_t* row, Index m, std::int64_t* least) {
  lower_least(row, m, least);
}

}  // namespace

template <class V>
Shape look_at_some(Rows<V>& rows) {
  const Index count = std::min(kSample, rows.n);
  std::vector<V> row(at(rows.m));
  std::vector<double> sum(at(rows.m));
  double square = 0, total = 0;
  std::vector<V> spreads;
  Index cheapest = 0, tied = 0;
  std::vector<char> taken(at(rows.m));
  for (Index k = 0; k < count; ++k) {
    const Index i = sampled(k, count, rows.n);
    if (rows.look(i) > Fit::rounded) continue;
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
  const bool uneven = total > 1.5 * square;  // independent entries: total is about square
  const auto middle = spreads.begin() + static_cast<std::ptrdiff_t>(spreads.size() / 2);
  std::nth_element(spreads.begin(), middle, spreads.end());
  const V most = spreads.empty() ? V{0} : *std::max_element(middle, spreads.end());
  return {uneven, uneven && wanted < kApart, most > 0 && most / kScales > *middle,
          tied > count * (uneven ? kListed : std::max(kListed, rows.m / kTiedShare))};
}

template <class V>
void price_columns(Rows<V>& rows, Pool& pool, Stop& stop, std::vector<V>& v) {
  const Index count = std::min(rows.n, std::max<Index>(256, rows.n / kMinimaShare));
  const Index chunk = std::max<Index>(16, (count + 63) / 64);
  std::vector<std::vector<std::int64_t>> low(at(Pool::chunks(count, chunk)));
  pool.for_chunks(
      count, chunk,
      [&](Index c, Index begin, Index end) {
        std::vector<V> row(at(rows.m));
        std::vector<std::int64_t> least(at(rows.m), kNoCost);
        for (Index k = begin; k < end; ++k) {
          const Index i = sampled(k, count, rows.n);
          if (rows.look(i) > Fit::rounded) return;
          rows.load(i, row.data());
          lower_minima(row.data(), rows.m, least.data());
        }
        low[at(c)] = std::move(least);
      },
      &stop);
  std::vector<std::int64_t> least(at(rows.m), kNoCost);
  for (const auto& l : low)
    for (Index j = 0; j < (l.empty() ? 0 : rows.m); ++j) least[at(j)] = std::min(least[at(j)], l[at(j)]);
  const std::int64_t base = *std::min_element(least.begin(), least.end());
  for (Index j = 0; j < rows.m; ++j)
    v[at(j)] = static_cast<V>(std::min(least[at(j)] - base, std::int64_t{Range<V>::kUnit / 2}));
}

template Shape look_at_some(Rows<std::int32_t>&);
template Shape look_at_some(Rows<std::int64_t>&);
template void price_columns(Rows<std::int32_t>&, Pool&, Stop&, std::vector<std::int32_t>&);
template void price_columns(Rows<std::int64_t>&, Pool&, Stop&, std::vector<std::int64_t>&);

}  // namespace gridcompute::assignment
