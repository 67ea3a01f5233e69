// What is left of the shared rows, and greedy placement into it: the integer side of the matching.
//
// Invariants. Free accelerators, data and quota never fall below zero: a gang is placed whole where all its hours,
// its corridor and its tenant's quota admit it, or not at all. Everything placed can be taken back exactly: what is
// free is kept in integers, except data, which is recomputed by the caller's checker.
//
// Steps. place() takes jobs in the order given; each takes its cheapest option, at the given prices, among those
// that still fit, if that is below the job's value. Ties go to the lowest class, then hour.
//
// Complexity. O(options of the jobs placed), a check of the hours only for options that would be best so far.
//
// Source. The dive of a price-and-branch scheme: large jobs first, as in first-fit decreasing, at dual prices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/options/market.hpp"

namespace gridcompute::options {

struct Placement {
  Index placed = 0;
  double own = 0.0;  // own cost of those placed
};

class Room {
 public:
  explicit Room(const Market& market);

  // Places jobs by row of the table; klass and start (one entry a row) receive the option, -1 for out.
  Placement place(const Prices& prices, std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
                  std::span<std::int32_t> start);
  // Takes back whatever of `rows` is placed according to klass and start, and marks it out.
  void remove(std::span<const std::int32_t> rows, std::span<std::int32_t> klass, std::span<std::int32_t> start);

  [[nodiscard]] const Market& market() const noexcept { return *market_; }
  [[nodiscard]] const std::vector<std::int64_t>& accelerators() const noexcept { return free_; }
  [[nodiscard]] const std::vector<double>& data() const noexcept { return data_; }
  [[nodiscard]] const std::vector<double>& power() const noexcept { return power_; }
  [[nodiscard]] const std::vector<double>& quota() const noexcept { return quota_; }
  [[nodiscard]] bool holds() const;

 private:
  void take(const Job& job, Index klass, Index hour, int sign);
  // May a gang start there?
  [[nodiscard]] bool open(const Job& job, Index klass, Index hour, std::int32_t d) const;

  const Market* market_;
  std::vector<std::int64_t> free_;  // [class][hour]
  std::vector<double> power_;       // [site][hour]
  std::vector<double> data_;        // [origin][site][hour]
  std::vector<double> quota_;       // [tenant]: whole numbers below 2^53, or inf
};

}  // namespace gridcompute::options
