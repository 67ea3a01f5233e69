// Aggregation of duplicate rows and duplicate columns of a key matrix in memory.
//
// Problem.  Callers that do not count interchangeable jobs or slots pass them as equal rows or columns. Solved apart
// they tie, and exact methods spend their time on ties.
//
// Steps.  Columns are hashed over a sample of rows and compared in full where hashes agree; rows are hashed in full if
// a sample of them holds duplicates. Only rows and columns equal in every entry are aggregated.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

template <class T>
struct AggregatedMatrix {
  DefaultInitVector<T> keys;  // row after row, `stride` apart, padded with `pad`
  Index rows = 0, stride = 0;
  Slot columns = 0;
  std::vector<std::int32_t> row_of;  // (n) each original row's row here; empty: the identity
  std::vector<Slot> column_of;       // (original columns) each one's column here
};

// Aggregates n rows of `columns` keys, `stride` apart. Rows are padded to a multiple of `unit`; the memory of `keys` is
// reused. O(n * columns).
template <class T>
[[nodiscard]] AggregatedMatrix<T> aggregate(DefaultInitVector<T> keys, Index n, Slot columns, Index stride, Index unit,
                                            T pad, const Tuning& tuning);

// Wraps a matrix without looking for duplicates.
template <class T>
[[nodiscard]] AggregatedMatrix<T> not_aggregated(DefaultInitVector<T> keys, Index n, Slot columns, Index stride);

}  // namespace gridcompute::transport
