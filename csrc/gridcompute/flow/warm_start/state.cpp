#include "gridcompute/flow/warm_start/state.hpp"

namespace gridcompute::flow {

template <class Int>
std::shared_ptr<const RawVector<std::int64_t>> WarmStartState<Int>::flow(const Topology& topology) const {
  std::call_once(flow_computed_, [&] {
    RawVector<std::int64_t> out(topology.original.size());
    simplex.solution().for_each_flow([&](Arc k, Int x) { out[at(topology.original[at(k)])] = x; });
    flow_ = std::make_shared<const RawVector<std::int64_t>>(std::move(out));
  });
  return flow_;
}

std::shared_ptr<const RawVector<std::int64_t>> WarmStart::flow() const {
  if (stored_flow) return stored_flow;
  return narrow ? narrow->flow(*topology) : wide->flow(*topology);
}

template struct WarmStartState<std::int32_t>;
template struct WarmStartState<std::int64_t>;

}  // namespace gridcompute::flow
