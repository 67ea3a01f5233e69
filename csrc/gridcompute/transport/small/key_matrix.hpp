// Keys of a level held in memory, as multiples of a unit: what bids and paths (in_memory_ssp.cpp) read.
#pragma once

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

template <class T>
struct KeyMatrix {
  DefaultInitVector<T> keys;  // rows of `stride`, being left out among them, padded with what is forbidden
  int shift = 0;              // a key is so much more: << shift
};

// False where a key is too large for the type, or after a stop.
template <class T>
[[nodiscard]] bool read_key_matrix(const QuantisedCost& keys, const Level& level, Index stride, KeyMatrix<T>& out,
                                   Stop& stop, CostRangeStats& seen);

}  // namespace gridcompute::transport
