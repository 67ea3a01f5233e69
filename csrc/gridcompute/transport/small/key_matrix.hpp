// The quantised key matrix of a level in memory, as multiples of a common power of two: input of in_memory_ssp.hpp.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

template <class T>
struct KeyMatrix {
  DefaultInitVector<T> keys;  // row after row, `stride` apart, "unplaced" among the columns, padded with forbidden keys
  int shift = 0;              // a key is the entry << shift
};

// Reads the keys of a level. False where a key exceeds the range of T, or after a stop.
template <class T>
[[nodiscard]] bool read_key_matrix(const IntegerKeys& keys, const Level& level, Index stride, KeyMatrix<T>& out,
                                   Stop& stop, CostRangeStats& seen);

// CSR rows of keys in memory: the pairs that a sparse source lists, for in_memory_ssp.hpp.
//
// Reading a short row entry by entry is faster than scanning all classes in vectors where rows list few pairs.

// Returns whether the source lists its pairs and rows are short enough; `stride`: classes, padded.
[[nodiscard]] bool csr_keys_pay(const IntegerKeys& keys, Index stride);

template <class T>
class CsrKeys {
 public:
  // Reads the keys of all jobs, "unplaced" included. False where a key exceeds the type's range, or after a stop.
  [[nodiscard]] bool read(const IntegerKeys& keys, Stop& stop, CostRangeStats& seen);

  // Returns whether a sample has enough duplicate rows that aggregating a dense matrix saves time.
  [[nodiscard]] bool mostly_copies(const Tuning& tuning) const;

  [[nodiscard]] int shift() const noexcept { return unit_.shift(); }
  [[nodiscard]] CsrKeyRows<T> rows(Index stride) const noexcept { return {arcs_.data(), begin_.data(), stride}; }

 private:
  CommonFactor<T> unit_;
  DefaultInitVector<typename CsrKeyRows<T>::Arc> arcs_;
  std::vector<std::int32_t> begin_;
};

// Aggregation of duplicate rows and duplicate columns of a key matrix in memory.
//
// Problem.  Callers that do not count interchangeable jobs or slots pass them as equal rows or columns. Solved apart
// they tie, and exact methods spend their time on ties.
//
// Steps.  Columns are hashed over a sample of rows and compared in full where hashes agree; rows are hashed in full if
// a sample of them holds duplicates. Only rows and columns equal in every entry are aggregated.

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
