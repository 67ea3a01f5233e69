// A linear program that falls apart into blocks without a common row, each kept in a simplex solver of its own.
//
// Blocks are the connected components of columns and rows. A change of costs or of limits touches some blocks only:
// the others are not looked at. See simplex.hpp for what is promised.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/program/simplex.hpp"

namespace gridcompute::program {

class Blocks {
 public:
  // As Simplex.
  Blocks(const Matrix& matrix, std::span<const double> cost, std::span<const double> low, std::span<const double> high,
         std::span<const double> row_low, std::span<const double> row_high, std::span<const std::uint8_t> basic,
         std::span<const std::uint8_t> upper);

  // New costs of some columns, or new limits, and a new solution. False: see Simplex; then nothing is promised of what
  // value and row_dual say.
  bool set_costs(std::span<const std::int32_t> columns, std::span<const double> cost);
  bool set_limits(std::span<const std::int32_t> columns, std::span<const double> low, std::span<const double> high);

  void values(std::span<double> out) const;
  void row_duals(std::span<double> out) const;
  [[nodiscard]] Index columns() const noexcept { return static_cast<Index>(column_at_.size()); }
  [[nodiscard]] Index rows() const noexcept { return static_cast<Index>(row_at_.size()); }
  [[nodiscard]] Index count() const noexcept { return static_cast<Index>(blocks_.size()); }
  [[nodiscard]] Index steps() const;

 private:
  struct At {
    std::int32_t block, index;
  };

  std::vector<Simplex> blocks_;
  std::vector<At> column_at_, row_at_;
  std::vector<std::uint8_t> touched_;  // [block]
};

}  // namespace gridcompute::program
