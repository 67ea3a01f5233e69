// One dense matrix as integers of V, at least as many columns as rows: lists or a copy of its rows, and the engines.
//
// Steps. (1) A sample of rows shows whether columns have offsets of their own and whether costs tie
// (input/input_stats.hpp). That chooses the first engine (strategy.hpp, table C). (2) One pass over all rows in
// parallel measures each row and makes its candidate list, or its copy where whole rows are searched first. Prices
// start at the column minima where columns are contested, else at 0; rectangular matrices start at 0, as unmatched
// columns must end there. (3) Searches over whole rows within their budget, then lists (strategy.hpp, table D). (4) The
// rows' shifts are added to their duals.
//
// Complexity. O(n m) vectorised for the pass, then as the engines. Memory: a list of 64 candidates a row, or a copy.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "gridcompute/assignment/engines/warm_start.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/parallel.hpp"

namespace gridcompute::assignment {

template <class V>
class DenseIntegerSolver {
 public:
  DenseIntegerSolver(RowReader<V>& rows, Pool& pool, Stop& stop, const AssignmentTuning& tuning)
      : rows_(rows), pool_(pool), stop_(stop), t_(tuning), lists_(rows.n, rows.m, tuning), state_(rows.n, rows.m) {}

  // Starts from the answer to nearly the same square matrix, whose unit is 2^bits of this one's. `reductions`: the
  // amounts that the reader subtracts from columns.
  void start_from(const AssignmentResult& previous, int bits,
                  const std::vector<std::pair<Index, std::int64_t>>& reductions);

  // Measures all rows and makes their lists or copies. Returns the worst fit, or nothing if stopped.
  [[nodiscard]] std::optional<RowFit> first_pass();

  // Solves, where every row fits. Throws PriceOverflow.
  [[nodiscard]] AssignmentResult solve();

 private:
  void solve_rows(AssignmentResult& result);
  [[nodiscard]] bool rows_first_answers(AssignmentResult& result);
  void write_result(SearchStatus found, AssignmentResult& result);
  [[nodiscard]] double list_reach(const std::vector<V>& v, ListRefresher<V>& refresh, double largest);
  [[nodiscard]] V sampled_spread() const;

  // Calls body(row, scratch) for all rows over threads. False if stopped before all rows were done.
  template <class Body>
  bool for_rows(const Body& body);
  template <class Body>
  void for_all_rows(const Body& body);  // throws PassStopped instead

  RowReader<V>& rows_;
  Pool& pool_;
  Stop& stop_;
  const AssignmentTuning& t_;
  CandidateLists<V> lists_;
  std::optional<RowCopy<V>> copy_;
  DenseStart start_;
  WarmMatching warm_;  // empty: a cold start
  Matching<V> state_;
};

}  // namespace gridcompute::assignment
