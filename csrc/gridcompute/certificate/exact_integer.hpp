// Integers of K words of 64 bits in a common unit, a power of two: sums of a few numbers of any size without rounding.
//
// For certificates only: a checker shares no code with the solvers, which have a class of their own.
#pragma once

#include <array>

#include "gridcompute/certificate/exact_sum.hpp"

namespace gridcompute::certificate {

// Two's complement, the lowest word first. Numbers that are added are multiples of the same 2^unit, and their sums fit.
template <int K>
class ExactInteger {
 public:
  ExactInteger() = default;
  // |mantissa| < 2^63; unit <= exponent where the mantissa is not 0.
  ExactInteger(Wide mantissa, int exponent, int unit) noexcept {
    if (mantissa == 0) return;
    const int shift = exponent - unit;
    const auto size = static_cast<Unsigned>(mantissa < 0 ? -mantissa : mantissa) << (shift % 64);
    const auto at = static_cast<std::size_t>(shift / 64);
    word_[at] = static_cast<std::uint64_t>(size);
    if (at + 1 < word_.size()) word_[at + 1] = static_cast<std::uint64_t>(size >> 64);
    if (mantissa < 0) negate();
  }

  ExactInteger& operator+=(const ExactInteger& other) noexcept {
    Unsigned carry = 0;
    for (std::size_t k = 0; k < word_.size(); ++k) {
      carry += static_cast<Unsigned>(word_[k]) + other.word_[k];
      word_[k] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
    return *this;
  }
  friend ExactInteger operator+(ExactInteger a, const ExactInteger& b) noexcept { return a += b; }
  friend bool operator<(const ExactInteger& a, const ExactInteger& b) noexcept {
    if (a.negative() != b.negative()) return a.negative();
    for (std::size_t k = a.word_.size(); k-- > 0;)
      if (a.word_[k] != b.word_[k]) return a.word_[k] < b.word_[k];
    return false;
  }

  // Adds this integer times 2^unit to a sum.
  void add_to(ExactSum& sum, int unit) const noexcept {
    ExactInteger size = *this;
    if (negative()) size.negate();
    for (std::size_t k = 0; k < word_.size(); ++k) {
      const auto word = static_cast<Wide>(size.word_[k]);
      if (word != 0) sum.add(negative() ? -word : word, unit + 64 * static_cast<int>(k));
    }
  }

 private:
  __extension__ using Unsigned = unsigned __int128;

  [[nodiscard]] bool negative() const noexcept { return (word_.back() >> 63) != 0; }
  void negate() noexcept {
    bool carry = true;
    for (std::uint64_t& word : word_) {
      word = ~word + (carry ? 1 : 0);
      carry = carry && word == 0;
    }
  }

  std::array<std::uint64_t, K> word_{};
};

}  // namespace gridcompute::certificate
