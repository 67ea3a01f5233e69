// Linear assignment of a dense matrix of any element type and shape, exact, with dual prices.
//
// Problem. As problem.hpp. Engines and their order: strategy.hpp.
//
// Steps. (1) More rows than columns: the matrix is transposed. (2) A few rows say whether all costs may be integers of
// 32 bits (exponent 0): then the 32-bit core tries, and hands over to the 64-bit one when a row's spread or a price
// would not fit. (3) Where outliers would set the unit of floats or the width of integers, costs are capped first
// (input/outlying_costs.hpp). (4) Else the 64-bit core: floats are multiplied by a power of two and rounded down.
// (5) Integers whose rows span more than 2^60, or that exceed 2^62 in size: shifted, and in 128 bits if need be
// (engines/ssp_int128.hpp). (6) Floats whose largest cost drowns the optimum: again, in a finer unit
// (assignment/dual_refinement.hpp).
//
// Complexity. That of the engines, once or a few times. No copy of the matrix is made except to transpose,
// to search whole rows, and in (5) and (6).
//
// Errors. NaN and the infinity that would be infinitely good are refused (invalid_problem).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Solves `cost`. Without `duals` those of floating-point costs may fall short of proving that the pairs are optimal.
template <class T>
[[nodiscard]] AssignmentResult solve(const DenseMatrix<T>& cost, bool maximize, int threads, Stop& stop,
                                     bool duals = true, const AssignmentTuning& tuning = kDefaultTuning);

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

template <class V>
class DenseIntegerSolver {
 public:
  DenseIntegerSolver(RowReader<V>& rows, Pool& pool, Stop& stop, const AssignmentTuning& tuning)
      : rows_(rows), pool_(pool), stop_(stop), t_(tuning), lists_(rows.n, rows.m, tuning), state_(rows.n, rows.m) {}

  // Starts from the answer to nearly the same square matrix, whose unit is 2^bits of this one's. `reductions`: the
  // amounts that the reader subtracts from columns.
  void start_from(const AssignmentResult& previous, int bits,
                  const std::vector<std::pair<Index, std::int64_t>>& reductions);

  // Starts from the prices of an answer in a coarser unit, 2^bits of this one's, and from no pairs.
  void start_from_prices(const AssignmentResult& coarse, int bits);

  // Chooses the first engine by a sample of rows. Returns whether it searches whole rows from nothing.
  [[nodiscard]] bool choose_start();

  // Then: measures all rows and makes their lists or copies. Returns the worst fit, or nothing if stopped.
  [[nodiscard]] std::optional<RowFit> first_pass();

  // Solves, where every row fits. Throws PriceOverflow. Without `long_auction`: nothing where one is due.
  [[nodiscard]] std::optional<AssignmentResult> solve(bool long_auction = true);

 private:
  [[nodiscard]] bool solve_rows(AssignmentResult& result, bool long_auction);  // false: an auction is due
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
  WarmMatching warm_;    // empty: a cold start
  bool priced_ = false;  // prices are those of a coarser unit
  Matching<V> state_;
};

}  // namespace gridcompute::assignment
