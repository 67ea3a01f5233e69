// Which of tied columns a row takes: the one that other rows want least.
//
// Why. Where several columns cost a row the same, taking just any leaves those to other rows that only few can use, and
// long searches have to sort that out. Of jobs with due dates, every slot before its own costs a job nothing; if each
// takes the last of these that is free, hardly any search is left, where taking the first leaves a third of the jobs.
//
// Steps. Columns are placed by what they cost a few rows on average, the dearest first, if these rows have many columns
// at their least cost. Only which of tied columns is taken depends on that.
//
// Complexity. O(m) a looked-at row, and the sorting of columns.
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::assignment {

template <class V>
class Places {
 public:
  explicit Places(const CopiedRows<V>& rows);
  [[nodiscard]] bool matter() const { return !by_place_.empty(); }
  // To be filled, but for the padding, which stays behind.
  [[nodiscard]] V* place() { return place_.data(); }
  [[nodiscard]] const std::int32_t* by_place() const { return by_place_.data(); }

 private:
  AlignedVector<V> place_;
  std::vector<std::int32_t> by_place_;
};

}  // namespace gridcompute::assignment
