// The reduced network every method of this folder works on: one layout, two widths.
//
// Lower bounds are 0 (preprocess.cpp moved them into the supplies), self-loops are gone, arcs stand sorted by tail
// (stable, so the order of the caller breaks ties). Arcs without room stay: a line that is cut today is back tomorrow.
// Ids are 32-bit in both widths: a pricing pass reads two ids and a cost an arc, and half the bytes is nearly half the
// time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::flow {

using Node = std::int32_t;
using Arc = std::int32_t;

inline constexpr Arc kNoArc = -1;

[[nodiscard]] constexpr std::size_t at(std::int64_t i) noexcept { return static_cast<std::size_t>(i); }

// Arcs by head, in order of arcs: those of v are arc[start[v]] .. arc[start[v + 1] - 1].
struct ByHead {
  std::vector<Arc> start, arc;

  [[nodiscard]] std::span<const Arc> of(Node v) const noexcept {
    return std::span(arc).subspan(at(start[at(v)]), at(start[at(v) + 1] - start[at(v)]));
  }
};

// What is written by its owner first, for the most part: memory that comes back from earlier solves, no zeros.
template <class T>
using Values = UnwrittenVector<T>;

// The arcs in their order: built once, shared by the solves that start from one another.
struct Topology {
  Node n = 0;
  Values<Arc> order;       // the caller's arc of each, ascending within a tail
  Values<Arc> place;       // of each of the caller's arcs in the order; kNoArc for loops
  std::vector<Arc> start;  // arcs of v: [start[v], start[v + 1])
  Values<Node> tail, head;
  Values<Node> given_tail, given_head;  // of all arcs of the caller, in his order

  [[nodiscard]] const ByHead& by_head() const;  // made when first asked for, by any thread

 private:
  mutable std::once_flag asked_;
  mutable ByHead by_head_;
};

// Costs and rooms (capacity minus lower bound, cut at `most`) as the caller gave them, in his order.
template <class Int>
struct Given {
  std::shared_ptr<const Values<Int>> cost, room;
  Int most = 0;
};

template <class Int>
struct Network {
  Node n = 0;
  const Topology* shape = nullptr;  // whose are:
  std::span<const Arc> start;
  std::span<const Node> tail, head;
  Values<Int> cost, cap;    // cap >= 0
  std::vector<Int> supply;  // of each node; sums to 0
  Int most_cost = 0;        // max |cost|

  [[nodiscard]] Arc m() const noexcept { return static_cast<Arc>(head.size()); }
};

// A start for the simplex: the arc each node hangs on (or kNoArc) and the arcs that stand at their capacity.
struct Basis {
  std::vector<Arc> pred;           // empty: none
  std::vector<std::uint8_t> full;  // empty: none
};

// What a method returns for it.
template <class Int>
struct Solution {
  Values<Int> flow;
  std::vector<Int> potential;
};

// visit(first + i) for each flag i < count that is set, where few are: eight are skipped at once.
template <class Flags, class Visit>
void each_flag(const Flags& flags, std::size_t first, std::size_t count, Visit&& visit) {
  for (std::size_t i = 0; i < count; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, flags.data() + i, std::min<std::size_t>(8, count - i));
    if (eight == 0) continue;
    for (std::size_t j = i; j < std::min(i + 8, count); ++j)
      if (flags[j] != 0) visit(static_cast<Arc>(first + j));
  }
}

// Widths. 32 bits hold a network whose costs, artificial costs and flows stay below these; potentials are watched at
// run time (Simplex::Outgrown) and the 64-bit twin takes over where they leave kMaxPotential.
template <class Int>
struct Range;

template <>
struct Range<std::int32_t> {
  static constexpr std::int32_t kMaxCost = 1 << 24;       // |cost| of an arc
  static constexpr std::int32_t kMaxBig = 1 << 27;        // cost of an artificial arc
  static constexpr std::int32_t kMaxPotential = 1 << 29;  // |reduced cost| <= 2^24 + 2 * 2^29 < 2^31
  static constexpr std::int32_t kMaxFlow = 1 << 28;       // of all supplies together, and so of any arc
  static constexpr std::int32_t kArtificialRoom = 1 << 30;
};

template <>
struct Range<std::int64_t> {
  static constexpr std::int64_t kMaxCost = std::int64_t{1} << 58;
  static constexpr std::int64_t kMaxBig = std::int64_t{1} << 60;
  static constexpr std::int64_t kMaxPotential = std::int64_t{1} << 61;
  static constexpr std::int64_t kMaxFlow = std::int64_t{1} << 60;
  static constexpr std::int64_t kArtificialRoom = std::int64_t{1} << 62;
};

}  // namespace gridcompute::flow
