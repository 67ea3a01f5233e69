#include "gridcompute/assignment/batch/small.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>

#include "gridcompute/assignment/dense.hpp"
#include "gridcompute/assignment/engines/jv_in_place.hpp"
#include "gridcompute/assignment/engines/ssp_registers.hpp"
#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/input/big_m_sparsify.hpp"
#include "gridcompute/assignment/input/column_stats.hpp"
#include "gridcompute/assignment/input/outlier_cap.hpp"
#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/assignment/refine/dual_refinement.hpp"
#include "gridcompute/assignment/refine/warm_start.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kReached = 4;  // costs a row, of those that none is lowered below

constexpr std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool run_of(Whole<V>& s, bool anew) {
  if (!anew) {
  } else if (s.n == s.m) {
    start_square<kBytes>(s);
  } else {  // unmatched columns of wide matrices must end at 0
    price_nothing(s);
    start_whole<kBytes>(s);
  }
  for (std::int32_t i = 0; i < s.n; ++i)
    if (s.col_of[i] == kFree && augment_of<kBytes>(s, i) != Augmented::yes) return false;
  return true;
}

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool run8_of(Whole<V>& s) {
  return Few<kBytes, std::max<Index>(8, kBytes / sizeof(V)), V>(s).run();
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool run16_of(Whole<V>& s) {
  return Few<kBytes, 16, V>(s).run();
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool run32_of(Whole<V>& s) {
  return Few<kBytes, 32, V>(s).run();
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool run64_of(Whole<V>& s) {
  return Few<kBytes, 64, V>(s).run();
}

#define GRIDCOMPUTE_RUN(V)                                              \
  GRIDCOMPUTE_VERSIONS(bool, run, (Whole<V> & s, bool anew), (s, anew)) \
  GRIDCOMPUTE_VERSIONS(bool, run8, (Whole<V> & s), (s))                 \
  GRIDCOMPUTE_VERSIONS(bool, run16, (Whole<V> & s), (s))                \
  GRIDCOMPUTE_VERSIONS(bool, run32, (Whole<V> & s), (s))                \
  GRIDCOMPUTE_VERSIONS(bool, run64, (Whole<V> & s), (s))
GRIDCOMPUTE_RUN(std::int32_t)
GRIDCOMPUTE_RUN(std::int64_t)

template <class T>
GRIDCOMPUTE_INLINE void lower_in(const T* GRIDCOMPUTE_RESTRICT row, Index m, double sign,
                                 double* GRIDCOMPUTE_RESTRICT least) {
  for (Index j = 0; j < m; ++j) {
    const double x = sign * static_cast<double>(row[j]);
    least[j] = x < least[j] ? x : least[j];
  }
}
GRIDCOMPUTE_CLONES void lower_least(const float* row, Index m, double sign, double* least) {
  lower_in(row, m, sign, least);
}
GRIDCOMPUTE_CLONES void lower_least(const double* row, Index m, double sign, double* least) {
  lower_in(row, m, sign, least);
}

// The answer to nearly the same costs of a square matrix, in whatever unit: where the next solve starts from.
struct Before {
  std::vector<std::int32_t> col_of;  // empty: nowhere
  std::vector<double> price;         // as costs
  double unit = 0;

  template <class V>
  void keep(const Whole<V>& s, double in) {
    col_of.assign(s.col_of, s.col_of + s.n);
    price.resize(at(s.m));
    for (Index j = 0; j < s.m; ++j) price[at(j)] = static_cast<double>(s.v[j]) * in;
    unit = in;
  }
  // Prices of which none is above 0, nor below -5/2 of the spread: see the range proof.
  template <class V>
  void start(Whole<V>& s, double in, V spread) const {
    constexpr double kRounding = 4;  // two costs and two prices, of the coarser unit
    const double most = *std::max_element(price.begin(), price.end());
    std::fill_n(s.v, s.stride, V{0});
    for (Index j = 0; j < s.m; ++j)
      s.v[j] = static_cast<V>(std::max((price[at(j)] - most) / in, -2 * static_cast<double>(spread)));
    const double rounding = kRounding * std::max(unit / in, 1.0),
                 most_rounding = static_cast<double>(spread / (8 * s.n));
    start_nearby(s, {col_of, std::min(rounding, most_rounding)});
  }
};

template <class V>
bool solve_on(const V* cost, Index n, Index m, V* columns, std::int32_t* settled, std::int32_t* col_of, double unit,
              V spread, Before* before) {
  const Index stride = few_length<V>(m);
  Whole<V> s{cost,
             static_cast<std::int32_t>(n),
             static_cast<std::int32_t>(m),
             static_cast<std::int32_t>(stride),
             columns,
             columns + stride,
             columns + 2 * stride,
             columns + 3 * stride,
             columns + 4 * stride,
             settled,
             col_of};
  if (m > kFewColumns) {
    const bool anew = before == nullptr || before->col_of.empty();
    if (!anew) before->start(s, unit, spread);
    if (!run(s, anew)) return false;
    if (before != nullptr) before->keep(s, unit);
  } else if (!(stride == 8 ? run8(s) : stride == 16 ? run16(s) : stride == 32 ? run32(s) : run64(s))) {
    return false;
  }
  check_complete(s.col_of, s.mate_of, s.n, s.m);
  return true;
}

// n rows of m costs, one behind the other, to rows of whole vectors in the same array: the last row first.
template <class V>
void spread_out(V* values, Index n, Index m) {
  const Index stride = few_length<V>(m);
  for (Index i = n; i-- > 0;) {
    V* row = values + i * stride;
    std::memmove(row, values + i * m, at(m) * sizeof(V));
    std::fill(row + m, row + stride, Range<V>::kForbidden);
  }
}

// Bytes of scratch that one solve may place on the stack, enough for 32 x 32 costs of 64 bits; larger ones use the
// heap, since threads may have small stacks.
constexpr std::size_t kStackBytes = 20 << 10;

// How far costs may differ: see the range proof.
template <class V>
V room_for(Index n, bool forbids) {
  return kMostLabel<V> / static_cast<V>(forbids ? 2 * n + 4 : 16);
}

// `all`: the costs as one row, looked at. False if they differ too much. `before`, if any: starts there, and stays
// there.
template <class T, class V>
bool solve_fitted(const DenseRows<T, V>& all, const Dense<T>& cost, bool forbids, std::int32_t* col_of, bool& feasible,
                  double unit, Before* before) {
  const Index n = std::min(cost.rows, cost.cols), m = std::max(cost.rows, cost.cols);
  if (all.spread[0] >= room_for<V>(n, forbids)) return false;
  const bool turn = cost.rows > cost.cols;
  const auto solve = [&](V* values, V* columns, std::int32_t* settled, V* turned) {
    all.load(0, values);
    if (turn)
      for (Index i = 0; i < cost.rows; ++i)
        for (Index j = 0; j < cost.cols; ++j) turned[j * cost.rows + i] = values[i * cost.cols + j];
    spread_out(turn ? turned : values, n, m);
    feasible = solve_on(turn ? turned : values, n, m, columns, settled, col_of, unit, all.spread[0], before);
    return true;
  };
  const Index room = few_length<V>(m) * n;
  const std::size_t matrices = at(turn ? 2 * room : room), arrays = at(5 * few_length<V>(m)),
                    bytes = (matrices + arrays) * sizeof(V) + at(m) * sizeof(std::int32_t);
  const auto carve = [&](std::byte* block) {
    V* const values = reinterpret_cast<V*>(block);
    V* const columns = values + matrices;
    return solve(values, columns, reinterpret_cast<std::int32_t*>(columns + arrays), values + (turn ? room : 0));
  };
  if (bytes <= kStackBytes) {
    alignas(64) std::array<std::byte, kStackBytes> block;
    return carve(block.data());
  }
  UnwrittenVector<std::byte> block(bytes);
  return carve(block.data());
}

// The finest unit, as an exponent, in which costs differ little enough.
int finest_exponent(const Extent& seen, Index n) {
  int e = 0;
  if (seen.most > seen.least) std::frexp(seen.most - seen.least, &e);  // they differ by less than 2^e
  const auto most = static_cast<std::uint64_t>(room_for<std::int64_t>(n, seen.forbids));
  const int room = static_cast<int>(std::bit_width(most)) - 1;
  return std::min(exponent_for(seen.magnitude()), room - e);
}

// Pairs with rows ascending, from the columns (or, of a tall matrix, rows) that the shorter side's lines took.
void write_pairs(const std::int32_t* partner, Index rows, Index cols, std::int64_t* row_ind, std::int64_t* col_ind) {
  const Index k = std::min(rows, cols);
  if (rows <= cols) {
    for (Index i = 0; i < k; ++i) row_ind[i] = i, col_ind[i] = partner[i];
    return;
  }
  for (Index j = 0; j < k; ++j) col_ind[j] = j;
  std::sort(col_ind, col_ind + k, [&](std::int64_t a, std::int64_t b) { return partner[a] < partner[b]; });
  for (Index j = 0; j < k; ++j) row_ind[j] = partner[col_ind[j]];
}

// Is a pair among them whose cost was lowered?
template <class T>
bool lowered(const DenseRows<T, std::int64_t>& all, const Dense<T>& cost, const std::int32_t* partner) {
  for (Index k = 0; k < std::min(cost.rows, cost.cols); ++k)
    if (all.lowered(0, cost.rows <= cost.cols ? k * cost.cols + partner[k] : partner[k] * cost.cols + k)) return true;
  return false;
}

// What any pairs cost together at least, by rows and, of a square matrix, by columns.
template <class T>
double paid_at_least(const Dense<T>& cost, bool maximize) {
  const double sign = maximize ? -1.0 : 1.0;
  double by_rows = 0, by_columns = 0;
  std::vector<double> least(at(cost.cols), std::numeric_limits<double>::infinity());
  for (Index i = 0; i < cost.rows; ++i) {
    const T* row = cost.data + i * cost.cols;
    by_rows += extent_of(row, cost.cols, maximize).least;
    lower_least(row, cost.cols, sign, least.data());
  }
  for (const double x : least) by_columns += x;
  if (cost.rows == cost.cols) return std::max(by_rows, by_columns);
  return cost.rows < cost.cols ? by_rows : by_columns;
}

// Matches in units of 2^-exponent; the unit is 0 where that is exact. False if the values are too wide.
template <class T>
bool match_small(const Dense<T>& cost, bool maximize, std::int32_t* partner, bool& feasible, double& unit,
                 Before& before) {
  const Dense<T> all{cost.data, 1, cost.rows * cost.cols};
  const auto fitted = [&](const auto& rows, Fit fit, bool forbids) {
    const bool restarts = unit != 0 && cost.rows == cost.cols && !forbids;
    return fit == Fit::exact &&
           solve_fitted(rows, cost, forbids, partner, feasible, unit, restarts ? &before : nullptr);
  };
  unit = 0;
  if constexpr (std::is_floating_point_v<T>) {
    const Extent seen = extent_of(all.data, all.cols, maximize);
    if (seen.magnitude() > 0 && seen.magnitude() < kFaint) {
      const std::vector<T> up = lifted(all.data, all.cols);
      const bool done =
          match_small(Dense<T>{up.data(), cost.rows, cost.cols}, maximize, partner, feasible, unit, before);
      unit = std::ldexp(unit, -kLift);  // 0 where finer than any double
      return done;
    }
    if (!shows_fractions(all.data, all.cols)) {
      DenseRows<T, std::int32_t> rows(all, maximize, 0);
      if (fitted(rows, rows.fit(0, seen), seen.forbids)) return true;
    }
    const Index n = std::min(cost.rows, cost.cols), m = std::max(cost.rows, cost.cols);
    const Reach reach = reach_of(all.data, all.cols, n * std::min(kReached, (m + 3) / 4), seen, maximize);
    const double coarse = std::ldexp(1.0, -finest_exponent(seen, n));
    if (reach.reach < reach.span && !(static_cast<double>(n) * coarse < kDrowned * paid_at_least(cost, maximize))) {
      Extent near = seen;
      near.most = seen.least + reach.reach;
      const int exponent = finest_exponent(near, n);
      unit = std::ldexp(1.0, -exponent);
      const auto most = static_cast<std::int64_t>(std::ldexp(reach.reach, exponent));
      DenseRows<T, std::int64_t> rows(all, maximize, exponent, true, std::max<std::int64_t>(most, 1));
      if (fitted(rows, rows.fit(0, seen), seen.forbids) && !(feasible && lowered(rows, cost, partner))) return true;
    }
    const int exponent = finest_exponent(seen, n);
    unit = std::ldexp(1.0, -exponent);
    DenseRows<T, std::int64_t> rows(all, maximize, exponent, true);
    return fitted(rows, rows.fit(0, seen), seen.forbids);
  } else {
    DenseRows<T, std::int32_t> rows(all, maximize, 0);
    if (fitted(rows, rows.look(0), false)) return true;
    DenseRows<T, std::int64_t> wide(all, maximize, 0);
    return fitted(wide, wide.look(0), false);
  }
}

// May what rounding to units costs be felt in what the pairs cost?
template <class T>
bool drowned(const Dense<T>& cost, double unit, const std::int64_t* row_ind, const std::int64_t* col_ind) {
  const Index pairs = std::min(cost.rows, cost.cols);
  double sum = 0, size = 0;
  for (Index k = 0; k < pairs; ++k) {
    const auto c = static_cast<double>(cost.data[row_ind[k] * cost.cols + col_ind[k]]);
    sum += c, size += std::fabs(c);
  }
  const double surely = std::fabs(sum) - size * static_cast<double>(pairs) * 0x1p-52;  // large ones may cancel
  return static_cast<double>(pairs) * unit > kDrowned * surely;
}

// What the pairs cost above as many pairs of the least cost.
template <class T>
double paid_above(double least, const Dense<T>& cost, bool maximize, const std::int64_t* row_ind,
                  const std::int64_t* col_ind) {
  const double sign = maximize ? -1.0 : 1.0;
  double sum = 0;
  for (Index k = 0; k < std::min(cost.rows, cost.cols); ++k)
    sum += sign * static_cast<double>(cost.data[row_ind[k] * cost.cols + col_ind[k]]) - least;
  return sum;
}

// The costs, none above `most`.
template <class T>
std::vector<T> capped(const Dense<T>& cost, bool maximize, double most) {
  const T sign = maximize ? T{-1} : T{1}, cap = static_cast<T>(most);
  std::vector<T> costs(cost.data, cost.data + cost.rows * cost.cols);
  for (T& c : costs) c = std::isinf(c) ? c : sign * std::min(sign * c, cap);
  return costs;
}

}  // namespace

template <class T>
bool solve_small(const Dense<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind, Status& status) {
  if (cost.rows * cost.cols > kSmall) return false;
  std::array<std::int32_t, static_cast<std::size_t>(kSmallSide)> partner;
  bool feasible = true;
  double unit = 0;
  Before before;
  const auto match = [&](const Dense<T>& costs) {
    if (!match_small(costs, maximize, partner.data(), feasible, unit, before)) return false;
    if (feasible) write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
    return true;
  };
  if (!match(cost)) return false;
  if constexpr (std::is_floating_point_v<T>) {
    const double least = unit == 0 ? 0 : extent_of(cost.data, cost.rows * cost.cols, maximize).least;
    while (feasible && unit != 0 && drowned(cost, unit, row_ind, col_ind)) {
      const double last = unit, paid = paid_above(least, cost, maximize, row_ind, col_ind);
      if (paid == 0) break;  // no pairs cost less
      // A pair dearer than all these together is no part of an optimum, and stays dearer than one if it is lowered to
      // twice that. No finer unit, or a lowered pair taken: dual_refinement.hpp has to look.
      const std::vector<T> costs = capped(cost, maximize, least + 2 * paid);
      if (!match({costs.data(), cost.rows, cost.cols}) || unit >= last) return false;
      if (paid_above(least, cost, maximize, row_ind, col_ind) > paid) return false;
    }
  }
  status = feasible ? Status::optimal : Status::infeasible;
  return true;
}

namespace {

constexpr Index kDirect = 1 << 19;  // entries of doubles up to which no promise is needed
constexpr Index kNearlyAll = 50;    // matched but for one row in so many: others wait with their way
constexpr Index kMostly = 20;       // or one in so many where integers do as well,
constexpr Index kHalf = 2;          // or in so many where they take longer

// Are some of a few doubles here and there no integers?
bool some_fractions(const Dense<double>& cost) {
  std::array<double, 64> some;
  const auto count = static_cast<Index>(some.size());
  for (Index k = 0; k < count; ++k) some[at(k)] = cost.data[sampled(k, count, cost.rows * cost.cols)];
  return shows_fractions(some.data(), count);
}

// What a look at a few rows promises to be quick.
template <class T>
bool solve_at_sight(const Dense<T>& cost, bool maximize, Stop& stop, std::int32_t* partner, Status& status) {
  constexpr bool kReal = std::is_floating_point_v<T>;
  const Index size = cost.rows * cost.cols;
  const bool gated = looks_gated(cost, maximize);
  Promise promise;
  bool direct = false;
  if (!maximize && cost.rows <= cost.cols && cost.cols > kRowLanes &&
      (std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>)) {
    promise = look_at(cost, gated);
    direct = promise.mutual || (promise.tied && !promise.blocks) || promise.scales || promise.deep || size <= kDirect;
    if (kReal ? !promise.fractions : !promise.mutual && (!promise.tied || promise.blocks)) direct = false;
  }
  if (gated) {
    if (direct && promise.mutual && solve_direct(cost, promise, cost.rows / kNearlyAll, stop, partner)) return true;
    if (solve_gated(cost, maximize, stop, partner, status)) return true;
    direct = direct && !promise.mutual;
  }
  const Index share = size <= kDirect || promise.deep || promise.mutual ? kHalf : kMostly;
  return direct && solve_direct(cost, promise, cost.rows / share, stop, partner);
}

}  // namespace

template <class T>
Status solve_pairs(const Dense<T>& cost, bool maximize, int threads, Stop& stop, std::int64_t* row_ind,
                   std::int64_t* col_ind) {
  Status status = Status::optimal;
  if (cost.rows == 0 || cost.cols == 0) return status;
  std::vector<std::int32_t> partner(at(std::min(cost.rows, cost.cols)));
  const Index size = cost.rows * cost.cols;
  if constexpr (std::is_same_v<T, double>)
    if (!maximize && size > kQuick && size <= kSmall && cost.rows <= cost.cols && some_fractions(cost) &&
        solve_direct(cost, {}, cost.rows / kHalf, stop, partner.data())) {
      write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
      return status;
    }
  if (solve_small(cost, maximize, row_ind, col_ind, status)) return status;
  if (solve_at_sight(cost, maximize, stop, partner.data(), status)) {
    if (status == Status::optimal) write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
    return status;
  }
  const Result result = solve(cost, maximize, threads, stop, false);
  if (result.status != Status::optimal) return result.status;
  const Index pairs = std::min(cost.rows, cost.cols);
  Index k = 0;
  for (Index i = 0; i < cost.rows; ++i)
    if (result.col_of[at(i)] >= 0 && k < pairs) row_ind[k] = i, col_ind[k++] = result.col_of[at(i)];
  if (k != pairs) refuse_incomplete();
  return Status::optimal;
}

template <class T>
BatchStatus solve_batch(const Dense<T>& first, Index count, bool maximize, int threads, Stop& stop,
                        std::int64_t* row_ind, std::int64_t* col_ind) {
  const Index size = first.rows * first.cols, pairs = std::min(first.rows, first.cols);
  if (pairs == 0) return {};
  const Index chunk = std::clamp<Index>((1 << 16) / std::max<Index>(size, 1), 1, 256);
  std::vector<BatchStatus> found(at(Pool::chunks(count, chunk)));
  Pool pool(size * count < 1 << 14 ? 1 : threads);
  const auto caller = std::this_thread::get_id();
  const bool whole = pool.for_chunks(
      count, chunk,
      [&](Index c, Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
          // The caller's stop is polled by its own thread alone; the others see what it found.
          Stop mine(std::numeric_limits<double>::infinity(), [&](const Progress&) {
            if (std::this_thread::get_id() == caller) stop.poll();
            return stop.why();
          });
          const Dense<T> one{first.data + k * size, first.rows, first.cols};
          Status status;
          try {
            status = solve_pairs(one, maximize, 1, mine, row_ind + k * pairs, col_ind + k * pairs);
          } catch (const Error& e) {
            throw Error(e.kind(), e.field(), k, "matrix " + std::to_string(k) + ": " + e.what());
          }
          if (status == Status::optimal) continue;
          found[at(c)] = {status, k};
          return;
        }
      },
      &stop);
  for (const BatchStatus& f : found)
    if (f.failed >= 0) return f;
  return whole ? BatchStatus{} : BatchStatus{Status::stopped, -1};
}

#define GRIDCOMPUTE_SMALL(T)                                                                    \
  template bool solve_small(const Dense<T>&, bool, std::int64_t*, std::int64_t*, Status&);      \
  template Status solve_pairs(const Dense<T>&, bool, int, Stop&, std::int64_t*, std::int64_t*); \
  template BatchStatus solve_batch(const Dense<T>&, Index, bool, int, Stop&, std::int64_t*, std::int64_t*);
GRIDCOMPUTE_SMALL(std::int8_t)
GRIDCOMPUTE_SMALL(std::int16_t)
GRIDCOMPUTE_SMALL(std::int32_t)
GRIDCOMPUTE_SMALL(std::int64_t)
GRIDCOMPUTE_SMALL(float)
GRIDCOMPUTE_SMALL(double)

}  // namespace gridcompute::assignment
