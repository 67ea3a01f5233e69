// The exact restricted optimum by successive shortest paths on the residual graph of the classes and the hub T.
//
// Definitions.  Units are in classes (fixed jobs, flows of groups). filled_s <= u_s is the capacity of s in use; the
// rest is flow into the hub T at price p_T. Residual arcs: s -> t moves a unit of some group from s to t, at the least
// key_t - key_s over the groups in s, plus p_t - p_s; s -> T where capacity is left; T -> s where some is filled.
// Excess of a class: load - filled; of T: sum of filled - total weight.
//
// Invariants (holds()).  (I1) every unit is at the cheapest of its candidates, so every residual arc has reduced cost
// >= 0; (I2) filled_s = u_s where p_s > p_T. Both hold at the start by construction, and each augmentation keeps them.
//
// Steps.  Dijkstra from all classes with excess at once, until the deficits settled could take half of it; prices of
// settled classes rise by what they are nearer than the last; along the tree's path to each deficit, nearest first,
// augment by the bottleneck, again while its arcs keep their keys. An exchange arc's groups are in a heap by key
// difference, which no price change reorders; a class's arcs are built when it is first settled.
//
// A narrow box of its own, around the prices it starts from, excludes arcs that cannot matter within it: groups with
// one candidate in it are inactive, and arcs outside it are not built. Most groups of a wide pricing pass are inactive.
//
// Stops early, prices valid, when the graph has no path (unreachable: the settled classes) or when raising prices would
// leave the narrow box (left_box: the target prices). Then the box may be widened, mostly for one class, and only the
// groups with that class on their list are processed again; or lists may have got columns.
//
// Complexity.  O(settled * arcs) a search; a search balances many units, at least one.
//
// Source.  Ahuja, Magnanti and Orlin, Network Flows (1993), section 9.7; Brenner, Oper. Res. Lett. 36 (2008) 408.
#pragma once

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

class SspRepair {
 public:
  enum class End { balanced, unreachable, left_box, stopped };

  // Places every unit at its cheapest candidate, and modifies the flows of `problem` while it exists. Prices has one
  // entry for each class; the hub's is 0. `narrow`: a box around these prices; `all_arcs` builds all arcs whatever the
  // box.
  SspRepair(RestrictedProblem& problem, std::span<const Cost> capacity, std::vector<Cost>& prices, PriceBox narrow,
            bool all_arcs, Pool& pool, Stop& stop, Stats& stats, const Tuning& tuning = kDefaultTuning);

  End run();

  // To be called after left_box: widens the box to twice these prices' moves, so that run() can continue. Returns false
  // if they were inside.
  bool widen(std::span<const Cost> wanted, Pool& pool);

  // To be called after left_box: reads the lists that got columns.
  void include_new_columns(Pool& pool);

  [[nodiscard]] const PriceBox& box() const noexcept { return box_; }
  [[nodiscard]] const std::vector<Slot>& settled() const noexcept { return settled_classes_; }  // unreachable
  // After left_box: the prices that it tried to set; below 0 for an empty class that could be cheaper than the hub.
  [[nodiscard]] const std::vector<Cost>& target_prices() const noexcept { return target_prices_; }
  [[nodiscard]] Cost excess(Slot s) const noexcept { return excess_[s]; }
  [[nodiscard]] Cost unmet() const noexcept;  // units of excess
  // Writes prices: the hub back to price 0, empty classes up to it.
  void write_prices();
  [[nodiscard]] bool holds() const;

 private:
  static constexpr Cost kInactive = -kForbidden;  // `low_` of a group with one candidate in the narrow box
  static constexpr Index kChunk = 1 << 14;        // groups

  struct ExchangeArc {
    Cost key;
    std::uint32_t from, to;  // candidates
    bool operator>(const ExchangeArc& other) const noexcept {
      return key != other.key ? key > other.key : from > other.from;
    }
  };
  // All residual arcs s -> t of one class, ascending t. Exchanges that existed when the class was built are in one
  // array, arc after arc; later ones in a heap of the arc's own.
  struct ExchangeArcs {
    explicit ExchangeArcs(std::pmr::memory_resource* pages) : memory(pages) {}

    std::pmr::memory_resource* memory;
    bool built = false;
    std::pmr::vector<Slot> to{memory};
    std::pmr::vector<ExchangeArc> best{memory};  // key kForbidden if none
    std::pmr::vector<ExchangeArc> first{memory};
    std::pmr::vector<Index> begin{memory}, end{memory};  // of each arc in `first`, a heap once `heaped`
    std::pmr::vector<char> heaped{memory};
    std::vector<std::vector<ExchangeArc>> later;  // empty, or one an arc
  };
  struct PathArc {
    Slot from, to;
    Index arc;  // position in pairs_[from], or -1 for an arc of the hub
    Cost key;   // of the arc when it was labelled
  };

  struct Scratch {
    std::vector<Index> count;  // (columns), zeros between uses
    std::pmr::vector<ExchangeArc> found;
  };
  void list_members(Pool& pool);
  void build(Slot s, Scratch& scratch);
  void build_all(Pool& pool);
  void refresh_best(ExchangeArcs& pairs, std::size_t k);
  void insert(ExchangeArcs& pairs, Slot t, ExchangeArc entry);
  void activate(Index candidate);
  void deactivate(Index candidate);
  bool search();
  void relax(Slot v, Cost d);
  void update_label(Slot v, Cost d, PathArc step);
  bool raise_prices(Cost distance);
  [[nodiscard]] bool near(Index candidate, Cost low) const { return near(candidate, low, box_.down); }
  [[nodiscard]] bool near(Index candidate, Cost low, std::span<const Cost> down) const;
  [[nodiscard]] Cost low(Index group) const;
  void add_near(Index group, Cost before, std::span<const Cost> down);
  void move_to_cheapest(Index group);
  void augment(Slot target);
  Cost bottleneck(Cost most) const;

  RestrictedProblem& r_;
  std::span<const Cost> capacity_;
  std::vector<Cost>& prices_;
  Stop& stop_;
  Stats& stats_;
  const Tuning& tuning_;
  Slot hub_;
  bool all_arcs_;
  PriceBox box_;
  std::size_t known_ = 0;        // candidates
  std::vector<char> replaced_;   // (candidates): the list was replaced, its arcs are removed
  DefaultInitVector<Cost> low_;  // (groups): min of key + center + up; kInactive with one candidate in the box
  std::vector<Cost> p_, filled_, excess_;
  DefaultInitVector<Index> order_;                   // candidates with flow by class, at the start
  std::vector<Index> start_;                         // of each class in order_
  std::vector<std::vector<std::uint32_t>> pending_;  // candidates that got flow before the class was built
  std::vector<ExchangeArcs> pairs_;
  Scratch scratch_;
  std::vector<Cost> distance_, label_;  // label_: lowest once settled, highest until reached
  std::vector<PathArc> parent_;
  std::vector<Slot> settled_, settled_classes_, targets_;
  std::vector<std::pair<Cost, Slot>> queue_;
  std::vector<PathArc> path_;
  std::vector<Cost> target_prices_;
  Index work_ = 0;  // steps since the last poll of the stop
};

}  // namespace gridcompute::transport
