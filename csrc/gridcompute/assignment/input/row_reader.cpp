#include "gridcompute/assignment/input/row_reader.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::assignment {

namespace {

// Doubles beyond this do not fit after scaling; far inside int64, so that differences of two fit as well.
constexpr double kScaled = 0x1p58;

// Integers beyond this are refused: duals are a cost and a price.
constexpr std::int64_t kLargest = std::int64_t{1} << 62;

template <class T>
struct Spread {
  T lo, hi;
};

template <class T>
GRIDCOMPUTE_INLINE Spread<T> spread_of(const T* GRIDCOMPUTE_RESTRICT c, Index m) {
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
GRIDCOMPUTE_INLINE Extent extent_of(const T* GRIDCOMPUTE_RESTRICT c, Index m, double sign) {
  // GCC 12 takes comparisons of doubles in 64 bytes apart.
  using Some = Lanes<double, std::min<Index>(kBytes, 32)>;
  using Reals = typename Some::Signed;
  constexpr Index kReals = Some::kCount;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr Index kApart = 4;  // chains of minima
  Reals lo[kApart], hi[kApart], top[kApart], odd = {};
  for (Index k = 0; k < kApart; ++k) lo[k] = Reals{} + kInf, hi[k] = top[k] = -lo[k];
  // Comparisons with infinity, and of a value with itself, the compiler would take lane by lane.
  const auto add = [&](Reals& x, Index k) GRIDCOMPUTE_FORCED {
    x *= sign;
    const Reals none = x - x;  // 0, or NaN where x is not finite
    const Reals finite = none == 0 ? x : hi[k];
    lo[k] = x < lo[k] ? x : lo[k];
    odd = lo[k] <= x ? odd : Reals{} + 1;  // NaN alone is not above the least
    hi[k] = finite > hi[k] ? finite : hi[k];
    top[k] = x > top[k] ? x : top[k];
  };
  Index j = 0;
  for (Reals x; j + kApart * kReals <= m; j += kApart * kReals)
    for (Index k = 0; k < kApart; ++k) read(c + j + k * kReals, x), add(x, k);
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
  for (Index a = 1; a < kApart; ++a) {
    lo[0] = lo[a] < lo[0] ? lo[a] : lo[0];
    hi[0] = hi[a] > hi[0] ? hi[a] : hi[0];
    top[0] = top[a] > top[0] ? top[a] : top[0];
  }
  Extent seen{kInf, -kInf, false, false};
  for (Index k = 0; k < kReals; ++k) {
    seen.least = std::min(seen.least, lo[0][k]);
    seen.most = std::max(seen.most, hi[0][k]);
    seen.forbids |= top[0][k] == kInf;
    seen.odd |= odd[k] != 0;
  }
  seen.odd |= seen.least == -kInf;
  return seen;
}

// x = high * 2^32 + low as doubles, both integers but for what x has behind the point: |x| <= 2^58. Adding and taking
// away 1.5 * 2^52 rounds, and leaves integers in the last bits: conversions of 64 bits do not vectorise everywhere.
constexpr double kRound = 0x1.8p52;
struct Halves {
  double high, low, floor;  // of low
};
GRIDCOMPUTE_INLINE Halves halves_of(double x) {
  const double high = (x * 0x1p-32 + kRound) - kRound;
  const double low = x - high * 0x1p32;
  const double near = (low + kRound) - kRound;
  return {high, low, near > low ? near - 1 : near};
}
GRIDCOMPUTE_INLINE std::int64_t bits_of(double whole) {
  return std::bit_cast<std::int64_t>(whole + kRound) - std::bit_cast<std::int64_t>(kRound);
}

// Downwards, as the certificate does: duals of the integers then hold for the costs themselves.
GRIDCOMPUTE_INLINE std::int64_t floor_of(double x) {
  const Halves h = halves_of(x);
  return (bits_of(h.high) << 32) + bits_of(h.floor);
}

// In blocks: costs that are no integers mostly show it at once. `near`: none is beyond 2^50, so that one rounding
// tells.
constexpr double kNear = 0x1p50;
template <class T>
GRIDCOMPUTE_INLINE bool all_whole(const T* GRIDCOMPUTE_RESTRICT c, Index m, double scale, bool near) {
  constexpr Index kBlock = 64;
  const auto off = [&](T cost) GRIDCOMPUTE_FORCED {
    const double x = static_cast<double>(cost) * scale;
    if (near) {
      const double y = x < kNear ? x : 0.0;
      return std::bit_cast<std::int64_t>((y + kRound) - kRound - y);
    }
    const Halves h = halves_of(x < kScaled ? x : 0.0);
    return std::bit_cast<std::int64_t>(h.floor - h.low);  // of equal numbers +0, all bits 0; so of -0
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

// How far a cost, negated or not, lies above its row's least.
template <class T>
GRIDCOMPUTE_INLINE std::uint64_t above(T cost, std::int64_t shift, bool negate) {
  const auto c = static_cast<std::uint64_t>(static_cast<std::int64_t>(cost));
  return (negate ? 0 - c : c) - static_cast<std::uint64_t>(shift);
}

template <class T, class V>
GRIDCOMPUTE_INLINE void load_whole(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                   std::int64_t shift, bool negate) {
  // Differences fit V, as look() found; taken modulo 2^64 they are right even where the operands' own type is narrow.
  using U = std::conditional_t<sizeof(V) == 4, std::uint32_t, std::uint64_t>;
  const U s = static_cast<U>(shift);
  if (negate) {
    for (Index j = 0; j < m; ++j) out[j] = static_cast<V>(U{0} - static_cast<U>(c[j]) - s);
  } else {
    for (Index j = 0; j < m; ++j) out[j] = static_cast<V>(static_cast<U>(c[j]) - s);
  }
}

// The same, none more than `most`, in 64 bits until then.
template <class T, class V>
GRIDCOMPUTE_INLINE void lower_whole(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                    std::int64_t shift, bool negate, V most) {
  const auto top = static_cast<std::uint64_t>(most);
  for (Index j = 0; j < m; ++j) {
    const std::uint64_t d = above(c[j], shift, negate);
    out[j] = static_cast<V>(d < top ? d : top);
  }
}

template <class T, class V>
GRIDCOMPUTE_INLINE void load_real(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                  std::int64_t shift, double scale) {
  const auto first = static_cast<double>(shift);
  for (Index j = 0; j < m; ++j) {
    const double x = static_cast<double>(c[j]) * scale;
    const bool good = x < kScaled;
    if constexpr (sizeof(V) == 4) {  // integers, or nobody looks closely
      const auto q = static_cast<V>((good ? x : first) - first);
      out[j] = good ? q : Range<V>::kForbidden;
    } else {
      const std::int64_t q = floor_of(good ? x : 0.0) - shift;
      out[j] = good ? q : Range<V>::kForbidden;
    }
  }
}

// The same, none more than `top`, scaled: some may be beyond all doubles then.
template <class T, class V>
GRIDCOMPUTE_INLINE void lower_real(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                   std::int64_t shift, double scale, double top) {
  constexpr T kInf = std::numeric_limits<T>::infinity();
  const auto first = static_cast<double>(shift);
  for (Index j = 0; j < m; ++j) {
    const double x = static_cast<double>(c[j]) * scale;
    const double y = x < top ? x : top;
    const bool good = std::fabs(c[j]) < kInf;
    if constexpr (sizeof(V) == 4) {
      const auto q = static_cast<V>(y - first);
      out[j] = good ? q : Range<V>::kForbidden;
    } else {
      const std::int64_t q = floor_of(y) - shift;
      out[j] = good ? q : Range<V>::kForbidden;
    }
  }
}

// The clones: one plain function for each element type, compiled for each instruction set.
#define GRIDCOMPUTE_LOWER_WHOLE(T, V)                                                                 \
  GRIDCOMPUTE_CLONES void lower(const T* c, V* o, Index m, std::int64_t shift, bool negate, V most) { \
    lower_whole(c, o, m, shift, negate, most);                                                        \
  }
#define GRIDCOMPUTE_LOWER_REAL(T, V)                                                                       \
  GRIDCOMPUTE_CLONES void lower(const T* c, V* o, Index m, std::int64_t shift, double scale, double top) { \
    lower_real(c, o, m, shift, scale, top);                                                                \
  }
#define GRIDCOMPUTE_WHOLE(T)                                                                   \
  GRIDCOMPUTE_LOWER_WHOLE(T, std::int32_t)                                                     \
  GRIDCOMPUTE_LOWER_WHOLE(T, std::int64_t)                                                     \
  GRIDCOMPUTE_CLONES Spread<T> spread(const T* c, Index m) { return spread_of(c, m); }         \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int32_t* o, Index m, std::int64_t s, bool g) { \
    load_whole(c, o, m, s, g);                                                                 \
  }                                                                                            \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int64_t* o, Index m, std::int64_t s, bool g) { \
    load_whole(c, o, m, s, g);                                                                 \
  }
#define GRIDCOMPUTE_REAL(T)                                                                                         \
  GRIDCOMPUTE_LOWER_REAL(T, std::int32_t)                                                                           \
  GRIDCOMPUTE_LOWER_REAL(T, std::int64_t)                                                                           \
  GRIDCOMPUTE_VERSIONS(Extent, extent, (const T* c, Index m, double sign), (c, m, sign))                            \
  GRIDCOMPUTE_CLONES bool whole_at(const T* c, Index m, double scale) { return all_whole(c, m, scale, false); }     \
  GRIDCOMPUTE_CLONES bool near_whole_at(const T* c, Index m, double scale) { return all_whole(c, m, scale, true); } \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int32_t* o, Index m, std::int64_t s, double scale) {                \
    load_real(c, o, m, s, scale);                                                                                   \
  }                                                                                                                 \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int64_t* o, Index m, std::int64_t s, double scale) {                \
    load_real(c, o, m, s, scale);                                                                                   \
  }
GRIDCOMPUTE_WHOLE(std::int8_t)
GRIDCOMPUTE_WHOLE(std::int16_t)
GRIDCOMPUTE_WHOLE(std::int32_t)
GRIDCOMPUTE_WHOLE(std::int64_t)
GRIDCOMPUTE_REAL(float)
GRIDCOMPUTE_REAL(double)

}  // namespace

int exponent_for(double magnitude) {
  if (!(magnitude > 0)) return 0;
  int e = 0;
  std::frexp(magnitude, &e);              // magnitude < 2^e
  return std::clamp(57 - e, -1000, 960);  // 2^-k and its reciprocal stay normal numbers
}

bool shows_fractions(const float* c, Index m) { return !whole_at(c, std::min<Index>(m, 64), 1.0); }
bool shows_fractions(const double* c, Index m) {
  return !whole_at(c, std::min<Index>(m, 4), 1.0) || !whole_at(c, std::min<Index>(m, 64), 1.0);
}
Extent extent_of(const float* c, Index m, bool maximize) { return extent(c, m, maximize ? -1.0 : 1.0); }
Extent extent_of(const double* c, Index m, bool maximize) { return extent(c, m, maximize ? -1.0 : 1.0); }

template <class T, class V>
DenseRows<T, V>::DenseRows(const Dense<T>& view, bool maximize, int exponent, bool rounding, V most)
    : Rows<V>(view.rows, view.cols),
      view_(view),
      maximize_(maximize),
      rounding_(rounding),
      most_(most),
      scale_(std::ldexp(maximize ? -1.0 : 1.0, exponent)) {}

template <class T, class V>
Fit DenseRows<T, V>::look(Index i) {
  const T* row = view_.data + i * this->m;
  std::int64_t& taken = this->shift[static_cast<std::size_t>(i)];
  if constexpr (std::is_floating_point_v<T>) {
    return fit(i, extent_of(row, this->m, maximize_));
  } else {
    const Spread<T> seen = spread(row, this->m);
    if constexpr (sizeof(T) == 8)
      if (seen.lo < -kLargest || seen.hi > kLargest) return Fit::range;
    auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(seen.hi)) -
                static_cast<std::uint64_t>(static_cast<std::int64_t>(seen.lo));
    if (most_ > 0) wide = std::min(wide, static_cast<std::uint64_t>(most_));
    if (wide > static_cast<std::uint64_t>(Range<V>::kUnit)) return Fit::range;
    this->spread[static_cast<std::size_t>(i)] = static_cast<V>(wide);
    taken = maximize_ ? static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(seen.hi))
                      : static_cast<std::int64_t>(seen.lo);
    return Fit::exact;
  }
}

template <class T, class V>
Fit DenseRows<T, V>::fit(Index i, const Extent& seen)
  requires std::is_floating_point_v<T>
{
  std::int64_t& taken = this->shift[static_cast<std::size_t>(i)];
  const double lo = seen.least * std::fabs(scale_);
  double hi = seen.most * std::fabs(scale_);
  if (seen.odd) return Fit::minus_inf;
  if (seen.least > seen.most) return taken = 0, Fit::exact;  // all forbidden
  if (lo >= kScaled || lo <= -kScaled) return Fit::range;
  taken = floor_of(lo);
  if (most_ > 0) hi = std::min(hi, top(i));
  if (hi >= kScaled) return Fit::range;
  if (floor_of(hi) - taken > Range<V>::kUnit) return Fit::range;
  this->spread[static_cast<std::size_t>(i)] = static_cast<V>(floor_of(hi) - taken);
  const T* row = view_.data + i * this->m;
  const bool near = hi < kNear && lo > -kNear;
  const bool exact = rounding_ || (near ? near_whole_at(row, this->m, scale_) : whole_at(row, this->m, scale_));
  return exact ? Fit::exact : Fit::rounded;
}

template <class T, class V>
double DenseRows<T, V>::top(Index i) const {
  return static_cast<double>(this->shift[static_cast<std::size_t>(i)]) + static_cast<double>(most_);
}

template <class T, class V>
std::int64_t DenseRows<T, V>::over(Index i, Index j) const {
  const T cost = view_.data[i * this->m + j];
  const std::int64_t taken = this->shift[static_cast<std::size_t>(i)];
  if constexpr (std::is_floating_point_v<T>) {
    const double x = static_cast<double>(cost) * scale_;
    return x < kScaled ? floor_of(x) - taken : kNoPair;
  } else {
    return static_cast<std::int64_t>(above(cost, taken, maximize_));
  }
}

template <class T, class V>
void DenseRows<T, V>::level(const std::vector<Index>& columns) {
  for (const Index j : columns) leveled_.emplace_back(j, kNoPair);
  for (Index i = 0; i < this->n; ++i) {
    if (look(i) > Fit::rounded) return leveled_.clear();
    for (auto& [j, off] : leveled_) off = std::min(off, over(i, j));
  }
  std::erase_if(leveled_, [](const auto& column) { return column.second == kNoPair; });
}

template <class T, class V>
bool DenseRows<T, V>::lowered(Index i, Index j) const {
  const T cost = view_.data[i * this->m + j];
  if (most_ == 0) return false;
  for (const auto& [column, off] : leveled_)
    if (column == j) return over(i, j) - off > most_;
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(cost) * scale_ > top(i);
  } else {
    return above(cost, this->shift[static_cast<std::size_t>(i)], maximize_) > static_cast<std::uint64_t>(most_);
  }
}

template <class T, class V>
void DenseRows<T, V>::load(Index i, V* out) const {
  const T* row = view_.data + i * this->m;
  const std::int64_t taken = this->shift[static_cast<std::size_t>(i)];
  if constexpr (std::is_floating_point_v<T>) {
    if (most_ > 0)
      lower(row, out, this->m, taken, scale_, top(i));
    else
      assignment::load(row, out, this->m, taken, scale_);
  } else {
    if (most_ > 0)
      lower(row, out, this->m, taken, maximize_, most_);
    else
      assignment::load(row, out, this->m, taken, maximize_);
  }
  for (const auto& [j, off] : leveled_)
    if (out[j] < Range<V>::kForbidden) out[j] = static_cast<V>(std::min<std::int64_t>(over(i, j) - off, most_));
}

#define GRIDCOMPUTE_ROWS(T)                  \
  template class DenseRows<T, std::int32_t>; \
  template class DenseRows<T, std::int64_t>;
GRIDCOMPUTE_ROWS(std::int8_t)
GRIDCOMPUTE_ROWS(std::int16_t)
GRIDCOMPUTE_ROWS(std::int32_t)
GRIDCOMPUTE_ROWS(std::int64_t)
GRIDCOMPUTE_ROWS(float)
GRIDCOMPUTE_ROWS(double)

}  // namespace gridcompute::assignment
