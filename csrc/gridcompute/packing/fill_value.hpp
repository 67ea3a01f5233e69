// The value of what is left of a node: the price of what can still be filled in.
//
// Problem. A pod may go to many nodes; each placement spoils something: the last room for a large pod, CPU without
// which free devices are of no use, a piece too small for anything that comes. A value of the node's state puts all of
// these in one unit, so that a pod goes where the value falls least.
//
// Definitions. A future is a list of pods drawn from the mix, as long as they ask for fill_percent of the devices of an
// empty node of the class. Filling a state with a future goes through the list once and places whatever still fits, a
// part of a device on the fullest device with room. The value of a state is the sum, over all futures, of the prices
// of the pods filled in. Half of the futures are in random order, as arrivals are; half are sorted by price, largest
// first, as an optimal filling would be: the first alone undervalue room for large pods, the second alone strand CPU.
//
// Invariants. Futures depend on the mix, the prices, the class and the seed alone, so a value is a function of the
// state, is kept in a memo, and is the same whatever came before.
//
// Steps. Per future: skip what does not fit; stop when CPU or the largest piece is below all that follows.
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
  // `prices`: of each entry of the mix.
  FillValue(const Cluster& cluster, const std::vector<MixEntry>& mix, const std::vector<std::int64_t>& prices,
            std::uint64_t seed, const Tuning& tuning);

  // The value of a state, which has to be one of the node's class.
  [[nodiscard]] std::int64_t value(const Layout& layout, const NodeState& state) {
    return memo_.get(state, [&] { return compute(layout, state); });
  }
  // The same, without the memo.
  [[nodiscard]] std::int64_t compute(const Layout& layout, const NodeState& state) const;

 private:
  struct Item {
    std::int64_t cpu, memory, price;
    std::int32_t gpus, milli, profile;
    std::int32_t least_milli;  // of what follows, this one included; 0 where something needs no device
    std::int64_t least_cpu;    // of what follows, this one included
  };
  using Future = std::vector<Item>;
  [[nodiscard]] static std::int64_t fill_milli(const Future& future, const NodeState& state);
  [[nodiscard]] static std::int64_t fill_layout(const Future& future, const Layout& layout, const NodeState& state);

  std::vector<std::vector<Future>> futures_;  // of each class
  StateMemo<std::int64_t> memo_;
};

}  // namespace gridcompute::packing
