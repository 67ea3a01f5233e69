#include "gridcompute/assignment/rows.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "gridcompute/base/simd.hpp"

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

// Over the values that fit after scaling. Flags of the others: +inf is none.
struct Look {
  std::int64_t lo, hi;
  std::int64_t odd;      // NaN or -inf
  std::int64_t large;    // finite and beyond kScaled
  std::int64_t rounded;  // no integer
};

// Downwards, as the certificate does: duals of the integers then hold for the costs themselves.
GRIDCOMPUTE_INLINE std::int64_t floor_of(double x) {
  const std::int64_t q = static_cast<std::int64_t>(x);
  return static_cast<double>(q) > x ? q - 1 : q;
}

// Minima of floating-point numbers depend on order (NaN, -0) and so do not vectorise; those of integers do.
template <class T>
GRIDCOMPUTE_INLINE Look look_real(const T* GRIDCOMPUTE_RESTRICT c, Index m, double scale) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  std::int64_t lo = std::numeric_limits<std::int64_t>::max(), hi = std::numeric_limits<std::int64_t>::min();
  std::int64_t odd = 0, large = 0, rounded = 0;
  for (Index j = 0; j < m; ++j) {
    const double x = static_cast<double>(c[j]) * scale;
    const bool good = x < kScaled && x > -kScaled;
    const double z = good ? x : 0.0;
    const std::int64_t q = floor_of(z);
    const std::int64_t low = good ? q : std::numeric_limits<std::int64_t>::max();
    const std::int64_t high = good ? q : std::numeric_limits<std::int64_t>::min();
    lo = low < lo ? low : lo;
    hi = high > hi ? high : hi;
    rounded |= static_cast<double>(q) != z ? std::int64_t{1} : std::int64_t{0};
    odd |= x > -kInf ? std::int64_t{0} : std::int64_t{1};
    large |= !good && x != kInf ? std::int64_t{1} : std::int64_t{0};
  }
  return {lo, hi, odd, large, rounded};
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

template <class T, class V>
GRIDCOMPUTE_INLINE void load_real(const T* GRIDCOMPUTE_RESTRICT c, V* GRIDCOMPUTE_RESTRICT out, Index m,
                                  std::int64_t shift, double scale) {
  for (Index j = 0; j < m; ++j) {
    const double x = static_cast<double>(c[j]) * scale;
    const bool good = x < kScaled;
    const std::int64_t q = floor_of(good ? x : 0.0) - shift;
    out[j] = good ? static_cast<V>(q) : Range<V>::kForbidden;
  }
}

// The clones: one plain function for each element type, compiled for each instruction set.
#define GRIDCOMPUTE_WHOLE(T)                                                                   \
  GRIDCOMPUTE_CLONES Spread<T> spread(const T* c, Index m) { return spread_of(c, m); }         \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int32_t* o, Index m, std::int64_t s, bool g) { \
    load_whole(c, o, m, s, g);                                                                 \
  }                                                                                            \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int64_t* o, Index m, std::int64_t s, bool g) { \
    load_whole(c, o, m, s, g);                                                                 \
  }
#define GRIDCOMPUTE_REAL(T)                                                                             \
  GRIDCOMPUTE_CLONES Look look_at(const T* c, Index m, double scale) { return look_real(c, m, scale); } \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int32_t* o, Index m, std::int64_t s, double scale) {    \
    load_real(c, o, m, s, scale);                                                                       \
  }                                                                                                     \
  GRIDCOMPUTE_CLONES void load(const T* c, std::int64_t* o, Index m, std::int64_t s, double scale) {    \
    load_real(c, o, m, s, scale);                                                                       \
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
  std::frexp(magnitude, &e);             // magnitude < 2^e
  return std::clamp(57 - e, -960, 960);  // 2^-k and its reciprocal stay normal numbers
}

template <class T, class V>
DenseRows<T, V>::DenseRows(const Dense<T>& view, bool maximize, int exponent)
    : Rows<V>(view.rows, view.cols),
      view_(view),
      maximize_(maximize),
      scale_(std::ldexp(maximize ? -1.0 : 1.0, exponent)) {}

template <class T, class V>
Fit DenseRows<T, V>::look(Index i) {
  const T* row = view_.data + i * this->m;
  std::int64_t& taken = this->shift[static_cast<std::size_t>(i)];
  if constexpr (std::is_floating_point_v<T>) {
    const Look seen = look_at(row, this->m, scale_);
    if (seen.odd != 0) return Fit::minus_inf;
    if (seen.large != 0) return Fit::range;
    if (seen.lo > seen.hi) return taken = 0, Fit::exact;  // all forbidden
    taken = seen.lo;
    if (seen.hi - taken > Range<V>::kUnit) return Fit::range;
    return seen.rounded != 0 ? Fit::rounded : Fit::exact;
  } else {
    const Spread<T> seen = spread(row, this->m);
    if constexpr (sizeof(T) == 8)
      if (seen.lo < -kLargest || seen.hi > kLargest) return Fit::range;
    const auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(seen.hi)) -
                      static_cast<std::uint64_t>(static_cast<std::int64_t>(seen.lo));
    if (wide > static_cast<std::uint64_t>(Range<V>::kUnit)) return Fit::range;
    taken = maximize_ ? static_cast<std::int64_t>(std::uint64_t{0} - static_cast<std::uint64_t>(seen.hi))
                      : static_cast<std::int64_t>(seen.lo);
    return Fit::exact;
  }
}

template <class T, class V>
void DenseRows<T, V>::load(Index i, V* out) const {
  const T* row = view_.data + i * this->m;
  const std::int64_t taken = this->shift[static_cast<std::size_t>(i)];
  if constexpr (std::is_floating_point_v<T>) {
    assignment::load(row, out, this->m, taken, scale_);
  } else {
    assignment::load(row, out, this->m, taken, maximize_);
  }
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
