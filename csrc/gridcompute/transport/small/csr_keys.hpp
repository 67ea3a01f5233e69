// Keys of the pairs that a sparse source lists, in memory: what bids and paths (in_memory_ssp.cpp) read where a row has
// so few that looking at each is quicker than looking at all classes in vectors.
#pragma once

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"
#include "gridcompute/transport/model/common_factor.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"

namespace gridcompute::transport {

// Are pairs listed, and few a row? `stride`: classes, padded.
[[nodiscard]] bool csr_keys_pay(const QuantisedCost& keys, Index stride);

template <class T>
class CsrKeys {
 public:
  // Of all jobs, being left out among them. False where a key is too large for the type, or after a stop.
  [[nodiscard]] bool read(const QuantisedCost& keys, Stop& stop, CostRangeStats& seen);

  // Are many jobs alike, so that merging their rows pays?
  [[nodiscard]] bool mostly_copies() const;

  [[nodiscard]] int shift() const noexcept { return unit_.shift(); }
  [[nodiscard]] CsrKeyRows<T> rows(Index stride) const noexcept { return {arcs_.data(), begin_.data(), stride}; }

 private:
  CommonFactor<T> unit_;
  DefaultInitVector<typename CsrKeyRows<T>::Arc> arcs_;
  std::vector<std::int32_t> begin_;
};

}  // namespace gridcompute::transport
