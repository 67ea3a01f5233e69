#include <cstring>
#include <numeric>

#include "check.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/plan/kernels.hpp"
#include "plan/plan_instances.hpp"

namespace gridcompute::options {

namespace {

using testing::Instance;
using testing::kInf;

struct Plan {
  std::vector<std::int32_t> klass, start;
  explicit Plan(Index n) : klass(static_cast<std::size_t>(n), -1), start(klass) {}
  bool operator==(const Plan&) const = default;
};

std::vector<std::int32_t> rows_of(Index n) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// Sizes about those where the lanes of a vector, a chunk of jobs or an hour begin.
std::vector<Instance> instances() {
  std::vector<Instance> all;
  std::uint64_t seed = 0;
  for (const Index places : {1, 2, 7, 8, 9, 16, 17, 33, 63})
    for (const Index hours : {1, 2, 5, 24}) all.emplace_back(++seed, 40, places, hours, places + 2);
  for (const Index jobs : {0, 1, 2, 63, 64, 65, 129, 2047, 2049, 4100}) all.emplace_back(++seed, jobs, 3, 4, 5);
  return all;
}

void report(const Instance& i) {
  std::printf("  in %lld jobs, %lld places, %lld hours, %lld classes\n", static_cast<long long>(i.n),
              static_cast<long long>(i.places), static_cast<long long>(i.hours), static_cast<long long>(i.classes));
}

// What the plan costs: own costs, values of those left out, and energy at one price everywhere.
double cost_of(const Instance& i, const Plan& plan, double unit) {
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

// If this fails, a bound of a grid plan is no bound: a job's cheapest option was missed, or one counted that is closed.
TEST(options_price_finds_every_jobs_cheapest_option) {
  for (const Instance& i : instances()) {
    const Market market(i.world(), i.jobs());
    CHECK(market.holds());
    Plan first(i.n);
    Pass one;
    for (const int threads : {1, 2, 7}) {
      Pool pool(threads);
      Plan plan(i.n);
      const Pass pass = market.price(i.prices(), pool, plan.klass, plan.start);
      if (threads == 1) first = plan, one = pass;
      CHECK(plan == first && std::memcmp(&pass.total, &one.total, sizeof(double)) == 0 && pass.margin == one.margin);
      CHECK(pass.use.accelerators == one.use.accelerators && pass.use.data == one.use.data);
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
        CHECK(least == i.value[at]);
        continue;
      }
      CHECK(i.open(j, c, t));
      CHECK(std::fabs(i.cost(j, c, t) - least) <= 1e-9);
      for (Index h = t; h < t + i.length(j, c); ++h) busy[static_cast<std::size_t>(c * i.hours + h)] += i.gang[at];
    }
    CHECK(std::fabs(one.total - total) <= one.margin + 1e-9);
    CHECK(one.margin < 1e-6 && one.use.accelerators == busy);
    if (gridcompute::testing::failures() != before) report(i);
  }
}

// If this fails, a part of a market prices its jobs otherwise than the whole, or jobs that do not take part.
TEST(options_parts_and_kept_jobs_are_priced_as_in_the_whole) {
  const Instance i(77, 500, 5, 6, 8);
  Market market(i.world(), i.jobs());
  Pool pool(2);
  Plan whole(i.n), part(i.n), kept(i.n);
  (void)market.price(i.prices(), pool, whole.klass, whole.start);
  std::vector<std::int32_t> rows, weight;
  std::vector<std::uint8_t> live(500);
  double total = 0;
  for (std::int32_t j = 1; j < 500; j += 3)
    rows.push_back(j), weight.push_back(j % 4 + 1), live[static_cast<std::size_t>(j)] = 1;
  for (std::size_t k = 0; k < rows.size(); ++k) total += weight[k] * i.least(rows[k]);
  const Market some(market, rows, weight);
  const Pass pass = some.price(i.prices(), pool, part.klass, part.start);
  CHECK(std::fabs(pass.total - total) <= pass.margin + 1e-9);
  market.keep(live);
  (void)market.price(i.prices(), pool, kept.klass, kept.start);
  CHECK(market.live() == static_cast<Index>(rows.size()) && kept == part);
  for (const std::int32_t j : rows)
    CHECK(part.klass[static_cast<std::size_t>(j)] == whole.klass[static_cast<std::size_t>(j)]);
}

// If this fails, a plan overruns a class, a link, a site's power or a quota, or taking a job back leaves a trace.
TEST(options_room_is_never_overrun_and_taken_back_whole) {
  for (const Instance& i : instances()) {
    const Market market(i.world(), i.jobs());
    Room room(market);
    Plan plan(i.n);
    const std::vector<std::int32_t> rows = rows_of(i.n);
    const Index placed = room.place(i.prices(), rows, plan.klass, plan.start);
    const bool good = room.holds() && i.fits(plan.klass, plan.start);
    CHECK(good);
    CHECK(placed == i.n - std::count(plan.klass.begin(), plan.klass.end(), -1));
    Plan again(i.n);
    Room other(market);
    CHECK(other.settle(rows, plan.klass, plan.start, again.klass, again.start) == placed && again == plan);
    CHECK(other.accelerators() == room.accelerators() && other.quota_used() == room.quota_used());
    room.remove(rows, plan.klass, plan.start);
    CHECK(room.accelerators() == Room(market).accelerators() && room.data() == Room(market).data());
    CHECK(plan == Plan(i.n));
    if (!good) report(i);
  }
}

// If this fails, exchanges make a plan dearer, or no plan of it, or cannot be taken back.
TEST(options_exchanges_lower_the_cost_and_can_be_undone) {
  Index steps = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Instance i(1000 + seed, 150, 4, 8, 6);
    const Market market(i.world(), i.jobs());
    const std::vector<double> no_price(std::max(i.alpha.size(), i.gamma.size()));
    const auto zeros = [&](std::size_t size) { return std::span(no_price).first(size); };
    const Prices free{zeros(i.alpha.size()), i.pi, zeros(i.gamma.size()), zeros(i.nu.size())};
    constexpr double kUnit = 0.5;
    const std::size_t curves = static_cast<std::size_t>(i.places * i.hours);
    const std::vector<double> end(curves, kInf), price(curves, kUnit);
    for (const bool chains : {false, true}) {
      Plan first(i.n);
      std::vector<std::int32_t> survey;
      for (const int threads : {1, 3}) {
        Room room(market);
        Plan plan(i.n);
        (void)room.place(i.prices(), rows_of(i.n), plan.klass, plan.start);
        const Plan before = plan;
        Exchange exchange(room, free, 0.0, plan.klass, plan.start);
        Pool pool(threads);
        const std::vector<std::int32_t> positions = exchange.survey(0.0, false, pool);
        if (threads == 1) survey = positions;
        CHECK(positions == survey);
        const Curves costs{1, end, price};
        const Index done = chains ? exchange.chain(positions, costs) : exchange.run(positions, costs);
        CHECK(room.holds() && i.fits(plan.klass, plan.start));
        const double was = cost_of(i, before, kUnit), now = cost_of(i, plan, kUnit);
        CHECK(done > 0 ? now < was : plan == before);
        if (!(done > 0 ? now < was : plan == before)) report(i), std::printf("  %.17g after %.17g\n", now, was);
        if (threads == 1) first = plan;
        CHECK(plan == first);
        steps += done;
        exchange.undo();
        CHECK(plan == before && room.holds());
        CHECK(room.accelerators() == [&] {
          Room fresh(market);
          Plan settled(i.n);
          (void)fresh.settle(rows_of(i.n), before.klass, before.start, settled.klass, settled.start);
          return fresh.accelerators();
        }());
      }
    }
  }
  CHECK(steps > 20);
}

// If this fails, the vectors of this machine read beyond a row, or choose otherwise than the loop they stand for.
TEST(options_lanes_do_as_plain_loops) {
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
      const Scan job{table.data(),
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
      const Best found = scan(job, lanes);
      Best want{kInf, -1, -1};
      for (Index s = 0; s < lanes; ++s)
        for (std::int32_t t = job.first; t <= job.last; ++t) {
          const std::size_t at = static_cast<std::size_t>(t * lanes + s);
          const std::size_t level = static_cast<std::size_t>(within[static_cast<std::size_t>(job.deadline - t)] - 1);
          if (job.bandwidth != nullptr && !(job.data <= width[at])) continue;
          const double cost = job.gang * table[level * size + at] + job.data * transfer[at] +
                              job.delay * (t - job.first) + mask[static_cast<std::size_t>(s)];
          if (cost < want.cost) want = {cost, static_cast<std::int32_t>(s), t};
        }
      CHECK(found.cost == want.cost && found.place == want.place && found.hour == want.hour);

      std::vector<double> ahead(size), here(size), hour(static_cast<std::size_t>(lanes)), m(size);
      for (double& x : ahead) x = real();
      for (double& x : here) x = real();
      for (double& x : hour) x = static_cast<double>(r() % 3);
      for (double& x : m) x = r() % 4 == 0 ? kInf : real();
      std::vector<double> folded = m;
      for (std::size_t k = 0; k < size; ++k)
        if (hour[k % static_cast<std::size_t>(lanes)] == 2) folded[k] = std::min(folded[k], ahead[k] - here[k] + 1.5);
      fold(m.data(), ahead.data(), here.data(), hour.data(), 2, 1.5, hours, lanes);
      CHECK(m == folded);
    }
  }
}

// If this fails, sizes that the passes cannot index are taken for smaller ones.
TEST(options_sizes_beyond_the_passes_are_refused) {
  for (const auto& [places, hours] : {std::pair<Index, Index>{64, 1}, {1, 4097}}) {
    const Instance i(3, 5, places, hours, 2);
    CHECK_THROWS(Market(i.world(), i.jobs()), Error);
  }
}

}  // namespace gridcompute::options
