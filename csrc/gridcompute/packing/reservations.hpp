// Reservations: room kept for pods that need several devices of one node, or one of few models.
//
// Problem. Prices give the value of a device, but not how many are needed: while there are hundreds of slots of eight
// free devices, breaking one costs nothing, and once the last is broken every later pod of eight devices is refused.
//
// Definitions. A group has a size k, a CPU and a memory, and a set of node classes, those whose empty nodes have room
// for the shape that the group is made for. There is one for every shape with several devices, and one with k = 1 and
// the CPU and memory of one device for every shape with a list of models that excludes some; if there are more than
// `groups` (tuning.hpp), those with the largest demand in the mix are kept. Its slots on a node of the set are
// min(free devices / k, CPU left / CPU, memory left / memory). Its members are the pods with at least k devices that
// fit on no class outside the set, even on an empty node: they compete for the same nodes, whatever else they need, so
// that two shapes that one scarce kind of node alone can host are counted together. Its need, in devices, is the
// members' share of the mix's demand times the free devices of the cluster: of all pods that can still be served, that
// share are members. Slots kept are
//     need_percent x need / k + spread_percent x sqrt(need x k) / k,
// where the square root is the standard deviation, in devices, of a Poisson stream of pods with k devices.
//
// A placement that destroys a slot pays its price, unless the pod is a member with at least the CPU and memory of the
// group: in full where at most the need is left, nothing where more than the slots kept are left, linearly between. Of
// groups whose slots it destroys, the one that charges most is paid: they count the same devices.
//
// Complexity. O(groups) for a changed node, and for each node that a pod might go to while a group is short.
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/packing/published_rules.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

// The free resources of a node.
struct Room {
  std::int64_t cpu = 0, memory = 0;
  int devices = 0;  // free ones
};

[[nodiscard]] inline Room room_of(const Cluster& cluster, NodeId n) noexcept {
  return {cluster.cpu(n), cluster.memory(n), cluster.free_devices(n)};
}

// A set of node classes.
class ClassSet {
 public:
  ClassSet() = default;
  explicit ClassSet(std::size_t classes) : words_((classes + 63) / 64, 0) {}
  void add(std::size_t c) noexcept { words_[c / 64] |= std::uint64_t{1} << c % 64; }
  [[nodiscard]] bool has(int c) const noexcept { return (words_[at(c) / 64] >> c % 64 & 1) != 0; }
  [[nodiscard]] bool empty() const noexcept;
  [[nodiscard]] bool within(const ClassSet& other) const noexcept;
  bool operator==(const ClassSet&) const = default;

 private:
  std::vector<std::uint64_t> words_;
};

struct Reservation {
  int size = 1;
  std::int64_t cpu = 0, memory = 0;
  ClassSet classes;
  std::int64_t share = 0;  // of the mix's demand, in millionths
  std::int64_t price = 0;  // of a slot
  std::int64_t slots = 0;  // that are free now
  // Slots needed and kept, in thousandths, for the present free devices.
  std::int64_t need = 0, kept = 0;

  [[nodiscard]] std::int64_t slots_in(const Room& room) const noexcept;
};

class Reservations {
 public:
  Reservations(const Cluster& cluster, const std::vector<MixEntry>& mix, const std::vector<std::int64_t>& prices,
               const PackingTuning& tuning);

  // Recounts the slots of a node whose free resources were `before` and are `after`.
  void change(int node_class, const Room& before, const Room& after) noexcept;
  // Recomputes needs for the free devices of the cluster, and the charge of each group for a shape.
  void prepare(const Cluster& cluster, ShapeId shape);
  // Returns whether any group charges the prepared shape.
  [[nodiscard]] bool charging() const noexcept { return !charges_.empty(); }
  // Returns the charge for placing the prepared shape on a node, taking `devices` free ones.
  [[nodiscard]] std::int64_t charge(int node_class, const Room& room, int devices) const noexcept;
  [[nodiscard]] const std::vector<Reservation>& groups() const noexcept { return groups_; }
  void update_needs(std::int64_t free_milli) noexcept;

 private:
  struct Charge {
    const Reservation* group;
    std::int64_t price;
  };
  // Returns the classes whose empty nodes have room for the shape.
  [[nodiscard]] ClassSet classes_of(const Shape& shape, bool models_only) const;
  // Returns whether a shape is a member. hosts: classes_of the shape by all its demands.
  [[nodiscard]] static bool member(const Reservation& group, const Shape& shape, const ClassSet& hosts) noexcept;

  PackingTuning tuning_;
  std::vector<Room> whole_;  // an empty node of each class
  std::vector<int> model_;   // of each class
  std::vector<Reservation> groups_;
  std::vector<std::vector<std::int8_t>> exempt_;  // of each shape, by group; empty: not computed yet
  std::vector<Charge> charges_;
  Room taken_;  // by the prepared shape, without devices, which charge() receives
};

}  // namespace gridcompute::packing
