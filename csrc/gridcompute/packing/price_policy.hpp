// The policy "price": a pod goes where the value of the cluster's free resources falls least.
//
// Definitions. The cost of a pod on a node is the fall of the node's fill value, less a small bonus
// for every size of several devices of the mix that fits afterwards; of the devices of the node the one with the least
// fall is taken, a used one before a free one on ties, then the lowest number. The packer adds the charge for reserved
// slots (reservations.hpp), since it depends on the whole cluster.
//
// Complexity. For each bid at most as many fill values as there are devices in different states.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/packing/cluster.hpp"
#include "gridcompute/packing/published_rules.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

// Values of node states, computed once each: a hash table from (class, CPU, memory, sorted devices) to a value.
//
// The whole key is compared, so that no collision can change a value: a stored value equals the computed one, and the
// size of the table affects time only. Keys of one table have one length. Beyond `most` entries the table starts over.

// A node's state regardless of the numbering of its devices: the devices sorted, fullest last.
struct NodeState {
  int node_class = 0, devices = 0;
  std::int64_t cpu = 0, memory = 0;
  std::array<State, kMostDevices> device{};

  [[nodiscard]] std::span<const State> span() const noexcept {
    return {device.data(), static_cast<std::size_t>(devices)};
  }
  // Replaces one device of state `from` by one of state `to`, in order.
  void replace(State from, State to) noexcept {
    auto* const begin = device.data();
    auto* at = std::lower_bound(begin, begin + devices, from);
    for (; at != begin && *(at - 1) > to; --at) *at = *(at - 1);
    for (; at + 1 != begin + devices && *(at + 1) < to; ++at) *at = *(at + 1);
    *at = to;
  }
};

[[nodiscard]] inline NodeState state_of(const Cluster& cluster, NodeId n) {
  NodeState s;
  s.node_class = cluster.node_class(n), s.cpu = cluster.cpu(n), s.memory = cluster.memory(n);
  for (const State d : cluster.devices(n)) s.device[at(s.devices++)] = d;
  std::sort(s.device.begin(), s.device.begin() + s.devices);
  return s;
}

template <class Value>
class StateMemo {
 public:
  StateMemo(int width, std::int64_t most)
      : words_(static_cast<std::size_t>(3 + (width + 3) / 4)), most_(static_cast<std::size_t>(most)) {
    clear();
  }

  void clear() {
    keys_.assign(kLeast * words_, 0);
    values_.assign(kLeast, Value{});
    entries_ = 0;
  }

  // Returns the value of the state, calling `compute` if it is not stored yet.
  template <class Compute>
  Value get(const NodeState& state, Compute&& compute) {
    std::array<std::uint64_t, 3 + kMostDevices / 4> key{};
    key[0] = static_cast<std::uint64_t>(state.node_class) + 1;  // an empty cell has 0
    key[1] = static_cast<std::uint64_t>(state.cpu);
    key[2] = static_cast<std::uint64_t>(state.memory);
    for (int d = 0; d < state.devices; ++d)
      key[static_cast<std::size_t>(3 + d / 4)] |= std::uint64_t{state.device[static_cast<std::size_t>(d)]}
                                                  << (d % 4 * 16);
    std::size_t found = find(key.data());
    if (keys_[found * words_] != 0) return values_[found];
    const Value value = compute();
    if (2 * (entries_ + 1) > values_.size()) grow(), found = find(key.data());
    std::copy_n(key.data(), words_, keys_.data() + found * words_);
    values_[found] = value;
    if (++entries_ > most_) clear();
    return value;
  }

 private:
  static constexpr std::size_t kLeast = 1024;  // cells of a new table, a power of two; it doubles when half full

  [[nodiscard]] std::size_t find(const std::uint64_t* key) const {
    std::uint64_t hash = kHashSeed;
    for (std::size_t k = 0; k < words_; ++k) hash = std::rotl(hash ^ key[k], 27) * 0xd6e8feb86659fd93;
    const std::size_t mask = values_.size() - 1;
    for (std::size_t at = (hash ^ hash >> 32) & mask;; at = (at + 1) & mask) {
      const std::uint64_t* const cell = keys_.data() + at * words_;
      if (cell[0] == 0 || std::equal(key, key + words_, cell)) return at;
    }
  }
  void grow() {
    std::vector<std::uint64_t> keys(2 * keys_.size(), 0);
    std::vector<Value> values(2 * values_.size());
    keys.swap(keys_), values.swap(values_);
    for (std::size_t k = 0; k < values.size(); ++k) {
      if (keys[k * words_] == 0) continue;
      const std::size_t at = find(keys.data() + k * words_);
      std::copy_n(keys.data() + k * words_, words_, keys_.data() + at * words_);
      values_[at] = values[k];
    }
  }

  std::size_t words_, most_, entries_ = 0;
  std::vector<std::uint64_t> keys_;
  std::vector<Value> values_;
};

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
