#include "gridcompute/assignment/input/costs_to_integers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

// Scaled doubles beyond this do not fit; far inside int64, so that differences of two fit as well.
constexpr double kMaxScaled = 0x1p58;

// Integers beyond this are out of range: a dual is the difference of a cost and a price.
constexpr std::int64_t kMaxInteger = std::int64_t{1} << 62;

template <class T>
struct MinMax {
  T lo, hi;
};

template <class T>
GRIDCOMPUTE_INLINE MinMax<T> spread_of(const T* GRIDCOMPUTE_RESTRICT c, Index m) {
  T lo = std::numeric_limits<T>::max(), hi = std::numeric_limits<T>::lowest();
  for (Index j = 0; j < m; ++j) {
    lo = c[j] < lo ? c[j] : lo;
    hi = c[j] > hi ? c[j] : hi;
  }
  return {lo, hi};
}

// Minima of floating-point numbers depend on order (NaN), so that the compiler does not vectorise them by itself.
template <class V>
GRIDCOMPUTE_INLINE void read(const double* c, V& x) {
  gridcompute::load(c, x);
}
template <class V>
GRIDCOMPUTE_INLINE void read(const float* c, V& x) {
  typename Lanes<float, sizeof(V) / 2>::Signed narrow;
  gridcompute::load(c, narrow);
  x = __builtin_convertvector(narrow, V);
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE CostExtent extent_of(const T* GRIDCOMPUTE_RESTRICT c, Index m, double sign) {
  // GCC 12 splits comparisons of doubles in 64-byte vectors into lanes.
  using Some = Lanes<double, std::min<Index>(kBytes, 32)>;
  using Reals = typename Some::Signed;
  constexpr Index kReals = Some::kCount;
  constexpr Index kChains = 4;  // of minima, independent of each other
  Reals lo[kChains], hi[kChains], top[kChains], odd = {};
  for (Index k = 0; k < kChains; ++k) lo[k] = Reals{} + kInf, hi[k] = top[k] = -lo[k];
  // The compiler would split comparisons with infinity, and of a value with itself, into lanes.
  const auto add = [&](Reals& x, Index k) GRIDCOMPUTE_FORCED {
    x *= sign;
    const Reals none = x - x;  // 0, or NaN where x is not finite
    const Reals finite = none == 0 ? x : hi[k];
    lo[k] = x < lo[k] ? x : lo[k];
    odd = lo[k] <= x ? odd : Reals{} + 1;  // only NaN is not at or above the least
    hi[k] = finite > hi[k] ? finite : hi[k];
    top[k] = x > top[k] ? x : top[k];
  };
  Index j = 0;
  for (Reals x; j + kChains * kReals <= m; j += kChains * kReals)
    for (Index k = 0; k < kChains; ++k) read(c + j + k * kReals, x), add(x, k);
  for (Reals x; j < m; j += kReals) {
    if (j + kReals <= m) {
      read(c + j, x);
    } else {
      T last[kReals];
      for (Index k = 0; k < kReals; ++k) last[k] = c[std::min(j + k, m - 1)];
      read(last, x);
    }
    add(x, 0);
  }
  for (Index a = 1; a < kChains; ++a) {
    lo[0] = lo[a] < lo[0] ? lo[a] : lo[0];
    hi[0] = hi[a] > hi[0] ? hi[a] : hi[0];
    top[0] = top[a] > top[0] ? top[a] : top[0];
  }
  CostExtent seen{kInf, -kInf, false, false};
  for (Index k = 0; k < kReals; ++k) {
    seen.least = std::min(seen.least, lo[0][k]);
    seen.largest = std::max(seen.largest, hi[0][k]);
    seen.forbids |= top[0][k] == kInf;
    seen.invalid |= odd[k] != 0;
  }
  seen.invalid |= seen.least == -kInf;
  return seen;
}

// x = high * 2^32 + low as doubles, high an integer and low one but for the fraction of x: |x| <= 2^58. Adding and
// subtracting 1.5 * 2^52 rounds, and leaves integers in the last bits: 64-bit conversions do not vectorise everywhere.
constexpr double kRound = 0x1.8p52;
struct SplitDouble {
  double high, low, floor;  // of low
};
GRIDCOMPUTE_INLINE SplitDouble split(double x) {
  const double high = (x * 0x1p-32 + kRound) - kRound;
  const double low = x - high * 0x1p32;
  const double near = (low + kRound) - kRound;
  return {high, low, near > low ? near - 1 : near};
}
GRIDCOMPUTE_INLINE std::int64_t bits_of(double whole) {
  return std::bit_cast<std::int64_t>(whole + kRound) - std::bit_cast<std::int64_t>(kRound);
}

// Rounds down, as the certificate does: duals of the integers are then duals of the costs themselves.
GRIDCOMPUTE_INLINE std::int64_t floor_of(double x) {
  const SplitDouble h = split(x);
  return (bits_of(h.high) << 32) + bits_of(h.floor);
}

// Returns whether all costs are integers after scaling, by blocks: fractions mostly appear in the first. `small`: none
// is beyond 2^50, so that one rounding decides.
constexpr double kExactRound = 0x1p50;
template <class T>
GRIDCOMPUTE_INLINE bool all_integers(const T* GRIDCOMPUTE_RESTRICT c, Index m, double scale, bool small) {
  constexpr Index kBlock = 64;  // costs: the buffer is of this size
  const auto off = [&](T cost) GRIDCOMPUTE_FORCED {
    const double x = static_cast<double>(cost) * scale;
    if (small) {
      const double y = x < kExactRound ? x : 0.0;
      return std::bit_cast<std::int64_t>((y + kRound) - kRound - y);
    }
    const SplitDouble h = split(x < kMaxScaled ? x : 0.0);
    return std::bit_cast<std::int64_t>(h.floor - h.low);  // equal numbers differ by +0, all of whose bits are 0
  };
  Index j = 0;
  for (; j + kBlock <= m; j += kBlock) {
    std::int64_t rounded = 0;
    for (Index k = 0; k < kBlock; ++k) rounded |= off(c[j + k]);
    if (rounded != 0) return false;
  }
  for (; j < m; ++j)
    if (off(c[j]) != 0) return false;
  return true;
}

// Returns the distance of a cost, negated or not, above its row's least.
template <class T>
GRIDCOMPUTE_INLINE std::uint64_t above(T cost, std::int64_t shift, bool negate) {
  const auto c = static_cast<std::uint64_t>(static_cast<std::int64_t>(cost));
  return (negate ? 0 - c : c) - static_cast<std::uint64_t>(shift);
}

template <class T, class V>
GRIDCOMPUTE_INLINE void load_integers(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                      std::int64_t shift, bool negate) {
  // Differences fit V, as measure() found; taken modulo 2^64 they are right even where the operands' own type is
  // narrow.
  using U = std::conditional_t<sizeof(V) == 4, std::uint32_t, std::uint64_t>;
  const U s = static_cast<U>(shift);
  if (negate) {
    for (Index j = 0; j < m; ++j) out[j] = static_cast<V>(U{0} - static_cast<U>(c[j]) - s);
  } else {
    for (Index j = 0; j < m; ++j) out[j] = static_cast<V>(static_cast<U>(c[j]) - s);
  }
}

// Loads integers as load_integers() does, capped at `cap`; differences are in 64 bits before the cap.
template <class T, class V>
GRIDCOMPUTE_INLINE void load_capped_integers(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                             std::int64_t shift, bool negate, V cap) {
  const auto top = static_cast<std::uint64_t>(cap);
  for (Index j = 0; j < m; ++j) {
    const std::uint64_t d = above(c[j], shift, negate);
    out[j] = static_cast<V>(d < top ? d : top);
  }
}

template <class T, class V>
GRIDCOMPUTE_INLINE void load_floats(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                    std::int64_t shift, double scale) {
  const auto first = static_cast<double>(shift);
  for (Index j = 0; j < m; ++j) {
    const double x = static_cast<double>(c[j]) * scale;
    const bool good = x < kMaxScaled;
    if constexpr (sizeof(V) == 4) {  // exact integers; else measure() reported it and the values go unused
      const auto q = static_cast<V>((good ? x : first) - first);
      out[j] = good ? q : IntRange<V>::kForbidden;
    } else {
      const std::int64_t q = floor_of(good ? x : 0.0) - shift;
      out[j] = good ? q : IntRange<V>::kForbidden;
    }
  }
}

// Loads floats as load_floats() does, capped at `top` after scaling; before it some may exceed all doubles.
template <class T, class V>
GRIDCOMPUTE_INLINE void load_capped_floats(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                           std::int64_t shift, double scale, double top) {
  constexpr T kInfinite = std::numeric_limits<T>::infinity();
  const auto first = static_cast<double>(shift);
  for (Index j = 0; j < m; ++j) {
    const double x = static_cast<double>(c[j]) * scale;
    const double y = x < top ? x : top;
    const bool good = std::fabs(c[j]) < kInfinite;
    if constexpr (sizeof(V) == 4) {
      const auto q = static_cast<V>(y - first);
      out[j] = good ? q : IntRange<V>::kForbidden;
    } else {
      const std::int64_t q = floor_of(y) - shift;
      out[j] = good ? q : IntRange<V>::kForbidden;
    }
  }
}

// The clones: one plain function for each element type, compiled for each instruction set.
#define GRIDCOMPUTE_CAP_INTEGERS(T, V)                                                                      \
  GRIDCOMPUTE_CLONES void load_capped(const T* c, V* o, Index m, std::int64_t shift, bool negate, V most) { \
    load_capped_integers(c, o, m, shift, negate, most);                                                     \
  }
#define GRIDCOMPUTE_CAP_FLOATS(T, V)                                                                             \
  GRIDCOMPUTE_CLONES void load_capped(const T* c, V* o, Index m, std::int64_t shift, double scale, double top) { \
    load_capped_floats(c, o, m, shift, scale, top);                                                              \
  }
#define GRIDCOMPUTE_INTEGERS(T)                                                                \
  GRIDCOMPUTE_CAP_INTEGERS(T, std::int32_t)                                                    \
  GRIDCOMPUTE_CAP_INTEGERS(T, std::int64_t)                                                    \
  GRIDCOMPUTE_CLONES MinMax<T> spread(const T* c, Index m) { return spread_of(c, m); }         \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int32_t* o, Index m, std::int64_t s, bool g) { \
    load_integers(c, o, m, s, g);                                                              \
  }                                                                                            \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int64_t* o, Index m, std::int64_t s, bool g) { \
    load_integers(c, o, m, s, g);                                                              \
  }
#define GRIDCOMPUTE_FLOATS(T)                                                                                         \
  GRIDCOMPUTE_CAP_FLOATS(T, std::int32_t)                                                                             \
  GRIDCOMPUTE_CAP_FLOATS(T, std::int64_t)                                                                             \
  GRIDCOMPUTE_VERSIONS(CostExtent, extent, (const T* c, Index m, double sign), (c, m, sign))                          \
  GRIDCOMPUTE_CLONES bool integers_at(const T* c, Index m, double scale) { return all_integers(c, m, scale, false); } \
  GRIDCOMPUTE_CLONES bool small_integers_at(const T* c, Index m, double scale) {                                      \
    return all_integers(c, m, scale, true);                                                                           \
  }                                                                                                                   \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int32_t* o, Index m, std::int64_t s, double scale) {                  \
    load_floats(c, o, m, s, scale);                                                                                   \
  }                                                                                                                   \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int64_t* o, Index m, std::int64_t s, double scale) {                  \
    load_floats(c, o, m, s, scale);                                                                                   \
  }
GRIDCOMPUTE_INTEGERS(std::int16_t)
GRIDCOMPUTE_INTEGERS(std::int32_t)
GRIDCOMPUTE_INTEGERS(std::int64_t)
GRIDCOMPUTE_FLOATS(float)
GRIDCOMPUTE_FLOATS(double)

}  // namespace

int exponent_for(double magnitude) {
  if (!(magnitude > 0)) return 0;
  int e = 0;
  std::frexp(magnitude, &e);              // magnitude < 2^e
  return std::clamp(57 - e, -1000, 960);  // 2^-k and its reciprocal stay normal numbers
}

bool starts_with_fractions(const float* c, Index m, const AssignmentTuning& tuning) {
  return !integers_at(c, std::min(m, tuning.fraction_costs), 1.0);
}
bool starts_with_fractions(const double* c, Index m, const AssignmentTuning& tuning) {
  return !integers_at(c, std::min(m, tuning.fraction_costs_first), 1.0) ||
         !integers_at(c, std::min(m, tuning.fraction_costs), 1.0);
}
CostExtent extent_of(const float* c, Index m, bool maximize) { return extent(c, m, maximize ? -1.0 : 1.0); }
CostExtent extent_of(const double* c, Index m, bool maximize) { return extent(c, m, maximize ? -1.0 : 1.0); }

template <class T, class V>
DenseRowReader<T, V>::DenseRowReader(const DenseMatrix<T>& view, bool maximize, int exponent, bool rounding, V most)
    : RowReader<V>(view.rows, view.cols),
      view_(view),
      maximize_(maximize),
      rounding_(rounding),
      cap_(most),
      scale_(std::ldexp(maximize ? -1.0 : 1.0, exponent)) {}

template <class T, class V>
RowFit DenseRowReader<T, V>::measure(Index i) {
  const T* row = view_.data + i * this->m;
  std::int64_t& taken = this->shift[at(i)];
  if constexpr (std::is_floating_point_v<T>) {
    return measure(i, extent_of(row, this->m, maximize_));
  } else {
    const MinMax<T> seen = spread(row, this->m);
    if constexpr (sizeof(T) == 8)
      if (seen.lo < -kMaxInteger || seen.hi > kMaxInteger) return RowFit::out_of_range;
    auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(seen.hi)) -
                static_cast<std::uint64_t>(static_cast<std::int64_t>(seen.lo));
    if (cap_ > 0) wide = std::min(wide, static_cast<std::uint64_t>(cap_));
    if (wide > static_cast<std::uint64_t>(IntRange<V>::kLimit)) return RowFit::out_of_range;
    this->spread[at(i)] = static_cast<V>(wide);
    taken = maximize_ ? static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(seen.hi))
                      : static_cast<std::int64_t>(seen.lo);
    return RowFit::exact;
  }
}

template <class T, class V>
RowFit DenseRowReader<T, V>::measure(Index i, const CostExtent& extent)
  requires std::is_floating_point_v<T>
{
  std::int64_t& taken = this->shift[at(i)];
  const double lo = extent.least * std::fabs(scale_);
  double hi = extent.largest * std::fabs(scale_);
  if (extent.invalid) return RowFit::invalid;
  if (extent.least > extent.largest) return taken = 0, RowFit::exact;  // all forbidden
  if (lo >= kMaxScaled || lo <= -kMaxScaled) return RowFit::out_of_range;
  taken = floor_of(lo);
  if (cap_ > 0) hi = std::min(hi, cap_of_row(i));
  if (hi >= kMaxScaled) return RowFit::out_of_range;
  if (floor_of(hi) - taken > IntRange<V>::kLimit) return RowFit::out_of_range;
  this->spread[at(i)] = static_cast<V>(floor_of(hi) - taken);
  const T* row = view_.data + i * this->m;
  const bool near = hi < kExactRound && lo > -kExactRound;
  const bool exact = rounding_ || (near ? small_integers_at(row, this->m, scale_) : integers_at(row, this->m, scale_));
  return exact ? RowFit::exact : RowFit::rounded;
}

template <class T, class V>
double DenseRowReader<T, V>::cap_of_row(Index i) const {
  return static_cast<double>(this->shift[at(i)]) + static_cast<double>(cap_);
}

template <class T, class V>
std::int64_t DenseRowReader<T, V>::above_row_least(Index i, Index j) const {
  const T cost = view_.data[i * this->m + j];
  const std::int64_t taken = this->shift[at(i)];
  if constexpr (std::is_floating_point_v<T>) {
    const double x = static_cast<double>(cost) * scale_;
    return x < kMaxScaled ? floor_of(x) - taken : kNoPair;
  } else {
    return static_cast<std::int64_t>(above(cost, taken, maximize_));
  }
}

template <class T, class V>
void DenseRowReader<T, V>::reduce_columns(const std::vector<Index>& columns) {
  for (const Index j : columns) column_reductions_.emplace_back(j, kNoPair);
  for (Index i = 0; i < this->n; ++i) {
    if (measure(i) > RowFit::rounded) return column_reductions_.clear();
    for (auto& [j, off] : column_reductions_) off = std::min(off, above_row_least(i, j));
  }
  std::erase_if(column_reductions_, [](const auto& column) { return column.second == kNoPair; });
}

template <class T, class V>
bool DenseRowReader<T, V>::is_capped(Index i, Index j) const {
  const T cost = view_.data[i * this->m + j];
  if (cap_ == 0) return false;
  for (const auto& [column, off] : column_reductions_)
    if (column == j) return above_row_least(i, j) - off > cap_;
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(cost) * scale_ > cap_of_row(i);
  } else {
    return above(cost, this->shift[at(i)], maximize_) > static_cast<std::uint64_t>(cap_);
  }
}

template <class T, class V>
void DenseRowReader<T, V>::load(Index i, V* out) const {
  const T* row = view_.data + i * this->m;
  const std::int64_t taken = this->shift[at(i)];
  if constexpr (std::is_floating_point_v<T>) {
    if (cap_ > 0)
      load_capped(row, out, this->m, taken, scale_, cap_of_row(i));
    else
      assignment::load(row, out, this->m, taken, scale_);
  } else {
    if (cap_ > 0)
      load_capped(row, out, this->m, taken, maximize_, cap_);
    else
      assignment::load(row, out, this->m, taken, maximize_);
  }
  for (const auto& [j, off] : column_reductions_)
    if (out[j] < IntRange<V>::kForbidden)
      out[j] = static_cast<V>(std::min<std::int64_t>(above_row_least(i, j) - off, cap_));
}

#define GRIDCOMPUTE_ROWS(T)                       \
  template class DenseRowReader<T, std::int32_t>; \
  template class DenseRowReader<T, std::int64_t>;
GRIDCOMPUTE_ROWS(std::int16_t)
GRIDCOMPUTE_ROWS(std::int32_t)
GRIDCOMPUTE_ROWS(std::int64_t)
GRIDCOMPUTE_ROWS(float)
GRIDCOMPUTE_ROWS(double)

}  // namespace gridcompute::assignment
