// Nodes, the shapes of pods, and the pods placed on nodes: the state that every policy reads and only `Cluster`
// changes.
//
// Problem. Nodes have CPU, memory and some devices of one model; a pod needs CPU, memory and either nothing more, or a
// part of one device, or some whole devices of one node. State changes by placing and releasing single pods.
//
// Definitions. A shape is the demand of a pod. A device is free where its state is 0. A node's milli are the sum over
// its devices of the milli that are not in use. A shape fits a node if the model is allowed and CPU, memory and devices
// suffice.
//
// Invariants (holds(), between calls of the packer). All pods are placed. For every node, free CPU and memory are its
// totals less the demands of its pods, and never negative; the state of each device results from its pods; milli and
// free devices are the sums over the devices.
//
// Complexity. place and release take O(devices and pods of a node), fits O(1) for whole devices and O(devices) for
// parts. Memory: by nodes, shapes and the pods that are placed; a pod that is removed leaves nothing.
//
// Range proof. CPU and memory of a node are at most kMostResource = 2^48, so that a sum over 2^15 nodes' worth of
// pods of one node cannot pass 2^63; milli of a node are at most 32 x 1000.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/packing/device_contents.hpp"

namespace gridcompute::packing {

using NodeId = std::int32_t;
using ShapeId = std::int32_t;
using PodId = std::int64_t;
using Devices = std::uint64_t;  // a bitmask of a node's devices

inline constexpr std::int64_t kMostResource = std::int64_t{1} << 48;  // sums of 2^14 nodes fit
inline constexpr int kMostDevices = 32;                               // of a node: states are arrays of this size
inline constexpr int kMostModels = 64;                                // bits of Shape::models

struct Shape {
  std::int64_t cpu = 0, memory = 0;
  std::int32_t gpus = 0;      // devices taken; 0: none
  std::int32_t milli = 0;     // of each device; kDevice: whole devices
  std::int32_t profile = -1;  // a template's content, in place of milli, which is then its weight
  std::uint64_t models = ~std::uint64_t{0};

  [[nodiscard]] bool whole() const noexcept { return gpus > 0 && milli == kDevice && profile < 0; }
  [[nodiscard]] bool partial() const noexcept { return gpus == 1 && !whole(); }
  [[nodiscard]] std::int64_t demand() const noexcept { return std::int64_t{gpus} * milli; }
  bool operator==(const Shape&) const = default;
};

// The columns of the nodes, one entry a node.
struct Inventory {
  std::vector<std::int64_t> cpu, memory;
  std::vector<std::int32_t> gpus, model, rank;
  std::vector<Layout> layouts;  // of each model
};

// The position of a pod: its devices, and the item of a template's content within its device.
struct Position {
  NodeId node = -1;
  Devices devices = 0;
  std::int32_t item = -1;
  bool operator==(const Position&) const = default;
};

// The costs that decided a placement, in the policy's unit.
struct Decision {
  std::int64_t cost = 0, charge = 0;  // charge: for reserved slots, part of the cost
  NodeId runner_up = -1;
  std::int64_t runner_up_cost = 0;
};

struct Pod {
  PodId id = -1;
  ShapeId shape = -1;
  Position at;  // without a node while the pod is not placed
  Decision decision;
  [[nodiscard]] bool placed() const noexcept { return at.node >= 0; }
};

class Cluster {
 public:
  explicit Cluster(Inventory inventory);

  [[nodiscard]] NodeId nodes() const noexcept { return static_cast<NodeId>(cpu_.size()); }
  [[nodiscard]] int width() const noexcept { return width_; }
  [[nodiscard]] int models() const noexcept { return static_cast<int>(inventory_.layouts.size()); }
  [[nodiscard]] const Inventory& inventory() const noexcept { return inventory_; }
  [[nodiscard]] int gpus(NodeId n) const noexcept { return inventory_.gpus[at(n)]; }
  [[nodiscard]] int model(NodeId n) const noexcept { return inventory_.model[at(n)]; }
  [[nodiscard]] std::int32_t rank(NodeId n) const noexcept { return inventory_.rank[at(n)]; }
  // Nodes of equal CPU, memory, devices and model are one class.
  [[nodiscard]] int node_class(NodeId n) const noexcept { return class_[at(n)]; }
  [[nodiscard]] int classes() const noexcept { return classes_; }
  [[nodiscard]] const Layout& layout(NodeId n) const noexcept { return inventory_.layouts[at(model(n))]; }
  [[nodiscard]] Layout& layout_of_model(int m) noexcept { return inventory_.layouts[at(m)]; }

  [[nodiscard]] std::int64_t cpu(NodeId n) const noexcept { return cpu_[at(n)]; }
  [[nodiscard]] std::int64_t memory(NodeId n) const noexcept { return memory_[at(n)]; }
  [[nodiscard]] std::int64_t milli(NodeId n) const noexcept { return milli_[at(n)]; }
  [[nodiscard]] int free_devices(NodeId n) const noexcept { return free_devices_[at(n)]; }
  [[nodiscard]] std::span<const State> devices(NodeId n) const noexcept {
    return {states_.data() + at(n) * at(width_), at(gpus(n))};
  }
  // Returns a number that grows with every change of the node: results computed at another version are out of date.
  [[nodiscard]] std::uint32_t version(NodeId n) const noexcept { return version_[at(n)]; }

  // Returns the number of the shape, new or known. Throws Error where the shape is invalid.
  ShapeId add_shape(const Shape& shape);
  [[nodiscard]] const Shape& shape(ShapeId s) const noexcept { return shapes_[at(s)]; }
  [[nodiscard]] ShapeId shapes() const noexcept { return static_cast<ShapeId>(shapes_.size()); }

  [[nodiscard]] bool allowed(const Shape& s, NodeId n) const noexcept {
    return s.gpus == 0 || (s.models >> model(n) & 1) != 0;
  }
  // Returns the state of a device after the shape's part of it is placed, or kNoState.
  [[nodiscard]] State after(const Shape& s, NodeId n, State device) const noexcept {
    const Layout& layout = this->layout(n);
    if (s.profile >= 0) return layout.in_milli() ? kNoState : layout.chosen(device, s.profile);
    if (s.whole()) return device == 0 ? layout.full() : kNoState;
    return layout.in_milli() && device + s.milli <= kDevice ? static_cast<State>(device + s.milli) : kNoState;
  }
  [[nodiscard]] bool devices_fit(const Shape& s, NodeId n) const noexcept;
  [[nodiscard]] bool fits(const Shape& s, NodeId n) const noexcept {
    return allowed(s, n) && cpu(n) >= s.cpu && memory(n) >= s.memory && (s.gpus == 0 || devices_fit(s, n));
  }
  // Returns the lowest-numbered free devices, as many as the shape needs.
  [[nodiscard]] Devices free_mask(const Shape& s, NodeId n) const noexcept;

  // Adds a pod that is not placed yet. No other has its id.
  void add_pod(PodId id, ShapeId shape);
  // Removes a pod that is not placed.
  void remove_pod(PodId id) noexcept { pods_.erase(id); }
  // Places a pod on these devices of a node; chooses the item where the shape has a profile. The pod must fit.
  void place(PodId id, NodeId node, Devices devices, const Decision& decision);
  // Takes a placed pod off its node.
  void release(PodId id);
  // Places a pod exactly as it was, item included. The pod must fit. Allocates nothing where the node has held as many
  // pods before.
  void restore(const Pod& was) { take(pods_.at(was.id), was.at, was.decision); }
  [[nodiscard]] const Pod& pod(PodId id) const { return pods_.at(id); }
  // Returns the pod, or nullptr where there is none of this id.
  [[nodiscard]] const Pod* find(PodId id) const noexcept {
    const auto found = pods_.find(id);
    return found == pods_.end() ? nullptr : &found->second;
  }
  // Returns all pods, by id.
  [[nodiscard]] std::vector<const Pod*> pods() const;
  [[nodiscard]] std::span<const Pod* const> pods_of(NodeId n) const noexcept { return held_[at(n)]; }

  [[nodiscard]] std::int64_t free_milli() const noexcept { return free_milli_; }
  // Recomputes the invariants above and returns whether they hold.
  [[nodiscard]] bool holds() const;

 private:
  void set_device(NodeId n, int device, State state);
  void take(Pod& pod, const Position& position, const Decision& decision);

  Inventory inventory_;
  int width_ = 0, classes_ = 0;
  std::vector<std::int32_t> class_, free_devices_;
  std::vector<std::int64_t> cpu_, memory_, milli_;
  std::vector<State> states_;
  std::vector<std::uint32_t> version_;
  std::vector<std::vector<const Pod*>> held_;  // by id
  std::vector<Shape> shapes_;
  std::unordered_map<PodId, Pod> pods_;  // whose entries stay where they are
  std::int64_t free_milli_ = 0;
};

}  // namespace gridcompute::packing
