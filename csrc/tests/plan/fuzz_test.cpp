// The plan solver with every tuned number drawn at random: bounds stay true, plans feasible, and local search lowers
// the cost or changes nothing.
#include <cmath>
#include <cstring>
#include <numeric>

#include "check.hpp"
#include "plan/plan_instances.hpp"

namespace gridcompute::plan {

namespace {

using testing::EnergyOnly;
using testing::PlanCase;

// Draws within [low, high]: a quarter of the draws at either end, the others uniform in the logarithm.
template <class T>
T draw_within(std::mt19937_64& r, double low, double high) {
  const auto kind = r() % 4;
  if (kind == 0) return static_cast<T>(low);
  if (kind == 1) return static_cast<T>(high);
  const double floor = std::max(low, 1e-12);
  const double x = floor * std::pow(high / floor, static_cast<double>(r() % 1001) / 1000);
  return static_cast<T>(std::clamp(x, low, high));
}

PlanTuning random_tuning(std::mt19937_64& r) {
  PlanTuning t;
#define GRIDCOMPUTE_DRAW(type, name, value, low, high, unit, decides) t.name = draw_within<type>(r, low, high);
  GRIDCOMPUTE_PLAN_TUNING(GRIDCOMPUTE_DRAW)
#undef GRIDCOMPUTE_DRAW
  return t;
}

// Returns own costs, values of jobs left out, and energy at `unit` everywhere.
double cost_of(const PlanCase& i, const std::vector<std::int32_t>& klass, const std::vector<std::int32_t>& start,
               double unit) {
  double sum = 0;
  for (Index j = 0; j < i.n; ++j) {
    const std::size_t at = static_cast<std::size_t>(j);
    const Index c = klass[at], t = start[at];
    if (c < 0) {
      sum += i.value[at];
      continue;
    }
    const Index link = i.origin[at] * i.places + i.place[static_cast<std::size_t>(c)];
    sum +=
        i.data[at] * i.transfer[static_cast<std::size_t>(link)] + i.delay[at] * static_cast<double>(t - i.release[at]);
    if (i.placed_class[at] >= 0 && (i.placed_class[at] != c || i.placed_start[at] != t)) sum += i.migration[at];
    for (Index h = t; h < t + i.length(j, c); ++h)
      sum += unit * i.gang[at] * i.energy[static_cast<std::size_t>(c * i.hours + h)];
  }
  return sum;
}

}  // namespace

TEST(plan_tuning_table_is_sound) {
  for (const TuningEntry& entry : kPlanTuningTable) {
    CONTEXT("name", entry.name);
    CHECK(entry.low <= entry.value);
    CHECK(entry.value <= entry.high);
    CHECK(*entry.unit != 0 && *entry.decides != 0);
  }
}

TEST(plan_answers_are_certified_for_any_tuning) {
  Index accepted = 0;
  for (std::uint64_t k = 0; k < 60; ++k) {
    const std::uint64_t s = gridcompute::testing::seed(k);
    CONTEXT("seed", s);
    std::mt19937_64 r(s);
    const PlanTuning tuning = random_tuning(r);
    const PlanCase i(s, 20 + static_cast<Index>(r() % 120), 1 + static_cast<Index>(r() % 9),
                     1 + static_cast<Index>(r() % 9), 3 + static_cast<Index>(r() % 6));
    const LagrangianOracle oracle(i.instance(), i.jobs());
    CHECK(oracle.holds());
    double total = 0;
    for (Index j = 0; j < i.n; ++j) total += i.least(j);
    std::vector<std::int32_t> klass(static_cast<std::size_t>(i.n), -1), start = klass;
    OracleResult first;
    for (const int threads : {1, 3}) {
      Pool pool(threads);
      const OracleResult found = oracle.price(i.prices(), pool, {}, {});
      CHECK(std::fabs(found.total - total) <= found.margin + 1e-9);
      if (threads == 1) first = found;
      CHECK(std::memcmp(&first.total, &found.total, sizeof(double)) == 0);
      CHECK(first.load.accelerators == found.load.accelerators);
    }
    ResidualCapacity residual(oracle);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(i.n));
    std::iota(rows.begin(), rows.end(), 0);
    (void)residual.place(i.prices(), rows, klass, start);
    CHECK(residual.holds());
    CHECK(i.fits(klass, start));
    constexpr double kUnit = 0.5;
    const EnergyOnly energy(i, kUnit);
    LocalSearch search(residual, energy.guide, 0.0, klass, start, tuning);
    Pool pool(2);
    const std::vector<std::int32_t> before_class = klass, before_start = start;
    for (const bool chains : {false, true}) {
      CONTEXT("chains", chains);
      const double was = cost_of(i, klass, start, kUnit);
      const std::vector<std::int32_t> positions = search.regrets(0.0, false, pool);
      const Index steps =
          chains ? search.run_chains(positions, energy.curves) : search.run_exchanges(positions, energy.curves);
      const double now = cost_of(i, klass, start, kUnit);
      CHECK(residual.holds());
      CHECK(i.fits(klass, start));
      CHECK(steps > 0 ? now < was : now == was);
      accepted += steps;
    }
    search.undo();
    CHECK_EQ(klass, before_class);
    CHECK_EQ(start, before_start);
    const double was = cost_of(i, klass, start, kUnit);
    (void)search.run_ruin_recreate({7, 500, 1.0, 0.1}, energy.curves);
    CHECK(residual.holds());
    CHECK(i.fits(klass, start));
    CHECK(cost_of(i, klass, start, kUnit) <= was + 1e-9 * std::abs(was));
  }
  CHECK(accepted > 20);
}

}  // namespace gridcompute::plan
