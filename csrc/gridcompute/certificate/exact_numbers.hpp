// Sums of doubles, integers and their products without rounding, of any number of terms of any magnitude in any order.
//
// A fixed-point number wide enough for every double (Kulisch's long accumulator): digit k stands for 2^(32 k - kBias).
// A digit is an int64 that holds 2^30 terms of 32 bits before a carry is needed. Addition is exact and so
// commutes: the value does not depend on how the terms were cut into chunks. Only the result is rounded, down or up.
//
// Range.  Terms are multiples of 2^-1074 below 2^1152 (a double times an int64 is), and there are fewer than 2^63 of
// them: 1088 + 1152 + 63 bits fit the 74 digits.
//
// Source.  U. Kulisch, Computer Arithmetic and Validity (de Gruyter, 2nd ed. 2013), section 8; small digits with late
// carries: R. Neal, arXiv:1505.05571.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::certificate {

class ExactSum {
 public:
  void add(double x) noexcept;                       // finite
  void add(Wide mantissa, int exponent) noexcept;    // mantissa * 2^exponent; |mantissa| < 2^126, -1074 <= exponent
  void subtract_product(Cost a, double x) noexcept;  // a * x, a >= 0, x finite
  void join(ExactSum& other) noexcept;

  // The functions below propagate carries first.
  [[nodiscard]] int sign() noexcept;                     // -1, 0, 1
  [[nodiscard]] double down() noexcept;                  // the largest double that is not greater
  [[nodiscard]] double up() noexcept;                    // the smallest double that is not less
  [[nodiscard]] std::optional<Wide> integer() noexcept;  // the value, if it is an integer below 2^126 in size
  [[nodiscard]] std::optional<Wide>
  ceiling() noexcept;  // the smallest integer that is not less, if it is below 2^126 in size
  void negate() noexcept;
  [[nodiscard]] bool less(const ExactSum& other) const noexcept;

 private:
  static constexpr int kDigits = 74, kBias = 1088;  // digits of 32 bits, 1,088 bits below the point
  static constexpr int kPoint = kBias / 32;         // the first digit of the integer part

  void carry() noexcept;
  double toward_zero(bool& rest) noexcept;  // of a value >= 0
  [[nodiscard]] bool fraction() const noexcept;

  std::array<std::int64_t, kDigits> digit_{};
  std::int64_t terms_ = 0;  // since the last carry
};

// Integers of K words of 64 bits in a common unit, a power of two: sums of a few numbers of any size without rounding.
//
// For certificates only: a checker shares no code with the solvers, which have a class of their own.

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

// Encloses min(pen, min_s (c_s + w p_s)) of one row without loss of precision: see transport.hpp, Rigour. Prices are
// doubles, or sums of several doubles where one is too coarse for the bound that has to be proved.

// An unevaluated sum: high = fl(high + low).
struct Pair {
  double high = 0, low = 0;

  friend bool operator<(const Pair& a, const Pair& b) noexcept {
    return a.high < b.high || (a.high == b.high && a.low < b.low);  // rounding is monotone
  }
};

struct RowMinimum {
  bool none = false;     // the job has no option
  bool invalid = false;  // a cost is NaN or -inf
  bool inexact = false;  // two doubles may not enclose the minimum: exactly() has to find it
  bool whole = false;    // the minimum is `integer`; otherwise low <= minimum <= high
  Wide integer = 0;
  Pair low, high;
  double limit = std::numeric_limits<double>::infinity();  // a sum that is rounded to more is not the minimum

  void add(ExactSum& to_low, ExactSum& to_high) const noexcept;
};

class PricedMinimum {
 public:
  // remainders: rows as long as the prices, which are added to them.
  explicit PricedMinimum(std::span<const double> prices, std::span<const double> remainders = {});

  [[nodiscard]] RowMinimum of(const double* costs, Cost weight, double out) const;
  // If `forbids`, costs equal to kForbidden forbid their class.
  [[nodiscard]] RowMinimum of(const Cost* costs, bool forbids, Cost weight, double out) const;

  // Finds the minimum of a row without any rounding, over the classes within the limit of of(); a thousand times slower
  // than of(). Empty if the job has no option.
  [[nodiscard]] std::optional<ExactSum> exactly(const double* costs, Cost weight, double out, double limit) const;
  [[nodiscard]] std::optional<ExactSum> exactly(const Cost* costs, bool forbids, Cost weight, double out,
                                                double limit) const;

 private:
  [[nodiscard]] RowMinimum whole(const Cost* costs, bool forbids, Cost weight, double out) const;
  template <class T>
  [[nodiscard]] RowMinimum enclosed(const T* costs, double least, bool forbids, Cost weight, double out) const;
  template <class T>
  [[nodiscard]] std::optional<ExactSum> exact_minimum(const T* costs, bool forbids, Cost weight, double out,
                                                      double limit) const;

  std::span<const double> prices_, remainders_;
  double highest_price_ = 0;
  double largest_remainder_ = 0;    // the largest sum of the magnitudes of one price's remainders
  std::vector<Cost> whole_prices_;  // the prices as integers, where all are, below 2^62
  bool integral_ = true;
};

}  // namespace gridcompute::certificate
