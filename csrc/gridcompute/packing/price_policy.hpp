// The policy "price": a pod goes where the value of the cluster's free resources falls least.
//
// Definitions. The cost of a pod on a node is the fall of the node's fill value (fill_value.hpp), less a small bonus
// for every size of several devices of the mix that fits afterwards; of the devices of the node the one with the least
// fall is taken, a used one before a free one on ties, then the lowest number. The packer adds the charge for reserved
// slots (reservations.hpp), since it depends on the whole cluster.
//
// Complexity. For each bid at most as many fill values as there are devices in different states.
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/packing/fill_value.hpp"
#include "gridcompute/packing/policy.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

class PricePolicy final : public Policy {
 public:
  // prices: of each entry of the mix.
  PricePolicy(const Cluster& cluster, const std::vector<MixEntry>& mix, const std::vector<std::int64_t>& prices,
              std::uint64_t seed, const PackingTuning& tuning);

  Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) override;

 private:
  struct Size {
    int gpus;
    std::int64_t cpu, bonus;  // the least CPU of the size, the bonus while it fits
  };
  // Returns the fill value and the bonus of a state.
  std::int64_t value(const Cluster& cluster, NodeId node, const NodeState& state);

  FillValue fill_;
  std::vector<Size> sizes_;
};

}  // namespace gridcompute::packing
