#include "gridcompute/assignment/input/big_m_sparsify.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/input/column_stats.hpp"
#include "gridcompute/assignment/sparse.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kLooked = 8;  // rows
constexpr Index kShare = 8;   // of a row's costs, and
constexpr Index kMost = 128;  // so many may be below its gate, on average
constexpr Index kBlock = 16;
constexpr Index kPollMask = 0x3F;  // rows between two looks at the stop

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <class T>
GRIDCOMPUTE_INLINE bool better(T a, T b, bool maximize) {
  return maximize ? a > b : a < b;
}

// The dearest cost; NaN is passed over.
template <class T>
GRIDCOMPUTE_INLINE T gate_in(const T* GRIDCOMPUTE_RESTRICT row, Index m, bool maximize) {
  T apart[kBlock];
  for (T& a : apart) a = row[0];
  Index j = 0;
  for (; j + kBlock <= m; j += kBlock)
    for (Index k = 0; k < kBlock; ++k) apart[k] = better(apart[k], row[j + k], maximize) ? row[j + k] : apart[k];
  for (; j < m; ++j) apart[0] = better(apart[0], row[j], maximize) ? row[j] : apart[0];
  for (Index k = 1; k < kBlock; ++k) apart[0] = better(apart[0], apart[k], maximize) ? apart[k] : apart[0];
  return apart[0];
}

// Columns whose cost is not the gate, NaN among them; at most m.
template <class T>
GRIDCOMPUTE_INLINE Index below_in(const T* GRIDCOMPUTE_RESTRICT row, Index m, T gate,
                                  std::int32_t* GRIDCOMPUTE_RESTRICT col) {
  Index count = 0, j = 0;
  for (; j + kBlock <= m; j += kBlock) {
    int some = 0;
    for (Index k = 0; k < kBlock; ++k) some |= row[j + k] == gate ? 0 : 1;
    for (Index k = 0; some != 0 && k < kBlock; ++k) {
      col[count] = static_cast<std::int32_t>(j + k);
      count += row[j + k] == gate ? 0 : 1;
    }
  }
  for (; j < m; ++j)
    if (row[j] != gate) col[count++] = static_cast<std::int32_t>(j);
  return count;
}

#define GRIDCOMPUTE_GATED(T)                                                         \
  GRIDCOMPUTE_CLONES T gate_of(const T* row, Index m, bool maximize) {               \
    return maximize ? gate_in(row, m, true) : gate_in(row, m, false);                \
  }                                                                                  \
  GRIDCOMPUTE_CLONES Index below(const T* row, Index m, T gate, std::int32_t* col) { \
    return below_in(row, m, gate, col);                                              \
  }
GRIDCOMPUTE_GATED(std::int8_t)
GRIDCOMPUTE_GATED(std::int16_t)
GRIDCOMPUTE_GATED(std::int32_t)
GRIDCOMPUTE_GATED(std::int64_t)
GRIDCOMPUTE_GATED(float)
GRIDCOMPUTE_GATED(double)

template <class T>
bool forbids(T gate) {
  return std::is_floating_point_v<T> && !(gate - gate == T{0});
}

template <class T>
class Gated {
 public:
  Gated(const Dense<T>& cost, bool maximize) : cost_(cost), maximize_(maximize), col_(at(cost.cols)) {}

  [[nodiscard]] bool looks_so() {
    const Index count = std::min(kLooked, cost_.rows);
    Index total = 0;
    for (Index k = 0; k < count; ++k) {
      const T* row = row_of(sampled(k, count, cost_.rows));
      total += below(row, cost_.cols, gate_of(row, cost_.cols, maximize_), col_.data());
    }
    return total <= count * most();
  }

  // False if this is not for us after all, or to stop.
  bool read(Stop& stop) {
    const Index n = cost_.rows, m = cost_.cols;
    if (n + m > kMostLines) return false;  // rows have columns of their own
    start_.assign(1, 0);
    for (Index i = 0; i < n; ++i) {
      if ((i & kPollMask) == 0 && stop.poll()) return false;
      const T* row = row_of(i);
      const T gate = gate_of(row, m, maximize_);
      const Index count = below(row, m, gate, col_.data());
      for (Index k = 0; k < count; ++k) {
        const T c = row[col_[at(k)]];
        if (!better(c, gate, maximize_) || (forbids(c) && c != gate)) return false;  // NaN, or infinitely good
        arc_.push_back(col_[at(k)]), arc_cost_.push_back(c);
        least_ = better(c, least_, maximize_) || !some_ ? c : least_;
        most_ = better(most_, c, maximize_) || !some_ ? c : most_;
        some_ = true;
      }
      same_ = same_ && (i == 0 || gate == first_);
      if (i == 0) first_ = gate;
      if (n > m && !same_) return false;
      if (n <= m && !forbids(gate)) arc_.push_back(static_cast<std::int32_t>(m + i)), arc_cost_.push_back(gate);
      if (static_cast<Index>(arc_.size()) > std::min(n * (most() + 1), kMostLines)) return false;
      start_.push_back(static_cast<std::int32_t>(arc_.size()));
    }
    lower_gates();
    if (n > m) turn();
    return true;
  }

  Status solve(Stop& stop, std::int32_t* partner) const {
    const Index n = std::min(cost_.rows, cost_.cols), m = std::max(cost_.rows, cost_.cols);
    const Sparse<T, std::int32_t> sparse{start_, arc_, arc_cost_, n, own_columns() ? m + n : m};
    const Result result = assignment::solve(sparse, maximize_, stop, {});
    if (result.status != Status::optimal) return result.status;
    std::vector<char> taken(at(m));
    for (Index i = 0; i < n; ++i) {
      const std::int32_t j = result.col_of[at(i)];
      if (j < 0 || (j < m && taken[at(j)] != 0)) refuse_incomplete();
      if (j < m) taken[at(j)] = 1;
    }
    Index free = 0;
    for (Index i = 0; i < n; ++i) {
      partner[i] = result.col_of[at(i)];
      if (partner[i] < m) continue;
      while (free < m && taken[at(free)] != 0) ++free;
      if (free == m) refuse_incomplete();
      partner[i] = static_cast<std::int32_t>(free++);
    }
    return Status::optimal;
  }

 private:
  [[nodiscard]] const T* row_of(Index i) const { return cost_.data + i * cost_.cols; }
  [[nodiscard]] Index most() const { return std::min(cost_.cols / kShare, kMost); }
  [[nodiscard]] bool own_columns() const { return cost_.rows <= cost_.cols || !forbids(first_); }

  // One gate for all that is dearer than any other costs together could differ: pairs at the gate are as few as can be,
  // however dear it is. A lower one leaves more of each unit to the other costs.
  void lower_gates() {
    if (!same_ || !some_ || forbids(first_)) return;
    const double least = static_cast<double>(least_), most = static_cast<double>(most_);
    const double pairs = static_cast<double>(std::min(cost_.rows, cost_.cols));
    const double lower = most + 2 * (pairs + 1) * (most - least);
    if (std::fabs(lower) >= 0x1p52 || !better(lower, static_cast<double>(first_), maximize_)) return;
    const T gate = static_cast<T>(lower);
    if (!better(most_, gate, maximize_)) return;
    for (T& c : arc_cost_) c = c == first_ ? gate : c;
    first_ = gate;
  }

  // Columns become rows, each with a column of its own.
  void turn() {
    const Index n = cost_.cols, m = cost_.rows, own = own_columns() ? 1 : 0;
    std::vector<std::int32_t> start(at(n + 1)), arc(arc_.size() + at(own * n));
    std::vector<T> arc_cost(arc.size());
    for (const std::int32_t j : arc_) ++start[at(j + 1)];
    for (Index j = 0; j < n; ++j) start[at(j + 1)] += start[at(j)] + static_cast<std::int32_t>(own);
    std::vector<std::int32_t> next(start.begin(), start.end() - 1);
    const auto add = [&](std::int32_t row, Index col, T c) {
      const auto k = at(next[at(row)]++);
      arc[k] = static_cast<std::int32_t>(col), arc_cost[k] = c;
    };
    for (Index i = 0; i < m; ++i)
      for (Index k = start_[at(i)]; k < start_[at(i + 1)]; ++k) add(arc_[at(k)], i, arc_cost_[at(k)]);
    for (std::int32_t j = 0; own != 0 && j < n; ++j) add(j, m + j, first_);
    start_.swap(start), arc_.swap(arc), arc_cost_.swap(arc_cost);
  }

  const Dense<T>& cost_;
  bool maximize_;
  T first_{}, least_{}, most_{};     // the first row's gate; of costs that are none
  bool same_ = true, some_ = false;  // are all gates the same? are there such costs?
  std::vector<std::int32_t> col_, start_, arc_;
  std::vector<T> arc_cost_;
};

}  // namespace

template <class T>
bool looks_gated(const Dense<T>& cost, bool maximize) {
  return Gated<T>(cost, maximize).looks_so();
}

template <class T>
bool solve_gated(const Dense<T>& cost, bool maximize, Stop& stop, std::int32_t* partner, Status& status) {
  Gated<T> gated(cost, maximize);
  if (!gated.read(stop)) return false;
  status = gated.solve(stop, partner);
  return true;
}

#define GRIDCOMPUTE_SOLVE_GATED(T)                  \
  template bool looks_gated(const Dense<T>&, bool); \
  template bool solve_gated(const Dense<T>&, bool, Stop&, std::int32_t*, Status&);
GRIDCOMPUTE_SOLVE_GATED(std::int8_t)
GRIDCOMPUTE_SOLVE_GATED(std::int16_t)
GRIDCOMPUTE_SOLVE_GATED(std::int32_t)
GRIDCOMPUTE_SOLVE_GATED(std::int64_t)
GRIDCOMPUTE_SOLVE_GATED(float)
GRIDCOMPUTE_SOLVE_GATED(double)

}  // namespace gridcompute::assignment
