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
#include <optional>

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

}  // namespace gridcompute::certificate
