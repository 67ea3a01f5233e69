// The packer: places pods one at a time or in batches by a policy, releases them, moves some to make room.
//
// Problem. Pods arrive and leave; each is to be placed on one node, or refused where no node has room. No pod that fits
// is refused, and no choice uses later arrivals: of the future only the mix is known.
//
// Steps. One pod: takes the bid of every node with room, adds the charge for reserved slots, and places the pod at the
// least cost, the lowest rank on ties. Bids are cached for each shape and node until the node changes.
// A batch of the policy "price" is placed kBatchPods at a time in order of arrival, so that early pods are not refused
// in favour of later ones: pods by price, demand and CPU, largest first; then each pod is removed and placed again
// once, because later pods were not there when it was placed; then refused pods are tried once more. Other policies
// place in the order given.
// Moves, where allowed: for a refused pod, nodes are sought where removing few pods makes room and each of these fits
// elsewhere; of the nodes that need the fewest moves the first nodes_tried are tried; failed trials are undone.
//
// Invariants. A call refuses no pod that still fits at its end. A trial that fails leaves the cluster as it was, items
// of templates included, and so does a call that throws.
//
// Complexity. O(nodes) for a pod, and bids for the nodes that changed since the shape's last pod. Memory: by the pods
// that are placed; of all that arrived, how many of each shape, and the shapes of the latest in order.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/packing/cluster.hpp"
#include "gridcompute/packing/published_rules.hpp"
#include "gridcompute/packing/reservations.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

// The reason for refusing a pod: the first requirement that no node meets, of the nodes that meet all earlier ones.
enum class Refusal : std::int8_t { none, model, devices, cpu, memory };

// A pod that arrived, whatever became of it.
struct Arrival {
  ShapeId shape = -1;
  bool placed = false;  // by the call that it arrived in
};

// Slots of a group that would be free without one pod.
struct Blocked {
  Reservation group;
  std::int64_t slots;
};

struct Placed {
  std::vector<Refusal> refused;  // of each pod of the call
  std::vector<PodId> moved;      // pods of earlier calls, or of this one, whose position has changed
};

// The number of nodes that lack something for a shape now; each node is counted once, at the first requirement it
// lacks.
struct Lack {
  NodeId model = 0, devices = 0, cpu = 0, memory = 0, fits = 0;
  int moves = -1;  // the least number of pods whose removal from one node makes room, or -1
  NodeId moves_node = -1;
};

class Packer {
 public:
  // latest: how many arrivals are kept in order.
  Packer(Inventory inventory, std::string policy, std::int64_t latest);

  ShapeId add_shape(const Shape& shape);
  // Sets the mix; prices matter to the policy "price" only. Placements stay.
  void set_mix(std::vector<MixEntry> mix, std::vector<std::int64_t> prices, std::uint64_t seed,
               const PackingTuning& tuning);

  // Places those of the pods that fit. Their ids are from arrived() on. Where it throws, nothing has changed.
  Placed place(std::span<const ShapeId> shapes, int moves);
  void release(std::span<const PodId> pods);
  // Sets the pods and arrivals of another packer of the same nodes and shapes, in one that has none; for snapshots.
  void restore(std::span<const Pod> pods, std::vector<std::int64_t> counts, std::deque<Arrival> latest);

  // Returns the number of pods that arrived.
  [[nodiscard]] PodId arrived() const noexcept { return arrived_; }
  // Returns how many pods of each shape are among the latest n, all where there are fewer. Throws Error where n is
  // less than all and more than the arrivals kept.
  [[nodiscard]] std::vector<std::int64_t> counts(std::int64_t n) const;
  // Returns the arrivals kept, the last one last.
  [[nodiscard]] const std::deque<Arrival>& latest() const noexcept { return latest_; }
  [[nodiscard]] const Cluster& cluster() const noexcept { return cluster_; }
  [[nodiscard]] const std::vector<Reservation>& reservations();
  [[nodiscard]] Lack lack(ShapeId shape) const;
  // Returns the reserved slots that would be free without a pod.
  [[nodiscard]] std::vector<Blocked> blocked(PodId pod) const;
  // Returns the number of sampled futures that a fill value sums over.
  [[nodiscard]] std::int64_t futures() const noexcept { return name_ == "price" ? tuning_.lists : 1; }
  [[nodiscard]] bool holds() const;

 private:
  struct Cell {
    std::uint32_t version = 0;
    bool fits = false;
    Bid bid;
  };
  struct Choice {
    NodeId node = -1;
    std::int32_t device = -1;
    Decision decision;
  };
  struct Removal {
    NodeId node;
    std::int64_t demand;
    std::vector<const Pod*> pods;
  };
  // The largest number of pods of a node whose removal lack() considers.
  static constexpr int kMostReported = 64;

  std::vector<Cell>& cells(ShapeId shape);
  // Places pods that were added; `before`: receives each pod of an earlier call before it is taken out.
  void place_all(std::span<PodId> order, int moves, Placed& out, std::vector<Pod>& before);
  Choice choose(ShapeId shape);
  Choice choose_rescaled(ShapeId shape);
  bool try_place(PodId pod);
  void place_batch(std::span<PodId> order);
  void put(PodId pod, const Choice& choice);
  void take_out(PodId pod);
  void put_back(const Pod& was);
  // Returns the pods to remove from a node so that the shape fits; empty where these would be more than `most`.
  [[nodiscard]] std::vector<const Pod*> removal(const Shape& shape, NodeId node, int most) const;
  // Moves at most `most` pods so that the pod fits; returns their number, 0 where it is impossible.
  int rescue(PodId pod, int most, std::vector<PodId>& moved, std::vector<Pod>& before);
  [[nodiscard]] Refusal refusal(ShapeId shape) const;
  [[nodiscard]] std::int64_t price(ShapeId shape) const;

  Cluster cluster_;
  std::string name_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Reservations> reservations_;
  std::vector<std::int64_t> price_of_shape_;
  std::vector<std::vector<Cell>> cells_;
  std::vector<std::uint64_t> last_use_;  // of a shape's cells
  std::uint64_t clock_ = 0;
  std::size_t n_cells_ = 0;
  std::vector<std::int64_t> costs_;  // of choose_rescaled
  std::vector<NodeId> feasible_;
  PackingTuning tuning_;
  PodId arrived_ = 0;
  std::vector<std::int64_t> counts_;  // of all arrivals, by shape
  std::size_t kept_;                  // arrivals in latest_ at most
  std::deque<Arrival> latest_;
};

}  // namespace gridcompute::packing
