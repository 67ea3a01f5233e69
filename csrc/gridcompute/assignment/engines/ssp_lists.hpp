// Shortest augmenting paths over candidate lists: what makes the matching complete and exact.
//
// Definitions. The label of a column is the length of the shortest alternating path to it from the free row, in
// reduced costs. A row reached at label D offers every column k the label D + r_ik - u_i; columns outside its list get
// at least D + bound(i) - u_i, which stands in the queue as an event of its own.
//
// Invariants. (M1)-(M4) before and after each search; columns settle in order of label; the search ends at the
// first free column that no queued label and no event undercuts. Events make that exact: when one is met, the row is
// read again (its bound rises) and offers its new list.
//
// Steps. Settle the least label; at a column, its mate offers; at an event, reread and offer again. Offers at or
// above the best free column so far are not queued. At the end settled columns fall by best - label, and the path
// is flipped.
//
// Complexity. O(settled * list * log) a search. The work is counted in list entries, each look at a row read again
// as twice its length, and capped by a budget, also within a search; the caller then takes another route.
//
// Infeasible. If the queue runs dry with no free column, the settled rows have no partners beyond the settled columns:
// one too many for them. That is Hall's condition violated, and the witness.
//
// Source. Jonker and Volgenant (1987); Volgenant (1996) for searches on sparse lists. Deviation: events in place of
// pricing out.
#pragma once

#include <utility>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

enum class Searched { complete, infeasible, budget, stopped };

template <class V>
class Paths {
 public:
  Paths(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread);

  // Matches all free rows in order. Throws PriceRange.
  Searched run(Index budget, Stats& stats, Stop& stop);

  [[nodiscard]] const std::vector<std::int32_t>& witness() const { return rows_; }

 private:
  using Label = std::int64_t;
  struct Item {
    Label label;
    std::int32_t id;  // column j, or ~i: the event of row i
    friend bool operator<(const Item& a, const Item& b) {
      return a.label > b.label || (a.label == b.label && a.id > b.id);
    }
  };

  Searched search(std::int32_t source, Index budget, Stop& stop);
  void offer(std::int32_t i, Label at);
  void push(Label label, std::int32_t id);
  [[nodiscard]] V least(std::int32_t i);
  void reread(std::int32_t i);
  void flip(std::int32_t source);

  Matching<V>& state_;
  Lists<V>& lists_;
  Rereader<V>& reread_;
  std::vector<Label> label_;        // valid where stamp_ is round_
  std::vector<std::int32_t> from_;  // the row that gave the label
  std::vector<V> from_cost_;        // and the cost of that pair
  std::vector<std::int32_t> stamp_, settled_;
  std::vector<char> done_;
  std::vector<std::int32_t> rows_;  // reached, the source first
  std::vector<Item> heap_;
  std::vector<std::int32_t> now_;  // columns at the current label: no need to queue
  std::int32_t round_ = 0, source_ = kFree, best_col_ = kFree;
  Label best_ = 0, level_ = 0, source_u_ = 0;
  Index work_ = 0, polled_ = 0;  // polled_: the work done when the stop was polled last
};

}  // namespace gridcompute::assignment
