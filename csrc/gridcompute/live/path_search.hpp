// Successive shortest paths on the exchange graph of classes, from a class with excess or to one with a deficit.
//
// Problem. Every job is in a class of least reduced cost at prices p >= 0 (all reduced lengths W(a, b) + p_b - p_a are
// >= 0), but loads and capacities disagree. Successive shortest paths remove the disagreement and keep every job in a
// class of least reduced cost: when the last class is balanced, the primal and the dual objective are equal.
//
// Definitions. Excess: jobs beyond the capacity of a class. Route from it to the nearest class with free capacity
// (being unplaced always has some). Prices of all classes nearer than that rise by the difference. Deficit: free slots
// of a class whose price is above 0. Route to it from the class for which (distance + its price) is least: either that
// price falls to 0, and it may have free slots, or jobs come from being unplaced; the class with the deficit itself, at
// distance 0, is a candidate too. Prices of all nearer classes fall by the difference, none below 0.
//
// Steps. Dijkstra over the lists of the move index, ended at the first answer. The index bounds the moves that its
// lists omit; for a path longer than that bound the index is extended and the search started over. Along the path as
// many jobs are moved as it allows: until a move on it has become longer, or one end is balanced. Where the index keeps
// all pairs of classes, in their order, the nearest label is found by comparing all labels, and the arcs of a node are
// relaxed together: few instructions for each class, and no heap. Both methods settle the same nodes.
//
// Invariants. After each call every job is in a class of least reduced cost at the prices, prices are >= 0, and that of
// being unplaced is 0.
//
// Source. Successive shortest paths with potentials: Ahuja, Magnanti and Orlin, Network Flows (1993), section 9.7; on
// the classes alone: Brenner, Oper. Res. Lett. 36 (2008) 408. Deviations: both directions, lists extended on demand.
#pragma once

#include <queue>

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::live {

class PathSearch {
 public:
  // infeasible: no class outside settled() can take a job; inconsistent: the lists of the index contradict each other.
  enum class Found { path, infeasible, stopped, inconsistent };

  PathSearch(MatcherState& state, MoveIndex& index, std::vector<Cost>& prices, const std::vector<Cost>& capacity,
             WorkCounts& counts, const LiveTuning& tuning, Pool& pool, Stop& stop);

  // Moves some of the excess of `source` along a shortest path, and appends the jobs moved. infeasible: the jobs in
  // settled() are forbidden everywhere else.
  [[nodiscard]] Found route_excess(Slot source, std::vector<Job>& moved);
  // Fills some of the deficit of `target`, or lowers its price to 0; appends the jobs moved.
  [[nodiscard]] Found fill_deficit(Slot target, std::vector<Job>& moved);
  [[nodiscard]] const std::vector<Slot>& settled() const noexcept { return settled_; }

 private:
  struct Label {
    Cost distance;
    Slot node;
    bool operator>(const Label& o) const noexcept {
      return distance != o.distance ? distance > o.distance : node > o.node;
    }
  };
  struct Arc {  // a pair of the move index
    Slot source = kNone;
    std::int32_t position = -1;
  };

  void start(Slot node, bool backwards);
  // Removes the nearest node that is not settled from the heap; false: none.
  bool pop(Label& label);
  void relax(Slot node, Cost distance, Slot predecessor, Arc arc);
  // Relaxes the arcs from (or, `backwards`, to) a node at this distance, those to labels below `most` at least; returns
  // one of negative reduced length, if there is any.
  [[nodiscard]] Arc relax_arcs(Slot node, Cost distance, bool backwards, Cost most);
  [[nodiscard]] Arc arc_of(Slot node) const;  // between the node and its predecessor
  [[nodiscard]] Cost distance(Slot s) const noexcept {
    if (dense_) return distance_[at(s)];
    return labelled_in_[at(s)] == search_ ? distance_[at(s)] : kForbidden;
  }
  [[nodiscard]] bool is_exhausted(Arc arc) const { return index_.source(arc.source).job[at(arc.position)] == kNone; }
  [[nodiscard]] bool refill_if_exhausted(Arc arc);
  void index_farther_from(Slot source, Cost length);
  void index_farther_to(Slot target, Cost length);
  [[nodiscard]] bool augment(Slot end, bool from_excess, Cost units, std::vector<Job>& moved);
  [[nodiscard]] bool is_tight(const std::vector<Arc>& path) const;

  MatcherState& state_;
  MoveIndex& index_;
  std::vector<Cost>& prices_;
  const std::vector<Cost>& capacity_;
  WorkCounts& counts_;
  const LiveTuning& tuning_;
  Pool& pool_;
  Stop& stop_;
  Slot classes_;
  std::uint32_t search_ = 0;  // number of the present search, which marks its own entries
  std::vector<std::uint32_t> labelled_in_, settled_in_;
  std::vector<Cost> distance_;
  const bool dense_;                   // all pairs of classes are in the index, in their order
  bool backwards_ = false;             // the present search fills a deficit
  std::vector<Cost> open_, previous_;  // where dense: the labels that are not settled, and predecessors
  std::vector<Slot> predecessor_;
  std::vector<Arc> arc_;  // to the predecessor
  std::priority_queue<Label, std::vector<Label>, std::greater<>> queue_;
  std::vector<Slot> settled_;
  KeyBuffer buffer_;
};

}  // namespace gridcompute::live
