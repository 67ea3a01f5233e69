#include "gridcompute/transport/shards/gathered_cost.hpp"

#include <utility>

namespace gridcompute::transport {

void GatheredCost::hold(JobColumns columns, std::vector<Index> positions) {
  cost_.reset();
  columns_ = std::move(columns);
  positions_ = std::move(positions);
  cost_ = make_cost(model_, columns_.view(), scope_);
}

}  // namespace gridcompute::transport
