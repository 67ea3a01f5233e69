// Linear assignment at the edges: empty shapes, stops at every shape, integers beyond 64-bit prices, positions and
// lengths that do not fit.
#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "check.hpp"
#include "gridcompute/assignment/batch.hpp"
#include "gridcompute/assignment/solve_dense.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/certificate/assignment.hpp"

namespace gridcompute::assignment {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(),
                       kMost = std::numeric_limits<std::int64_t>::max();

template <class D>
certificate::AssignmentCheck check(const std::vector<std::int64_t>& cost, Index rows, Index cols, bool maximize,
                                   const std::vector<std::int32_t>& col_of, const std::vector<D>& u,
                                   const std::vector<D>& v) {
  Stop stop;
  return certificate::check_assignment(
      certificate::AssignmentCosts<std::int64_t, std::int32_t>{cost, rows, cols, {}, {}, maximize},
      std::span<const std::int32_t>(col_of), std::span<const D>(u), std::span<const D>(v), 0, stop);
}

// Returns the cost of an optimum that pairs and duals prove, in minimised costs.
Wide proved(const std::vector<std::int64_t>& cost, Index rows, Index cols, bool maximize, const AssignmentResult& r) {
  const auto found = r.wide() ? check(cost, rows, cols, maximize, r.col_of, r.row_wide, r.col_wide)
                              : check(cost, rows, cols, maximize, r.col_of, r.row_dual, r.col_dual);
  CHECK(found.feasible && found.duals_feasible && found.objective == found.bound);
  return found.objective;
}

Wide least_total(const std::vector<std::int64_t>& cost, Index n, Index m, bool maximize) {
  const Index few = std::min(n, m), many = std::max(n, m);
  std::vector<Index> order(at(many));
  std::iota(order.begin(), order.end(), 0);
  Wide best = Wide{1} << 100;
  do {
    Wide total = 0;
    for (Index k = 0; k < few; ++k) {
      const Wide c = n <= m ? cost[at(k * m + order[at(k)])] : cost[at(order[at(k)] * m + k)];
      total += maximize ? -c : c;
    }
    best = std::min(best, total);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

// If this fails, a matrix without rows or columns reads what is not there.
TEST(assignment_of_nothing_is_empty) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{0, 0}, {0, 3}, {3, 0}, {1, 0}, {0, 1}}) {
    Stop stop;
    const double none = 0;
    const AssignmentResult r = solve(DenseMatrix<double>{&none, rows, cols}, false, 2, stop);
    CHECK(r.status == AssignmentStatus::optimal);
    CHECK(r.col_of == std::vector<std::int32_t>(at(rows), -1));
    CHECK(r.row_dual.size() == at(rows) && r.col_dual.size() == at(cols));
    std::int64_t unused = 0;
    CHECK(solve_pairs(DenseMatrix<double>{&none, rows, cols}, true, 1, stop, &unused, &unused) ==
          AssignmentStatus::optimal);
    CHECK(
        solve_batch(DenseMatrix<double>{&none, rows, cols}, Index{1} << 50, false, 2, stop, &unused, &unused).failed ==
        -1);
  }
}

// If this fails, a stop at some moment leaves an answer of another shape, or reads one that is not there.
TEST(assignment_stopped_at_any_poll_has_the_shape_of_an_answer) {
  for (const auto& [rows, cols] : {std::pair<Index, Index>{4, 2}, {2, 4}, {65, 65}, {300, 200}, {200, 300}, {310, 310}})
    for (int polls = 1; polls < 200; polls = polls * 3 / 2 + 1) {
      std::mt19937_64 random(static_cast<unsigned>(rows));
      std::vector<double> cost(at(rows * cols));
      for (auto& c : cost) c = static_cast<double>(random() % 100'000) / 7;
      int left = polls;
      Stop stop(-1.0, {});
      for (const bool at_once : {true, false}) {
        Stop later(std::numeric_limits<double>::infinity(),
                   [&](const Progress&) { return --left > 0 ? Stop::Why::none : Stop::Why::stopped; });
        const AssignmentResult r =
            solve(DenseMatrix<double>{cost.data(), rows, cols}, false, 2, at_once ? stop : later);
        CHECK(r.col_of.size() == at(rows));
        CHECK(r.status == AssignmentStatus::stopped || r.status == AssignmentStatus::optimal);
        // Two rows are matched before the first poll; a larger problem, stopped at once, has no answer.
        if (at_once) CHECK((r.status == AssignmentStatus::optimal) == (rows == 2));
        const bool none = std::all_of(r.col_of.begin(), r.col_of.end(), [](std::int32_t j) { return j == -1; });
        CHECK(none == (r.status == AssignmentStatus::stopped));
      }
    }
}

// If this fails, integers that 64-bit prices do not hold wrap, or lose their proof.
TEST(assignment_of_any_integers_is_exact) {
  std::mt19937_64 random(3);
  const std::vector<std::int64_t> ends{kLeast, kLeast + 1, -1, 0, 1, kMost - 1, kMost, std::int64_t{1} << 62};
  for (const auto& [n, m] : {std::pair<Index, Index>{1, 1}, {2, 2}, {3, 5}, {5, 3}, {5, 5}})
    for (int kind = 0; kind < 60; ++kind)
      for (const bool maximize : {false, true}) {
        std::vector<std::int64_t> cost(at(n * m));
        const int shift = kind % 20 * 3;
        for (auto& c : cost)
          c = kind % 3 == 0 ? ends[random() % ends.size()] : static_cast<std::int64_t>(random()) >> shift;
        if (kind % 3 == 2)
          for (auto& c : cost) c = kMost - (static_cast<std::int64_t>(random()) & 0xF);
        const Wide best = least_total(cost, n, m, maximize);
        Stop stop;
        const DenseMatrix<std::int64_t> dense{cost.data(), n, m};
        CHECK(proved(cost, n, m, maximize, solve(dense, maximize, 1, stop)) == best);
        std::vector<std::int64_t> row(at(std::min(n, m))), col(row);
        CHECK(solve_pairs(dense, maximize, 1, stop, row.data(), col.data()) == AssignmentStatus::optimal);
        Wide paid = 0;
        for (std::size_t k = 0; k < row.size(); ++k) paid += cost[at(row[k] * m + col[k])];
        CHECK((maximize ? -paid : paid) == best);
        if (n > m) continue;
        std::vector<std::int64_t> start, to;
        for (Index i = 0; i <= n; ++i) start.push_back(i * m);
        for (Index k = 0; k < n * m; ++k) to.push_back(k % m);
        CHECK(proved(cost, n, m, maximize,
                     solve(CsrMatrix<std::int64_t, std::int64_t>{start, to, cost, n, m}, maximize, stop)) == best);
      }
}

// If this fails, wide integers of many rows end in no optimum, or a square problem's first prices are no start.
TEST(assignment_of_many_wide_integers_is_certified) {
  std::mt19937_64 random(4);
  for (const auto& [n, m] : {std::pair<Index, Index>{90, 90}, {60, 90}, {90, 60}})
    for (const int shift : {0, 2, 4, 40}) {
      std::vector<std::int64_t> cost(at(n * m));
      for (auto& c : cost) c = (static_cast<std::int64_t>(random()) >> shift) + (shift > 4 ? kMost / 2 : 0);
      Stop stop;
      const AssignmentResult r = solve(DenseMatrix<std::int64_t>{cost.data(), n, m}, false, 2, stop);
      CHECK(r.status == AssignmentStatus::optimal);
      CHECK((r.stats.bits == 128) == (shift < 4));
      (void)proved(cost, n, m, false, r);
    }
}

// If this fails, whatever does not fit the shape is read past its end, or certified.
TEST(assignment_certificate_refuses_what_does_not_fit) {
  const std::vector<std::int64_t> cost{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> col_of{0, 1};
  const std::vector<std::int64_t> u{1, 5}, v{0, 0, 0};
  CHECK(check(cost, 2, 3, false, col_of, u, v).feasible);
  const auto refused = [](const certificate::AssignmentCheck& c) { return !c.feasible && !c.duals_feasible; };
  CHECK(refused(check(cost, 2, 3, false, {0}, u, v)));
  CHECK(refused(check(cost, 2, 3, false, col_of, {1}, v)));
  CHECK(refused(check(cost, 2, 3, false, col_of, u, {0, 0})));
  CHECK(refused(check({1, 2, 3}, 2, 3, false, col_of, u, v)));
  CHECK(refused(check(cost, -2, -3, false, col_of, u, v)));
  CHECK(!check(cost, 2, 3, false, {0, 3}, u, v).feasible);
  CHECK(!check(cost, 2, 3, false, {0, -2}, u, v).feasible);
  CHECK(!check(cost, 2, 3, false, {1, 1}, u, v).feasible);
  CHECK(!check(cost, 2, 3, false, col_of, u, std::vector<std::int64_t>{0, 0, kMost}).duals_feasible);
  CHECK(!check(cost, 2, 3, false, col_of, std::vector<std::int64_t>{kMost, kMost}, v).duals_feasible);
  CHECK(!check(cost, 2, 3, false, col_of, std::vector<Wide>{Wide{1} << 120, 0}, std::vector<Wide>(3)).duals_feasible);

  const std::vector<std::int32_t> start{0, 3, 6}, col{0, 1, 2, 0, 1, 2};
  Stop stop;
  const auto sparse = [&](const std::vector<std::int32_t>& from, const std::vector<std::int32_t>& to, Index rows) {
    const certificate::AssignmentCosts<std::int64_t, std::int32_t> costs{cost, rows, 3, from, to, false};
    const std::vector<std::int32_t> lines{0, 1};
    CHECK(!certificate::check_witness(costs, std::span<const std::int32_t>(lines), stop).violated);
    return certificate::check_assignment(costs, std::span<const std::int32_t>(col_of), std::span<const std::int64_t>(u),
                                         std::span<const std::int64_t>(v), 0, stop);
  };
  CHECK(sparse(start, col, 2).feasible);
  CHECK(refused(sparse({0, 3}, col, 2)));
  CHECK(refused(sparse({0, 9, 6}, col, 2)));
  CHECK(refused(sparse({0, 3, 7}, col, 2)));
  CHECK(refused(sparse({-1, 3, 6}, col, 2)));
  CHECK(refused(sparse(start, {0, 1, 2}, 2)));
  CHECK(refused(sparse(start, {0, 1, 2, 0, 1, 3}, 2)));
  CHECK(refused(sparse(start, {0, 1, 2, 0, 1, -1}, 2)));
}

// If this fails, a pair that is stored twice counts once, or positions outside the matrix are read.
TEST(assignment_sparse_refuses_what_is_no_matrix) {
  const std::vector<std::int64_t> cost{1, 2, 3, 4};
  Stop stop;
  const auto solved = [&](const std::vector<std::int32_t>& start, const std::vector<std::int32_t>& col, Index cols) {
    return solve(CsrMatrix<std::int64_t, std::int32_t>{start, col, cost, 2, cols}, false, stop).status;
  };
  CHECK(solved({0, 2, 4}, {1, 0, 1, 0}, 2) == AssignmentStatus::optimal);  // in any order
  CHECK_THROWS(solved({0, 2, 4}, {0, 1, 1, 1}, 2), Error);
  CHECK_THROWS(solved({0, 3, 4}, {1, 0, 1, 1}, 2), Error);
  CHECK_THROWS(solved({0, 2, 4}, {0, 2, 0, 1}, 2), Error);
  CHECK_THROWS(solved({0, 2, 4}, {0, -1, 0, 1}, 2), Error);
  CHECK_THROWS(solved({0, 5, 4}, {0, 1, 0, 1}, 2), Error);
  CHECK_THROWS(solved({1, 2, 4}, {0, 1, 0, 1}, 2), Error);
  CHECK_THROWS(solved({0, 4}, {0, 1, 0, 1}, 2), Error);
  CHECK_THROWS(solved({0, 2, 4}, {0, 1, 0, 1}, 1), Error);
}

// If this fails, a stop waits for a large matrix of a batch that another thread solves.
TEST(assignment_batch_stops_within_a_matrix) {
  const Index n = 900;
  std::vector<double> cost(at(3 * n * n));
  for (Index k = 0; k < 3; ++k)
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j) cost[at((k * n + i) * n + j)] = static_cast<double>((i + 1) * (j + 1 + k)) / 3;
  std::vector<std::int64_t> rows(at(3 * n)), cols(rows);
  for (const int threads : {1, 3}) {
    int asked = 0;
    Stop stop(std::numeric_limits<double>::infinity(),
              [&](const Progress&) { return ++asked < 3 ? Stop::Why::none : Stop::Why::interrupted; });
    const BatchStatus found =
        solve_batch(DenseMatrix<double>{cost.data(), n, n}, 3, false, threads, stop, rows.data(), cols.data());
    CHECK(found.status == AssignmentStatus::stopped || asked < 3);
  }
}

}  // namespace
}  // namespace gridcompute::assignment
