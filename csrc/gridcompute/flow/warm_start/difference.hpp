// What differs between a problem and the one an earlier tree was made for.
//
// One pass over the caller's arrays, vector code without branches: is the graph the same, and which arcs have another
// cost or capacity? Only those are checked and proved to fit the range again; the rest was, and is as it was.
#pragma once

#include <optional>

#include "gridcompute/flow/network_simplex/simplex.hpp"
#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

// What the latest solve from nothing on this graph took.
struct Cold {
  Index effort = kNoBudget;  // steps; kNoBudget: not known
  bool forest = false;       // its start, or a star
  bool scaled = false;       // its start
};

// A tree, and the problem it is for. Lives beside the topology it was made on.
template <class Int>
struct Earlier {
  Earlier(Simplex<Int>&& resting, Given<Int>&& known, std::int64_t sum, const Cold& spent, bool fit)
      : tree(std::move(resting)), given(std::move(known)), negative(sum), cold(spent), resumable(fit) {}

  Simplex<Int> tree;
  Given<Int> given;
  std::int64_t negative = 0;  // N of problem.hpp
  Cold cold;
  // The tree is optimal; there are no lower bounds, no loops, no infinite arcs of negative cost, no costs out of range.
  bool resumable = false;

  [[nodiscard]] std::shared_ptr<const Values<std::int64_t>> flow(const Topology& topology) const;

 private:
  mutable std::once_flag asked_;
  mutable std::shared_ptr<const Values<std::int64_t>> flow_;
};

template <class Int>
struct Change {
  std::vector<Arc> recosted, reroomed;  // in the order of the topology
  std::vector<Int> cost, room;          // of those
  std::vector<Int> supply;
  std::vector<Node> resupplied;  // nodes that have another
  bool most_supplies = false;    // more than half of all units have come or gone
  Given<Int> given;
  std::int64_t negative = 0;
};

// None where the earlier tree does not fit: another graph, lower bounds, values out of its range, bad values (which
// survey() then names), supplies that do not sum to 0.
// can_change() is the part of it that a look tells.
template <class Int>
[[nodiscard]] bool can_change(const Problem& problem, const Topology& topology, const Earlier<Int>& before);
// sends_more(): supplies are beyond what capacities were cut to, four times what they were.
template <class Int>
[[nodiscard]] bool sends_more(const Problem& problem, const Earlier<Int>& before);
// overtaxed(): of the nodes that have another supply, or an arc of another room, one whose arcs are too few; -1 if
// none.
template <class Int>
[[nodiscard]] Node overtaxed(const Change<Int>& change, const Topology& topology);
template <class Int>
[[nodiscard]] std::optional<Change<Int>> change(const Problem& problem, const Topology& topology,
                                                const Earlier<Int>& before);

// Runs a changed tree; spent when it has taken as much as a solve from nothing did, or seems on the way there.
template <class Int>
[[nodiscard]] typename Simplex<Int>::End go_on(Simplex<Int>& tree, const Cold& cold, Index budget, Stop& stop);

}  // namespace gridcompute::flow
