#include "gridcompute/assignment/batch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/assignment/input/outlying_costs.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

// Matrices of a chunk together (entries).
constexpr Index kBatchChunkEntries = 1 << 16;
// Largest chunk (matrices).
constexpr Index kBatchChunkMatrices = 256;
// Batch from which waking a thread pays (entries).
constexpr Index kBatchThreadEntries = 1 << 14;

template <class T>
BatchStatus solve_batch(const DenseMatrix<T>& first, Index count, bool maximize, int threads, Stop& stop,
                        std::int64_t* row_ind, std::int64_t* col_ind, const AssignmentTuning& tuning) {
  const Index size = first.rows * first.cols, pairs = std::min(first.rows, first.cols);
  if (pairs == 0) return {};
  const Index chunk = std::clamp<Index>(kBatchChunkEntries / std::max<Index>(size, 1), 1, kBatchChunkMatrices);
  std::vector<BatchStatus> found(at(Pool::chunks(count, chunk)));
  Pool pool(size * count < kBatchThreadEntries ? 1 : threads);
  const auto caller = std::this_thread::get_id();
  const bool whole = pool.for_chunks(
      count, chunk,
      [&](Index c, Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
          // Only the caller's thread polls its stop; the other threads read the result.
          Stop mine(std::numeric_limits<double>::infinity(), [&](const Progress&) {
            if (std::this_thread::get_id() == caller) stop.poll_clock();
            return stop.why();
          });
          const DenseMatrix<T> one{first.data + k * size, first.rows, first.cols};
          AssignmentStatus status;
          try {
            status = solve_pairs(one, maximize, 1, mine, row_ind + k * pairs, col_ind + k * pairs, tuning);
          } catch (const Error& e) {
            throw Error(e.kind(), e.field(), k, "matrix " + std::to_string(k) + ": " + e.what());
          }
          if (status == AssignmentStatus::optimal) continue;
          found[at(c)] = {status, k};
          return;
        }
      },
      &stop);
  for (const BatchStatus& f : found)
    if (f.failed >= 0) return f;
  return whole ? BatchStatus{} : BatchStatus{AssignmentStatus::stopped, -1};
}

#define GRIDCOMPUTE_BATCH(T)                                                                                     \
  template BatchStatus solve_batch(const DenseMatrix<T>&, Index, bool, int, Stop&, std::int64_t*, std::int64_t*, \
                                   const AssignmentTuning&);
GRIDCOMPUTE_BATCH(std::int16_t)
GRIDCOMPUTE_BATCH(std::int32_t)
GRIDCOMPUTE_BATCH(std::int64_t)
GRIDCOMPUTE_BATCH(float)
GRIDCOMPUTE_BATCH(double)

namespace {

template <class V>
bool solve_rows(RowSspState<V>& s, bool cold) {
  if (cold) {
    if (s.n != s.m) zero_prices(s);  // unmatched columns of wide matrices must end at price 0
    cold_start(s);
  }
  for (std::int32_t i = 0; i < s.n; ++i)
    if (s.col_of[i] == kUnmatched && augment(s, i) != AugmentStatus::augmented) return false;
  return true;
}

// In registers, up to 8 (of 64-bit integers), 16, 32 or 64 columns.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool solve_8_of(RowSspState<V>& s) {
  return RegisterSsp<kBytes, std::max<Index>(8, kBytes / sizeof(V)), V>(s).run();
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool solve_16_of(RowSspState<V>& s) {
  return RegisterSsp<kBytes, 16, V>(s).run();
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool solve_32_of(RowSspState<V>& s) {
  return RegisterSsp<kBytes, 32, V>(s).run();
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool solve_64_of(RowSspState<V>& s) {
  return RegisterSsp<kBytes, 64, V>(s).run();
}

#define GRIDCOMPUTE_SOLVE(V)                                      \
  GRIDCOMPUTE_VERSIONS(bool, solve_8, (RowSspState<V> & s), (s))  \
  GRIDCOMPUTE_VERSIONS(bool, solve_16, (RowSspState<V> & s), (s)) \
  GRIDCOMPUTE_VERSIONS(bool, solve_32, (RowSspState<V> & s), (s)) \
  GRIDCOMPUTE_VERSIONS(bool, solve_64, (RowSspState<V> & s), (s))
GRIDCOMPUTE_SOLVE(std::int32_t)
GRIDCOMPUTE_SOLVE(std::int64_t)

template <class T>
GRIDCOMPUTE_INLINE void lower_minima_in(const T* GRIDCOMPUTE_RESTRICT row, Index m, double sign,
                                        double* GRIDCOMPUTE_RESTRICT least) {
  for (Index j = 0; j < m; ++j) {
    const double x = sign * static_cast<double>(row[j]);
    least[j] = x < least[j] ? x : least[j];
  }
}
GRIDCOMPUTE_CLONES void lower_minima(const float* row, Index m, double sign, double* least) {
  lower_minima_in(row, m, sign, least);
}
GRIDCOMPUTE_CLONES void lower_minima(const double* row, Index m, double sign, double* least) {
  lower_minima_in(row, m, sign, least);
}

// The answer to nearly the same costs of a square matrix, in any unit: the start of the next solve.
struct PreviousSolution {
  std::vector<std::int32_t> col_of;  // empty: a cold start
  std::vector<double> price;         // as costs
  double unit = 0;

  template <class V>
  void store(const RowSspState<V>& s, double in) {
    col_of.assign(s.col_of, s.col_of + s.n);
    price.resize(at(s.m));
    for (Index j = 0; j < s.m; ++j) price[at(j)] = static_cast<double>(s.v[j]) * in;
    unit = in;
  }
  // Sets prices of which none is above 0, nor below -5/2 of the spread (range proof), and the pairs.
  template <class V>
  void start(RowSspState<V>& s, double in, V spread) const {
    constexpr double kRounding = 4;  // two costs and two prices, in the coarser unit
    const double most = *std::max_element(price.begin(), price.end());
    std::fill_n(s.v, s.stride, V{0});
    for (Index j = 0; j < s.m; ++j)
      s.v[j] = static_cast<V>(std::max((price[at(j)] - most) / in, -2 * static_cast<double>(spread)));
    const double rounding = kRounding * std::max(unit / in, 1.0),
                 most_rounding = static_cast<double>(spread / (8 * s.n));
    start_from_matching(s, {col_of, std::min(rounding, most_rounding)});
  }
};

template <class V>
bool solve_on(const V* cost, Index n, Index m, V* columns, std::int32_t* scanned, std::int32_t* col_of, double unit,
              V spread, PreviousSolution* previous, const AssignmentTuning& tuning) {
  const Index stride = register_stride<V>(m);
  RowSspState<V> s{cost,
                   static_cast<std::int32_t>(n),
                   static_cast<std::int32_t>(m),
                   static_cast<std::int32_t>(stride),
                   columns,
                   columns + stride,
                   columns + 2 * stride,
                   columns + 3 * stride,
                   columns + 4 * stride,
                   scanned,
                   col_of};
  s.tuning = &tuning;
  if (m > kRegisterColumns) {
    const bool cold = previous == nullptr || previous->col_of.empty();
    if (!cold) previous->start(s, unit, spread);
    if (!solve_rows(s, cold)) return false;
    if (previous != nullptr) previous->store(s, unit);
  } else if (!(stride == 8 ? solve_8(s) : stride == 16 ? solve_16(s) : stride == 32 ? solve_32(s) : solve_64(s))) {
    return false;
  }
  check_complete_matching(s.col_of, s.mate_of, s.n, s.m);
  return true;
}

// Spreads n rows of m costs to rows of whole vectors in the same array: the last row first.
template <class V>
void spread_out(V* values, Index n, Index m) {
  const Index stride = register_stride<V>(m);
  for (Index i = n; i-- > 0;) {
    V* row = values + i * stride;
    std::memmove(row, values + i * m, at(m) * sizeof(V));
    std::fill(row + m, row + stride, IntRange<V>::kForbidden);
  }
}

// Bytes that one solve may place on the stack, enough for 32 x 32 costs of 64 bits; larger ones use the heap, since
// threads may have small stacks.
constexpr std::size_t kStackBytes = 20 << 10;

// Returns the spread below which costs fit V: see the range proof.
template <class V>
V max_spread(Index n, bool forbids) {
  return kMaxLabel<V> / static_cast<V>(forbids ? 2 * n + 4 : 16);
}

// Solves costs that were measured as one row, `all`. False if their spread is too large. `previous`, if any: the start,
// and where the answer is stored.
template <class V>
bool solve_fitted(const RowReader<V>& all, Index rows, Index cols, bool forbids, std::int32_t* col_of, bool& feasible,
                  double unit, PreviousSolution* previous, const AssignmentTuning& tuning) {
  const Index n = std::min(rows, cols), m = std::max(rows, cols);
  if (all.spread[0] >= max_spread<V>(n, forbids)) return false;
  const bool turn = rows > cols;
  const auto solve = [&](V* values, V* columns, std::int32_t* scanned, V* turned) {
    all.load(0, values);
    if (turn)
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) turned[j * rows + i] = values[i * cols + j];
    spread_out(turn ? turned : values, n, m);
    feasible = solve_on(turn ? turned : values, n, m, columns, scanned, col_of, unit, all.spread[0], previous, tuning);
    return true;
  };
  const Index room = register_stride<V>(m) * n;
  const std::size_t matrices = at(turn ? 2 * room : room), arrays = at(5 * register_stride<V>(m)),
                    bytes = (matrices + arrays) * sizeof(V) + at(m) * sizeof(std::int32_t);
  const auto place_arrays = [&](std::byte* block) {
    V* const values = reinterpret_cast<V*>(block);
    V* const columns = values + matrices;
    return solve(values, columns, reinterpret_cast<std::int32_t*>(columns + arrays), values + (turn ? room : 0));
  };
  if (bytes <= kStackBytes) {
    alignas(64) std::array<std::byte, kStackBytes> block;
    return place_arrays(block.data());
  }
  DefaultInitVector<std::byte> block(bytes);
  return place_arrays(block.data());
}

// Returns the exponent of the finest unit in which the spread of the costs is small enough.
int finest_exponent(const CostExtent& seen, Index n) {
  int e = 0;
  if (seen.largest > seen.least) std::frexp(seen.largest - seen.least, &e);  // they differ by less than 2^e
  const auto most = static_cast<std::uint64_t>(max_spread<std::int64_t>(n, seen.forbids));
  const int room = static_cast<int>(std::bit_width(most)) - 1;
  return std::min(exponent_for(seen.magnitude()), room - e);
}

// Returns whether the matching has a pair whose cost was capped.
template <class T>
bool uses_capped(const DenseRowReader<T, std::int64_t>& all, const DenseMatrix<T>& cost, const std::int32_t* partner) {
  for (Index k = 0; k < std::min(cost.rows, cost.cols); ++k)
    if (all.is_capped(0, cost.rows <= cost.cols ? k * cost.cols + partner[k] : partner[k] * cost.cols + k)) return true;
  return false;
}

// Returns a lower bound on the cost of any assignment, by row minima and, of a square matrix, by column minima.
template <class T>
double least_total(const DenseMatrix<T>& cost, bool maximize) {
  const double sign = maximize ? -1.0 : 1.0;
  double by_rows = 0, by_columns = 0;
  std::vector<double> least(at(cost.cols), std::numeric_limits<double>::infinity());
  for (Index i = 0; i < cost.rows; ++i) {
    const T* row = cost.data + i * cost.cols;
    by_rows += extent_of(row, cost.cols, maximize).least;
    lower_minima(row, cost.cols, sign, least.data());
  }
  for (const double x : least) by_columns += x;
  if (cost.rows == cost.cols) return std::max(by_rows, by_columns);
  return cost.rows < cost.cols ? by_rows : by_columns;
}

// Cheapest costs of a row of a small matrix that must stay below the cap.
constexpr Index kCapCostsSmall = 4;

// Matches in a unit of a power of two, or exactly: `unit` is 0 then. False if the values are too wide.
template <class T>
bool match_small(const DenseMatrix<T>& cost, bool maximize, std::int32_t* partner, bool& feasible, double& unit,
                 PreviousSolution& previous, const AssignmentTuning& tuning) {
  const DenseMatrix<T> all{cost.data, 1, cost.rows * cost.cols};
  const auto fitted = [&]<class V>(const DenseRowReader<T, V>& rows, RowFit fit, bool forbids) {
    const bool restarts = unit != 0 && cost.rows == cost.cols && !forbids;
    return fit == RowFit::exact && solve_fitted<V>(rows, cost.rows, cost.cols, forbids, partner, feasible, unit,
                                                   restarts ? &previous : nullptr, tuning);
  };
  unit = 0;
  if constexpr (std::is_floating_point_v<T>) {
    const CostExtent seen = extent_of(all.data, all.cols, maximize);
    if (seen.magnitude() > 0 && seen.magnitude() < kTinySize) {
      const std::vector<T> up = lifted(all.data, all.cols);
      const bool done = match_small(DenseMatrix<T>{up.data(), cost.rows, cost.cols}, maximize, partner, feasible, unit,
                                    previous, tuning);
      unit = std::ldexp(unit, -kLiftBits);  // 0 where finer than any double
      return done;
    }
    if (!starts_with_fractions(all.data, all.cols, tuning)) {
      DenseRowReader<T, std::int32_t> rows(all, maximize, 0);
      if (fitted(rows, rows.measure(0, seen), seen.forbids)) return true;
    }
    const Index n = std::min(cost.rows, cost.cols), m = std::max(cost.rows, cost.cols);
    const RowTail tail =
        row_tail(all.data, all.cols, n * std::min(kCapCostsSmall, (m + tuning.cap_share - 1) / tuning.cap_share), seen,
                 maximize, tuning);
    const double coarse = std::ldexp(1.0, -finest_exponent(seen, n));
    if (tail.reach < tail.span && !(static_cast<double>(n) * coarse < kNegligibleGap * least_total(cost, maximize))) {
      CostExtent near = seen;
      near.largest = seen.least + tail.reach;
      const int exponent = finest_exponent(near, n);
      unit = std::ldexp(1.0, -exponent);
      const auto most = static_cast<std::int64_t>(std::ldexp(tail.reach, exponent));
      DenseRowReader<T, std::int64_t> rows(all, maximize, exponent, true, std::max<std::int64_t>(most, 1));
      if (fitted(rows, rows.measure(0, seen), seen.forbids) && !(feasible && uses_capped(rows, cost, partner)))
        return true;
    }
    const int exponent = finest_exponent(seen, n);
    unit = std::ldexp(1.0, -exponent);
    DenseRowReader<T, std::int64_t> rows(all, maximize, exponent, true);
    return fitted(rows, rows.measure(0, seen), seen.forbids);
  } else {
    DenseRowReader<T, std::int32_t> rows(all, maximize, 0);
    if (fitted(rows, rows.measure(0), false)) return true;
    DenseRowReader<T, std::int64_t> wide(all, maximize, 0);
    return fitted(wide, wide.measure(0), false);
  }
}

// Returns whether rounding to units may have cost more than a negligible part of what the pairs cost.
template <class T>
bool gap_counts(const DenseMatrix<T>& cost, double unit, const std::int64_t* row_ind, const std::int64_t* col_ind) {
  const Index pairs = std::min(cost.rows, cost.cols);
  double sum = 0, size = 0;
  for (Index k = 0; k < pairs; ++k) {
    const auto c = static_cast<double>(cost.data[row_ind[k] * cost.cols + col_ind[k]]);
    sum += c, size += std::fabs(c);
  }
  const double surely = std::fabs(sum) - size * static_cast<double>(pairs) * 0x1p-52;  // large costs may cancel
  return static_cast<double>(pairs) * unit > kNegligibleGap * surely;
}

// Returns the cost of the pairs minus the least cost times their number.
template <class T>
double cost_above_least(double least, const DenseMatrix<T>& cost, bool maximize, const std::int64_t* row_ind,
                        const std::int64_t* col_ind) {
  const double sign = maximize ? -1.0 : 1.0;
  double sum = 0;
  for (Index k = 0; k < std::min(cost.rows, cost.cols); ++k)
    sum += sign * static_cast<double>(cost.data[row_ind[k] * cost.cols + col_ind[k]]) - least;
  return sum;
}

// Returns the costs, lowered to `most`.
template <class T>
std::vector<T> capped(const DenseMatrix<T>& cost, bool maximize, double most) {
  const T sign = maximize ? T{-1} : T{1}, cap = static_cast<T>(most);
  std::vector<T> costs(cost.data, cost.data + cost.rows * cost.cols);
  for (T& c : costs) c = std::isinf(c) ? c : sign * std::min(sign * c, cap);
  return costs;
}

}  // namespace

template <class T>
bool solve_small(const DenseMatrix<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind,
                 AssignmentStatus& status, const AssignmentTuning& tuning) {
  if (cost.rows * cost.cols > tuning.small_entries) return false;
  std::array<std::int32_t, at(kMaxSmallSide)> partner;
  bool feasible = true;
  double unit = 0;
  PreviousSolution previous;
  const auto match = [&](const DenseMatrix<T>& costs) {
    if (!match_small(costs, maximize, partner.data(), feasible, unit, previous, tuning)) return false;
    if (feasible) write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
    return true;
  };
  if (!match(cost)) return false;
  if constexpr (std::is_floating_point_v<T>) {
    const double least = unit == 0 ? 0 : extent_of(cost.data, cost.rows * cost.cols, maximize).least;
    while (feasible && unit != 0 && gap_counts(cost, unit, row_ind, col_ind)) {
      const double last = unit, paid = cost_above_least(least, cost, maximize, row_ind, col_ind);
      if (paid == 0) break;  // no pairs cost less
      // A pair that costs more than all these together is in no optimal matching, and still costs more than one if it
      // is lowered to twice their sum. Where that gives no finer unit, or a lowered pair is matched,
      // dual_refinement.hpp decides.
      const std::vector<T> costs = capped(cost, maximize, least + 2 * paid);
      if (!match({costs.data(), cost.rows, cost.cols}) || unit >= last) return false;
      if (cost_above_least(least, cost, maximize, row_ind, col_ind) > paid) return false;
    }
  }
  status = feasible ? AssignmentStatus::optimal : AssignmentStatus::infeasible;
  return true;
}

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

#define GRIDCOMPUTE_SMALL(T)                                                                              \
  template bool solve_small(const DenseMatrix<T>&, bool, std::int64_t*, std::int64_t*, AssignmentStatus&, \
                            const AssignmentTuning&);
GRIDCOMPUTE_SMALL(std::int16_t)
GRIDCOMPUTE_SMALL(std::int32_t)
GRIDCOMPUTE_SMALL(std::int64_t)
GRIDCOMPUTE_SMALL(float)
GRIDCOMPUTE_SMALL(double)

}  // namespace gridcompute::assignment
