// Dyadic numbers m * 2^e and their sums without rounding: differences of real costs below the unit of integer keys.
//
// A double and an int64 are dyadic numbers m * 2^e. Sums of them are multiples of one power of two, the lowest of a
// window, and are kept as two's complement integers of K words. 36 words hold every sum of 2^32 doubles of any size,
// 2 words the costs of most problems.
//
// Source.  Kulisch, Computer Arithmetic and Validity (de Gruyter, 2nd ed. 2013), section 8. Certificates have their own
// accumulator (certificate/exact_numbers.hpp): a checker shares nothing with the solver.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

// mantissa * 2^exponent; the mantissa is odd, or all is 0.
struct Dyadic {
  std::int64_t mantissa = 0;
  int exponent = 0;

  [[nodiscard]] static Dyadic of(std::int64_t integer) noexcept {
    if (integer == 0) return {};
    const int zeros = std::countr_zero(static_cast<std::uint64_t>(integer));
    return {integer >> zeros, zeros};
  }
  [[nodiscard]] static Dyadic of(double x) noexcept {            // finite
    constexpr int kBits = 52, kBias = 1075, kExponents = 0x7ff;  // of doubles
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const int biased = static_cast<int>(bits >> kBits) & kExponents;
    const std::uint64_t fraction = bits & ((std::uint64_t{1} << kBits) - 1);
    const std::uint64_t size = biased == 0 ? fraction : fraction | std::uint64_t{1} << kBits;
    if (size == 0) return {};
    const int zeros = std::countr_zero(size), exponent = (biased == 0 ? 1 : biased) - kBias;
    const auto odd = static_cast<std::int64_t>(size >> zeros);
    return {x < 0 ? -odd : odd, exponent + zeros};
  }
  // As a double, to the nearest; a product where the power of two is a normal double, ldexp being slower.
  [[nodiscard]] double value() const noexcept {
    constexpr int kNormal = 1022, kBits = 52, kBias = 1023;  // of doubles
    const auto x = static_cast<double>(mantissa);
    if (exponent < -kNormal || exponent > kNormal) return std::ldexp(x, exponent);
    return x * std::bit_cast<double>(static_cast<std::uint64_t>(exponent + kBias) << kBits);
  }
  [[nodiscard]] int width() const noexcept {  // bits of the mantissa
    const auto size = static_cast<std::uint64_t>(mantissa);
    return static_cast<int>(std::bit_width(mantissa < 0 ? 0 - size : size));
  }
};

// The bit positions that a set of numbers occupies: from 2^low to below 2^high.
struct ExponentRange {
  int low = std::numeric_limits<int>::max(), high = std::numeric_limits<int>::min();

  void add(Dyadic x) noexcept {
    if (x.mantissa == 0) return;
    low = std::min(low, x.exponent);
    high = std::max(high, x.exponent + x.width());
  }
  [[nodiscard]] int bits() const noexcept { return high > low ? high - low : 0; }
  [[nodiscard]] int lowest() const noexcept { return high > low ? low : 0; }
};

// An integer of K words, to be multiplied by 2^low, where `low` is common to all numbers combined.
template <int K>
class FixedPoint {
 public:
  void add(Dyadic x, int low) noexcept { x.mantissa < 0 ? change_size<difference>(x, low) : change_size<sum>(x, low); }
  void subtract(Dyadic x, int low) noexcept {
    x.mantissa < 0 ? change_size<sum>(x, low) : change_size<difference>(x, low);
  }

  FixedPoint& operator+=(const FixedPoint& other) noexcept {
    unsigned char carry = 0;
    for (int k = 0; k < K; ++k) word_[k] = sum(word_[k], other.word_[k], carry);
    return *this;
  }
  FixedPoint& operator-=(const FixedPoint& other) noexcept {
    unsigned char borrow = 0;
    for (int k = 0; k < K; ++k) word_[k] = difference(word_[k], other.word_[k], borrow);
    return *this;
  }
  // Multiplies by a count >= 0.
  FixedPoint& operator*=(std::uint64_t factor) noexcept {
    const bool below = negative();
    if (below) negate();
    std::uint64_t carry = 0;
    for (int k = 0; k < K; ++k) {
      const auto product = static_cast<Product>(word_[k]) * factor + carry;
      word_[k] = static_cast<std::uint64_t>(product);
      carry = static_cast<std::uint64_t>(product >> 64);
    }
    if (below) negate();
    return *this;
  }
  void negate() noexcept {
    FixedPoint out;
    out -= *this;
    *this = out;
  }

  [[nodiscard]] bool negative() const noexcept { return (word_[K - 1] >> 63) != 0; }
  [[nodiscard]] bool zero() const noexcept {
    return std::all_of(word_.begin(), word_.end(), [](std::uint64_t w) { return w == 0; });
  }
  friend bool operator<(const FixedPoint& a, const FixedPoint& b) noexcept {
    if (a.negative() != b.negative()) return a.negative();
    for (int k = K - 1; k > 0; --k)
      if (a.word_[k] != b.word_[k]) return a.word_[k] < b.word_[k];
    return a.word_[0] < b.word_[0];
  }
  friend bool operator==(const FixedPoint&, const FixedPoint&) noexcept = default;

  // Return this times 2^low as a double: rounded down, up, and to nearest with ties to even. low >= -1074.
  [[nodiscard]] double down(int low) const noexcept { return rounded(low, Rounding::down); }
  [[nodiscard]] double up(int low) const noexcept { return rounded(low, Rounding::up); }
  [[nodiscard]] double nearest(int low) const noexcept { return rounded(low, Rounding::nearest); }
  // Returns this times 2^low rounded up to an integer, if that is below 2^120 in magnitude.
  [[nodiscard]] std::optional<Wide> ceiling(int low) const noexcept;

 private:
  enum class Rounding { down, up, nearest };
  __extension__ using Product = unsigned __int128;

  static std::uint64_t sum(std::uint64_t a, std::uint64_t b, unsigned char& carry) noexcept {
    const Product total = static_cast<Product>(a) + b + carry;
    carry = static_cast<unsigned char>(total >> 64);
    return static_cast<std::uint64_t>(total);
  }
  static std::uint64_t difference(std::uint64_t a, std::uint64_t b, unsigned char& borrow) noexcept {
    const Product total = static_cast<Product>(a) - b - borrow;
    borrow = static_cast<unsigned char>((total >> 64) & 1);
    return static_cast<std::uint64_t>(total);
  }

  // The words of a mantissa, shifted to its position.
  struct Aligned {
    int word;
    std::uint64_t first, second;
  };
  static Aligned align(Dyadic x, int low) noexcept {
    const auto bits = static_cast<std::uint64_t>(x.mantissa), size = x.mantissa < 0 ? 0 - bits : bits;
    const int shift = x.exponent - low, bit = shift % 64;
    return {shift / 64, size << bit, bit == 0 ? 0 : size >> (64 - bit)};
  }
  // Adds or subtracts the magnitude of x; step: `sum` or `difference`.
  template <auto step>
  void change_size(Dyadic x, int low) noexcept {
    if (x.mantissa == 0) return;
    const Aligned at = align(x, low);
    unsigned char carry = 0;
    word_[at.word] = step(word_[at.word], at.first, carry);
    if (at.word + 1 < K) word_[at.word + 1] = step(word_[at.word + 1], at.second, carry);
    for (int k = at.word + 2; k < K && carry != 0; ++k) word_[k] = step(word_[k], 0, carry);
  }

  [[nodiscard]] bool bit(int at) const noexcept { return (word_[at / 64] >> (at % 64) & 1) != 0; }
  [[nodiscard]] int width() const noexcept {  // of a value >= 0
    for (int k = K - 1; k >= 0; --k)
      if (word_[k] != 0) return 64 * k + static_cast<int>(std::bit_width(word_[k]));
    return 0;
  }
  [[nodiscard]] bool any_below(int at) const noexcept {
    for (int k = 0; k < at / 64; ++k)
      if (word_[k] != 0) return true;
    return at % 64 != 0 && (word_[at / 64] << (64 - at % 64)) != 0;
  }
  [[nodiscard]] std::uint64_t bits_from(int at) const noexcept {  // the 64 from this one on
    const int k = at / 64, shift = at % 64;
    const std::uint64_t low = word_[k] >> shift;
    return shift == 0 || k + 1 == K ? low : low | word_[k + 1] << (64 - shift);
  }
  [[nodiscard]] double rounded(int low, Rounding context) const noexcept;

  std::array<std::uint64_t, K> word_{};
};

template <int K>
double FixedPoint<K>::rounded(int low, Rounding context) const noexcept {
  constexpr int kBits = 53;  // of a double
  FixedPoint size = *this;
  const bool below = negative();
  if (below) size.negate();
  const int width = size.width(), cut = std::max(0, width - kBits);
  std::uint64_t mantissa = size.bits_from(cut) & ((std::uint64_t{1} << kBits) - 1);
  if (cut > 0) {
    const bool half = size.bit(cut - 1), rest = size.any_below(cut - 1), even = (mantissa & 1) == 0;
    const bool away =
        context == Rounding::nearest ? half && (rest || !even) : (half || rest) && (context == Rounding::up) != below;
    mantissa += away ? 1 : 0;
  }
  const double out = std::ldexp(static_cast<double>(mantissa), cut + low);  // 2^53 is a double as well
  const bool inwards = context != Rounding::nearest && (context == Rounding::up) == below;
  return (below ? -1 : 1) * (std::isinf(out) && inwards ? std::numeric_limits<double>::max() : out);
}

template <int K>
std::optional<Wide> FixedPoint<K>::ceiling(int low) const noexcept {
  constexpr int kMost = 120;  // bits of integers that are reported
  FixedPoint size = *this;
  const bool below = negative();
  if (below) size.negate();
  const int width = size.width();
  if (width == 0) return Wide{0};
  if (width + low > kMost) return std::nullopt;
  const int cut = std::max(0, -low);
  Wide out = 0;
  for (int at = width - 1; at >= cut; --at) out = 2 * out + (size.bit(at) ? 1 : 0);
  out *= Wide{1} << std::max(0, low);
  if (below) return -out;
  return out + (size.any_below(std::min(cut, width)) ? 1 : 0);
}

}  // namespace gridcompute::transport
