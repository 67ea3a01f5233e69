#include <cstring>
#include <numeric>

#include "check.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/plan/lagrangian_oracle.hpp"
#include "plan/plan_instances.hpp"

namespace gridcompute::plan {

namespace {

using testing::EnergyOnly;
using testing::PlanCase;

struct Placement {
  std::vector<std::int32_t> klass, start;
  explicit Placement(Index n) : klass(static_cast<std::size_t>(n), -1), start(klass) {}
  bool operator==(const Placement&) const = default;
};

std::vector<std::int32_t> rows_of(Index n) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// Returns cases of sizes around those where lanes of a vector, chunks of jobs or hours begin.
std::vector<PlanCase> cases() {
  std::vector<PlanCase> all;
  std::uint64_t seed = 0;
  for (const Index places : {1, 2, 7, 8, 9, 16, 17, 33, 63})
    for (const Index hours : {1, 2, 5, 24}) all.emplace_back(++seed, 40, places, hours, places + 2);
  for (const Index jobs : {0, 1, 2, 63, 64, 65, 129, 2047, 2049, 4100}) all.emplace_back(++seed, jobs, 3, 4, 5);
  return all;
}

void report(const PlanCase& i) {
  std::printf("  in %lld jobs, %lld places, %lld hours, %lld classes\n", static_cast<long long>(i.n),
              static_cast<long long>(i.places), static_cast<long long>(i.hours), static_cast<long long>(i.classes));
}

// Returns the cost of the plan: own costs, values of jobs left out, and energy at one price everywhere.
double cost_of(const PlanCase& i, const Placement& plan, double unit) {
  double sum = 0;
  for (Index j = 0; j < i.n; ++j) {
    const std::size_t at = static_cast<std::size_t>(j);
    const Index c = plan.klass[at], t = plan.start[at];
    if (c < 0) {
      sum += i.value[at];
      continue;
    }
    const Index wire = i.origin[at] * i.places + i.place[static_cast<std::size_t>(c)];
    sum +=
        i.data[at] * i.transfer[static_cast<std::size_t>(wire)] + i.delay[at] * static_cast<double>(t - i.release[at]);
    if (i.placed_class[at] >= 0 && (i.placed_class[at] != c || i.placed_start[at] != t)) sum += i.migration[at];
    for (Index h = t; h < t + i.length(j, c); ++h)
      sum += unit * i.gang[at] * i.energy[static_cast<std::size_t>(c * i.hours + h)];
  }
  return sum;
}

}  // namespace

// If this fails, a bound of a grid plan is no bound: a job's cheapest option was missed, or one that is not allowed.
TEST(plan_oracle_finds_every_jobs_cheapest_option) {
  for (const PlanCase& i : cases()) {
    const LagrangianOracle oracle(i.instance(), i.jobs());
    CHECK(oracle.holds());
    Placement first(i.n);
    OracleResult one;
    for (const int threads : {1, 2, 7}) {
      Pool pool(threads);
      Placement plan(i.n);
      const OracleResult pass = oracle.price(i.prices(), pool, plan.klass, plan.start);
      if (threads == 1) first = plan, one = pass;
      CHECK_EQ(plan, first);
      CHECK_EQ(std::memcmp(&pass.total, &one.total, sizeof(double)), 0);
      CHECK_EQ(pass.margin, one.margin);
      CHECK_EQ(pass.load.accelerators, one.load.accelerators);
      CHECK_EQ(pass.load.data, one.load.data);
    }
    double total = 0;
    std::vector<std::int64_t> busy(static_cast<std::size_t>(i.classes * i.hours));
    const int before = gridcompute::testing::failures();
    for (Index j = 0; j < i.n; ++j) {
      const std::size_t at = static_cast<std::size_t>(j);
      const Index c = first.klass[at], t = first.start[at];
      const double least = i.least(j);
      total += least;
      if (c < 0) {
        CHECK_EQ(least, i.value[at]);
        continue;
      }
      CHECK(i.allowed(j, c, t));
      CHECK(std::fabs(i.cost(j, c, t) - least) <= 1e-9);
      for (Index h = t; h < t + i.length(j, c); ++h) busy[static_cast<std::size_t>(c * i.hours + h)] += i.gang[at];
    }
    CHECK(std::fabs(one.total - total) <= one.margin + 1e-9);
    CHECK(one.margin < 1e-6);
    CHECK_EQ(one.load.accelerators, busy);
    if (gridcompute::testing::failures() != before) report(i);
  }
}

// If this fails, a subset prices its jobs otherwise than the whole does, or inactive jobs are priced.
TEST(plan_subsets_and_active_jobs_are_priced_as_in_the_whole) {
  const PlanCase i(77, 500, 5, 6, 8);
  LagrangianOracle oracle(i.instance(), i.jobs());
  Pool pool(2);
  Placement whole(i.n), part(i.n), kept(i.n);
  (void)oracle.price(i.prices(), pool, whole.klass, whole.start);
  std::vector<std::int32_t> rows, weight;
  std::vector<std::uint8_t> live(500);
  double total = 0;
  for (std::int32_t j = 1; j < 500; j += 3)
    rows.push_back(j), weight.push_back(j % 4 + 1), live[static_cast<std::size_t>(j)] = 1;
  for (std::size_t k = 0; k < rows.size(); ++k) total += weight[k] * i.least(rows[k]);
  const LagrangianOracle some(oracle, rows, weight);
  const OracleResult pass = some.price(i.prices(), pool, part.klass, part.start);
  CHECK(std::fabs(pass.total - total) <= pass.margin + 1e-9);
  oracle.set_active(live);
  (void)oracle.price(i.prices(), pool, kept.klass, kept.start);
  CHECK_EQ(oracle.active(), static_cast<Index>(rows.size()));
  CHECK_EQ(kept, part);
  for (const std::int32_t j : rows)
    CHECK_EQ(part.klass[static_cast<std::size_t>(j)], whole.klass[static_cast<std::size_t>(j)]);
}

// If this fails, a plan exceeds a class, a link, a site's power or a quota, or removing a job leaves a trace.
TEST(plan_residual_capacity_is_never_exceeded_and_restored_exactly) {
  for (const PlanCase& i : cases()) {
    const LagrangianOracle oracle(i.instance(), i.jobs());
    ResidualCapacity residual(oracle);
    Placement plan(i.n);
    const std::vector<std::int32_t> rows = rows_of(i.n);
    const Index placed = residual.place(i.prices(), rows, plan.klass, plan.start);
    const bool good = residual.holds() && i.fits(plan.klass, plan.start);
    CHECK(good);
    CHECK_EQ(placed, i.n - std::count(plan.klass.begin(), plan.klass.end(), -1));
    Placement again(i.n);
    ResidualCapacity other(oracle);
    CHECK_EQ(other.place_at(rows, plan.klass, plan.start, again.klass, again.start), placed);
    CHECK_EQ(again, plan);
    CHECK_EQ(other.accelerators(), residual.accelerators());
    CHECK_EQ(other.quota_used(), residual.quota_used());
    residual.remove(rows, plan.klass, plan.start);
    CHECK_EQ(residual.accelerators(), ResidualCapacity(oracle).accelerators());
    CHECK_EQ(residual.data(), ResidualCapacity(oracle).data());
    CHECK_EQ(plan, Placement(i.n));
    if (!good) report(i);
  }
}

// If this fails, local search makes a plan dearer or infeasible, or cannot be undone.
TEST(plan_local_search_lowers_the_cost_and_can_be_undone) {
  Index steps = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const PlanCase i(1000 + seed, 150, 4, 8, 6);
    const LagrangianOracle oracle(i.instance(), i.jobs());
    constexpr double kUnit = 0.5;
    const EnergyOnly energy(i, kUnit);
    for (const bool chains : {false, true}) {
      Placement first(i.n);
      std::vector<std::int32_t> survey;
      for (const int threads : {1, 3}) {
        ResidualCapacity residual(oracle);
        Placement plan(i.n);
        (void)residual.place(i.prices(), rows_of(i.n), plan.klass, plan.start);
        const Placement before = plan;
        LocalSearch search(residual, energy.guide, 0.0, plan.klass, plan.start);
        Pool pool(threads);
        const std::vector<std::int32_t> positions = search.regrets(0.0, false, pool);
        if (threads == 1) survey = positions;
        CHECK_EQ(positions, survey);
        const Index done =
            chains ? search.run_chains(positions, energy.curves) : search.run_exchanges(positions, energy.curves);
        CHECK(residual.holds());
        CHECK(i.fits(plan.klass, plan.start));
        const double was = cost_of(i, before, kUnit), now = cost_of(i, plan, kUnit);
        CHECK(done > 0 ? now < was : plan == before);
        if (!(done > 0 ? now < was : plan == before)) report(i), std::printf("  %.17g after %.17g\n", now, was);
        if (threads == 1) first = plan;
        CHECK_EQ(plan, first);
        steps += done;
        search.undo();
        CHECK_EQ(plan, before);
        CHECK(residual.holds());
        CHECK(residual.accelerators() == [&] {
          ResidualCapacity fresh(oracle);
          Placement settled(i.n);
          (void)fresh.place_at(rows_of(i.n), before.klass, before.start, settled.klass, settled.start);
          return fresh.accelerators();
        }());
      }
    }
  }
  CHECK(steps > 20);
}

// If this fails, ruin and recreate makes a plan dearer or infeasible, or depends on more than its seed.
TEST(plan_ruin_and_recreate_lowers_the_cost_and_keeps_the_rows) {
  Index cheaper = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    CONTEXT("seed", seed);
    const PlanCase i(2000 + seed, static_cast<Index>(seed < 2 ? seed : 150), 4, 8, 6);
    const LagrangianOracle oracle(i.instance(), i.jobs());
    constexpr double kUnit = 0.5;
    const EnergyOnly energy(i, kUnit);
    for (const double temperature : {0.0, 1.0, 1e300}) {
      CONTEXT("temperature", temperature);
      Placement first(i.n);
      for (const bool again : {false, true}) {
        ResidualCapacity residual(oracle);
        Placement plan(i.n);
        (void)residual.place(i.prices(), rows_of(i.n), plan.klass, plan.start);
        const double was = cost_of(i, plan, kUnit);
        LocalSearch search(residual, energy.guide, 0.0, plan.klass, plan.start);
        const Index placed = search.run_ruin_recreate({seed, 3000, temperature, 0.01 * temperature}, energy.curves);
        const double now = cost_of(i, plan, kUnit);
        CHECK(i.n == 0 ? placed == 0 : placed >= 3000);
        CHECK(residual.holds());
        CHECK(i.fits(plan.klass, plan.start));
        CHECK(now <= was + 1e-9 * std::abs(was));
        if (now < was) ++cheaper;
        if (again) CHECK_EQ(plan, first);
        first = plan;
        search.undo();  // rounds are committed
        CHECK_EQ(plan, first);
        ResidualCapacity fresh(oracle);
        Placement settled(i.n);
        (void)fresh.place_at(rows_of(i.n), plan.klass, plan.start, settled.klass, settled.start);
        CHECK_EQ(settled, plan);
        CHECK(fresh.accelerators() == residual.accelerators());
      }
    }
  }
  CHECK(cheaper > 20);
}

// If this fails, the kernels read beyond a row, or choose otherwise than plain loops.
TEST(plan_kernels_equal_plain_loops) {
  std::mt19937_64 r(5);
  const auto real = [&] { return static_cast<double>(r() % 64) / 8; };
  for (const Index lanes : {8, 16, 32, 64}) {
    for (int round = 0; round < 200; ++round) {
      const Index hours = 1 + static_cast<Index>(r() % 9);
      const std::size_t size = static_cast<std::size_t>(hours * lanes);
      std::vector<double> table(2 * size), transfer(size), width(size), mask(static_cast<std::size_t>(lanes));
      std::vector<std::int32_t> within(static_cast<std::size_t>(hours + 1), 1);
      for (double& x : table) x = r() % 5 == 0 ? kInf : real();
      for (double& x : transfer) x = real();
      for (double& x : width) x = real();
      for (double& x : mask) x = r() % 3 == 0 ? kInf : 0;
      for (std::int32_t& x : within) x = 1 + static_cast<std::int32_t>(r() % 2);
      const auto last = static_cast<std::int32_t>(r() % static_cast<std::uint64_t>(hours));
      const OptionSearch job{table.data(),
                             within.data(),
                             transfer.data(),
                             r() % 2 == 0 ? nullptr : width.data(),
                             mask.data(),
                             hours,
                             static_cast<std::int32_t>(r() % static_cast<std::uint64_t>(last + 1)),
                             last,
                             static_cast<std::int32_t>(hours),
                             3,
                             real(),
                             real()};
      const CheapestOption found = find_cheapest(job, lanes);
      CheapestOption want{kInf, -1, -1};
      for (Index s = 0; s < lanes; ++s)
        for (std::int32_t t = job.first; t <= job.last; ++t) {
          const std::size_t at = static_cast<std::size_t>(t * lanes + s);
          const std::size_t level = static_cast<std::size_t>(within[static_cast<std::size_t>(job.deadline - t)] - 1);
          if (job.bandwidth != nullptr && !(job.data <= width[at])) continue;
          const double cost = job.gang * table[level * size + at] + job.data * transfer[at] +
                              job.delay * (t - job.first) + mask[static_cast<std::size_t>(s)];
          if (cost < want.cost) want = {cost, static_cast<std::int32_t>(s), t};
        }
      CHECK_EQ(found.cost, want.cost);
      CHECK_EQ(found.place, want.place);
      CHECK_EQ(found.hour, want.hour);

      std::vector<double> ahead(size), here(size), hour(static_cast<std::size_t>(lanes)), nu(hour), m(size);
      for (double& x : ahead) x = real();
      for (double& x : here) x = real();
      for (double& x : hour) x = static_cast<double>(r() % 3);
      for (double& x : nu) x = real();
      for (double& x : m) x = r() % 4 == 0 ? kInf : real();
      std::vector<double> folded = m;
      for (std::size_t k = 0; k < size; ++k)
        if (const std::size_t s = k % static_cast<std::size_t>(lanes); hour[s] == 2)
          folded[k] = std::min(folded[k], ahead[k] - here[k] + nu[s] * 2);
      fold_class(m.data(), ahead.data(), here.data(), hour.data(), nu.data(), 2, hours, lanes);
      CHECK_EQ(m, folded);
    }
  }
}

// If this fails, sizes that the oracle cannot index are accepted.
TEST(plan_sizes_beyond_the_range_are_refused) {
  for (const auto& [places, hours] : {std::pair<Index, Index>{64, 1}, {1, 4097}}) {
    const PlanCase i(3, 5, places, hours, 2);
    CHECK_THROWS(LagrangianOracle(i.instance(), i.jobs()), Error);
  }
}

}  // namespace gridcompute::plan
