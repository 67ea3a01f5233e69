// Costs as 128-bit integers in a common unit, a power of two: sums are exact, or rounded down where a cost has digits
// below the unit.
#pragma once

#include <optional>
#include <vector>

#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// mantissa * 2^exponent; integers have the exponent 0, doubles odd mantissas of up to 53 bits.
struct ScaledInteger {
  Wide mantissa = 0;
  int exponent = 0;
};

[[nodiscard]] ScaledInteger to_scaled_integer(double finite);
[[nodiscard]] double value_of(const ScaledInteger& x);  // rounded to the nearest double
[[nodiscard]] bool cheaper(const ScaledInteger& a,
                           const ScaledInteger& b);  // exact among integers and among doubles

// The finest unit, no finer than needed, in which all numbers included have at most a given number of bits.
class CommonUnit {
 public:
  explicit CommonUnit(int most_bits) : most_bits_(most_bits) {}
  void include(const ScaledInteger& x);
  [[nodiscard]] int exponent() const noexcept { return low_ > top_ - most_bits_ ? low_ : top_ - most_bits_; }
  // Returns x in units, rounded down; sets `whole` to false if that was inexact.
  [[nodiscard]] Wide count(const ScaledInteger& x, bool& whole) const;

 private:
  int most_bits_;
  int top_ = -2000, low_ = 0;  // above the highest bit; the lowest bit
};

// Returns the largest double not above value * 2^exponent; sets `exact` to whether it equals that.
[[nodiscard]] double double_below(Wide value, int exponent, bool* exact = nullptr);

// An allowed class that is large enough for a job, and the job's cost there.
struct Choice {
  Slot slot;
  ScaledInteger cost;
};
[[nodiscard]] std::vector<Choice> choices_of(const Problem& problem, Index job);

// Returns the cost of leaving a job unplaced; nullopt if it must be assigned.
[[nodiscard]] std::optional<ScaledInteger> unplaced_cost(const Problem& problem, Index job);

}  // namespace gridcompute::transport
