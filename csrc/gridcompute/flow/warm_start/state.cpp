// The flow of an answer, for those who ask.
#include "gridcompute/flow/warm_start/difference.hpp"

namespace gridcompute::flow {

template <class Int>
std::shared_ptr<const Values<std::int64_t>> Earlier<Int>::flow(const Topology& topology) const {
  std::call_once(asked_, [&] {
    Values<std::int64_t> out(topology.order.size());
    tree.each_flow([&](Arc k, Int x) { out[at(topology.order[at(k)])] = x; });
    flow_ = std::make_shared<const Values<std::int64_t>>(std::move(out));
  });
  return flow_;
}

std::shared_ptr<const Values<std::int64_t>> Kept::flow() const {
  if (written) return written;
  return narrow ? narrow->flow(*topology) : wide->flow(*topology);
}

}  // namespace gridcompute::flow
