// Costs as integers of 128 bits in a common unit, a power of two: sums of them are exact, or rounded down where a cost
// has digits below the unit.
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
[[nodiscard]] double value_of(const ScaledInteger& x);  // to the nearest double
[[nodiscard]] bool cheaper(const ScaledInteger& a,
                           const ScaledInteger& b);  // without rounding, among integers or among doubles

// The finest unit in which all that was shown to it has at most so many bits, and no finer than needed.
class CommonUnit {
 public:
  explicit CommonUnit(int most_bits) : most_bits_(most_bits) {}
  void include(const ScaledInteger& x);
  [[nodiscard]] int exponent() const noexcept { return low_ > top_ - most_bits_ ? low_ : top_ - most_bits_; }
  // Rounded down; `whole` stays as it was where nothing was lost, and is false after.
  [[nodiscard]] Wide count(const ScaledInteger& x, bool& whole) const;

 private:
  int most_bits_;
  int top_ = -2000, low_ = 0;  // above the highest bit, and the lowest one
};

// The largest double that is not above value * 2^exponent; `exact`: it is that.
[[nodiscard]] double double_below(Wide value, int exponent, bool* exact = nullptr);

// What a job may do: an open class that is large enough for it alone, and its cost there.
struct Choice {
  Slot slot;
  ScaledInteger cost;
};
[[nodiscard]] std::vector<Choice> choices_of(const Problem& problem, Index job);

// The cost of leaving a job out; nothing where it must be placed.
[[nodiscard]] std::optional<ScaledInteger> unplaced_cost(const Problem& problem, Index job);

}  // namespace gridcompute::transport
