// Transport with every tuned number drawn at random: the tuning may change the time and the choice among optima that
// tie, never the status, the optimum or the validity of the certificate.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <string_view>

#include "gridcompute/cost/dense.hpp"
#include "gridcompute/cost/sparse.hpp"
#include "gridcompute/transport/tuning.hpp"
#include "transport/transport_instances.hpp"

namespace gridcompute {

namespace {

using transport::Tuning;

// Draws within [low, high]: a quarter each of either end and of the default, the others uniform in the logarithm.
template <class T>
T draw_within(std::mt19937& random, T value, double low, double high) {
  const auto kind = random() % 4;
  if (kind == 0) return static_cast<T>(low);
  if (kind == 1) return static_cast<T>(high);
  if (kind == 2) return value;
  const double shift = low > 0 ? 0 : 1 - low;
  const double a = std::log(low + shift), b = std::log(high + shift);
  const double x = std::exp(a + (b - a) * static_cast<double>(random() % 1001) / 1000) - shift;
  return static_cast<T>(std::clamp(x, low, high));
}

Tuning random_tuning(std::mt19937& random) {
  Tuning t;
#define GRIDCOMPUTE_DRAW(type, name, value, low, high, unit, decides) \
  t.name = draw_within<type>(random, t.name, low, high);
  GRIDCOMPUTE_TRANSPORT_TUNING(GRIDCOMPUTE_DRAW)
#undef GRIDCOMPUTE_DRAW
  return t;
}

// An instance of one of the families of cost that some row of the decision table is for.
Instance fuzzed_instance(std::mt19937& random, unsigned kind) {
  const auto draw = [&](Cost low, Cost high) { return std::uniform_int_distribution<Cost>(low, high)(random); };
  Instance p;
  p.s = draw(0, 3) == 0 ? draw(1, 3) : draw(4, 24);
  p.n = draw(0, 5) == 0 ? draw(0, 70) : draw(200, 1500);
  std::vector<Cost> tariff;
  for (Index s = 0; s < p.s; ++s) tariff.push_back(draw(1, 40));
  for (Index i = 0; i < p.n; ++i) {
    const Cost size = draw(1, 1000);
    for (Index s = 0; s < p.s; ++s) {
      const Cost noise = draw(0, 1000);
      p.cost.push_back(kind % 4 == 0   ? noise
                       : kind % 4 == 1 ? size * tariff[static_cast<std::size_t>(s)] + noise / 100
                       : kind % 4 == 2 ? noise % 3
                                       : static_cast<Cost>(std::pow(10.0, static_cast<double>(noise) / 100)));
    }
  }
  Cost left = p.n + (kind % 3 == 0 ? 0 : draw(1, p.n / 8 + 2));
  for (Index s = 0; s < p.s; ++s) {
    const Cost some = s + 1 == p.s ? left : draw(0, 2 * left / (p.s - s));
    p.capacity.push_back(some);
    left -= some;
  }
  if (kind % 5 == 4) {
    for (Index i = 0; i < p.n; ++i) p.unplaced.push_back(static_cast<double>(draw(1, 40'000)));
  }
  return p;
}

transport::Result solve_tuned(const Instance& p, const CostSource& cost, const Tuning& tuning, int threads,
                              double gap) {
  transport::Problem problem;
  problem.cost = &cost;
  problem.capacity = p.capacity.data();
  if (!p.demand.empty()) problem.demand = p.demand.data();
  if (!p.unplaced.empty()) problem.unplaced = p.unplaced.data(), problem.unplaced_stride = 1;
  transport::Options options;
  options.threads = threads;
  options.gap = gap;
  options.tuning = &tuning;
  Stop stop;
  return transport::solve(problem, options, stop);
}

// The rows of a matrix as lists, without the pairs of one class in three.
SparseCost<std::int64_t, std::int64_t> listed(const Instance& p, std::vector<std::int64_t>& values,
                                              std::vector<std::int64_t>& columns, std::vector<std::int64_t>& starts) {
  starts.push_back(0);
  for (Index i = 0; i < p.n; ++i) {
    for (Index s = 0; s < p.s; ++s) {
      if ((i + s) % 3 == 0) continue;
      values.push_back(p.cost[static_cast<std::size_t>(i * p.s + s)]);
      columns.push_back(s);
    }
    starts.push_back(static_cast<std::int64_t>(values.size()));
  }
  return {values.data(), columns.data(), starts.data(), p.n, p.s};
}

}  // namespace

TEST(transport_tuning_table_is_sound) {
  for (const TuningEntry& entry : transport::kTuningTable) {
    CONTEXT("name", entry.name);
    CHECK(entry.low <= entry.value);
    CHECK(entry.value <= entry.high);
    CHECK(*entry.unit != 0 && *entry.decides != 0);
  }
}

// If this fails, a proof of transport depends on a tuned number.
TEST(transport_of_integers_is_proved_whatever_the_tuning) {
  for (unsigned k = 0; k < 120; ++k) {
    const auto seed = static_cast<unsigned>(testing::seed(k));
    CONTEXT("seed", seed);
    std::mt19937 random(seed);
    const Instance p = fuzzed_instance(random, seed);
    const Tuning tuning = random_tuning(random);
    const int threads = 1 + static_cast<int>(random() % 3);
    const auto check = [&](const CostSource& cost) {
      const transport::Result known = solve_tuned(p, cost, transport::kDefaultTuning, 1, 0);
      const bool possible = known.status != transport::Status::infeasible;
      const Cost least = possible ? static_cast<Cost>(known.exact_objective) : kNoPlan;
      check_result(p, cost, known, least);
      check_result(p, cost, solve_tuned(p, cost, tuning, threads, 0), least);
      const transport::Result near = solve_tuned(p, cost, tuning, threads, 0.01);
      CHECK_EQ(near.status == transport::Status::infeasible, !possible);
      if (!possible) return;
      CHECK(near.exact_objective >= least && near.exact_bound <= least);
      CHECK(near.objective - near.bound <= 0.01 * std::max(std::fabs(near.objective), std::fabs(near.bound)));
    };
    check(DenseCost<std::int64_t>(p.cost.data(), p.n, p.s));
    const bool narrow = std::ranges::all_of(p.cost, [](std::int64_t c) { return c < (1 << 30); });
    if (narrow) {
      const std::vector<std::int32_t> cost(p.cost.begin(), p.cost.end());
      check(DenseCost<std::int32_t>(cost.data(), p.n, p.s));
    }
    std::vector<std::int64_t> values, columns, starts;
    check(listed(p, values, columns, starts));
  }
}

// If this fails, the optimum of real costs, or its bound, depends on a tuned number.
TEST(transport_of_reals_is_proved_whatever_the_tuning) {
  for (unsigned k = 0; k < 60; ++k) {
    const auto seed = static_cast<unsigned>(testing::seed(1000 + k));
    CONTEXT("seed", seed);
    std::mt19937 random(seed);
    const Instance p = fuzzed_instance(random, seed);
    const Tuning tuning = random_tuning(random);
    std::vector<double> values;
    for (const std::int64_t c : p.cost) values.push_back(static_cast<double>(c) * (k % 2 == 0 ? 0.01 : 0x1.8p-7) + 0.1);
    const DenseCost<double> cost(values.data(), p.n, p.s);
    const transport::Result known = solve_tuned(p, cost, transport::kDefaultTuning, 1, 0),
                            found = solve_tuned(p, cost, tuning, 1 + static_cast<int>(random() % 3), 0);
    CHECK(found.status == known.status);
    if (known.status == transport::Status::infeasible) continue;
    Pool pool(2);
    Stop stop;
    const auto report = certificate::check_transport(question(p, cost), found.assignment, found.prices, pool, stop);
    CHECK(report.complete && report.faults.empty());
    CHECK(report.load == found.load);
    const double slack = 0x1p-28 * std::max(1.0, std::fabs(known.objective));
    CHECK(std::fabs(found.objective - known.objective) <= slack);
    CHECK(found.bound <= known.objective + slack && found.bound >= found.objective - slack);
  }
}

}  // namespace gridcompute
