// The reduced network that every method of this folder works on: one layout, two integer widths.
//
// Lower bounds are 0 (preprocess.cpp moves them into the supplies), self-loops are removed, arcs are sorted by tail
// (stable, so that ties go to the caller's first arc). Arcs of capacity 0 stay: a later problem may give them capacity,
// and a warm start then finds them. Node and arc ids have 32 bits in both widths: pricing reads two ids and a cost per
// arc, and half the bytes take nearly half the time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::flow {

// The ranges of the two integer widths of network simplex and of the start from cost scaling.
//
// 32 bits hold a network whose costs, artificial costs and flows stay below these bounds; potentials are checked
// whenever they change, and the 64-bit twin goes on from the same tree where they leave kMaxPotential.

template <class Int>
struct FlowRange;

template <>
struct FlowRange<std::int32_t> {
  static constexpr std::int32_t kMaxCost = 1 << 24;             // |cost| of an arc
  static constexpr std::int32_t kMaxBig = 1 << 27;              // cost of an artificial arc
  static constexpr std::int32_t kMaxPotential = 1 << 29;        // |reduced cost| <= 2^24 + 2 * 2^29 < 2^31
  static constexpr std::int32_t kMaxFlow = 1 << 28;             // sum of all supplies, and so the flow of any arc
  static constexpr std::int32_t kArtificialCapacity = 1 << 30;  // above all flow
};

template <>
struct FlowRange<std::int64_t> {
  static constexpr std::int64_t kMaxCost = std::int64_t{1} << 58;       // each as above
  static constexpr std::int64_t kMaxBig = std::int64_t{1} << 60;        // |reduced cost| <= 2^58 + 2 * 2^61 < 2^63
  static constexpr std::int64_t kMaxPotential = std::int64_t{1} << 61;  // of a node
  static constexpr std::int64_t kMaxFlow = std::int64_t{1} << 60;       // of all supplies
  static constexpr std::int64_t kArtificialCapacity = std::int64_t{1} << 62;  // above all flow
};

using Node = std::int32_t;
using Arc = std::int32_t;

inline constexpr Arc kNoArc = -1;  // no arc

// A vector whose entries are uninitialised until they are written, in memory that earlier solves freed.
template <class T>
using RawVector = DefaultInitVector<T>;

// Arcs by head, ascending: those that enter v are arc[start[v]] .. arc[start[v + 1] - 1].
struct ReverseStar {
  std::vector<Arc> start, arc;

  [[nodiscard]] std::span<const Arc> of(Node v) const noexcept {
    return std::span(arc).subspan(at(start[at(v)]), at(start[at(v) + 1] - start[at(v)]));
  }
};

// The graph in forward star order (arcs by tail): built once, shared by the solves that start from one another.
struct Topology {
  Node n = 0;
  RawVector<Arc> original;  // the caller's arc of each sorted arc, ascending within a tail
  RawVector<Arc> sorted;    // the sorted arc of each of the caller's arcs; kNoArc for self-loops
  std::vector<Arc> start;   // arcs out of v: [start[v], start[v + 1])
  RawVector<Node> tail, head;
  RawVector<Node> caller_tail, caller_head;  // of all arcs of the caller, in the caller's order

  [[nodiscard]] const ReverseStar& reverse_star() const;  // built at the first call, from any thread

 private:
  mutable std::once_flag reverse_star_built_;
  mutable ReverseStar reverse_star_;
};

// Costs and capacities (less lower bounds, cut at capacity_limit) of the caller's arcs, in the caller's order.
template <class Int>
struct ArcData {
  std::shared_ptr<const RawVector<Int>> cost, capacity;
  Int capacity_limit = 0;
};

template <class Int>
struct Network {
  Node n = 0;
  const Topology* topology = nullptr;  // owns the three arrays that follow
  std::span<const Arc> start;
  std::span<const Node> tail, head;
  RawVector<Int> cost, capacity;  // capacity >= 0
  std::vector<Int> supply;        // sums to 0
  Int max_cost = 0;               // max |cost|

  [[nodiscard]] Arc m() const noexcept { return static_cast<Arc>(head.size()); }
};

// A start for network simplex (T, L, U of Ahuja, Magnanti and Orlin): the tree arc of each node, or kNoArc, and the
// arcs that stand at their upper bound. Arcs in neither set stand at 0.
struct Basis {
  std::vector<Arc> tree_arc;           // empty: the artificial tree
  std::vector<std::uint8_t> at_upper;  // empty: no arc
};

template <class Int>
struct FlowAndPotentials {
  RawVector<Int> flow;
  std::vector<Int> potential;
};

// Calls visit(first + i) for each i < count whose flag is set. For sparse flags: eight unset ones cost one comparison.
template <class Flags, class Visit>
void for_each_flag(const Flags& flags, std::size_t first, std::size_t count, Visit&& visit) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, flags.data() + i, 8);
    if (eight == 0) continue;
    for (std::size_t j = i; j < i + 8; ++j)
      if (flags[j] != 0) visit(static_cast<Arc>(first + j));
  }
  for (; i < count; ++i)
    if (flags[i] != 0) visit(static_cast<Arc>(first + i));
}

}  // namespace gridcompute::flow
