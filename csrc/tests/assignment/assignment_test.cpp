// Linear assignment, by itself: answers against brute force, invariants of lists, stops, ranges.
#include "gridcompute/certificate/assignment.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "check.hpp"
#include "gridcompute/assignment/batch.hpp"
#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/solve_dense.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {
namespace {

std::vector<std::int64_t> random_costs(Index size, std::int64_t most, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::int64_t> cost(static_cast<std::size_t>(size));
  for (auto& c : cost) c = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
  return cost;
}

// Adds a column to the last row, which begins at `first`, unless it is there.
template <class I>
void add_once(std::vector<I>& col, I first, I j) {
  if (std::find(col.begin() + static_cast<std::ptrdiff_t>(first), col.end(), j) == col.end()) col.push_back(j);
}

template <class T, class I>
certificate::AssignmentCheck checked(const certificate::AssignmentCosts<T, I>& costs, const AssignmentResult& r) {
  Stop stop;
  return certificate::check_assignment(costs, std::span<const std::int32_t>(r.col_of),
                                       std::span<const std::int64_t>(r.row_dual),
                                       std::span<const std::int64_t>(r.col_dual), r.exponent, stop);
}

template <class T, class I>
bool violated(const certificate::AssignmentCosts<T, I>& costs, const std::vector<std::int32_t>& lines) {
  Stop stop;
  return certificate::check_witness(costs, std::span<const std::int32_t>(lines), stop).violated;
}

template <class T>
bool certified(const std::vector<T>& cost, Index rows, Index cols, const AssignmentResult& r, bool maximize = false) {
  const certificate::AssignmentCosts<T, std::int32_t> costs{cost, rows, cols, {}, {}, maximize};
  const auto check = checked(costs, r);
  return check.feasible && check.duals_feasible && check.objective == check.bound;
}

TEST(assignment_dense_is_certified_on_every_shape_and_class) {
  unsigned seed = 1;
  for (const auto& [rows, cols] :
       {std::pair<Index, Index>{1, 1}, {1, 9}, {9, 1}, {40, 40}, {150, 150}, {90, 130}, {130, 90}})
    for (const std::int64_t most : {2, 50, 1'000'000}) {
      const auto cost = random_costs(rows * cols, most, seed++);
      for (const bool maximize : {false, true}) {
        Stop stop;
        const AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), rows, cols}, maximize, 2, stop);
        CHECK(r.status == AssignmentStatus::optimal);
        CHECK(certified(cost, rows, cols, r, maximize));
      }
    }
}

TEST(assignment_products_take_the_auction_and_stay_exact) {
  const Index n = 260;
  const auto a = random_costs(n, 1000, 3), b = random_costs(n, 1000, 4);
  std::vector<std::int64_t> cost;
  for (const auto x : a)
    for (const auto y : b) cost.push_back(x * y);
  Stop stop;
  const AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 1, stop);
  CHECK(r.stats.phases > 0);
  CHECK(certified(cost, n, n, r));
}

TEST(assignment_64_bit_twin_agrees_with_32_bits) {
  const Index n = 120;
  auto cost = random_costs(n * n, 1000, 5);
  Stop stop;
  const AssignmentResult narrow = solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 1, stop);
  for (auto& c : cost) c *= std::int64_t{1} << 40;
  const AssignmentResult wide = solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 1, stop);
  CHECK(narrow.stats.bits == 32);
  CHECK(wide.stats.bits == 64);
  CHECK(certified(cost, n, n, wide));
}

// Costs c of distinct small integers, one of them raised to 2^100: the same answer, the same proof.
TEST(assignment_one_huge_cost_hides_nothing) {
  for (const Index n : {3, 80}) {
    auto whole = random_costs(n * n, 1'000'000, 11);
    whole[0] = 2'000'000;  // dearer than any that is used
    std::vector<double> cost(whole.begin(), whole.end());
    cost[0] = 0x1p100;
    Stop stop;
    const AssignmentResult exact = solve(DenseMatrix<std::int64_t>{whole.data(), n, n}, false, 1, stop);
    const AssignmentResult r = solve(DenseMatrix<double>{cost.data(), n, n}, false, 1, stop);
    CHECK(r.exponent >= 0);
    CHECK(exact.col_of[0] != 0);
    CHECK(certified(cost, n, n, r));
    std::vector<std::int32_t> col;
    std::vector<std::int32_t> start{0};
    for (Index i = 0; i < n; ++i, start.push_back(static_cast<std::int32_t>(i * n)))
      for (Index j = 0; j < n; ++j) col.push_back(static_cast<std::int32_t>(j));
    const AssignmentResult sparse = solve(CsrMatrix<double, std::int32_t>{start, col, cost, n, n}, false, stop);
    CHECK(sparse.exponent >= 0);
    CHECK(certified(cost, n, n, sparse));
    std::vector<std::int64_t> rows(static_cast<std::size_t>(n)), cols(rows);
    CHECK(solve_pairs(DenseMatrix<double>{cost.data(), n, n}, false, 1, stop, rows.data(), cols.data()) ==
          AssignmentStatus::optimal);
    std::int64_t paid = 0, least = 0;
    for (Index i = 0; i < n; ++i) {
      paid += whole[static_cast<std::size_t>(i * n + cols[static_cast<std::size_t>(i)])];
      least += whole[static_cast<std::size_t>(i * n + exact.col_of[static_cast<std::size_t>(i)])];
    }
    CHECK(paid == least);
  }
}

// Half of all costs are 2^50. Where none of these is used, the unit is finer or integers are narrower than they allow.
// A column that costs as much in all rows changes nothing. Where no assignment avoids a block of such costs, the cap is
// raised, and only the rows of the block are searched again.
TEST(assignment_tails_are_lowered_unless_they_are_used) {
  const Index n = 270;
  enum class Used { none, column, block };
  for (const Used used : {Used::none, Used::column, Used::block}) {
    auto whole = random_costs(n * n, 1000, 17);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j)
        if ((i + j) % 2 == 1 || (used == Used::column && j == 5) || (used == Used::block && i < 137 && j < 137))
          whole[static_cast<std::size_t>(i * n + j)] = std::int64_t{1} << 50;
    const std::vector<double> cost(whole.begin(), whole.end());
    for (const bool maximize : {false, true}) {
      auto signed_whole = whole;
      auto signed_cost = cost;
      for (auto& c : signed_whole) c = maximize ? -c : c;
      for (auto& c : signed_cost) c = maximize ? -c : c;
      Stop stop;
      const AssignmentResult integers = solve(DenseMatrix<std::int64_t>{signed_whole.data(), n, n}, maximize, 1, stop);
      CHECK(integers.stats.bits == (used == Used::block ? 64 : 32));
      CHECK(certified(signed_whole, n, n, integers, maximize));
      const AssignmentResult reals = solve(DenseMatrix<double>{signed_cost.data(), n, n}, maximize, 1, stop);
      CHECK((reals.exponent > 10) == (used == Used::none));
      CHECK(certified(signed_cost, n, n, reals, maximize));
    }
  }
}

// The same on buffers, of both shapes; a block that no assignment of 90 avoids is searched from the first answer.
TEST(assignment_small_tails_are_lowered_unless_they_are_used) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{12, 12}, {40, 50}, {50, 40}, {90, 90}})
    for (const bool used : {false, true}) {
      auto whole = random_costs(rows * cols, 1000, 19);
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j)
          if ((i + j) % 2 == 1 || (used && (rows == 90 ? i < 50 && j < 50 : (rows <= cols ? i : j) == 5)))
            whole[static_cast<std::size_t>(i * cols + j)] = std::int64_t{1} << 50;
      std::vector<double> cost(whole.begin(), whole.end());
      for (auto& c : cost) c /= 1024;
      Stop stop;
      const AssignmentResult exact = solve(DenseMatrix<std::int64_t>{whole.data(), rows, cols}, false, 1, stop);
      std::vector<std::int64_t> row(static_cast<std::size_t>(std::min(rows, cols))), col(row);
      CHECK(solve_pairs(DenseMatrix<double>{cost.data(), rows, cols}, false, 1, stop, row.data(), col.data()) ==
            AssignmentStatus::optimal);
      std::int64_t paid = 0, least = 0;
      for (std::size_t k = 0; k < row.size(); ++k) paid += whole[static_cast<std::size_t>(row[k] * cols + col[k])];
      for (Index i = 0; i < rows; ++i)
        if (const Index j = exact.col_of[static_cast<std::size_t>(i)]; j >= 0)
          least += whole[static_cast<std::size_t>(i * cols + j)];
      CHECK(paid == least);
    }
}

TEST(assignment_range_at_the_bound_and_one_past) {
  const std::int64_t top = std::int64_t{1} << 60;
  std::vector<std::int64_t> cost{0, top, top, top};
  Stop stop;
  const AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), 2, 2}, false, 1, stop);
  CHECK(certified(cost, 2, 2, r));
  cost[1] = top + 1;
  const AssignmentResult past = solve(DenseMatrix<std::int64_t>{cost.data(), 2, 2}, false, 1, stop);
  CHECK(r.stats.bits == 64 && past.stats.bits == 128);
  CHECK(certified(cost, 2, 2, past));
}

TEST(assignment_lists_bound_what_they_leave_out) {
  const Index n = 300;
  for (const std::int64_t most : {1, 3, 100, 1'000'000}) {
    const auto cost = random_costs(n * n, most, 6);
    DenseRowReader<std::int64_t, std::int32_t> rows(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 0);
    CandidateLists<std::int32_t> lists(n, n);
    lists.reserve_lists();
    auto scratch = lists.scratch();
    std::vector<std::int32_t> v(static_cast<std::size_t>(n) + 1);
    for (Index i = 0; i < n; ++i) {
      CHECK(rows.measure(i) == RowFit::exact);
      lists.fill(i, rows, v.data(), scratch);
    }
    CHECK(lists.holds(rows, v));
    for (Index j = 0; j < n; j += 3) v[static_cast<std::size_t>(j)] = -static_cast<std::int32_t>(j % 7);
    CHECK(lists.holds(rows, v));  // falling prices leave bounds true
    for (Index i = 0; i < n; i += 5) {
      const std::int32_t before = lists.bound(i);
      lists.refill(i, rows, v.data(), before, scratch);
      CHECK(lists.bound(i) > before);
    }
    CHECK(lists.holds(rows, v));
  }
}

TEST(assignment_hall_witness_is_checked_by_other_code) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> cost{1, inf, inf, 2, inf, inf, 3, 4, 5};
  Stop stop;
  const AssignmentResult r = solve(DenseMatrix<double>{cost.data(), 3, 3}, false, 1, stop);
  CHECK(r.status == AssignmentStatus::infeasible);
  const certificate::AssignmentCosts<double, std::int32_t> costs{cost, 3, 3, {}, {}, false};
  CHECK(violated(costs, r.witness));
  const std::vector<std::int32_t> no_witness{0, 2};
  CHECK(!violated(costs, no_witness));
}

TEST(assignment_certificate_rejects_wrong_answers) {
  const std::vector<std::int64_t> cost{1, 2, 3, 4};
  Stop stop;
  AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), 2, 2}, false, 1, stop);
  CHECK(certified(cost, 2, 2, r));
  AssignmentResult bad = r;
  bad.row_dual[0] += 1;
  CHECK(!certified(cost, 2, 2, bad));
  bad = r;
  bad.col_of = {0, 0};
  CHECK(!certified(cost, 2, 2, bad));
}

TEST(assignment_small_and_batch_agree_with_dense) {
  const Index n = 20, count = 50;
  const auto cost = random_costs(n * n * count, 30, 7);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n * count)), cols = rows, rows1 = rows, cols1 = rows;
  Stop stop;
  const DenseMatrix<std::int64_t> first{cost.data(), n, n};
  CHECK(solve_batch(first, count, false, 1, stop, rows.data(), cols.data()).status == AssignmentStatus::optimal);
  CHECK(solve_batch(first, count, false, 7, stop, rows1.data(), cols1.data()).status == AssignmentStatus::optimal);
  CHECK(cols == cols1);
  for (Index k = 0; k < count; ++k) {
    const DenseMatrix<std::int64_t> one{cost.data() + k * n * n, n, n};
    const AssignmentResult r = solve(one, false, 1, stop);
    std::int64_t small = 0, dense = 0;
    for (Index i = 0; i < n; ++i) {
      small += one.data[i * n + cols[static_cast<std::size_t>(k * n + i)]];
      dense += one.data[i * n + r.col_of[static_cast<std::size_t>(i)]];
    }
    CHECK(small == dense);
  }
}

TEST(assignment_threads_change_no_bit) {
  const Index n = 1500;  // large enough for threads to be used
  const auto cost = random_costs(n * n, 500, 8);
  std::vector<std::int32_t> answer;
  for (const int threads : {1, 2, 7}) {
    Stop stop;
    const AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, threads, stop);
    if (threads == 1) answer = r.col_of;
    CHECK(r.col_of == answer);
  }
}

TEST(assignment_sparse_is_certified_and_stops) {
  const Index n = 500, degree = 6;
  std::mt19937_64 random(9);
  std::vector<std::int64_t> start{0};
  std::vector<std::int64_t> col;
  for (Index i = 0; i < n; ++i) {
    col.push_back(i);
    for (Index k = 1; k < degree; ++k)
      add_once(col, start.back(), static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)));
    start.push_back(static_cast<std::int64_t>(col.size()));
  }
  const auto cost = random_costs(static_cast<Index>(col.size()), 1000, 10);
  Stop stop;
  const CsrMatrix<std::int64_t, std::int64_t> a{start, col, cost, n, n};
  const AssignmentResult r = solve(a, false, stop);
  CHECK(r.status == AssignmentStatus::optimal);
  const certificate::AssignmentCosts<std::int64_t, std::int64_t> costs{cost, n, n, start, col, false};
  const auto check = checked(costs, r);
  CHECK(check.feasible && check.duals_feasible && check.objective == check.bound);
  Stop at_once(0.0);
  CHECK(at_once.poll());
  CHECK(solve(a, false, at_once).status == AssignmentStatus::stopped);
}

// RowSsp rows, copied as the solver does it.
template <class V>
RowCopy<V> copied(const std::vector<std::int64_t>& cost, Index n, Index m) {
  DenseRowReader<std::int64_t, V> rows(DenseMatrix<std::int64_t>{cost.data(), n, m}, false, 0);
  RowCopy<V> copy(n, m);
  for (Index i = 0; i < n; ++i) {
    CHECK(rows.measure(i) == RowFit::exact);
    copy.copy_row(i, rows);
  }
  return copy;
}

template <class V>
void whole_rows_end_in_the_optimum() {
  const Index n = 90;
  for (const Index m : {n, n + 25})
    for (const std::int64_t most : {2, 1000}) {
      const auto cost = random_costs(n * m, most, 11);
      Stop stop;
      const AssignmentResult expected = solve(DenseMatrix<std::int64_t>{cost.data(), n, m}, false, 1, stop);
      const RowCopy<V> rows = copied<V>(cost, n, m);
      Matching<V> state(n, m);
      AssignmentStats stats;
      std::vector<std::int32_t> witness;
      // A budget of one pass ends early, in a state from which the next call continues.
      int calls = 0;
      SearchStatus found = SearchStatus::budget;
      for (; found == SearchStatus::budget; ++calls) {
        found = ssp_rows(state, rows, n * m / 8, stats, stop, witness);
        CHECK(state.holds());
      }
      CHECK(found == SearchStatus::complete);
      CHECK(calls > 1 || most == 2);  // tied columns go round at once
      std::int64_t total = 0, best = 0;
      for (Index i = 0; i < n; ++i) {
        total += cost[static_cast<std::size_t>(i * m + state.col_of[static_cast<std::size_t>(i)])];
        best += cost[static_cast<std::size_t>(i * m + expected.col_of[static_cast<std::size_t>(i)])];
      }
      CHECK(total == best);
    }
}

TEST(assignment_whole_rows_go_on_from_any_budget) {
  whole_rows_end_in_the_optimum<std::int32_t>();
  whole_rows_end_in_the_optimum<std::int64_t>();
}

// Lateness: every slot before its due date costs a job nothing.
std::vector<std::int64_t> lateness(Index n) {
  std::vector<std::int64_t> cost(static_cast<std::size_t>(n * n));
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j)
      cost[static_cast<std::size_t>(i * n + j)] = std::max<Index>(0, j - (i * 37 + 11) % (n + n / 20));
  return cost;
}

template <class V>
void tied_columns_that_few_rows_want_go_first(Index n) {
  const auto cost = lateness(n);
  Matching<V> state(n, n);
  Stop stop;
  AssignmentStats stats;
  std::vector<std::int32_t> witness;
  const RowCopy<V> rows = copied<V>(cost, n, n);
  CHECK(ssp_rows(state, rows, n * n * n, stats, stop, witness, kDefaultTuning, SspStart::cold) ==
        SearchStatus::complete);
  CHECK(state.holds());
  CHECK(stats.searches < n / 8);  // of half the rows, where each takes the first of its free slots
  CHECK(certified(cost, n, n, solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 1, stop)));
}

TEST(assignment_tied_columns_that_few_rows_want_go_first) {
  tied_columns_that_few_rows_want_go_first<std::int32_t>(300);
  tied_columns_that_few_rows_want_go_first<std::int64_t>(301);
}

// Products draw all rows to the same columns, so that rows outbid each other again and again.
TEST(assignment_whole_rows_give_up_where_first_bids_do_not_get_round) {
  const Index n = 300;
  std::vector<std::int64_t> cost(static_cast<std::size_t>(n * n));
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) cost[static_cast<std::size_t>(i * n + j)] = ((i * 101) % n + 1) * ((j * 67) % n + 1);
  Matching<std::int32_t> state(n, n);
  Stop stop;
  AssignmentStats stats;
  std::vector<std::int32_t> witness;
  const RowCopy<std::int32_t> rows = copied<std::int32_t>(cost, n, n);
  CHECK(ssp_rows(state, rows, n * n * n, stats, stop, witness, kDefaultTuning, SspStart::cold_if_easy) ==
        SearchStatus::budget);
  CHECK(stats.searches == 0 && state.holds());
  CHECK(certified(cost, n, n, solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 1, stop)));
}

TEST(assignment_whole_rows_refuse_costs_beyond_their_range_and_stop_when_asked) {
  const Index n = 70;
  auto cost = random_costs(n * n, 100, 12);
  AssignmentStats stats;
  std::vector<std::int32_t> witness;
  {
    Matching<std::int32_t> state(n, n);
    Stop at_once(0.0);
    CHECK(at_once.poll());
    CHECK(ssp_rows(state, copied<std::int32_t>(cost, n, n), 1 << 30, stats, at_once, witness) == SearchStatus::stopped);
  }
  cost[7] = IntRange<std::int32_t>::kLimit / 2 + 101;
  Matching<std::int32_t> state(n, n);
  Stop stop;
  CHECK(ssp_rows(state, copied<std::int32_t>(cost, n, n), 1 << 30, stats, stop, witness) == SearchStatus::budget);
  CHECK(state.free_rows().size() == static_cast<std::size_t>(n));
  const AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), n, n}, false, 1, stop);
  CHECK(certified(cost, n, n, r));
}

TEST(assignment_ties_of_sparse_graphs_are_certified_or_have_a_witness) {
  const Index n = 400;
  std::mt19937_64 random(13);
  for (const bool infeasible : {false, true}) {
    std::vector<std::int32_t> start{0}, col;
    for (Index i = 0; i < n; ++i) {
      if (!infeasible) col.push_back(static_cast<std::int32_t>(i));
      for (int k = 0; k < 3; ++k)
        add_once(col, start.back(),
                 static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(infeasible ? n - 1 : n)));
      start.push_back(static_cast<std::int32_t>(col.size()));
    }
    const auto cost = random_costs(static_cast<Index>(col.size()), 3, 14);
    Stop stop;
    const AssignmentResult r = solve(CsrMatrix<std::int64_t, std::int32_t>{start, col, cost, n, n}, false, stop);
    CHECK(r.stats.phases == 0);  // no auction: the ties were followed
    const certificate::AssignmentCosts<std::int64_t, std::int32_t> costs{cost, n, n, start, col, false};
    if (infeasible) {
      CHECK(r.status == AssignmentStatus::infeasible);
      CHECK(violated(costs, r.witness));
      continue;
    }
    CHECK(r.status == AssignmentStatus::optimal);
    const auto check = checked(costs, r);
    CHECK(check.feasible && check.duals_feasible && check.objective == check.bound);
  }
}

// If this fails, rows read where they lie run into the next one, or beyond the last.
TEST(assignment_at_a_look_agrees_with_lists) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{71, 71}, {66, 83}, {290, 290}, {270, 301}, {301, 270}})
    for (const Index near : {Index{0}, Index{1}, Index{6}}) {
      std::vector<double> cost;
      for (const auto c : random_costs(rows * cols, 1'000'000, static_cast<unsigned>(rows + near)))
        cost.push_back(near > 0 && c > near * 1'000'000 / cols ? 100.25 : static_cast<double>(c) / 7);
      const DenseMatrix<double> dense{cost.data(), rows, cols};
      Stop stop;
      const auto pairs = static_cast<std::size_t>(std::min(rows, cols));
      std::vector<std::int64_t> row(pairs), col(pairs);
      CHECK(solve_pairs(dense, false, 1, stop, row.data(), col.data()) == AssignmentStatus::optimal);
      const AssignmentResult r = solve(dense, false, 1, stop);
      double paid = 0, least = 0;
      for (std::size_t k = 0; k < pairs; ++k) paid += cost[static_cast<std::size_t>(row[k] * cols + col[k])];
      for (Index i = 0; i < rows; ++i)
        if (const std::int32_t j = r.col_of[static_cast<std::size_t>(i)]; j >= 0)
          least += cost[static_cast<std::size_t>(i * cols + j)];
      CHECK(std::abs(paid - least) <= 1e-9 * least);
    }
}

// If this fails, small costs are lost beside large ones that cancel, or below the finest scale.
TEST(assignment_doubles_of_all_sizes_end_in_the_optimum) {
  const struct {
    Index rows, cols;
    std::vector<double> cost;
    std::vector<std::int32_t> best;
  } cases[] = {
      {2, 2, {1e-38, 3e38, -3e38, -1}, {0, 1}},
      {2, 3, {-1, 1e20, 1e20, 1e20, -1e20, 1}, {0, 1}},
      {2, 2, {2e-310, 1e-310, 1e-310, 1e-310}, {1, 0}},
      {1, 3, {-1e-200, 1e200, -2e-200}, {2}},
  };
  for (const auto& c : cases) {
    Stop stop;
    const AssignmentResult r = solve(DenseMatrix<double>{c.cost.data(), c.rows, c.cols}, false, 1, stop);
    CHECK(r.status == AssignmentStatus::optimal);
    double paid = 0, least = 0;
    for (std::size_t i = 0; i < c.best.size(); ++i) {
      const std::size_t row = i * static_cast<std::size_t>(c.cols);
      paid += c.cost[row + static_cast<std::size_t>(r.col_of[i])];
      least += c.cost[row + static_cast<std::size_t>(c.best[i])];
    }
    CHECK(paid <= least);
  }
}

}  // namespace
}  // namespace gridcompute::assignment
