// Rows of a dense matrix of any element type, read as shifted integers of the core.
//
// Invariant. load(i, out) writes the same values at every call: cost(i, j) - shift(i), in 0..U, or kForbidden. The
// first look at a row, look(i), finds its shift and reports what does not fit; the row is in cache for load then, so
// the matrix streams by once. Complexity: O(m) each, vectorised. No copy of the matrix is made.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "gridcompute/assignment/input/int_ranges.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/default_init.hpp"

namespace gridcompute::assignment {

// What a first look found. Worst wins over all rows.
enum class Fit : int {
  exact = 0,      // every cost is an integer of the core
  rounded = 1,    // so after truncation
  range = 2,      // the row's spread exceeds U
  minus_inf = 3,  // or NaN: refused
};

// Floating-point costs at a look, of the minimised ones: the least and the largest finite one, least > most if there
// are none.
struct Extent {
  double least, most;
  bool odd;      // some are NaN or -infinity
  bool forbids;  // some are infinity

  [[nodiscard]] double magnitude() const { return least > most ? 0 : std::max(std::fabs(least), std::fabs(most)); }
};
[[nodiscard]] Extent extent_of(const float* c, Index m, bool maximize);
[[nodiscard]] Extent extent_of(const double* c, Index m, bool maximize);

template <class V>
class Rows {
 public:
  Rows(Index rows, Index cols)
      : n(rows), m(cols), shift(static_cast<std::size_t>(rows)), spread(static_cast<std::size_t>(rows)) {}
  virtual ~Rows() = default;
  virtual Fit look(Index i) = 0;
  virtual void load(Index i, V* out) const = 0;
  // The same values, in `buffer` or where they lie.
  [[nodiscard]] virtual const V* row(Index i, V* buffer) const {
    load(i, buffer);
    return buffer;
  }

  const Index n, m;
  std::vector<std::int64_t> shift;  // subtracted from row i
  std::vector<V> spread;            // the largest cost of row i after that
};

template <class T, class V>
class DenseRows final : public Rows<V> {
 public:
  // `rounding`: values that are no integers after scaling are rounded down, and not reported. `most`, if not 0: costs
  // that lie farther above their row's least are lowered to that.
  DenseRows(const Dense<T>& view, bool maximize, int exponent, bool rounding = false, V most = 0);
  Fit look(Index i) override;
  // The same of floating-point costs, where somebody has had that look.
  Fit fit(Index i, const Extent& seen)
    requires std::is_floating_point_v<T>;
  void load(Index i, V* out) const override;
  // Of costs that are lowered: what these columns cost at least above their rows' least is taken off them first, which
  // changes no assignment of a square matrix. Looks at all rows.
  void level(const std::vector<Index>& columns);
  [[nodiscard]] const std::vector<std::pair<Index, std::int64_t>>& leveled() const { return leveled_; }
  // Was the cost of a pair lowered?
  [[nodiscard]] bool lowered(Index i, Index j) const;

 private:
  [[nodiscard]] double top(Index i) const;  // what scaled costs are lowered to
  // How far a cost lies above its row's least, or kNoPair.
  static constexpr std::int64_t kNoPair = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] std::int64_t over(Index i, Index j) const;

  Dense<T> view_;
  bool maximize_, rounding_;
  V most_;
  double scale_;                                         // 2^exponent, negated when maximising; 1 for integers
  std::vector<std::pair<Index, std::int64_t>> leveled_;  // columns, and what is taken off them
};

// Whole vectors of either twin.
inline constexpr Index kRowLanes = 16;
constexpr Index padded_length(Index m) { return (m + kRowLanes - 1) / kRowLanes * kRowLanes; }

// All rows of another, converted once: for methods that read them many times. Padded with forbidden pairs.
template <class V>
class CopiedRows final : public Rows<V> {
 public:
  CopiedRows(Index rows, Index cols)
      : Rows<V>(rows, cols), stride(padded_length(cols)), data_(static_cast<std::size_t>(rows * stride)) {}
  void take(Index i, const Rows<V>& from) {
    V* row = data_.data() + i * stride;
    from.load(i, row);
    std::fill(row + this->m, row + stride, Range<V>::kForbidden);
  }
  Fit look(Index) override { return Fit::exact; }
  void load(Index i, V* out) const override { std::copy_n(data_.data() + i * stride, this->m, out); }
  [[nodiscard]] const V* row(Index i, V*) const override { return data_.data() + i * stride; }
  [[nodiscard]] const V* data() const { return data_.data(); }

  const Index stride;

 private:
  UnwrittenVector<V> data_;
};

// Some of the first costs are no integers. A quick look; what it does not see, DenseRows will.
[[nodiscard]] bool shows_fractions(const float* c, Index m);
[[nodiscard]] bool shows_fractions(const double* c, Index m);

// The largest exponent at which |cost| <= magnitude surely fits 64 bits with room to spare; at most the one at which
// every double of that magnitude is an integer anyway.
[[nodiscard]] int exponent_for(double magnitude);

}  // namespace gridcompute::assignment
