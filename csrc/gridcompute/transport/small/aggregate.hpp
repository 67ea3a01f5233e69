// Equal rows and equal columns of a matrix in memory, each held once.
//
// Jobs of one kind and slots of one class come as copies where a caller did not count them; solved apart they tie, and
// ties are what costs exact methods their time. Columns are compared where they agree in a sample of rows, rows where a
// sample of them has copies; merged is only what is equal throughout.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

template <class T>
struct AggregatedMatrix {
  DefaultInitVector<T> keys;  // rows of `stride`, padded with `pad`
  Index rows = 0, stride = 0;
  Slot columns = 0;
  std::vector<std::int32_t> row_of;  // (n) the row of each of the n it was made of; empty: row k of k
  std::vector<Slot> column_of;       // (columns before)
};

// keys: n rows of `stride`, the first `columns` of which count; taken over where nothing is equal. Rows are padded to
// a multiple of `unit`. O(n * columns).
template <class T>
[[nodiscard]] AggregatedMatrix<T> aggregate(DefaultInitVector<T> keys, Index n, Slot columns, Index stride, Index unit,
                                            T pad);

// The same matrix with nothing merged.
template <class T>
[[nodiscard]] AggregatedMatrix<T> not_aggregated(DefaultInitVector<T> keys, Index n, Slot columns, Index stride);

}  // namespace gridcompute::transport
