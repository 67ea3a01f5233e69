#include "gridcompute/transport/model/solver_context.hpp"

#include <algorithm>
#include <limits>

namespace gridcompute::transport {

Cost PriceBox::shift(std::span<const Cost> prices) const noexcept {
  Cost least = std::numeric_limits<Cost>::max();
  for (std::size_t s = 0; s < center.size(); ++s) least = std::min(least, prices[s] - center[s] + down[s]);
  return least;
}

bool PriceBox::holds(std::span<const Cost> prices) const noexcept {
  Cost most = std::numeric_limits<Cost>::min();
  for (std::size_t s = 0; s < center.size(); ++s) most = std::max(most, prices[s] - center[s] - up[s]);
  return most <= shift(prices);
}

}  // namespace gridcompute::transport
