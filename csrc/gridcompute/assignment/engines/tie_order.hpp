// An order of the columns for breaking ties: a row takes, of its tied columns, the one that costs other rows most.
//
// Why. Where several columns cost a row the same, an arbitrary choice may take columns that few other rows can use, and
// long searches have to correct that. Example: jobs with due dates, which pay nothing in any slot before theirs. If
// each takes the last free one of these, almost no search is needed; if each takes the first, a third of the jobs need
// one.
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
  TieOrder(const RowCopy<V>& rows, const AssignmentTuning& tuning);
  // Returns whether a sample of rows has enough ties for an order to pay.
  [[nodiscard]] bool active() const { return !by_rank_.empty(); }
  // The ranks of columns, to be filled (RowSspState::reset_ranks); the padding ranks last.
  [[nodiscard]] V* rank() { return rank_.data(); }
  [[nodiscard]] const std::int32_t* by_rank() const { return by_rank_.data(); }

 private:
  AlignedVector<V> rank_;
  std::vector<std::int32_t> by_rank_;
};

}  // namespace gridcompute::assignment
