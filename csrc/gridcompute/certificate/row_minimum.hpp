// min(pen, min_s (c_s + w p_s)) of one row, enclosed without loss: see transport.hpp, Rigour. Prices are doubles, or
// sums of several where one double is too few for what is to be proved.
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
  bool none = false;     // nothing is open to this job
  bool invalid = false;  // a NaN or -inf among its costs
  bool inexact = false;  // two doubles may not enclose it: exactly() has to find it
  bool whole = false;    // `integer` holds it; else low <= minimum <= high
  Wide integer = 0;
  Pair low, high;
  double limit = std::numeric_limits<double>::infinity();  // no sum that is rounded to more is the minimum

  void add(ExactSum& to_low, ExactSum& to_high) const noexcept;
};

class PricedMinimum {
 public:
  // remainders: rows as long as the prices, to be added to them.
  explicit PricedMinimum(std::span<const double> prices, std::span<const double> remainders = {});

  [[nodiscard]] RowMinimum of(const double* costs, Cost weight, double out) const;
  // Integers equal to kForbidden forbid, if `forbids`.
  [[nodiscard]] RowMinimum of(const Cost* costs, bool forbids, Cost weight, double out) const;

  // Finds the minimum of a row without any rounding, over the classes within the limit of of(); a thousand times slower
  // than of(). Empty where nothing is open to the job.
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
  double dearest_ = 0;              // the highest price
  double lacking_ = 0;              // the largest sum of sizes of one price's remainders
  std::vector<Cost> whole_prices_;  // the prices as integers, where all are, below 2^62
  bool integral_ = true;
};

}  // namespace gridcompute::certificate
