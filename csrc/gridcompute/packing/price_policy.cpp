#include "gridcompute/packing/price_policy.hpp"

#include <algorithm>
#include <map>

namespace gridcompute::packing {

PricePolicy::PricePolicy(const Cluster& cluster, const std::vector<MixEntry>& mix,
                         const std::vector<std::int64_t>& prices, std::uint64_t seed, const PackingTuning& tuning)
    : fill_(cluster, mix, prices, seed, tuning) {
  struct Sum {
    std::int64_t cpu = kMostResource, count = 0;
    Wide price = 0;
  };
  std::map<int, Sum> sizes;
  for (std::size_t k = 0; k < mix.size(); ++k) {
    const Shape& s = cluster.shape(mix[k].shape);
    if (s.gpus < 2) continue;
    Sum& sum = sizes[s.gpus];
    sum.cpu = std::min(sum.cpu, s.cpu), sum.count += mix[k].count, sum.price += Wide{prices[k]} * mix[k].count;
  }
  for (const auto& [gpus, sum] : sizes)
    sizes_.push_back({gpus, sum.cpu,
                      static_cast<std::int64_t>(sum.price * tuning.bonus_permille * tuning.lists / 1000 / sum.count)});
}

std::int64_t PricePolicy::value(const Cluster& cluster, NodeId node, const NodeState& state) {
  std::int64_t value = fill_.value(cluster.layout(node), state);
  int free = 0;
  while (free < state.devices && state.device[static_cast<std::size_t>(free)] == 0) ++free;
  for (const Size& size : sizes_)
    if (free >= size.gpus && state.cpu >= size.cpu) value += size.bonus;
  return value;
}

Bid PricePolicy::bid(const Cluster& cluster, ShapeId shape, NodeId node) {
  const Shape& s = cluster.shape(shape);
  NodeState state = state_of(cluster, node);
  const std::int64_t before = value(cluster, node, state);
  state.cpu -= s.cpu, state.memory -= s.memory;
  Bid out;
  if (s.gpus == 0) {
    out.partly.cost = before - value(cluster, node, state);
    return out;
  }
  if (s.whole()) {
    for (int k = 0; k < s.gpus; ++k) state.replace(0, cluster.layout(node).full());
    out.opened.cost = before - value(cluster, node, state);
    return out;
  }
  const auto devices = cluster.devices(node);
  for (std::size_t d = 0; d < devices.size(); ++d) {
    const State to = cluster.after(s, node, devices[d]);
    const auto here = devices.begin() + static_cast<std::ptrdiff_t>(d);
    if (to == kNoState || std::find(devices.begin(), here, devices[d]) != here) continue;
    NodeState next = state;
    next.replace(devices[d], to);
    const std::int64_t cost = before - value(cluster, node, next);
    Offer& offer = devices[d] == 0 ? out.opened : out.partly;
    if (cost < offer.cost) offer = {cost, static_cast<std::int32_t>(d)};
  }
  return out;
}

}  // namespace gridcompute::packing
