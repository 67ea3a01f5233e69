// CSR rows of keys in memory: the pairs that a sparse source lists, for in_memory_ssp.hpp.
//
// Reading a short row entry by entry is faster than scanning all classes in vectors where rows list few pairs.
#pragma once

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"
#include "gridcompute/transport/model/common_factor.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::transport {

// Returns whether the source lists its pairs and rows are short enough; `stride`: classes, padded.
[[nodiscard]] bool csr_keys_pay(const IntegerKeys& keys, Index stride, const Tuning& tuning = kDefaultTuning);

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

}  // namespace gridcompute::transport
