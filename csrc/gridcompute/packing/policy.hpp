// A policy: what it costs to place a shape on a node, as an integer to be minimised.
//
// A policy is asked for a bid of one shape on one node at the node's present state; the packer keeps bids until the
// node changes. The bid has two offers, since what is reserved (reservations.hpp) distinguishes them: one that leaves
// all free devices of the node free, and one that takes free devices.
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

// How often each shape occurs; the order is that of the mix's first occurrences.
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

  // The bid of a shape that fits the node.
  virtual Bid bid(const Cluster& cluster, ShapeId shape, Node node) = 0;
  // Rewrites the costs of the feasible nodes before the least is taken, where the rule compares nodes.
  virtual void rescale(std::span<std::int64_t>) const {}
  [[nodiscard]] virtual bool rescales() const noexcept { return false; }
};

}  // namespace gridcompute::packing
