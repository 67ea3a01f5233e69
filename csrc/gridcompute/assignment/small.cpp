#include "gridcompute/assignment/small.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>

#include "gridcompute/assignment/dense.hpp"
#include "gridcompute/assignment/rows.hpp"
#include "gridcompute/assignment/whole.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// Each free row takes a free column at its least reduced cost, the first one, if there is one.
template <class V>
GRIDCOMPUTE_INLINE void take_cheapest(Whole<V>& s) {
  for (std::int32_t i = 0; i < s.n; ++i) {
    const V* GRIDCOMPUTE_RESTRICT row = s.row(i);
    V least = std::numeric_limits<V>::max();
    for (std::int32_t j = 0; j < s.m; ++j) {
      const V r = static_cast<V>(row[j] - s.v[j]);
      least = r < least ? r : least;
    }
    s.col_of[i] = kFree;
    if (least >= kMostLabel<V>) continue;
    for (std::int32_t j = 0; j < s.m; ++j) {
      if (row[j] - s.v[j] != least || s.mate_of[j] != kFree) continue;
      s.match(i, j);
      break;
    }
  }
}

// Augmenting row reduction, as bids.hpp.
template <class V>
GRIDCOMPUTE_INLINE void bid(Whole<V>& s, std::int64_t budget) {
  for (std::int32_t first = 0; first < s.n; ++first) {
    for (std::int32_t i = s.col_of[first] == kFree ? first : kFree; i != kFree && --budget > 0;) {
      const V* GRIDCOMPUTE_RESTRICT row = s.row(i);
      V u1 = std::numeric_limits<V>::max(), u2 = u1;
      for (std::int32_t j = 0; j < s.m; ++j) {
        const V r = static_cast<V>(row[j] - s.v[j]);
        u1 = r < u1 ? r : u1;
      }
      if (u1 >= kMostLabel<V>) break;
      std::int32_t equals = 0, best = std::numeric_limits<std::int32_t>::max();
      for (std::int32_t j = 0; j < s.m; ++j) {
        const V r = static_cast<V>(row[j] - s.v[j]);
        const std::int32_t place = r == u1 ? (s.mate_of[j] == kFree ? j : j + s.m) : best;
        best = place < best ? place : best;  // a free column before a taken one
        equals += r == u1 ? 1 : 0;
        const V other = r == u1 ? std::numeric_limits<V>::max() : r;
        u2 = other < u2 ? other : u2;
      }
      const std::int32_t j = best < s.m ? best : best - s.m, out = s.mate_of[j];
      const bool gain = equals == 1 && u2 < kMostLabel<V>;
      if (out != kFree && !gain) break;  // a tie among taken columns: left to the search
      if (gain) s.v[j] = static_cast<V>(s.v[j] - (u2 - u1));
      if (out != kFree) s.col_of[out] = kFree;
      s.match(i, j);
      i = out;
    }
  }
}

// Prices at the column minima (wide matrices: 0, as unmatched columns must end there); then rows take what is cheapest.
template <class V>
GRIDCOMPUTE_INLINE void greedy(Whole<V>& s) {
  const bool reduce = s.n == s.m && s.n > 16;
  for (std::int32_t j = 0; j < s.m; ++j) s.v[j] = reduce ? s.cost[j] : 0, s.mate_of[j] = kFree;
  for (std::int32_t i = 1; reduce && i < s.n; ++i) {
    const V* GRIDCOMPUTE_RESTRICT row = s.row(i);
    for (std::int32_t j = 0; j < s.m; ++j) s.v[j] = row[j] < s.v[j] ? row[j] : s.v[j];
  }
  for (std::int32_t j = 0; j < s.m; ++j) s.v[j] = s.v[j] < kMostLabel<V> ? s.v[j] : 0;
  take_cheapest(s);
}

template <class V>
GRIDCOMPUTE_INLINE bool run_all(Whole<V>& s) {
  greedy(s);
  if (s.n > 16) bid(s, 4 * s.n);
  for (std::int32_t i = 0; i < s.n; ++i)
    if (s.col_of[i] == kFree && augment(s, i) != Augmented::yes) return false;
  return true;
}

GRIDCOMPUTE_CLONES bool run(Whole<std::int32_t>& s) { return run_all(s); }
GRIDCOMPUTE_CLONES bool run(Whole<std::int64_t>& s) { return run_all(s); }

// Scratch: on the stack up to kTiny entries, else on the heap.
constexpr Index kTiny = 32 * 32;

template <class V>
bool solve_on(const V* cost, Index n, Index m, V* columns, std::int32_t* places, std::int32_t* col_of) {
  Whole<V> s{cost,
             static_cast<std::int32_t>(n),
             static_cast<std::int32_t>(m),
             columns,
             columns + m,
             columns + 2 * m,
             columns + 3 * m,
             places,
             places + m,
             col_of};
  return run(s);
}

template <class T, class V>
bool try_small(const Dense<T>& cost, bool maximize, int exponent, std::int32_t* col_of, bool& feasible) {
  const Index size = cost.rows * cost.cols;
  const Index n = std::min(cost.rows, cost.cols), m = std::max(cost.rows, cost.cols);
  DenseRows<T, V> all(Dense<T>{cost.data, 1, size}, maximize, exponent);
  if (all.look(0) > Fit::exact) return false;
  const bool turn = cost.rows > cost.cols;
  const auto solve = [&](V* values, V* columns, std::int32_t* places, V* turned) {
    all.load(0, values);
    V spread = 0, most = 0;
    for (Index k = 0; k < size; ++k) {
      const V c = values[k];
      most = c > most ? c : most;
      spread = c < Range<V>::kForbidden && c > spread ? c : spread;
    }
    const bool complete = most < Range<V>::kForbidden;
    if (spread >= kMostLabel<V> / static_cast<V>(complete ? 16 : 2 * n + 4)) return false;
    if (turn)
      for (Index i = 0; i < cost.rows; ++i)
        for (Index j = 0; j < cost.cols; ++j) turned[j * cost.rows + i] = values[i * cost.cols + j];
    feasible = solve_on(turn ? turned : values, n, m, columns, places, col_of);
    return true;
  };
  if (size <= kTiny) {
    alignas(64) std::array<V, at(kTiny)> values, turned;
    std::array<V, at(4 * kTiny)> columns;
    std::array<std::int32_t, at(2 * kTiny)> places;
    return solve(values.data(), columns.data(), places.data(), turned.data());
  }
  const auto values = std::make_unique_for_overwrite<V[]>(at(size)),
             columns = std::make_unique_for_overwrite<V[]>(at(4 * m));
  const auto turned = std::make_unique_for_overwrite<V[]>(at(turn ? size : 0));
  const auto places = std::make_unique_for_overwrite<std::int32_t[]>(at(2 * m));
  return solve(values.get(), columns.get(), places.get(), turned.get());
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

}  // namespace

template <class T>
bool solve_small(const Dense<T>& cost, bool maximize, std::int64_t* row_ind, std::int64_t* col_ind, Status& status) {
  if (cost.rows * cost.cols > kSmall) return false;
  std::array<std::int32_t, static_cast<std::size_t>(kSmallSide)> partner;
  bool feasible = true;
  bool done = try_small<T, std::int32_t>(cost, maximize, 0, partner.data(), feasible);
  if (!done) {
    int exponent = 0;
    if constexpr (std::is_floating_point_v<T>) {
      exponent = exponent_for(largest_of(cost.data, cost.rows * cost.cols));
    }
    done = try_small<T, std::int64_t>(cost, maximize, exponent, partner.data(), feasible);
  }
  if (!done) return false;
  status = feasible ? Status::optimal : Status::infeasible;
  if (feasible) write_pairs(partner.data(), cost.rows, cost.cols, row_ind, col_ind);
  return true;
}

template <class T>
Status solve_pairs(const Dense<T>& cost, bool maximize, int threads, Stop& stop, std::int64_t* row_ind,
                   std::int64_t* col_ind) {
  Status status = Status::optimal;
  if (cost.rows == 0 || cost.cols == 0 || solve_small(cost, maximize, row_ind, col_ind, status)) return status;
  const Result result = solve(cost, maximize, threads, stop);
  if (result.status != Status::optimal) return result.status;
  Index k = 0;
  for (Index i = 0; i < cost.rows; ++i)
    if (result.col_of[at(i)] >= 0) row_ind[k] = i, col_ind[k++] = result.col_of[at(i)];
  return Status::optimal;
}

template <class T>
BatchStatus solve_batch(const Dense<T>& first, Index count, bool maximize, int threads, Stop& stop,
                        std::int64_t* row_ind, std::int64_t* col_ind) {
  const Index size = first.rows * first.cols, pairs = std::min(first.rows, first.cols);
  const Index chunk = std::clamp<Index>((1 << 16) / std::max<Index>(size, 1), 1, 256);
  std::vector<BatchStatus> found(at(Pool::chunks(count, chunk)));
  Pool pool(size * count < 1 << 14 ? 1 : threads);
  const bool whole = pool.for_chunks(
      count, chunk,
      [&](Index c, Index begin, Index end) {
        for (Index k = begin; k < end; ++k) {
          Stop mine;  // the caller's is polled between chunks, by one thread only
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
