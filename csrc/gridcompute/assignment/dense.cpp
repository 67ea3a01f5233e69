#include "gridcompute/assignment/dense.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <string>
#include <type_traits>

#include "gridcompute/assignment/finer.hpp"
#include "gridcompute/assignment/route.hpp"
#include "gridcompute/assignment/tails.hpp"
#include "gridcompute/assignment/whole.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kThreaded = Index{1} << 19;  // entries from which waking a thread pays
constexpr Index kChunk = 64;                 // rows
constexpr int kRetryBits = 8;                // less exact, more room for prices
constexpr Index kMinimaShare = 4;
constexpr Index kWholeFirst = 1 << 19;   // entries up to which whole rows are searched first,
constexpr Index kWholeUneven = 1 << 20;  // or up to here, if columns are uneven,
constexpr Index kFirstPasses = 60;       // in the time of so many passes over them
constexpr Index kSample = 48;            // rows looked at before the first pass
constexpr double kApart = 0.9;           // of them with a cheapest column of their own: prices may start at 0

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

Index sampled(Index k, Index count, Index n) { return k * n / count; }

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

template <class V>
GRIDCOMPUTE_INLINE Index least_place(const V* row, Index m) {
  V least = row[0];
  for (Index j = 1; j < m; ++j) least = row[j] < least ? row[j] : least;
  Index j = 0;
  while (row[j] != least) ++j;
  return j;
}

#define GRIDCOMPUTE_SUMS(V)                                                              \
  GRIDCOMPUTE_CLONES bool add_sums(const V* row, Index m, double* sum, double& square) { \
    return add_to_sums(row, m, sum, square);                                             \
  }                                                                                      \
  GRIDCOMPUTE_CLONES Index cheapest_of(const V* row, Index m) { return least_place(row, m); }
GRIDCOMPUTE_SUMS(std::int32_t)
GRIDCOMPUTE_SUMS(std::int64_t)

// Do columns carry offsets of their own, so that the variance of column means over a few rows exceeds what independent
// entries would show? And do these draw rows to the same columns?
struct Columns {
  bool uneven = false, differ = false;
};
template <class V>
Columns look_at_columns(Rows<V>& rows) {
  const Index count = std::min(kSample, rows.n);
  std::vector<V> row(at(rows.m));
  std::vector<double> sum(at(rows.m));
  double square = 0, total = 0;
  Index cheapest = 0;
  std::vector<char> taken(at(rows.m));
  for (Index k = 0; k < count; ++k) {
    const Index i = sampled(k, count, rows.n);
    if (rows.look(i) > Fit::rounded) continue;
    rows.load(i, row.data());
    if (!add_sums(row.data(), rows.m, sum.data(), square)) continue;
    char& least = taken[at(cheapest_of(row.data(), rows.m))];
    if (least == 0) ++cheapest;
    least = 1;
  }
  const double wanted = static_cast<double>(cheapest) / static_cast<double>(count);
  for (const double s : sum) total += s * s;
  const bool uneven = total > 1.5 * square;  // independent entries: total is about square
  return {uneven, uneven && wanted < kApart};
}

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

template <class V>
class DenseSolve {
 public:
  DenseSolve(Rows<V>& rows, Pool& pool, Stop& stop)
      : rows_(rows), pool_(pool), stop_(stop), lists_(rows.n, rows.m), state_(rows.n, rows.m) {}

  // Start at the prices of an answer to nearly the same square matrix, whose unit is 2^-bits of this one's.
  void begin_at(const std::vector<std::int64_t>& prices, int bits) {
    constexpr double kMost = static_cast<double>(Range<V>::kUnit / 4);
    const std::int64_t most = *std::max_element(prices.begin(), prices.end());
    for (Index j = 0; j < rows_.m; ++j) {
      const double below = std::ldexp(static_cast<double>(most - prices[at(j)]), bits);
      state_.v[at(j)] = static_cast<V>(-std::min(below, kMost));
    }
    begin_ = Begin::prices;
  }

  // The worst fit over all rows, or stopped (nullopt); with lists, unless whole rows are to be tried first.
  std::optional<Fit> first_pass() {
    const Columns columns = begin_ == Begin::anew && rows_.n == rows_.m ? look_at_columns(rows_) : Columns{};
    whole_first_ = rows_.n * rows_.m <= (columns.uneven ? kWholeUneven : kWholeFirst) && !columns.differ;
    if (whole_first_) {
      copy_.emplace(rows_.n, rows_.m);
    } else {
      if (columns.differ) column_minima();
      lists_.make_room();
    }
    std::atomic<int> worst{0};
    const bool whole = each_chunk([&](Index i, typename Lists<V>::Scratch& s) {
      const Fit fit = rows_.look(i);
      int seen = worst.load(std::memory_order_relaxed);
      while (static_cast<int>(fit) > seen && !worst.compare_exchange_weak(seen, static_cast<int>(fit))) {
      }
      if (std::max(seen, static_cast<int>(fit)) > static_cast<int>(Fit::rounded)) return;
      if (whole_first_)
        copy_->take(i, rows_);
      else
        lists_.fill(i, rows_, state_.v.data(), s);
    });
    if (!whole) return std::nullopt;
    return static_cast<Fit>(worst.load());
  }

  Result solve() {
    Result result;
    if (whole_first_ && !search_first(result)) return result;
    Rereader<V> reread{copy_ ? &*copy_ : &rows_, {}, lists_.scratch(), 0};
    Source<V> source;
    source.relist = [&](const std::vector<V>& v) {
      each_chunk([&](Index i, typename Lists<V>::Scratch& s) { lists_.fill(i, *reread.rows, v.data(), s); });
    };
    source.copy = [&]() -> const CopiedRows<V>& {
      if (copy_) return *copy_;
      copy_.emplace(rows_.n, rows_.m);
      each_chunk([&](Index i, typename Lists<V>::Scratch&) { copy_->take(i, rows_); });
      reread.rows = &*copy_;
      return *copy_;
    };
    source.width = [&](const std::vector<V>& v) { return width(v, reread, static_cast<double>(source.spread)); };
    source.spread = spread();
    source.pass = rows_.n * rows_.m * 2;
    source.square = rows_.n == rows_.m;
    const Searched found = solve_lists(state_, lists_, reread, source, result.stats, stop_, result.witness);
    result.stats.rescans = reread.count;
    finish(found, result);
    return result;
  }

 private:
  // False if whole rows have answered within their budget; else lists take over.
  bool search_first(Result& result) {
    const Index limit = kFirstPasses * rows_.n * rows_.m;
    const Searched found = search_whole(state_, *copy_, limit, result.stats, stop_, result.witness, begin_);
    if (found != Searched::budget) {
      finish(found, result);
      return false;
    }
    state_.clear();
    std::fill(state_.v.begin(), state_.v.end(), V{0});
    lists_.make_room();
    each_chunk([&](Index i, typename Lists<V>::Scratch& s) { lists_.fill(i, *copy_, state_.v.data(), s); });
    return true;
  }

  void finish(Searched found, Result& result) {
    result.status = found == Searched::complete     ? Status::optimal
                    : found == Searched::infeasible ? Status::infeasible
                                                    : Status::stopped;
    result.stats.bits = static_cast<int>(sizeof(V)) * 8;
    result.col_of = state_.col_of;
    if (found != Searched::complete) return;
    result.col_dual.assign(state_.v.begin(), state_.v.end() - 1);
    for (std::int32_t i = 0; i < rows_.n; ++i) result.row_dual.push_back(state_.u(i) + rows_.shift[at(i)]);
  }

  template <class Body>
  bool each_chunk(const Body& body) {
    return pool_.for_chunks(
        rows_.n, kChunk,
        [&](Index, Index begin, Index end) {
          typename Lists<V>::Scratch s = lists_.scratch();
          for (Index i = begin; i < end; ++i) body(i, s);
        },
        &stop_);
  }

  // Column minima of costs less their row's mean. Not less its minimum: rows whose cheapest pair is dear would then
  // look cheap everywhere else, and hold all the minima. Over a share of the rows: the bids make up for the rest.
  void column_minima() {
    const Index count = std::min(rows_.n, std::max<Index>(256, rows_.n / kMinimaShare));
    const Index chunk = std::max<Index>(16, (count + 63) / 64);
    std::vector<std::vector<std::int64_t>> low(at(Pool::chunks(count, chunk)));
    pool_.for_chunks(
        count, chunk,
        [&](Index c, Index begin, Index end) {
          std::vector<V> row(at(rows_.m));
          std::vector<std::int64_t> least(at(rows_.m), kNoCost);
          for (Index k = begin; k < end; ++k) {
            const Index i = sampled(k, count, rows_.n);
            if (rows_.look(i) > Fit::rounded) return;
            rows_.load(i, row.data());
            lower_minima(row.data(), rows_.m, least.data());
          }
          low[at(c)] = std::move(least);
        },
        &stop_);
    std::vector<std::int64_t> least(at(rows_.m), kNoCost);
    for (const auto& l : low)
      for (Index j = 0; j < (l.empty() ? 0 : rows_.m); ++j) least[at(j)] = std::min(least[at(j)], l[at(j)]);
    const std::int64_t base = *std::min_element(least.begin(), least.end());
    for (Index j = 0; j < rows_.m; ++j)
      state_.v[at(j)] = static_cast<V>(std::min(least[at(j)] - base, std::int64_t{Range<V>::kUnit / 2}));
  }

  // The typical reach of a list made at prices v, over a few rows; complete lists reach as far as costs do.
  double width(const std::vector<V>& v, Rereader<V>& reread, double most) {
    std::vector<double> reach;
    for (Index k = 0; k < 15; ++k) {
      const Index i = sampled(k, 15, rows_.n);
      lists_.fill(i, *reread.rows, v.data(), reread.scratch);
      V low = Range<V>::kHopeless;
      for (Index c = 0; c < lists_[i].size; ++c)
        low = std::min(low, static_cast<V>(lists_[i].cost[c] - v[at(lists_[i].col[c])]));
      reach.push_back(std::min(static_cast<double>(lists_.bound(i)) - static_cast<double>(low), most));
    }
    std::nth_element(reach.begin(), reach.begin() + 7, reach.end());
    return reach[7];
  }

  V spread() const {
    V most = 0;
    const Index count = std::min(kSample, rows_.n);
    for (Index k = 0; k < count; ++k) most = std::max(most, rows_.spread[at(sampled(k, count, rows_.n))]);
    return most;
  }

  Rows<V>& rows_;
  Pool& pool_;
  Stop& stop_;
  Lists<V> lists_;
  std::optional<CopiedRows<V>> copy_;
  bool whole_first_ = false;
  Begin begin_ = Begin::anew;
  Matching<V> state_;
};

template <class T>
UnwrittenVector<T> transpose(const Dense<T>& a, Pool& pool) {
  constexpr Index kTile = 16;
  UnwrittenVector<T> out(at(a.rows * a.cols));
  pool.for_chunks(a.rows, 16 * kTile, [&](Index, Index begin, Index end) {
    for (Index j0 = 0; j0 < a.cols; j0 += kTile)
      for (Index i0 = begin; i0 < end; i0 += kTile)
        for (Index j = j0; j < std::min(a.cols, j0 + kTile); ++j)
          for (Index i = i0; i < std::min(end, i0 + kTile); ++i) out[at(j * a.rows + i)] = a.data[i * a.cols + j];
  });
  return out;
}

// The largest finite magnitude over all rows, or over a few, of costs up to `reach` above their row's least.
template <class T>
double magnitude(const Dense<T>& a, bool maximize, Index rows, double reach) {
  double most = 0;
  for (Index k = 0; k < rows; ++k) {
    Extent seen = extent_of(a.data + sampled(k, rows, a.rows) * a.cols, a.cols, maximize);
    seen.most = std::min(seen.most, seen.least + reach);
    most = std::max(most, seen.magnitude());
  }
  return most;
}

// `near`, if any: the answer to nearly the same costs. `most`, if not 0: as DenseRows lowers; then `fit` is range where
// a lowered pair was used.
template <class T, class V>
std::optional<Result> attempt(const Dense<T>& cost, bool maximize, int exponent, bool rounding, Pool& pool, Stop& stop,
                              Fit& fit, const Result* near, V most = 0) {
  DenseRows<T, V> rows(cost, maximize, exponent, rounding, most);
  DenseSolve<V> solve(rows, pool, stop);
  if (near != nullptr && rounding && cost.rows == cost.cols) solve.begin_at(near->col_dual, exponent - near->exponent);
  const std::optional<Fit> found = solve.first_pass();
  if (!found) {
    Result stopped;
    stopped.status = Status::stopped;
    return stopped;
  }
  fit = *found;
  if (fit > Fit::exact) return std::nullopt;
  try {
    Result result = solve.solve();
    result.exponent = exponent;
    for (Index i = 0; i < cost.rows && result.status == Status::optimal; ++i)
      if (rows.lowered(i, result.col_of[at(i)])) return fit = Fit::range, std::nullopt;
    return result;
  } catch (const PriceRange&) {
    fit = Fit::range;
    return std::nullopt;
  }
}

// None where costs have no tail or tails are too wide.
template <class T, class V>
std::optional<Result> attempt_lowered(const Dense<T>& cost, bool maximize, int exponent, double reach, Pool& pool,
                                      Stop& stop, const Result* near) {
  const double most = std::ldexp(reach, exponent);
  if (!(most < static_cast<double>(Range<V>::kUnit / 2))) return std::nullopt;
  Fit fit = Fit::exact;
  return attempt<T, V>(cost, maximize, exponent, std::is_floating_point_v<T>, pool, stop, fit, near,
                       std::max(static_cast<V>(most), V{1}));
}

// Do a few rows hold integers that 32 bits take?
template <class T, class V>
Fit sample(const Dense<T>& cost, bool maximize) {
  DenseRows<T, V> rows(cost, maximize, 0);
  Fit worst = Fit::exact;
  const Index count = std::min<Index>(8, cost.rows);
  for (Index k = 0; k < count; ++k) worst = std::max(worst, rows.look(sampled(k, count, cost.rows)));
  return worst;
}

[[noreturn]] void out_of_range() {
  throw Error(ErrorKind::cost_range, "cost_matrix", -1,
              "cost_matrix spans too wide a range: within a row costs may differ by at most 2**60");
}

template <class T>
Result solve_wide(const Dense<T>& cost, bool maximize, Pool& pool, Stop& stop, const Result* near = nullptr) {
  Fit fit = Fit::exact;
  if (sample<T, std::int32_t>(cost, maximize) == Fit::exact)
    if (auto result = attempt<T, std::int32_t>(cost, maximize, 0, false, pool, stop, fit, near)) return *result;
  const double reach = reach_of(cost, maximize);
  if constexpr (!std::is_floating_point_v<T>) {
    if (auto result = attempt_lowered<T, std::int32_t>(cost, maximize, 0, reach, pool, stop, near)) return *result;
    if (auto result = attempt_lowered<T, std::int64_t>(cost, maximize, 0, reach, pool, stop, near)) return *result;
    if (auto result = attempt<T, std::int64_t>(cost, maximize, 0, false, pool, stop, fit, near)) return *result;
    out_of_range();
  } else {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    const Index some = std::min<Index>(16, cost.rows);
    int exponent = exponent_for(magnitude(cost, maximize, some, reach)) - 1;
    if (auto result = attempt_lowered<T, std::int64_t>(cost, maximize, exponent, reach, pool, stop, near))
      return *result;
    // A few rows may understate the magnitude; and where pairs are missing, prices may need more room than costs.
    exponent = exponent_for(magnitude(cost, maximize, some, kInf));
    for (int tries = 0; tries < 4;
         ++tries, exponent = exponent_for(magnitude(cost, maximize, cost.rows, kInf)) - kRetryBits * (tries - 1)) {
      if (auto result = attempt<T, std::int64_t>(cost, maximize, exponent, true, pool, stop, fit, near)) return *result;
      if (fit == Fit::minus_inf) break;
    }
    if (fit != Fit::minus_inf) out_of_range();
    throw Error(ErrorKind::invalid_problem, "cost_matrix", -1, "matrix contains invalid numeric entries");
  }
}

template <class T>
Result solve_fine(const Dense<T>& cost, bool maximize, bool duals, Pool& pool, Stop& stop) {
  if constexpr (!std::is_floating_point_v<T>) {
    return solve_wide(cost, maximize, pool, stop);
  } else {
    const auto each = [&](const auto& lower) {
      for (Index i = 0, k = 0; i < cost.rows; ++i)
        for (Index j = 0; j < cost.cols; ++j, ++k) lower(i, j, k);
    };
    return solve_finer(
        cost.data, cost.rows * cost.cols, maximize, duals, stop,
        [&](const T* costs, const Result* near) {
          return solve_wide(Dense<T>{costs, cost.rows, cost.cols}, maximize, pool, stop, near);
        },
        each, [&](const Result& r, Index i) { return cost.data[i * cost.cols + r.col_of[at(i)]]; });
  }
}

}  // namespace

template <class T>
Result solve(const Dense<T>& cost, bool maximize, int threads, Stop& stop, bool duals) {
  Pool pool(cost.rows * cost.cols < kThreaded ? 1 : threads);
  if (cost.rows <= cost.cols) return solve_fine(cost, maximize, duals, pool, stop);
  const UnwrittenVector<T> turned = transpose(cost, pool);
  Result t = solve_fine(Dense<T>{turned.data(), cost.cols, cost.rows}, maximize, duals, pool, stop);
  Result result = std::move(t);
  std::vector<std::int32_t> col_of(at(cost.rows), -1);
  for (Index j = 0; j < cost.cols; ++j)
    if (result.col_of[at(j)] >= 0) col_of[at(result.col_of[at(j)])] = static_cast<std::int32_t>(j);
  result.col_of = std::move(col_of);
  result.row_dual.swap(result.col_dual);
  result.transposed = true;
  return result;
}

template Result solve(const Dense<std::int8_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<std::int16_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<std::int32_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<std::int64_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<float>&, bool, int, Stop&, bool);
template Result solve(const Dense<double>&, bool, int, Stop&, bool);

}  // namespace gridcompute::assignment
