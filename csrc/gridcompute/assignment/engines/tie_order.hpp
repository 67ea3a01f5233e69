// An order of the columns for breaking ties: a row takes, of its tied columns, the one that other rows want least.
//
// Why. Where several columns cost a row the same, taking just any leaves to other rows those that only few can use, and
// long searches have to correct that. Of jobs with due dates, every slot before its own costs a job nothing; if each
// takes the last of these that is free, hardly any search is left, where taking the first leaves a third of the jobs.
//
// Steps. Columns are ranked by what they cost a sample of rows on average, the dearest first, if these rows have many
// columns at their least cost. The order decides only between tied columns.
//
// Complexity. O(m) a sampled row, and the sorting of columns.
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::assignment {

template <class V>
class TieOrder {
 public:
  TieOrder(const RowCopy<V>& rows, const Tuning& tuning);
  // Returns whether ties are worth an order.
  [[nodiscard]] bool active() const { return !by_rank_.empty(); }
  // The ranks of columns, to be filled (RowSspState::reset_ranks); the padding ranks last.
  [[nodiscard]] V* rank() { return rank_.data(); }
  [[nodiscard]] const std::int32_t* by_rank() const { return by_rank_.data(); }

 private:
  AlignedVector<V> rank_;
  std::vector<std::int32_t> by_rank_;
};

}  // namespace gridcompute::assignment
