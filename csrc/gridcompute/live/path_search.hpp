// Shortest paths on the graph of classes, from a class with too many jobs or to one with too few, and the moves along
// them.
//
// Problem. Every job stands where it is cheapest at prices p >= 0 (all reduced costs W(a, b) + p_b - p_a are >= 0), but
// loads and capacities disagree. Successive shortest paths set that right and keep every job where it is cheapest:
// dual and primal meet when the last class is in balance.
//
// Definitions. Outward: from a class with more jobs than slots, to the nearest class with room (being left out always
// has room). Prices of all classes nearer than that rise by the difference. Inward: to a class whose slots stand empty
// at a price above 0, from the class for which (distance + its price) is least: either that price falls to 0 and it may
// have room, or jobs come from being left out; the empty class itself, at distance 0, is one of them. Prices of all
// nearer classes fall by the difference, none below 0.
//
// Steps. Dijkstra over the board's lists with a binary heap, ended at the first answer; what the lists leave out is
// bounded by the board, and a path that is longer than such a bound sends it to list more and starts over. As many jobs
// as the path allows are moved: until a move on it has become dearer, or an end is in balance.
//
// Invariants. After each call: every job where it is cheapest at the prices, prices >= 0, that of being left out 0.
//
// Source. Successive shortest paths with potentials: Ahuja, Magnanti and Orlin, Network Flows (1993), section 9.7, on
// the classes alone: Brenner, Oper. Res. Lett. 36 (2008) 408. Deviations: both directions, lists read on demand.
#pragma once

#include <queue>

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::matcher {

class Search {
 public:
  enum class Found { path, nowhere, stopped, lost };  // lost: the lists contradict each other

  Search(World& world, Board& board, std::vector<Cost>& prices, const std::vector<Cost>& capacity, Counts& counts,
         Pool& pool, Stop& stop);

  // Moves some of what is too much out of `source`; nowhere: the jobs of reached() may be nowhere else.
  [[nodiscard]] Found outward(Slot source, std::vector<Job>& moved);
  // Fills some of the empty slots of `target`, or lowers its price to 0.
  [[nodiscard]] Found inward(Slot target, std::vector<Job>& moved);
  [[nodiscard]] const std::vector<Slot>& reached() const noexcept { return settled_; }

 private:
  struct Label {
    Cost distance;
    Slot node;
    bool operator>(const Label& o) const noexcept {
      return distance != o.distance ? distance > o.distance : node > o.node;
    }
  };
  struct Arc {  // a pair of the board
    Slot from = kNone;
    std::int32_t place = -1;
  };
  enum class Again { no, yes, stopped };

  void start(Slot node);
  bool pop(Label& label);  // the nearest node not settled
  void reach(Slot node, Cost distance, Slot neighbour, Arc arc);
  [[nodiscard]] Cost distance(Slot s) const noexcept {
    return seen_[static_cast<std::size_t>(s)] == round_ ? distance_[static_cast<std::size_t>(s)] : kForbidden;
  }
  [[nodiscard]] bool unsure(Arc arc) const {
    return board_.row(arc.from).first[static_cast<std::size_t>(arc.place)] == kNone;
  }
  [[nodiscard]] bool refreshed(Arc arc);
  void list_more_from(Slot source, Slot farthest, Cost length);
  void list_more_to(Slot target, Cost length);
  [[nodiscard]] bool move_along(Slot end, bool outward, Cost units, std::vector<Job>& moved);
  [[nodiscard]] bool tight(const std::vector<Arc>& path) const;

  World& world_;
  Board& board_;
  std::vector<Cost>& prices_;
  const std::vector<Cost>& capacity_;
  Counts& counts_;
  Pool& pool_;
  Stop& stop_;
  Slot classes_;
  std::uint32_t round_ = 0;
  std::vector<std::uint32_t> seen_, done_;
  std::vector<Cost> distance_;
  std::vector<Slot> neighbour_;  // the node it was reached from
  std::vector<Arc> arc_;
  std::priority_queue<Label, std::vector<Label>, std::greater<>> queue_;
  std::vector<Slot> settled_;
  Scratch scratch_;
};

}  // namespace gridcompute::matcher
