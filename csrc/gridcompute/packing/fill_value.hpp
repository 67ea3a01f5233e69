// The value of a node's free resources: the total price of the pods that can still be filled in.
//
// Problem. A pod may go to many nodes, and each placement has a different cost: the last room for a large pod, CPU
// without which free devices are useless, a piece too small for any later pod. A value of the node's state expresses
// all of these in one unit, so that a pod goes where the value falls least.
//
// Definitions. A future is a list of pods drawn from the mix, until they demand fill_percent of the devices of an empty
// node of the class. Filling a state with a future goes through the list once and places every pod that still fits, a
// part of a device on the fullest device with room. The value of a state is the sum, over all futures, of the prices of
// the pods filled in. Half of the futures are in random order, as arrivals are; half are sorted by price, largest
// first, as in an optimal filling: the first alone undervalue room for large pods, the second alone leave CPU unused.
//
// Invariants. Futures depend on the mix, the prices, the class and the seed alone, so a value is a function of the
// state; it is stored in a memo, and does not depend on earlier calls.
//
// Steps. For each future: skip pods that do not fit; stop when CPU or the largest free piece is too small for all later
// pods.
//
// Complexity. O(futures x length x devices) for a new state, O(devices) for a known one.
//
// Range proof. A price is at most kMostPrice = 2^40 and a future has at most kMostPods = 2^12 pods, of at most 256
// futures: values stay below 2^60.
//
// Source. The idea of valuing capacity by dual prices and sampled futures is that of bid prices in revenue management
// (Talluri and van Ryzin, The Theory and Practice of Revenue Management, 2004, chapter 3).
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/packing/policy.hpp"
#include "gridcompute/packing/state_memo.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

inline constexpr std::int64_t kMostPrice = std::int64_t{1} << 40;  // range proof above
inline constexpr std::size_t kMostPods = std::size_t{1} << 12;     // range proof above

class FillValue {
 public:
  // prices: of each entry of the mix.
  FillValue(const Cluster& cluster, const std::vector<MixEntry>& mix, const std::vector<std::int64_t>& prices,
            std::uint64_t seed, const PackingTuning& tuning);

  // Returns the value of a state, which must be one of the node's class.
  [[nodiscard]] std::int64_t value(const Layout& layout, const NodeState& state) {
    return memo_.get(state, [&] { return compute(layout, state); });
  }
  // Computes the value without the memo.
  [[nodiscard]] std::int64_t compute(const Layout& layout, const NodeState& state) const;

 private:
  struct Item {
    std::int64_t cpu, memory, price;
    std::int32_t gpus, milli, profile;
    std::int32_t least_milli;  // of this pod and all later ones; 0 where one of them needs no device
    std::int64_t least_cpu;    // of this pod and all later ones
  };
  using Future = std::vector<Item>;
  [[nodiscard]] static std::int64_t fill_milli(const Future& future, const NodeState& state);
  [[nodiscard]] static std::int64_t fill_layout(const Future& future, const Layout& layout, const NodeState& state);

  std::vector<std::vector<Future>> futures_;  // of each class
  StateMemo<std::int64_t> memo_;
};

}  // namespace gridcompute::packing
