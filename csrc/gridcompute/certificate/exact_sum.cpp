#include "gridcompute/certificate/exact_sum.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace gridcompute::certificate {

namespace {

__extension__ using Unsigned = unsigned __int128;

constexpr std::int64_t kDigitMask = 0xffffffff;                    // digits have 32 bits
constexpr std::int64_t kTermsBeforeCarry = std::int64_t{1} << 30;  // of 33 bits fit 63

}  // namespace

void ExactSum::add(double x) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const int biased = static_cast<int>(bits >> 52) & 0x7ff;
  std::uint64_t mantissa = bits & 0xfffffffffffff;
  if (biased != 0) mantissa |= std::uint64_t{1} << 52;
  const int place = (biased != 0 ? biased - 1075 : -1074) + kBias;
  const Unsigned shifted = static_cast<Unsigned>(mantissa) << (place & 31);
  const std::int64_t sign = (bits >> 63) != 0 ? -1 : 1;
  std::int64_t* digit = &digit_[static_cast<std::size_t>(place >> 5)];
  digit[0] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(shifted) & kDigitMask);
  digit[1] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(shifted >> 32) & kDigitMask);
  digit[2] += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(shifted >> 64));
  if (++terms_ == kTermsBeforeCarry) carry();
}

void ExactSum::add(Wide mantissa, int exponent) noexcept {
  const int place = exponent + kBias;
  const std::int64_t sign = mantissa < 0 ? -1 : 1;
  Unsigned rest = mantissa < 0 ? -static_cast<Unsigned>(mantissa) : static_cast<Unsigned>(mantissa);
  std::int64_t* digit = &digit_[static_cast<std::size_t>(place >> 5)];
  // The first digit receives the bits up to its upper end; from there on the mantissa is cut every 32 bits.
  const int room = 32 - (place & 31);
  const std::uint64_t low = static_cast<std::uint64_t>(rest) & ((std::uint64_t{1} << room) - 1);
  *digit += sign * static_cast<std::int64_t>(low << (32 - room));
  for (rest >>= room; rest != 0; rest >>= 32) {
    *++digit += sign * static_cast<std::int64_t>(static_cast<std::uint64_t>(rest) & kDigitMask);
  }
  if (++terms_ == kTermsBeforeCarry) carry();
}

void ExactSum::subtract_product(Cost a, double x) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const int biased = static_cast<int>(bits >> 52) & 0x7ff;
  auto mantissa = static_cast<std::int64_t>(bits & 0xfffffffffffff);
  if (biased != 0) mantissa |= std::int64_t{1} << 52;
  const Wide product = static_cast<Wide>(a) * mantissa;  // 63 + 53 bits
  add((bits >> 63) != 0 ? product : -product, biased != 0 ? biased - 1075 : -1074);
}

void ExactSum::join(ExactSum& other) noexcept {
  other.carry();
  carry();
  for (std::size_t k = 0; k < digit_.size(); ++k) digit_[k] += other.digit_[k];
  carry();
}

void ExactSum::carry() noexcept {
  for (std::size_t k = 0; k + 1 < digit_.size(); ++k) {
    digit_[k + 1] += digit_[k] >> 32;  // rounds down: every digit but the last ends up in [0, 2^32)
    digit_[k] &= kDigitMask;
  }
  terms_ = 0;
}

void ExactSum::negate() noexcept {
  carry();
  for (std::int64_t& d : digit_) d = -d;
  carry();
}

bool ExactSum::less(const ExactSum& other) const noexcept {
  ExactSum mine = *this, theirs = other;
  theirs.negate();
  mine.join(theirs);
  return mine.sign() < 0;
}

int ExactSum::sign() noexcept {
  carry();
  if (digit_.back() < 0) return -1;
  for (const std::int64_t d : digit_) {
    if (d != 0) return 1;
  }
  return 0;
}

double ExactSum::toward_zero(bool& rest) noexcept {
  rest = false;
  int top = kDigits - 1;
  while (top >= 0 && digit_[static_cast<std::size_t>(top)] == 0) --top;
  if (top < 0) return 0.0;
  // The highest three digits hold the 53 bits.
  Unsigned head = 0;
  for (int k = top; k > top - 3; --k) {
    head = (head << 32) | static_cast<Unsigned>(k >= 0 ? digit_[static_cast<std::size_t>(k)] : 0);
  }
  int bits = 0;
  while (bits < 96 && (head >> bits) != 0) ++bits;
  const int drop = bits > 53 ? bits - 53 : 0;
  rest = (head & ((static_cast<Unsigned>(1) << drop) - 1)) != 0;
  for (int k = 0; k <= top - 3 && !rest; ++k) rest = digit_[static_cast<std::size_t>(k)] != 0;
  const double value =
      std::ldexp(static_cast<double>(static_cast<std::uint64_t>(head >> drop)), drop + 32 * (top - 2) - kBias);
  if (std::isfinite(value)) return value;
  rest = true;
  return std::numeric_limits<double>::max();
}

double ExactSum::down() noexcept {
  const bool negative = sign() < 0;
  ExactSum size = *this;
  if (negative) size.negate();
  bool rest = false;
  const double value = size.toward_zero(rest);
  constexpr double inf = std::numeric_limits<double>::infinity();
  if (!negative) return value;
  return rest ? std::nextafter(-value, -inf) : -value;
}

double ExactSum::up() noexcept {
  ExactSum other = *this;
  other.negate();
  return 0.0 - other.down();  // and not -0.0
}

bool ExactSum::fraction() const noexcept {
  for (int k = 0; k < kPoint; ++k) {
    if (digit_[static_cast<std::size_t>(k)] != 0) return true;
  }
  return false;
}

std::optional<Wide> ExactSum::integer() noexcept {
  carry();
  if (fraction()) return std::nullopt;
  return ceiling();
}

std::optional<Wide> ExactSum::ceiling() noexcept {
  const bool negative = sign() < 0;
  const bool more = fraction();
  // Two's complement: the integer digits are the floor. Four of them have the value, the others repeat the sign.
  Unsigned floor = 0;
  for (int k = kPoint + 3; k >= kPoint; --k) {
    floor = (floor << 32) | static_cast<Unsigned>(digit_[static_cast<std::size_t>(k)]);
  }
  for (int k = kPoint + 4; k < kDigits; ++k) {
    const std::int64_t all = negative ? (k + 1 < kDigits ? kDigitMask : -1) : 0;
    if (digit_[static_cast<std::size_t>(k)] != all) return std::nullopt;
  }
  const auto value = static_cast<Wide>(floor);
  constexpr Wide most = static_cast<Wide>(1) << 126;
  if (value < -most || value >= most || (value < 0) != negative) return std::nullopt;
  return value + (more ? 1 : 0);
}

}  // namespace gridcompute::certificate
