// The rooted spanning tree of network simplex, with the residual capacities of its arcs.
//
// Definitions.  Nodes 0..n-1 and a root node n. Each node v < n has a parent and a tree arc to it: an arc of the
// network, or an artificial one (kUp: v -> root, kDown: root -> v). `up` and `down` of v are the residual capacities of
// its tree arc towards the parent and away from it. The tree is threaded (Ahuja, Magnanti and Orlin 11.3): next() is a
// preorder of all nodes, circular, prev() its inverse, and the subtree of v is v .. last(v). Depths and subtree sizes
// are not kept: most pivots push nothing, need neither, and would have to update them up to the root.
//
// Operations.  find_cycle: the cycle that an entering arc closes with the tree, and the arc that leaves. detach,
// reroot, attach: the three parts of an exchange of tree arcs. list_smaller_side: the nodes on the smaller side of a
// tree arc.
//
// Complexity.  find_cycle: O(length of the cycle), and where nothing can be pushed only O(way to the first blocking arc
// above the tail). An exchange: O(nodes on the stem and above it). list_smaller_side: O(nodes listed).
//
// Source.  Ahuja, Magnanti, Orlin, Network Flows (1993) 11.3; Kiraly and Kovacs, Acta Univ. Sapientiae Inform. 4 (2012)
// 67 (thread, reverse thread and last successor).
// Deviations.  Residual capacities lie in the node records, so that a climb reads one cache line per node.
#pragma once

#include <cstdint>
#include <span>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

inline constexpr Node kNoNode = -1;  // no node

template <class Int>
class SpanningTree {
 public:
  static constexpr Arc kUp = -1, kDown = -2;  // artificial arcs: v -> root at cost 0, root -> v at a big cost
  static constexpr Int kArtificialCapacity = FlowRange<Int>::kArtificialCapacity;

  // The data of a climb: 16 bytes in the narrow width.
  struct NodeRecord {
    Node parent;
    std::uint32_t mark;  // of the last climb that passed
    Int up, down;
  };
  // The further data of an exchange.
  struct Link {
    Node last;  // of the subtree, in preorder
    Arc arc;    // to the parent: an arc of the network, kUp or kDown
  };
  struct Cycle {
    Node apex, leaving;  // leaving: the lower node of the leaving arc; kNoNode where the entering arc itself blocks
    bool tail_side;      // the leaving arc is on the path from the entering arc's tail to the apex
    Int residual;        // the units that can be pushed round the cycle
    Index length = 0;    // tree arcs visited on it
  };

  explicit SpanningTree(Node n) : root_(n) { carve(); }
  SpanningTree(const SpanningTree& other) : nodes_(other.nodes_), root_(other.root_), mark_(other.mark_) { carve(); }
  SpanningTree& operator=(const SpanningTree&) = delete;
  SpanningTree(SpanningTree&&) noexcept = default;
  SpanningTree& operator=(SpanningTree&&) noexcept = default;
  // Copies the tree of another width.
  template <class Other>
  explicit SpanningTree(const SpanningTree<Other>& other);

  // Frees the work space. The tree can then only be read, and copied; a copy has a work space of its own.
  void compact();
  // Builds parents, thread and last successors, children in ascending order. The caller sets residual capacities and
  // arcs.
  void build(std::span<const Node> parent);

  [[nodiscard]] Node root() const noexcept { return root_; }
  [[nodiscard]] NodeRecord& node(Node v) noexcept { return node_[at(v)]; }
  [[nodiscard]] const NodeRecord& node(Node v) const noexcept { return node_[at(v)]; }
  [[nodiscard]] std::span<const NodeRecord> nodes() const noexcept { return node_.first(at(root_)); }
  [[nodiscard]] Arc arc(Node v) const noexcept { return link_[at(v)].arc; }
  void set_arc(Node v, Arc e) noexcept { link_[at(v)].arc = e; }
  [[nodiscard]] Node last(Node v) const noexcept { return link_[at(v)].last; }
  [[nodiscard]] Node next(Node v) const noexcept { return next_[at(v)]; }
  [[nodiscard]] Node prev(Node v) const noexcept { return prev_[at(v)]; }

  // Sets the arc of `v` to an artificial one that carries `excess`.
  void make_artificial(Node v, Int excess) noexcept;

  // Finds the cycle of an entering arc tail -> head of this capacity. The leaving arc is the last that blocks, seen
  // from the apex in the direction of the push: this keeps the tree strongly feasible.
  [[nodiscard]] Cycle find_cycle(Node tail, Node head, Int capacity);
  [[nodiscard]] Node find_apex(Node tail, Node head);
  // Pushes units along the cycle of an arc tail -> head, the arc itself left out.
  void push(Node tail, Node head, Node apex, Int units) noexcept;

  // Lists the nodes on the smaller side of the arc above `top`; true if that is the subtree of `top`.
  [[nodiscard]] bool list_smaller_side(Node top);
  void clear_list() noexcept { listed_ = 0; }
  // Returns the nodes listed last; `inside`: the result of list_smaller_side().
  [[nodiscard]] std::span<const Node> listed(bool inside) const noexcept {
    return (inside ? inside_ : outside_).first(at(listed_));
  }

  // Removes the subtree of `top` from the thread.
  void detach(Node top);
  // Makes `foot` the root of the detached subtree of `top`.
  void reroot(Node foot, Node top);
  // Makes the detached subtree of `foot` the first child of `below`.
  void attach(Node foot, Node below);

  // Returns whether next() is a preorder of all nodes, and prev() and last() agree with it.
  [[nodiscard]] bool holds() const;

 private:
  template <class Other>
  friend class SpanningTree;

  void carve();
  void clear_marks() noexcept;
  [[nodiscard]] Cycle cycle_through(Node tail, Node head, Int capacity, Node apex) const;

  Block nodes_, work_;
  std::span<NodeRecord> node_;
  std::span<Link> link_;
  std::span<Node> next_, prev_;
  std::span<Node> inside_, outside_;  // the nodes that list_smaller_side() has visited on each side
  Node listed_ = 0;                   // of them
  Node root_;
  std::uint32_t mark_ = 0;
};

// Arrays in a block of memory: allocated at the first call, found again after a copy of the block.

// Calls layout(take), which calls take(array, count) for each array of the block in a fixed order: once to add up sizes
// where the block is empty, once to point the arrays into it.
template <class Layout>
void carve_into(Block& block, Layout&& layout) {
  const auto bytes = [&](Block::Carver take) {
    layout(take);
    return take.bytes();
  };
  if (block.empty()) block = Block(bytes(Block::Carver(nullptr)));
  (void)bytes(Block::Carver(&block));
}

}  // namespace gridcompute::flow
