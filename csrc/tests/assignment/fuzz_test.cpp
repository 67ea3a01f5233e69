// Fuzzing of the assignment solver: random tuning, so that every engine and every hand-over between them is forced on
// problems of all kinds. Each answer is certified by code that shares nothing with the solver.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "gridcompute/assignment/batch.hpp"
#include "gridcompute/assignment/solve_dense.hpp"
#include "gridcompute/assignment/solve_sparse.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/certificate/assignment.hpp"

namespace gridcompute::assignment {
namespace {

using Random = std::mt19937_64;

double unit(Random& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }
Index below(Random& random, Index most) { return static_cast<Index>(random() % static_cast<std::uint64_t>(most)); }

// A value within [low, high]: one of the ends, or between them with its magnitude drawn evenly.
template <class T>
T draw(Random& random, double low, double high) {
  const Index kind = below(random, 4);
  if (kind == 0) return static_cast<T>(low);
  if (kind == 1) return static_cast<T>(high);
  const double u = unit(random);
  if constexpr (std::is_floating_point_v<T>)
    return low > 0 ? low * std::pow(high / low, u) : high * u * u * u;
  else
    return static_cast<T>(std::min(high, low - 1 + std::pow(high - low + 1, u)));
}

AssignmentTuning draw_tuning(Random& random) {
  AssignmentTuning tuning;
#define GRIDCOMPUTE_DRAW(type, name, value, low, high, unit, decides) \
  if (random() % 2 == 0) tuning.name = draw<type>(random, low, high);
  GRIDCOMPUTE_ASSIGNMENT_TUNING(GRIDCOMPUTE_DRAW)
#undef GRIDCOMPUTE_DRAW
  // Half of the cases begin with short lists, and most of these with an auction: values drawn one by one seldom agree
  // to.
  if (random() % 2 == 0) {
    tuning.rows_first_entries = tuning.rows_first_entries_uneven = 0;
    tuning.tied_columns = 4096;
    tuning.list_capacity = tuning.list_groups = 1;
    if (random() % 4 > 0) tuning.free_greedy = 0, tuning.tie_spread = 0;
  }
  return tuning;
}

// The names and values that differ from the defaults, for the report of a failure.
std::string shown_tuning(const AssignmentTuning& tuning) {
  std::string text;
#define GRIDCOMPUTE_SHOW(type, name, value, low, high, unit, decides) \
  if (tuning.name != kDefaultTuning.name) text += std::string(#name) + "=" + testing::shown(tuning.name) + " ";
  GRIDCOMPUTE_ASSIGNMENT_TUNING(GRIDCOMPUTE_SHOW)
#undef GRIDCOMPUTE_SHOW
  return text;
}

// Costs of the families that the engines differ on.
std::vector<double> draw_costs(Random& random, Index n, Index m, Index family) {
  std::vector<double> cost(at(n * m)), a(at(n)), b(at(m));
  for (double& x : a) x = unit(random);
  for (double& x : b) x = unit(random);
  const Index few = 1 + below(random, 4);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < m; ++j) {
      const double x = a[at(i)], y = b[at(j)], z = unit(random);
      double& c = cost[at(i * m + j)];
      switch (family) {
        case 0:
          c = z;
          break;  // independent
        case 1:
          c = x * y;
          break;  // products
        case 2:
          c = std::fabs(x - y);
          break;  // points on a line
        case 3:
          c = std::min(std::fabs(x - y), 0.1);
          break;  // cut off
        case 4:
          c = z / 50 + x + y;
          break;  // offsets of rows and columns
        case 5:
          c = static_cast<double>(below(random, few)) / 100;
          break;  // ties
        case 6:
          c = z < 0.1 ? z : 100;
          break;  // big M
        case 7:
          c = z * std::exp(20 * x);
          break;  // rows of different scales
        case 8:
          c = z < 0.5 ? z : 0x1p50;
          break;  // outliers
        case 9:
          c = std::exp(30 * (z - 0.5));
          break;  // heavy tails
        case 10:
          c = static_cast<double>(std::max<Index>(0, j - static_cast<Index>(x * static_cast<double>(m))));
          break;
        default:
          c = static_cast<double>((i + 1) * (j + 1) % (n + 1));
          break;  // permuted steps
      }
    }
  return cost;
}

template <class T>
std::vector<T> converted(const std::vector<double>& cost, double scale) {
  std::vector<T> out;
  for (const double c : cost) {
    if constexpr (std::is_floating_point_v<T>) {
      out.push_back(static_cast<T>(c * scale));
    } else {
      const double most = static_cast<double>(std::numeric_limits<T>::max() / 2);
      out.push_back(static_cast<T>(std::min(c * scale, most)));
    }
  }
  return out;
}

template <class T, class I>
certificate::AssignmentCheck checked_in_any_width(const certificate::AssignmentCosts<T, I>& costs,
                                                  const AssignmentResult& r) {
  Stop stop;
  const std::span<const std::int32_t> col_of(r.col_of);
  if (r.wide())
    return certificate::check_assignment(costs, col_of, std::span<const Wide>(r.row_wide),
                                         std::span<const Wide>(r.col_wide), r.exponent, stop);
  return certificate::check_assignment(costs, col_of, std::span<const std::int64_t>(r.row_dual),
                                       std::span<const std::int64_t>(r.col_dual), r.exponent, stop);
}

// Certifies an answer: the pairs by their duals, infeasibility by its witness.
template <class T, class I>
void certify(const certificate::AssignmentCosts<T, I>& costs, Index pairs, const AssignmentResult& r) {
  if (r.status == AssignmentStatus::infeasible) {
    Stop stop;
    CHECK(certificate::check_witness(costs, std::span<const std::int32_t>(r.witness), stop).violated);
    return;
  }
  CHECK(r.status == AssignmentStatus::optimal);
  const auto check = checked_in_any_width(costs, r);
  CHECK(check.feasible);
  CHECK(check.duals_feasible);
  // A pair of floats exceeds its rounded-down integer by less than one unit, before and after tie breaking.
  CHECK(check.objective - check.bound <= (std::is_floating_point_v<T> && !check.whole ? 2 * pairs : 0));
}

template <class T>
void fuzz_dense(Random& random, Index n, Index m, const std::vector<T>& cost, bool maximize,
                const AssignmentTuning& tuning) {
  const Index pairs = std::min(n, m);
  const DenseMatrix<T> dense{cost.data(), n, m};
  Stop stop;
  const AssignmentResult r = solve(dense, maximize, 1 + static_cast<int>(random() % 3), stop, true, tuning);
  certify(certificate::AssignmentCosts<T, std::int32_t>{cost, n, m, {}, {}, maximize}, pairs, r);
  const auto total = [&](const auto& row, const auto& col) {
    std::pair<long double, long double> sum{0, 0};  // of costs, and of their sizes
    for (std::size_t k = 0; k < row.size(); ++k) {
      const auto c = static_cast<long double>(cost[at(static_cast<Index>(row[k]) * m + static_cast<Index>(col[k]))]);
      sum.first += c, sum.second += std::fabs(c);
    }
    return sum;
  };
  std::vector<std::int64_t> rows(at(pairs)), cols(at(pairs)), best_rows, best_cols;
  const AssignmentStatus status = solve_pairs(dense, maximize, 1, stop, rows.data(), cols.data(), tuning);
  CHECK_EQ(static_cast<int>(status), static_cast<int>(r.status));
  if (status != AssignmentStatus::optimal || r.status != AssignmentStatus::optimal) return;
  for (Index i = 0; i < n; ++i)
    if (r.col_of[at(i)] >= 0) best_rows.push_back(i), best_cols.push_back(r.col_of[at(i)]);
  std::vector<std::int64_t> distinct = cols;
  std::sort(distinct.begin(), distinct.end());
  CHECK(std::adjacent_find(distinct.begin(), distinct.end()) == distinct.end());
  CHECK(std::is_sorted(rows.begin(), rows.end(), std::less_equal<>{}) || pairs == 1);
  const auto [paid, size] = total(rows, cols);
  const auto [best, best_size] = total(best_rows, best_cols);
  const long double slack = std::is_floating_point_v<T> ? 0x1p-38L * (size + best_size) : 0.0L;
  CHECK(std::fabs(paid - best) <= slack);
  const BatchStatus batch = solve_batch(dense, 1, maximize, 2, stop, rows.data(), cols.data(), tuning);
  CHECK_EQ(batch.failed, -1);
  CHECK(std::fabs(total(rows, cols).first - paid) <= slack);
}

template <class T>
void fuzz_sparse(Random& random, Index n, Index m, const std::vector<T>& cost, bool maximize,
                 const AssignmentTuning& tuning) {
  const double density = unit(random);
  std::vector<std::int32_t> start{0}, col;
  std::vector<T> kept;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < m; ++j) {
      if (unit(random) > density && (i != j || random() % 50 == 0)) continue;
      col.push_back(static_cast<std::int32_t>(j));
      kept.push_back(cost[at(i * m + j)]);
    }
    start.push_back(static_cast<std::int32_t>(col.size()));
  }
  Stop stop;
  const AssignmentResult r = solve(CsrMatrix<T, std::int32_t>{start, col, kept, n, m}, maximize, stop, {}, tuning);
  certify(certificate::AssignmentCosts<T, std::int32_t>{kept, n, m, start, col, maximize}, n, r);
}

template <class T>
void fuzz(Random& random, Index n, Index m, std::vector<double> cost, bool maximize, const AssignmentTuning& tuning) {
  const double scales[] = {1, 100, 1e4, 0x1p30, 0x1p45};
  std::vector<T> costs = converted<T>(cost, scales[random() % 5]);
  const T inf = std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : T{0};
  if (std::is_floating_point_v<T> && random() % 4 == 0) {
    const double share = unit(random);
    for (T& c : costs)
      if (unit(random) < share) c = inf;
  }
  if (maximize)
    for (T& c : costs) c = static_cast<T>(-c);
  fuzz_dense(random, n, m, costs, maximize, tuning);
  if (n <= m) fuzz_sparse(random, n, m, costs, maximize, tuning);
}

// If this fails, some engine, or a hand-over between two, returns what is no optimum, or duals that do not prove it.
TEST(assignment_of_any_tuning_is_certified) {
  constexpr std::uint64_t kCases = 3000;
  for (std::uint64_t k = 0; k < kCases; ++k) {
    const std::uint64_t s = testing::seed(k);
    Random random(s);
    const AssignmentTuning tuning = draw_tuning(random);
    const Index size = random() % 20 == 0 ? 200 : random() % 3 == 0 ? 90 : 25;
    const Index n = 1 + below(random, size), m = random() % 2 == 0 ? n : 1 + below(random, size);
    const Index family = below(random, 12), type = below(random, 5);
    const bool maximize = random() % 3 == 0;
    CONTEXT("seed", s);
    CONTEXT("rows", n);
    CONTEXT("cols", m);
    CONTEXT("family", family);
    CONTEXT("type", type);
    CONTEXT("maximize", maximize);
    CONTEXT("tuning", shown_tuning(tuning));
    const std::vector<double> cost = draw_costs(random, n, m, family);
    if (type == 0) fuzz<double>(random, n, m, cost, maximize, tuning);
    if (type == 1) fuzz<std::int64_t>(random, n, m, cost, maximize, tuning);
    if (type == 2) fuzz<std::int32_t>(random, n, m, cost, maximize, tuning);
    if (type == 3) fuzz<float>(random, n, m, cost, maximize, tuning);
    if (type == 4) fuzz<std::int16_t>(random, n, m, cost, maximize, tuning);
    if (testing::failures() > 0) return;  // the first failure says it all
  }
}

// If this fails, a default lies outside of its own range, or two numbers share a name.
TEST(assignment_tuning_table_is_consistent) {
  for (std::size_t k = 0; k < kTuningTable.size(); ++k) {
    const TuningEntry& entry = kTuningTable[k];
    CONTEXT("name", entry.name);
    CHECK(entry.low <= entry.value && entry.value <= entry.high);
    CHECK(std::strlen(entry.unit) > 0 && std::strlen(entry.decides) > 0);
    for (std::size_t other = 0; other < k; ++other) CHECK(std::strcmp(kTuningTable[other].name, entry.name) != 0);
  }
}

}  // namespace
}  // namespace gridcompute::assignment
