// A policy: the cost of placing a shape on a node, as an integer to be minimised.
//
// A policy returns a bid for one shape on one node at the node's present state; the packer caches bids until the node
// changes. A bid has two offers, because reserved slots (reservations.hpp) distinguish them: one that leaves all free
// devices of the node free, and one that takes free devices.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gridcompute/packing/cluster.hpp"

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

}  // namespace gridcompute::packing
