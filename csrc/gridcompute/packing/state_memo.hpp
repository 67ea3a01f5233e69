// Values of node states, computed once each: a hash table from (class, CPU, memory, sorted devices) to a value.
//
// The whole key is compared, so that no collision can change a value: a stored value equals the computed one, and the
// size of the table affects time only. Keys of one table have one length. Beyond `most` entries the table starts over.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/packing/cluster.hpp"

namespace gridcompute::packing {

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
  for (const State d : cluster.devices(n)) s.device[static_cast<std::size_t>(s.devices++)] = d;
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

}  // namespace gridcompute::packing
