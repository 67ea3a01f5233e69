// Encloses min(pen, min_s (c_s + w p_s)) of one row without loss of precision: see transport.hpp, Rigour. Prices are
// doubles, or sums of several doubles where one is too coarse for the bound that has to be proved.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "gridcompute/certificate/exact_sum.hpp"

namespace gridcompute::certificate {

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
