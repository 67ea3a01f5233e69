// The packer: places pods one at a time or in batches by a policy, releases them, moves some to make room.
//
// Problem. Pods come, some go; each is to be placed on one node or refused where none has room. Nothing that fits is
// refused, and nothing is chosen by a look at what comes later: of the future only the mix is known.
//
// Steps. One pod: take the bid of every node with room, add what is charged for reserved slots, place it at the least
// cost, the lowest rank on ties. Bids are kept a shape and a node until the node changes.
// A batch of the policy "price", batch_pods at a time in order of arrival, so that early pods are not refused for the
// sake of later ones: pods by price, demand and CPU, largest first; then each once out and in again, for the pods after
// it were not there when it was placed; then what was refused is tried once more. Other policies place in the order
// given.
// Moves, where allowed: a refused pod looks for a node where taking few pods out makes room, and each of those fits
// elsewhere; of the nodes that need the fewest moves the first nodes_tried are tried, and undone where they fail.
//
// Invariants. A pod that still fits at the end of a call is not refused by it. A trial that fails leaves the cluster as
// it was, items of templates included.
//
// Complexity. O(nodes) for a pod, and bids for the nodes that changed since the shape's last pod.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gridcompute/packing/cluster.hpp"
#include "gridcompute/packing/policy.hpp"
#include "gridcompute/packing/reservations.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

// Why a pod was refused: what no node has, of those that have all before it.
enum class Refusal : std::int8_t { none, model, devices, cpu, memory };

// What decided a placement; costs in the policy's unit.
struct Decision {
  std::int64_t cost = 0, charge = 0;  // the charge for reserved slots is a part of the cost
  Node runner_up = -1;
  std::int64_t runner_up_cost = 0;
  bool placed = false;  // ever
};

// Slots of a group that one pod keeps from being free.
struct Blocked {
  Reservation group;
  std::int64_t slots;
};

struct Placed {
  std::vector<Refusal> refused;  // of each pod of the call
  std::vector<PodId> moved;      // pods of earlier calls, or of this one, that lie elsewhere than before
};

// What nodes lack for a shape now; each node is counted once, at the first that it lacks.
struct Lack {
  Node model = 0, devices = 0, cpu = 0, memory = 0, fits = 0;
  int moves = -1;  // the least number of pods to take out of one node to make room, or -1
  Node moves_node = -1;
};

class Packer {
 public:
  Packer(Inventory inventory, std::string policy);

  ShapeId add_shape(const Shape& shape);
  // Sets the mix; prices only matter to the policy "price". Placements stay.
  void set_mix(std::vector<MixEntry> mix, std::vector<std::int64_t> prices, std::uint64_t seed, const Tuning& tuning);

  // Enters the pods, whose ids go on from cluster().pods(), and places those that fit.
  Placed place(std::span<const ShapeId> shapes, int moves);
  void release(std::span<const PodId> pods);
  // Enters a pod as it was in another packer of the same nodes; for snapshots.
  void restore(ShapeId shape, const Position& position, bool live, bool placed);

  [[nodiscard]] const Cluster& cluster() const noexcept { return cluster_; }
  [[nodiscard]] const std::vector<Reservation>& reservations();
  [[nodiscard]] const Decision& decision(PodId pod) const { return decisions_[static_cast<std::size_t>(pod)]; }
  [[nodiscard]] Lack lack(ShapeId shape) const;
  // The reserved slots that would be free without a pod that is placed.
  [[nodiscard]] std::vector<Blocked> blocked(PodId pod) const;
  // How many sampled futures a fill value is the sum of.
  [[nodiscard]] std::int64_t futures() const noexcept { return name_ == "price" ? tuning_.lists : 1; }
  [[nodiscard]] bool holds() const;

 private:
  struct Cell {
    std::uint32_t version = 0;
    bool fits = false;
    Bid bid;
  };
  struct Choice {
    Node node = -1;
    std::int32_t device = -1;
    Decision decision;
  };
  struct Removal {
    Node node;
    std::int64_t demand;
    std::vector<PodId> pods;
  };
  // Moves that lack() looks for: at most these pods are taken out of a node.
  static constexpr int kMostReported = 64;

  std::vector<Cell>& cells(ShapeId shape);
  Choice choose(ShapeId shape);
  Choice choose_rescaled(ShapeId shape);
  bool try_place(PodId pod);
  void place_batch(std::span<PodId> order);
  void put(PodId pod, const Choice& choice);
  void take_out(PodId pod);
  void put_back(PodId pod, const Position& position);
  // The pods to take out of a node so that the shape fits; empty where more than `most` would have to.
  [[nodiscard]] std::vector<PodId> removal(const Shape& shape, Node node, int most) const;
  // Moves at most `most` pods so that the pod fits; returns how many, 0 where it cannot be done.
  int rescue(PodId pod, int most, std::vector<PodId>& moved);
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
  std::vector<Node> feasible_;
  std::vector<Decision> decisions_;
  Tuning tuning_;
};

}  // namespace gridcompute::packing
