// Rows of a dense matrix of any element type, read as shifted integers of the core.
//
// Invariant. load(i, out) writes the same values at every call: cost(i, j) - shift(i), in 0..U, or kForbidden.
// measure(i) comes first: it finds the row's shift and reports what does not fit; the row is in cache for load then, so
// the matrix streams by once. No copy of the matrix is made.
//
// Complexity. O(m) each, vectorised.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <exception>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

// The integers of the assignment core: 32 bits where costs allow, 64 otherwise, one template for both.
//
// Range proof. With b = 32 or 64 bits, let U = 2^(b-4). Rows are shifted so that each cost is 0..U (a row's shift
// changes no assignment, only its dual). Every change of a column price is followed by a check that it stays within
// -U..U; the change that would leave it ends the solve with PriceOverflow, and the 64-bit core takes over. So
//   cost - price     <= 2U = 2^(b-3)                of allowed pairs,
//   kForbidden - price in 3U..5U < 2^(b-1)           of forbidden pairs, above every allowed one,
// and nothing wraps. On a complete matrix the check never fails for a spread up to U/2: while some column is free
// at its starting price p, a matched pair (i, j) satisfies c_ij - v_j <= c_if - p (+ epsilon), hence v_j >= p - U/2
// - epsilon. Path labels add up costs over whole paths; they are 64-bit in both cores and bounded by n differences of
// two reduced costs only where forbidden pairs force detours; labels are checked for that.
//
// Floating-point costs become integers as the floor of cost * 2^k (exact whenever that product is an integer).

template <class V>
struct IntRange {
  static constexpr int kBits = static_cast<int>(sizeof(V)) * 8;  // of V
  static constexpr V kLimit = V{1} << (kBits - 4);               // U: the largest cost, the largest |price|
  static constexpr V kForbidden = V{1} << (kBits - 2);           // stands for the cost of a forbidden pair
  static constexpr V kForbiddenReduced = 2 * kLimit + 1;         // reduced costs from here on belong to forbidden pairs
};

// Thrown where a price would leave -U..U; the next wider integers are tried then.
struct PriceOverflow : std::exception {
  [[nodiscard]] const char* what() const noexcept override { return "assignment prices exceed their range"; }
};

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
  RowReader(Index rows, Index cols) : n(rows), m(cols), shift(at(rows)), spread(at(rows)) {}
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
  RowCopy(Index rows, Index cols) : RowReader<V>(rows, cols), stride(padded_length(cols)), data_(at(rows * stride)) {}
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

// Order keys: integers in the order of the costs, which vector code compares and selects.
//
// Why. Floating-point costs that a precheck finds easy are matched in place, without a copy; but GCC 12 splits
// comparisons of doubles in 64-byte vectors into single lanes, and a label that rounding lowers must not reopen a
// column. The bits of a non-negative double, read as an integer, are in the order of the doubles; so are those of a
// negative double with all bits but the sign inverted.

// The key of an integer is the integer itself.
template <class V>
using Key = std::conditional_t<std::is_floating_point_v<V>, std::int64_t, V>;

// Keys of allowed pairs lie below this, keys of forbidden pairs do not; sums of two keys fit V.
template <class V>
inline constexpr V kMaxLabel = V{1} << (sizeof(V) * 8 - 3);
template <>
inline constexpr std::int64_t kMaxLabel<double> = std::bit_cast<std::int64_t>(0x1p1000);

// The price of padding columns: any cost of an allowed pair less this is the cost of a forbidden one.
template <class V>
inline constexpr V kPaddingPrice = -(V{1} << (sizeof(V) * 8 - 2));
template <>
inline constexpr double kPaddingPrice<double> = -std::numeric_limits<double>::infinity();

template <class V>
GRIDCOMPUTE_INLINE Key<V> key_of(V x) {
  if constexpr (std::is_floating_point_v<V>) {
    const auto bits = std::bit_cast<std::int64_t>(x);
    return bits < 0 ? bits ^ std::numeric_limits<std::int64_t>::max() : bits;
  } else {
    return x;
  }
}

template <class V>
GRIDCOMPUTE_INLINE V value_of(Key<V> key) {
  if constexpr (std::is_floating_point_v<V>)
    return std::bit_cast<double>(key < 0 ? key ^ std::numeric_limits<std::int64_t>::max() : key);
  else
    return key;
}

template <Index kBytes, class V>
using KeyLanes = typename Lanes<Key<V>, kBytes>::Signed;

// Computes the keys of the reduced costs row[k] - v[k] for the lanes of a vector.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void reduced(const V* row, const V* v, KeyLanes<kBytes, V>& keys) {
  typename Lanes<V, kBytes>::Signed c, price;
  load(row, c);
  load(v, price);
  c -= price;
  if constexpr (std::is_floating_point_v<V>) {
    keys = (KeyLanes<kBytes, V>)c;
    const KeyLanes<kBytes, V> turned = keys ^ std::numeric_limits<std::int64_t>::max();
    keys = keys < 0 ? turned : keys;
  } else {
    keys = c;
  }
}

// Doubles near the ends of their range, changed where scaling by a power of two would lose them.
//
// Tiny costs. Scaling stops short of the largest power of two, and so of the unit that costs need which are all nearly
// subnormal: those are solved 2^kLiftBits times as large, which is exact.
//
// Vanishing costs. Beside very large costs, small ones become 0 when scaled. The floor of a negative one is -1 unit all
// the same, and duals must not exceed it: a vanishing negative cost becomes the least that does not vanish.

inline constexpr double kTinySize = 0x1p-900;  // larger costs scale to 57 bits by less than the largest power of two
inline constexpr int kLiftBits = 170;  // the least double times 2^kLiftBits times the largest scale is an integer

// Where prices find no room in 64 bits, costs are scaled by 2^kRetryBits less, up to kTries times in all: detours are
// of few rows, and the last try leaves room for detours over 2^46 rows.
inline constexpr int kRetryBits = 8, kTries = 7;

// Returns the costs times 2^kLiftBits.
template <class T>
std::vector<T> lifted(const T* costs, Index count) {
  std::vector<T> up(costs, costs + count);
  for (T& c : up) c = static_cast<T>(c * std::ldexp(1.0, kLiftBits));
  return up;
}

// Returns whether the largest finite cost is tiny, and not 0. Ends at the first that is not tiny.
template <class T>
bool all_tiny(const T* costs, Index count) {
  bool some = false;
  for (Index k = 0; k < count; ++k) {
    const double size = std::fabs(static_cast<double>(costs[k]));
    if (size >= kTinySize && !std::isinf(size)) return false;
    some |= size > 0 && !std::isinf(size);
  }
  return some;
}

// Replaces negative costs that would vanish when scaled by 2^exponent. False if there are none.
template <class T>
bool keep_negative(std::vector<T>& costs, bool maximize, int exponent) {
  const double scale = std::ldexp(maximize ? -1.0 : 1.0, exponent);
  const double least = std::numeric_limits<double>::denorm_min() / -scale;
  bool some = false;
  for (T& c : costs) {
    const double x = static_cast<double>(c) * scale;
    if (c == T{0} || x != 0 || !std::signbit(x)) continue;
    c = static_cast<T>(least);
    some = true;
  }
  return some;
}

// Solves costs of any size. solve(costs, previous) -> AssignmentResult is the solver; previous: the answer to nearly
// the same costs, or null.
template <class T, class Solve>
AssignmentResult solve_scaled(const T* costs, Index count, bool maximize, const AssignmentResult* previous,
                              const Solve& solve) {
  if constexpr (std::is_same_v<T, double>) {
    if (all_tiny(costs, count)) {
      AssignmentResult result = solve(lifted(costs, count).data(), nullptr);
      result.exponent += kLiftBits;
      return result;
    }
  }
  AssignmentResult result = solve(costs, previous);
  // Other costs may be given another unit. One that is coarser makes more of them vanish: all is done again for it.
  for (int kept_at = 1; result.exponent < std::min(kept_at, 0) && result.status == AssignmentStatus::optimal;) {
    kept_at = result.exponent;
    std::vector<T> kept(costs, costs + count);
    if (!keep_negative(kept, maximize, kept_at)) break;
    AssignmentResult next = solve(kept.data(), nullptr);
    next.stats.add(result.stats);
    result = std::move(next);
  }
  return result;
}

}  // namespace gridcompute::assignment
