// Linear assignment at the edges: empty shapes, stops at every shape, integers beyond 64-bit prices, positions and
// lengths that do not fit.
#include <algorithm>
#include <cmath>
#include <iterator>
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

// Checks random duals of the same costs as a dense matrix and as compressed rows, whose costs are read one by one.
template <class T>
void check_as_both(const std::vector<T>& cost, Index rows, Index cols, bool maximize, int exponent, std::int64_t most,
                   std::mt19937_64& random) {
  std::vector<std::int64_t> start(at(rows + 1)), col(cost.size()), u(at(rows)), v(at(cols));
  for (Index i = 0; i <= rows; ++i) start[at(i)] = i * cols;
  for (std::size_t k = 0; k < col.size(); ++k) col[k] = static_cast<std::int64_t>(k) % cols;
  std::uniform_int_distribution<std::int64_t> any(-most, most);
  for (auto* duals : {&u, &v})
    for (auto& dual : *duals) dual = any(random);
  std::vector<std::int32_t> col_of(at(rows), kUnmatched);
  for (Index i = 0; i < std::min(rows, cols); ++i) col_of[at(i)] = static_cast<std::int32_t>(i);
  Stop stop;
  const auto checked = [&](std::span<const std::int64_t> from, std::span<const std::int64_t> to) {
    return certificate::check_assignment(
        certificate::AssignmentCosts<T, std::int64_t>{cost, rows, cols, from, to, maximize},
        std::span<const std::int32_t>(col_of), std::span<const std::int64_t>(u), std::span<const std::int64_t>(v),
        exponent, stop);
  };
  const certificate::AssignmentCheck dense = checked({}, {}), sparse = checked(start, col);
  CHECK(dense.bound == sparse.bound);
  CHECK(dense.objective == sparse.objective);
  CHECK_EQ(dense.feasible, sparse.feasible);
  CHECK_EQ(dense.duals_feasible, sparse.duals_feasible);
  CHECK_EQ(dense.whole, sparse.whole);
  CHECK(dense.total == sparse.total || dense.total != dense.total);
}

// If this fails, the vector code of the certificate rounds, negates or forbids some cost as the plain code does not.
TEST(assignment_certificate_of_dense_rows_is_that_of_single_costs) {
  std::mt19937_64 tiny(1);
  for (const double underflows : {0x1p-1074, -0x1p-1074}) {
    std::vector<double> zeros(20);
    zeros[11] = underflows;
    check_as_both(zeros, 2, 10, false, -200, 0, tiny);
  }
  constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  const double odd[] = {0.0,           -0.0,       0.5,           -0.5,    1 - 0x1p-53,  -1 + 0x1p-53,
                        0x1p-1074,     -0x1p-1074, 0x1p31,        -0x1p31, 0x1p31 + 0.5, -0x1p31 - 0.5,
                        0x1p32 - 0.25, 0x1p52 + 1, -0x1p51 - 0.5, 0x1p57,  -0x1p57,      0x1.fffffffffffffp57,
                        0x1p58,        -0x1p58,    0x1p61,        0x1p62,  -0x1p62,      1e300,
                        -1e300,        kInf,       -kInf,         kNan};
  constexpr std::int64_t kFar = std::int64_t{1} << 61;
  const std::int64_t far[] = {kLeast, kMost, kFar, kFar - 1, -kFar, -kFar - 1, 0};
  for (std::uint64_t k = 0; k < 300; ++k) {
    const std::uint64_t drawn = testing::seed(k);
    CONTEXT("seed", drawn);
    std::mt19937_64 random(drawn);
    const Index sizes[] = {1, 7, 8, 9, 127, 129, 511, 512, 513, 1030};
    const auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
    Index rows = 1 + static_cast<Index>(random() % 9), cols = pick(sizes);
    if (random() % 2 == 0) std::swap(rows, cols);
    const bool maximize = random() % 2 == 0, whole = random() % 2 == 0;
    const std::int64_t most = std::int64_t{1} << (random() % 63);
    const int bits = 1 + static_cast<int>(random() % 63);
    std::vector<double> reals(at(rows * cols));
    std::vector<std::int64_t> wide(reals.size());
    std::vector<std::int32_t> narrow(reals.size());
    std::normal_distribution<double> normal(0, std::ldexp(1.0, bits - 8));
    for (std::size_t j = 0; j < reals.size(); ++j) {
      reals[j] = whole ? std::floor(normal(random)) : normal(random);
      wide[j] = static_cast<std::int64_t>(random()) >> (63 - bits);
      narrow[j] = static_cast<std::int32_t>(random() >> 32);
    }
    const auto some = [&](auto& costs, const auto& value) { costs[random() % costs.size()] = value; };
    for (std::uint64_t more = random() % 4; more > 0; --more) {
      some(reals, pick(odd));
      some(wide, pick(far));
      some(narrow, std::numeric_limits<std::int32_t>::min());
    }
    const int exponents[] = {0, 3, -3, 31, -200, 900};
    check_as_both(reals, rows, cols, maximize, pick(exponents), most, random);
    check_as_both(wide, rows, cols, maximize, 0, most, random);
    check_as_both(narrow, rows, cols, maximize, 0, most, random);
  }
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
