#include "gridcompute/assignment/small.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <type_traits>

#include "gridcompute/assignment/dense.hpp"
#include "gridcompute/assignment/rows.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <class V>
constexpr V kMost = V{1} << (sizeof(V) * 8 - 3);  // of any label; forbidden pairs lie above

// Square or wide, row-major, costs 0..spread or kForbidden. col_of has n entries. Buffers hold n or m.
template <class V>
struct Small {
  const V* cost;
  std::int32_t n, m;
  V *u, *v, *label;
  std::int32_t *mate_of, *col_of, *from;
  std::int32_t* todo;  // columns not settled, the first `open`
};

template <class V>
GRIDCOMPUTE_INLINE void start(Small<V>& s) {
  for (std::int32_t j = 0; j < s.m; ++j) s.v[j] = 0, s.mate_of[j] = kFree;
  for (std::int32_t i = 0; i < s.n; ++i) {
    const V* row = s.cost + Index{i} * s.m;
    V least = row[0];
    for (std::int32_t j = 1; j < s.m; ++j) least = row[j] < least ? row[j] : least;
    s.u[i] = least;
    s.col_of[i] = kFree;
    for (std::int32_t j = 0; j < s.m; ++j) {
      if (row[j] == least && s.mate_of[j] == kFree && least < kMost<V>) {
        s.mate_of[j] = i;
        s.col_of[i] = j;
        break;
      }
    }
  }
}

// One search: labels of all columns relaxed row by row; settled columns are swapped out of `todo`.
template <class V>
GRIDCOMPUTE_INLINE bool augment(Small<V>& s, std::int32_t source) {
  for (std::int32_t j = 0; j < s.m; ++j) s.label[j] = std::numeric_limits<V>::max(), s.todo[j] = j;
  std::int32_t open = s.m, i = source, sink = kFree;
  V level = 0;
  while (sink == kFree) {
    const V* row = s.cost + Index{i} * s.m;
    const V base = static_cast<V>(level - s.u[i]);
    V least = std::numeric_limits<V>::max();
    std::int32_t best = -1;
    for (std::int32_t k = 0; k < open; ++k) {
      const std::int32_t j = s.todo[k];
      const V h = static_cast<V>(base + row[j] - s.v[j]);
      if (h < s.label[j]) s.label[j] = h, s.from[j] = i;
      if (s.label[j] < least || (s.label[j] == least && s.mate_of[j] == kFree && s.mate_of[s.todo[best]] != kFree))
        least = s.label[j], best = k;
    }
    if (least >= kMost<V>) return false;
    level = least;
    const std::int32_t j = s.todo[best];
    std::swap(s.todo[best], s.todo[--open]);
    if (s.mate_of[j] == kFree) {
      sink = j;
    } else {
      i = s.mate_of[j];
    }
  }
  // Settled columns are those swapped behind `open`; the last of them is the sink.
  s.u[source] = static_cast<V>(s.u[source] + level);
  for (std::int32_t k = open + 1; k < s.m; ++k) {
    const std::int32_t j = s.todo[k];
    const V step = static_cast<V>(level - s.label[j]);
    s.v[j] = static_cast<V>(s.v[j] - step);
    s.u[s.mate_of[j]] = static_cast<V>(s.u[s.mate_of[j]] + step);
  }
  for (std::int32_t j = sink; j != kFree;) {
    const std::int32_t row = s.from[j];
    const std::int32_t next = s.col_of[row];
    s.mate_of[j] = row;
    s.col_of[row] = j;
    j = row == source ? kFree : next;
  }
  return true;
}

template <class V>
GRIDCOMPUTE_INLINE bool run(Small<V>& s) {
  start(s);
  for (std::int32_t i = 0; i < s.n; ++i)
    if (s.col_of[i] == kFree && !augment(s, i)) return false;
  return true;
}

template <class V>
bool run_on_stack(const V* cost, Index n, Index m, std::int32_t* col_of) {
  // At most kSmall entries with n <= m: n <= 64, m <= kSmall. Short ones stay in the first cache.
  const auto solve = [&]<std::size_t kCols>() {
    std::array<V, 64> u;
    std::array<V, kCols> v, label;
    std::array<std::int32_t, kCols> mate_of, from, todo;
    Small<V> s{cost,           static_cast<std::int32_t>(n), static_cast<std::int32_t>(m), u.data(), v.data(),
               label.data(),   mate_of.data(),               col_of,                       from.data(), todo.data()};
    return run(s);
  };
  return m <= 64 ? solve.template operator()<64>() : solve.template operator()<static_cast<std::size_t>(kSmall)>();
}

template <class T, class V>
bool try_small(const Dense<T>& cost, bool maximize, int exponent, bool rounding, std::int32_t* col_of, bool& feasible) {
  const Index size = cost.rows * cost.cols;
  DenseRows<T, V> all(Dense<T>{cost.data, 1, size}, maximize, exponent);
  if (all.look(0) > (rounding ? Fit::rounded : Fit::exact)) return false;
  alignas(64) std::array<V, static_cast<std::size_t>(kSmall)> values;
  all.load(0, values.data());
  V spread = 0, most = 0;
  for (Index k = 0; k < size; ++k) {
    const V c = values[at(k)];
    most = c > most ? c : most;
    spread = c < Range<V>::kForbidden && c > spread ? c : spread;
  }
  const Index n = std::min(cost.rows, cost.cols), m = std::max(cost.rows, cost.cols);
  const bool complete = most < Range<V>::kForbidden;
  if (spread >= kMost<V> / static_cast<V>(complete ? 8 : 2 * n + 2)) return false;
  if (cost.rows <= cost.cols) {
    feasible = run_on_stack(values.data(), n, m, col_of);
  } else {
    alignas(64) std::array<V, static_cast<std::size_t>(kSmall)> turned;
    for (Index i = 0; i < cost.rows; ++i)
      for (Index j = 0; j < cost.cols; ++j) turned[at(j * cost.rows + i)] = values[at(i * cost.cols + j)];
    feasible = run_on_stack(turned.data(), n, m, col_of);
  }
  return true;
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
  std::array<std::int32_t, 64> partner;
  bool feasible = true;
  bool done = try_small<T, std::int32_t>(cost, maximize, 0, false, partner.data(), feasible);
  if (!done) {
    int exponent = 0;
    if constexpr (std::is_floating_point_v<T>) {
      double most = 0;
      for (Index k = 0; k < cost.rows * cost.cols; ++k) {
        const double x = std::abs(static_cast<double>(cost.data[k]));
        if (x <= std::numeric_limits<double>::max()) most = std::max(most, x);
      }
      exponent = exponent_for(most);
    }
    done = try_small<T, std::int64_t>(cost, maximize, exponent, false, partner.data(), feasible);
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

#define GRIDCOMPUTE_SMALL(T)                                                                                    \
  template bool solve_small(const Dense<T>&, bool, std::int64_t*, std::int64_t*, Status&);                      \
  template Status solve_pairs(const Dense<T>&, bool, int, Stop&, std::int64_t*, std::int64_t*);                 \
  template BatchStatus solve_batch(const Dense<T>&, Index, bool, int, Stop&, std::int64_t*, std::int64_t*);
GRIDCOMPUTE_SMALL(std::int8_t)
GRIDCOMPUTE_SMALL(std::int16_t)
GRIDCOMPUTE_SMALL(std::int32_t)
GRIDCOMPUTE_SMALL(std::int64_t)
GRIDCOMPUTE_SMALL(float)
GRIDCOMPUTE_SMALL(double)

}  // namespace gridcompute::assignment
