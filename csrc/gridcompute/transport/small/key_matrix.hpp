// The quantised key matrix of a level in memory, as multiples of a common power of two: input of in_memory_ssp.hpp.
#pragma once

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

template <class T>
struct KeyMatrix {
  DefaultInitVector<T> keys;  // row after row, `stride` apart, "unplaced" among the columns, padded with forbidden keys
  int shift = 0;              // a key is the entry << shift
};

// Reads the keys of a level. False where a key exceeds the range of T, or after a stop.
template <class T>
[[nodiscard]] bool read_key_matrix(const IntegerKeys& keys, const Level& level, Index stride, KeyMatrix<T>& out,
                                   Stop& stop, CostRangeStats& seen, const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
