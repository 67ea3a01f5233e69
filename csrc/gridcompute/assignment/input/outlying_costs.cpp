#include "gridcompute/assignment/input/outlying_costs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/input/input_stats.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kComparedColumns = 16;  // columns compared at once
constexpr Index kPollMask = 0x3F;       // rows between two polls of the stop

template <class T>
GRIDCOMPUTE_INLINE bool better(T a, T b, bool maximize) {
  return maximize ? a > b : a < b;
}

// Returns the largest cost of a row, ignoring NaN. The compiler vectorises minima of integers; those of floating-point
// numbers depend on their order, which independent chains fix.
template <class T>
GRIDCOMPUTE_INLINE T largest_in(const T* GRIDCOMPUTE_RESTRICT row, Index m, bool maximize) {
  if constexpr (!std::is_floating_point_v<T>) {
    T most = row[0];
    for (Index j = 1; j < m; ++j) most = better(most, row[j], maximize) ? row[j] : most;
    return most;
  }
  T chain[kComparedColumns];
  for (T& a : chain) a = row[0];
  Index j = 0;
  for (; j + kComparedColumns <= m; j += kComparedColumns)
    for (Index k = 0; k < kComparedColumns; ++k)
      chain[k] = better(chain[k], row[j + k], maximize) ? row[j + k] : chain[k];
  for (; j < m; ++j) chain[0] = better(chain[0], row[j], maximize) ? row[j] : chain[0];
  for (Index k = 1; k < kComparedColumns; ++k) chain[0] = better(chain[0], chain[k], maximize) ? chain[k] : chain[0];
  return chain[0];
}

// Writes the columns whose cost is not the big M, NaN among them; returns how many there are.
template <class T>
GRIDCOMPUTE_INLINE Index below_big_m_in(const T* GRIDCOMPUTE_RESTRICT row, Index m, T big_m,
                                        std::int32_t* GRIDCOMPUTE_RESTRICT col) {
  Index count = 0, j = 0;
  for (; j + kComparedColumns <= m; j += kComparedColumns) {
    int some = 0;
    for (Index k = 0; k < kComparedColumns; ++k) some |= row[j + k] == big_m ? 0 : 1;
    for (Index k = 0; some != 0 && k < kComparedColumns; ++k) {
      col[count] = static_cast<std::int32_t>(j + k);
      count += row[j + k] == big_m ? 0 : 1;
    }
  }
  for (; j < m; ++j)
    if (row[j] != big_m) col[count++] = static_cast<std::int32_t>(j);
  return count;
}

#define GRIDCOMPUTE_BIG_M(T)                                                                \
  GRIDCOMPUTE_CLONES T big_m_of(const T* row, Index m, bool maximize) {                     \
    return maximize ? largest_in(row, m, true) : largest_in(row, m, false);                 \
  }                                                                                         \
  GRIDCOMPUTE_CLONES Index below_big_m(const T* row, Index m, T big_m, std::int32_t* col) { \
    return below_big_m_in(row, m, big_m, col);                                              \
  }
GRIDCOMPUTE_BIG_M(std::int16_t)
GRIDCOMPUTE_BIG_M(std::int32_t)
GRIDCOMPUTE_BIG_M(std::int64_t)
GRIDCOMPUTE_BIG_M(float)
GRIDCOMPUTE_BIG_M(double)

template <class T>
bool forbids(T big_m) {
  return std::is_floating_point_v<T> && !(big_m - big_m == T{0});
}

// Rows of the sample that decides whether a matrix is sparse in disguise.
constexpr Index kBigMRows = 8;

template <class T>
class BigMSparsifier {
 public:
  BigMSparsifier(const DenseMatrix<T>& cost, bool maximize, const AssignmentTuning& tuning)
      : cost_(cost), maximize_(maximize), t_(tuning), col_(at(cost.cols)) {}

  [[nodiscard]] bool sample_has_big_m() {
    const Index count = std::min(kBigMRows, cost_.rows);
    Index total = 0;
    for (Index k = 0; k < count; ++k) {
      const T* row = row_of(sampled(k, count, cost_.rows));
      total += below_big_m(row, cost_.cols, big_m_of(row, cost_.cols, maximize_), col_.data());
    }
    return total <= count * most();
  }

  // Reads all rows into the sparse matrix. False if the matrix is not of this kind after all, or to stop.
  bool read(Stop& stop) {
    const Index n = cost_.rows, m = cost_.cols;
    if (n + m > kMaxLines) return false;  // rows get slack columns
    start_.assign(1, 0);
    for (Index i = 0; i < n; ++i) {
      if ((i & kPollMask) == 0 && stop.poll((kPollMask + 1) * m)) return false;
      const T* row = row_of(i);
      const T big_m = big_m_of(row, m, maximize_);
      const Index count = below_big_m(row, m, big_m, col_.data());
      for (Index k = 0; k < count; ++k) {
        const T c = row[col_[at(k)]];
        if (!better(c, big_m, maximize_) || (forbids(c) && c != big_m)) return false;  // NaN, or infinitely good
        arc_.push_back(col_[at(k)]), arc_cost_.push_back(c);
        least_ = better(c, least_, maximize_) || !any_below_ ? c : least_;
        most_ = better(most_, c, maximize_) || !any_below_ ? c : most_;
        any_below_ = true;
      }
      same_m_ = same_m_ && (i == 0 || big_m == m_);
      if (i == 0) m_ = big_m;
      if (n > m && !same_m_) return false;
      if (n <= m && !forbids(big_m)) arc_.push_back(static_cast<std::int32_t>(m + i)), arc_cost_.push_back(big_m);
      if (static_cast<Index>(arc_.size()) > std::min(n * (most() + 1), kMaxLines)) return false;
      start_.push_back(static_cast<std::int32_t>(arc_.size()));
    }
    lower_big_m();
    if (n > m) transpose();
    return true;
  }

  AssignmentStatus solve(Stop& stop, std::int32_t* partner) const {
    const Index n = std::min(cost_.rows, cost_.cols), m = std::max(cost_.rows, cost_.cols);
    const CsrMatrix<T, std::int32_t> sparse{start_, arc_, arc_cost_, n, has_slack_columns() ? m + n : m};
    const AssignmentResult result = assignment::solve(sparse, maximize_, stop, {}, t_);
    if (result.status != AssignmentStatus::optimal) return result.status;
    std::vector<char> taken(at(m));
    for (Index i = 0; i < n; ++i) {
      const std::int32_t j = result.col_of[at(i)];
      if (j < 0 || (j < m && taken[at(j)] != 0)) throw_incomplete();
      if (j < m) taken[at(j)] = 1;
    }
    Index free = 0;
    for (Index i = 0; i < n; ++i) {
      partner[i] = result.col_of[at(i)];
      if (partner[i] < m) continue;
      while (free < m && taken[at(free)] != 0) ++free;
      if (free == m) throw_incomplete();
      partner[i] = static_cast<std::int32_t>(free++);
    }
    return AssignmentStatus::optimal;
  }

 private:
  [[nodiscard]] const T* row_of(Index i) const { return cost_.data + i * cost_.cols; }
  [[nodiscard]] Index most() const { return std::min(cost_.cols / t_.big_m_share, t_.big_m_columns); }
  [[nodiscard]] bool has_slack_columns() const { return cost_.rows <= cost_.cols || !forbids(m_); }

  // Lowers an M that all rows share to just above the largest possible difference of all other costs together: a
  // matching then has as few pairs at M as possible, however large M was. A lower M leaves a finer unit to the other
  // costs.
  void lower_big_m() {
    if (!same_m_ || !any_below_ || forbids(m_)) return;
    const double least = static_cast<double>(least_), most = static_cast<double>(most_);
    const double pairs = static_cast<double>(std::min(cost_.rows, cost_.cols));
    const double lower = most + 2 * (pairs + 1) * (most - least);
    if (std::fabs(lower) >= 0x1p52 || !better(lower, static_cast<double>(m_), maximize_)) return;
    const T big_m = static_cast<T>(lower);
    if (!better(most_, big_m, maximize_)) return;
    for (T& c : arc_cost_) c = c == m_ ? big_m : c;
    m_ = big_m;
  }

  // Transposes: columns become rows, each with a slack column.
  void transpose() {
    const Index n = cost_.cols, m = cost_.rows, own = has_slack_columns() ? 1 : 0;
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
    for (std::int32_t j = 0; own != 0 && j < n; ++j) add(j, m + j, m_);
    start_.swap(start), arc_.swap(arc), arc_cost_.swap(arc_cost);
  }

  const DenseMatrix<T>& cost_;
  bool maximize_;
  const AssignmentTuning& t_;
  T m_{}, least_{}, most_{};                // the first row's M; the extremes of the costs below M
  bool same_m_ = true, any_below_ = false;  // all rows share one M; some costs are below M
  std::vector<std::int32_t> col_, start_, arc_;
  std::vector<T> arc_cost_;
};

}  // namespace

template <class T>
bool looks_big_m(const DenseMatrix<T>& cost, bool maximize, const AssignmentTuning& tuning) {
  return BigMSparsifier<T>(cost, maximize, tuning).sample_has_big_m();
}

template <class T>
bool solve_big_m(const DenseMatrix<T>& cost, bool maximize, Stop& stop, std::int32_t* partner, AssignmentStatus& status,
                 const AssignmentTuning& tuning) {
  BigMSparsifier<T> sparsifier(cost, maximize, tuning);
  if (!sparsifier.read(stop)) return false;
  status = sparsifier.solve(stop, partner);
  return true;
}

#define GRIDCOMPUTE_SOLVE_BIG_M(T)                                                                \
  template bool looks_big_m(const DenseMatrix<T>&, bool, const AssignmentTuning&);                \
  template bool solve_big_m(const DenseMatrix<T>&, bool, Stop&, std::int32_t*, AssignmentStatus&, \
                            const AssignmentTuning&);
GRIDCOMPUTE_SOLVE_BIG_M(std::int16_t)
GRIDCOMPUTE_SOLVE_BIG_M(std::int32_t)
GRIDCOMPUTE_SOLVE_BIG_M(std::int64_t)
GRIDCOMPUTE_SOLVE_BIG_M(float)
GRIDCOMPUTE_SOLVE_BIG_M(double)

namespace {

template <class T>
GRIDCOMPUTE_INLINE Index count_in(const T* GRIDCOMPUTE_RESTRICT c, Index m, double sign, double limit) {
  Index count = 0;
  for (Index j = 0; j < m; ++j) count += static_cast<double>(c[j]) * sign <= limit ? 1 : 0;
  return count;
}

#define GRIDCOMPUTE_COUNT(T) \
  GRIDCOMPUTE_CLONES Index count(const T* c, Index m, double sign, double limit) { return count_in(c, m, sign, limit); }
GRIDCOMPUTE_COUNT(std::int16_t)
GRIDCOMPUTE_COUNT(std::int32_t)
GRIDCOMPUTE_COUNT(std::int64_t)
GRIDCOMPUTE_COUNT(float)
GRIDCOMPUTE_COUNT(double)

template <class T>
CostExtent extent_of_row(const T* row, Index m, bool maximize) {
  if constexpr (std::is_floating_point_v<T>) {
    return assignment::extent_of(row, m, maximize);
  } else {
    const auto [low, high] = std::minmax_element(row, row + m);
    const double sign = maximize ? -1.0 : 1.0, a = sign * static_cast<double>(*low),
                 b = sign * static_cast<double>(*high);
    return {std::min(a, b), std::max(a, b), false, false};
  }
}

}  // namespace

// Ratio of one limit within which costs are counted to the next.
constexpr double kCapStep = 0x1p-4;

template <class T>
RowTail row_tail(const T* row, Index m, Index wanted, const CostExtent& extent, bool maximize,
                 const AssignmentTuning& tuning) {
  const double span = extent.largest - extent.least, sign = maximize ? -1.0 : 1.0;
  if (extent.invalid || !(span >= 0) || std::isinf(span)) return {};
  const auto enough_within = [&](double share) { return count(row, m, sign, extent.least + share * span) >= wanted; };
  double share = tuning.cap_first_share;
  if (!enough_within(share) || enough_within(0)) return {span, span};
  while (enough_within(share * kCapStep)) share *= kCapStep;
  return {tuning.cap_factor * share * span, span};
}

// Rows of the sample that decides whether there are outliers.
constexpr Index kCapRows = 8;

template <class T>
double outlier_cap(const DenseMatrix<T>& cost, bool maximize, const AssignmentTuning& tuning) {
  RowTail most;
  const Index count = std::min(kCapRows, cost.rows), m = cost.cols;
  for (Index k = 0; k < count; ++k) {
    const T* row = cost.data + k * cost.rows / count * m;
    const RowTail tail = row_tail(row, m, std::min(tuning.cap_costs, (m + tuning.cap_share - 1) / tuning.cap_share),
                                  extent_of_row(row, m, maximize), maximize, tuning);
    most = {std::max(most.reach, tail.reach), std::max(most.span, tail.span)};
  }
  return most.reach < most.span * tuning.cap_tail_share ? most.reach : std::numeric_limits<double>::infinity();
}

template RowTail row_tail(const float*, Index, Index, const CostExtent&, bool, const AssignmentTuning&);
template RowTail row_tail(const double*, Index, Index, const CostExtent&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<std::int16_t>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<std::int32_t>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<std::int64_t>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<float>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<double>&, bool, const AssignmentTuning&);

}  // namespace gridcompute::assignment
