// Rows of a dense matrix of any element type, read as shifted integers of the core.
//
// Invariant. load(i, out) writes the same values at every call: cost(i, j) - shift(i), in 0..U, or kForbidden.
// measure(i) comes first: it finds the row's shift and reports what does not fit; the row is in cache for load then, so
// the matrix streams by once. No copy of the matrix is made.
//
// Complexity. O(m) each, vectorised.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "gridcompute/assignment/input/int_range.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/default_init.hpp"

namespace gridcompute::assignment {

// How a row fits the integers of the core. The worst of all rows counts.
enum class RowFit : int {
  exact = 0,         // every cost is an integer of the core
  rounded = 1,       // every cost is, after rounding down
  out_of_range = 2,  // the row's spread exceeds U
  invalid = 3,       // NaN, or the infinity that is infinitely good: refused
};

// The extent of the minimised costs of a row: the least and the largest finite one; least > largest if there are none.
struct CostExtent {
  double least, largest;
  bool invalid;  // some are NaN or -infinity
  bool forbids;  // some are infinity

  [[nodiscard]] double magnitude() const {
    return least > largest ? 0 : std::max(std::fabs(least), std::fabs(largest));
  }
};
[[nodiscard]] CostExtent extent_of(const float* c, Index m, bool maximize);
[[nodiscard]] CostExtent extent_of(const double* c, Index m, bool maximize);

template <class V>
class RowReader {
 public:
  RowReader(Index rows, Index cols)
      : n(rows), m(cols), shift(static_cast<std::size_t>(rows)), spread(static_cast<std::size_t>(rows)) {}
  virtual ~RowReader() = default;
  // Finds the shift and spread of row i.
  virtual RowFit measure(Index i) = 0;
  virtual void load(Index i, V* out) const = 0;
  // Returns the values that load writes, in `buffer` or in memory of the reader.
  [[nodiscard]] virtual const V* row(Index i, V* buffer) const {
    load(i, buffer);
    return buffer;
  }

  const Index n, m;
  std::vector<std::int64_t> shift;  // subtracted from row i
  std::vector<V> spread;            // the largest cost of row i after that
};

template <class T, class V>
class DenseRowReader final : public RowReader<V> {
 public:
  // Multiplies costs by 2^exponent. `rounding`: values that are no integers then are rounded down, and not reported.
  // `cap`, if not 0: costs that lie farther above their row's least are lowered to that.
  DenseRowReader(const DenseMatrix<T>& view, bool maximize, int exponent, bool rounding = false, V cap = 0);
  RowFit measure(Index i) override;
  // Measures row i of floating-point costs whose extent is known.
  RowFit measure(Index i, const CostExtent& extent)
    requires std::is_floating_point_v<T>;
  void load(Index i, V* out) const override;
  // Subtracts from each of these columns its least distance above the rows' least costs, before costs are capped: a
  // column reduction, which changes no assignment of a square matrix. Measures all rows.
  void reduce_columns(const std::vector<Index>& columns);
  [[nodiscard]] const std::vector<std::pair<Index, std::int64_t>>& column_reductions() const {
    return column_reductions_;
  }
  // Returns whether the cost of the pair was lowered to the cap.
  [[nodiscard]] bool is_capped(Index i, Index j) const;

 private:
  [[nodiscard]] double cap_of_row(Index i) const;  // the cap of the row's scaled costs
  static constexpr std::int64_t kNoPair = std::numeric_limits<std::int64_t>::max();
  // Returns the distance of a cost above its row's least, or kNoPair if it is forbidden.
  [[nodiscard]] std::int64_t above_row_least(Index i, Index j) const;

  DenseMatrix<T> view_;
  bool maximize_, rounding_;
  V cap_;
  double scale_;  // 2^exponent, negated when maximising; 1 for integers
  std::vector<std::pair<Index, std::int64_t>> column_reductions_;  // a column, and the amount subtracted from it
};

// Rows are padded to whole vectors, of 32 and of 64-bit integers.
inline constexpr Index kRowLanes = 16;
constexpr Index padded_length(Index m) { return (m + kRowLanes - 1) / kRowLanes * kRowLanes; }

// A copy of all rows of another reader, converted once, for engines that read them many times. Padded with forbidden
// pairs.
template <class V>
class RowCopy final : public RowReader<V> {
 public:
  RowCopy(Index rows, Index cols)
      : RowReader<V>(rows, cols), stride(padded_length(cols)), data_(static_cast<std::size_t>(rows * stride)) {}
  void copy_row(Index i, const RowReader<V>& from) {
    V* row = data_.data() + i * stride;
    from.load(i, row);
    std::fill(row + this->m, row + stride, IntRange<V>::kForbidden);
  }
  RowFit measure(Index) override { return RowFit::exact; }
  void load(Index i, V* out) const override { std::copy_n(data_.data() + i * stride, this->m, out); }
  [[nodiscard]] const V* row(Index i, V*) const override { return data_.data() + i * stride; }
  [[nodiscard]] const V* data() const { return data_.data(); }

  const Index stride;

 private:
  DefaultInitVector<V> data_;
};

// Returns whether some of the first costs are no integers. A hint: DenseRowReader measures all.
[[nodiscard]] bool starts_with_fractions(const float* c, Index m, const AssignmentTuning& tuning);
[[nodiscard]] bool starts_with_fractions(const double* c, Index m, const AssignmentTuning& tuning);

// Returns the largest exponent at which |cost| <= magnitude surely fits 64 bits with room to spare; at most the one at
// which every double of that magnitude is an integer anyway.
[[nodiscard]] int exponent_for(double magnitude);

}  // namespace gridcompute::assignment
