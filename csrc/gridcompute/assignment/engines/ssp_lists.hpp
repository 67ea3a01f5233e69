// Shortest augmenting paths over candidate lists (Dijkstra on reduced costs), which complete a matching and make it
// exact.
//
// Definitions. The label of a column is the length of the shortest alternating path to it from the free row, in reduced
// costs. A row reached at label D relaxes every column k to the label D + r_ik - u_i; columns outside its list get at
// least D + bound(i) - u_i, which stands in the queue as a bound event of its own.
//
// Invariants. (M1) to (M4) before and after each search; columns are scanned in order of label; the search ends at the
// first free column that no queued label and no event undercuts. Events make that exact: when one is popped, the row is
// read again (its bound rises) and relaxes its new list.
//
// Steps. Scan the column of least label: its mate relaxes its list; at an event, read the row again and relax.
// Labels at or above the best free column so far are not queued. At the end the prices of scanned columns fall by best
// - label, and the path is augmented.
//
// Complexity. O(scanned * list * log) a search. The work is counted in list entries, each pass over a row read again as
// twice its length, and capped by a budget, also within a search; the caller then goes on with another engine.
//
// Infeasible. If the queue empties with no free column, the rows reached have no partners but the scanned columns, one
// fewer than the rows: Hall's condition is violated, and the rows are the witness.
//
// Source. Jonker and Volgenant (1987); Volgenant (1996) for searches on sparse lists. Deviation: events in place of
// pricing out.
#pragma once

#include <utility>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

template <class V>
class ListSsp {
 public:
  ListSsp(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& reread);

  // Matches all free rows in order. Throws PriceOverflow.
  SearchStatus run(Index budget, AssignmentStats& stats, Stop& stop);

  [[nodiscard]] const std::vector<std::int32_t>& witness() const { return reached_rows_; }

 private:
  using Label = std::int64_t;
  struct QueueItem {
    Label label;
    std::int32_t id;  // column j, or ~i: the bound event of row i
    friend bool operator<(const QueueItem& a, const QueueItem& b) {
      return a.label > b.label || (a.label == b.label && a.id > b.id);
    }
  };

  SearchStatus search(std::int32_t source, Index budget, Stop& stop);
  void relax(std::int32_t i, Label at);
  void push(Label label, std::int32_t id);
  [[nodiscard]] V row_dual(std::int32_t i);  // the least reduced cost
  void reread(std::int32_t i);
  void augment_path(std::int32_t source);

  Matching<V>& state_;
  CandidateLists<V>& lists_;
  ListRefresher<V>& reread_;
  std::vector<Label> label_;        // valid where labelled_in_ equals search_id_
  std::vector<std::int32_t> from_;  // the row whose relaxation gave the label
  std::vector<V> from_cost_;        // and the cost of that pair
  std::vector<std::int32_t> labelled_in_, scanned_;
  std::vector<char> is_scanned_;
  std::vector<std::int32_t> reached_rows_;  // the source first
  std::vector<QueueItem> heap_;
  std::vector<std::int32_t> at_level_;  // columns at the present level, which need no queue
  std::int32_t search_id_ = 0, source_ = kUnmatched, best_col_ = kUnmatched;
  Label best_ = 0, level_ = 0, source_u_ = 0;
  Index work_ = 0, polled_ = 0;  // in list entries; at the last poll of the stop
};

}  // namespace gridcompute::assignment
