// A policy: the cost of placing a shape on a node, as an integer to be minimised.
//
// A policy returns a bid for one shape on one node at the node's present state; the packer caches bids until the node
// changes. A bid has two offers, because reserved slots (reservations.hpp) distinguish them: one that leaves all free
// devices of the node free, and one that takes free devices.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gridcompute/packing/cluster.hpp"
#include "gridcompute/packing/tuning.hpp"

namespace gridcompute::packing {

inline constexpr std::int64_t kNoOffer = std::numeric_limits<std::int64_t>::max() / 4;  // sums of three fit

struct Offer {
  std::int64_t cost = kNoOffer;
  std::int32_t device = -1;  // of a part of a device; whole devices are the lowest-numbered free ones
};

struct Bid {
  Offer partly;  // without a free device: CPU alone, or a part of a device that is in use
  Offer opened;  // with as many free devices as the shape needs
};

// The number of pods of a shape in the mix; entries are in the order of the shapes' first occurrences.
struct MixEntry {
  ShapeId shape;
  std::int64_t count;
};

class Policy {
 public:
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  virtual ~Policy() = default;

  // Returns the bid of a shape that fits the node.
  virtual Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) = 0;
  // Rewrites the costs of the feasible nodes before the least is taken, where the rule compares nodes.
  virtual void rescale(std::span<std::int64_t>) const {}
  [[nodiscard]] virtual bool rescales() const noexcept { return false; }
};

// The published policies that the packer is compared with, by the rules of their simulator.
//
// Problem. Replay five scheduling policies exactly, score by integer score, so that a difference to the packer's own
// policy is due to the policies and not to the replay.
//
// Definitions. Each policy gives a node with room an integer score; the highest wins, ties go to the lowest rank.
// The fragment of a node is, over the typical pods of the mix and weighted by their share, the free GPU milli that such
// a pod could not use: all of it if the pod needs no GPU, may not use the model, or has too few devices with its milli
// or too little CPU; else what is free on the devices with less than its milli. Memory is ignored.
//   fgd          floor(100 x logistic((fragment before - after) / 1000)); a part of a device tries each device.
//   best_fit     floor(100 x (1 - CPU left / 128000 / 2 - milli left / 8000 / 2)), rescaled to 0..100 over the nodes.
//   dot_product  floor(100 x (1 - (free CPU x cpu / 128000^2 + free milli x demand / 8000^2) / 2)).
//   packing      prefers used devices, then used nodes, then empty nodes.
//   clustering   prefers nodes that hold only pods with as many devices.
// All but fgd put a part of a device on the device with the least milli left, the lowest number on ties.
//
// Source. Weng, Yang, Yu et al., Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
// Descent, USENIX ATC 2023, and the records of its simulator.
//
// Deviations. Scores are doubles before they are cut to integers, as in the records: sums in another order differ in
// the last bit, which decides a tie in some late placements. Contents of templates count with the milli they use.

// Returns the policy of that name, or null. `typical`: the shapes over which fgd sums fragments, with their counts.
[[nodiscard]] std::unique_ptr<Policy> published_rule(std::string_view name, const Cluster& cluster,
                                                     std::vector<MixEntry> typical, const PackingTuning& tuning);

}  // namespace gridcompute::packing
