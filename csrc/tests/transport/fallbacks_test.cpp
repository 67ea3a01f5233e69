// Instances that take each fallback of transport (the counts of Stats); each answer is proved. A test fails if its
// fallback breaks, and also if it can no longer be reached: then both may be deleted.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "gridcompute/cost/dense.hpp"
#include "gridcompute/cost/sparse.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"
#include "transport/transport_instances.hpp"

namespace gridcompute {

namespace {

using transport::Stats;

// Capacities that sum to `total`, more or less skewed.
std::vector<Cost> rooms(std::mt19937& random, Index s, Cost total, double shape) {
  std::gamma_distribution<double> draw(shape, 1.0);
  std::vector<double> share;
  double all = 0;
  for (Index k = 0; k < s; ++k) share.push_back(draw(random) + 1e-9), all += share.back();
  std::vector<Cost> out;
  Cost left = total;
  for (const double x : share) {
    out.push_back(std::min(left, static_cast<Cost>(std::floor(x / all * static_cast<double>(total)))));
    left -= out.back();
  }
  out[0] += left;
  return out;
}

// Costs over ten orders of magnitude: no single box radius fits all classes.
Instance far_apart(std::mt19937& random, Index n, Index s) {
  Instance p;
  p.n = n, p.s = s;
  std::uniform_real_distribution<double> exponent(0, 10);
  for (Index k = 0; k < n * s; ++k) p.cost.push_back(static_cast<Cost>(std::pow(10, exponent(random))));
  p.capacity = rooms(random, s, n + n / 50 + 1, 1);
  return p;
}

// Products of job and class factors that lie far apart: prices are as far apart as the costs.
Instance product(std::mt19937& random, Index n, Index s) {
  Instance p;
  p.n = n, p.s = s;
  std::lognormal_distribution<double> jobs(0, 3), classes(0, 2);
  std::vector<double> worth;
  for (Index k = 0; k < s; ++k) worth.push_back(classes(random));
  for (Index i = 0; i < n; ++i) {
    const double size = 1000 * jobs(random);
    for (const double w : worth) p.cost.push_back(static_cast<Cost>(size * w));
  }
  p.capacity = rooms(random, s, n + n / 50 + 1, 0.3);
  return p;
}

// Solves with both methods and several numbers of threads, proves each answer, and sums the fallbacks taken.
void take(const Instance& p, const CostSource& cost, Stats& taken) {
  for (const bool direct : {false, true}) {
    const transport::Result r = solve(p, cost, direct ? 2 : 1, direct);
    check_result(p, cost, r, static_cast<Cost>(r.exact_objective));
    const Stats& s = r.stats;
    taken.repeated_passes += s.repeated_passes, taken.passes_exhausted += s.passes_exhausted,
        taken.box_widenings += s.box_widenings, taken.escape_searches += s.escape_searches;
    taken.newton_stalls += s.newton_stalls, taken.auction_cutoffs += s.auction_cutoffs,
        taken.int64_fallbacks += s.int64_fallbacks;
    taken.small_solver_aborts += s.small_solver_aborts, taken.rounding_restarts += s.rounding_restarts,
        taken.restarts += s.restarts;
  }
}

}  // namespace

TEST(transport_boxes_that_do_not_hold_end_in_the_optimum) {
  std::mt19937 random(1);
  Stats taken;
  for (int k = 0; k < 24; ++k) {
    const Instance p = k % 3 == 0 ? far_apart(random, 300, 10) : product(random, k % 3 == 1 ? 300 : 1000, 100);
    take(p, DenseCost<std::int64_t>(p.cost.data(), p.n, p.s), taken);
  }
  CHECK(taken.repeated_passes > 0 && taken.passes_exhausted > 0 && taken.box_widenings > 0);
  CHECK(taken.escape_searches > 0);
  CHECK(taken.newton_stalls > 0 && taken.auction_cutoffs > 0);
}

// Jobs of class s may move to the next class only: the excess unit of the first has one path, through all of them.
struct Chain {
  Instance p;
  std::vector<std::int64_t> values, columns, starts{0};

  Chain(Index classes, Index jobs_a_class, std::int64_t step) {
    p.n = classes * jobs_a_class, p.s = classes;
    for (Index i = 0; i < p.n; ++i) {
      const Index s = i % classes;
      columns.push_back(s), values.push_back(0);
      if (s + 1 < classes) columns.push_back(s + 1), values.push_back(step);
      starts.push_back(static_cast<Index>(columns.size()));
    }
    p.capacity.assign(static_cast<std::size_t>(classes), jobs_a_class);
    --p.capacity.front(), ++p.capacity.back();
  }
  [[nodiscard]] SparseCost<std::int64_t, std::int64_t> cost() const {
    return {values.data(), columns.data(), starts.data(), p.n, p.s};
  }
};

TEST(transport_goes_on_where_a_sample_is_left_unsettled) {
  const Chain chain(60, 20, 1000);
  const auto cost = chain.cost();
  transport::Problem problem;
  problem.cost = &cost;
  problem.capacity = chain.p.capacity.data();
  const transport::IntegerKeys keys(problem, 1.0);
  Pool pool(2);
  Stop stop;
  std::vector<Slot> duplicate_of(60);
  std::iota(duplicate_of.begin(), duplicate_of.end(), Slot{0});
  transport::Level level;
  level.n = chain.p.n;
  level.capacity = chain.p.capacity;
  const std::vector<Cost> zero(60, 0), one(60, 1);
  for (const bool sample : {true, false}) {
    transport::RestrictedProblem r;
    transport::CostRangeStats seen;
    Stats stats;
    std::vector<Cost> prices;
    const transport::LevelOutcome end = transport::solve_level({keys, pool, stop, false, duplicate_of}, level,
                                                               {zero, one, one}, sample, prices, r, seen, stats);
    CHECK(end.kind == transport::LevelOutcome::Kind::optimal);
    CHECK(stats.unbalanced_samples == (sample ? 1 : 0));
    CHECK(stats.escape_searches > 10);
    CHECK((r.load() == level.capacity) == !sample);
    if (!sample) CHECK(r.objective() == 59 * 1000);
  }
}

TEST(transport_takes_64_bits_where_32_do_not_hold) {
  std::mt19937 random(2);
  Stats scanned, searched;
  Instance p;  // costs that are 32 bits, and costs plus prices that are not
  p.n = 60, p.s = 10;
  std::uniform_int_distribution<std::int32_t> draw(0, 100);
  std::vector<std::int32_t> narrow;
  for (Index k = 0; k < p.n * p.s; ++k) narrow.push_back(std::numeric_limits<std::int32_t>::min() + draw(random));
  p.cost.assign(narrow.begin(), narrow.end());
  p.capacity.assign(10, 7);
  take(p, DenseCost<std::int32_t>(narrow.data(), p.n, p.s), scanned);
  CHECK(scanned.int64_fallbacks == 1);
  const Chain chain(8, 20, (1 << 27) - 1);  // prices past 2^28
  take(chain.p, chain.cost(), searched);
  CHECK(searched.int64_fallbacks > 0 && searched.small_solver_aborts == 0);
}

TEST(transport_begins_anew_where_costs_are_larger_than_seen) {
  std::mt19937 random(3);
  Stats taken;
  for (int k = 0; k < 4; ++k) {
    Instance p;
    p.n = 2500, p.s = 30;
    std::gamma_distribution<double> draw(1.0, 35.0);
    for (Index c = 0; c < p.n * p.s; ++c) p.cost.push_back(static_cast<Cost>(draw(random)));
    for (Index s = 0; s < p.s; ++s) p.cost[static_cast<std::size_t>(1001 * p.s + s)] = Cost{1} << 49;
    p.capacity = rooms(random, p.s, p.n + 20, 3);
    take(p, DenseCost<std::int64_t>(p.cost.data(), p.n, p.s), taken);
  }
  CHECK(taken.restarts > 0);
}

// Costs of which every third is so large that rounding hides the others; `forbidden`: the same without these.
struct Drowned {
  Instance p;
  std::vector<double> reals, forbidden;

  explicit Drowned(Index n) {
    std::mt19937 random(6);
    p.n = n, p.s = 10;
    p.capacity = rooms(random, p.s, p.n + 20, 3);
    for (Index k = 0; k < p.n * p.s; ++k) {
      const bool rather_not = random() % 3 == 0;
      const double cost = static_cast<double>(random() % 10'000) / 1024;
      reals.push_back(rather_not ? 1e15 : cost);
      forbidden.push_back(rather_not ? std::numeric_limits<double>::infinity() : cost);
    }
  }

  void check(bool direct, bool finer) const {
    const DenseCost<double> cost(reals.data(), p.n, p.s);
    const double least = solve(p, DenseCost<double>(forbidden.data(), p.n, p.s), 1).objective;
    const transport::Result r = solve(p, cost, 2, direct);
    CHECK(r.status == transport::Status::optimal && r.exact);
    CHECK((r.stats.refinements > 0) == finer);
    CHECK(r.objective == least && r.bound == least);
    Pool pool(2);
    Stop stop;
    CHECK(certificate::check_transport(question(p, cost), r.assignment, r.prices, pool, stop, {}, flat(r.remainders))
              .tight);
  }
};

// If this fails, an optimum of keys that keep only the largest costs is returned: few jobs are settled exactly.
TEST(transport_settles_what_large_costs_drown) {
  for (const bool direct : {false, true}) Drowned(400).check(direct, false);
}

// If this fails, no finer unit is tried where too many classes are within rounding for the exact comparison.
TEST(transport_lowers_costs_that_would_drown_all_others) {
  for (const bool direct : {false, true}) Drowned(2000).check(direct, true);
}

TEST(transport_gives_up_small_solvers_that_take_too_long) {
  std::mt19937 random(4);
  Stats taken;
  const Instance p = product(random, 900, 560);
  take(p, DenseCost<std::int64_t>(p.cost.data(), p.n, p.s), taken);
  CHECK(taken.small_solver_aborts > 0);
}

TEST(transport_rounds_again_largest_first_where_no_class_has_room_for_a_job) {
  std::mt19937 random(5);
  Stats taken;
  Index placed = 0;
  for (int k = 0; k < 20 && (k < 4 || taken.rounding_restarts == 0 || placed == 0); ++k) {
    Instance p;
    p.n = 400, p.s = 8;
    std::lognormal_distribution<double> size(1, 1.3);
    Cost all = 0;
    for (Index i = 0; i < p.n; ++i) {
      p.demand.push_back(static_cast<std::int32_t>(std::clamp(std::floor(size(random)), 1.0, 128.0)));
      all += p.demand.back();
    }
    std::uniform_int_distribution<Cost> draw(0, 1000);
    for (Index c = 0; c < p.n * p.s; ++c) p.cost.push_back(draw(random) * p.demand[static_cast<std::size_t>(c / p.s)]);
    p.capacity = rooms(random, p.s, all + 5 * k, 2);
    const DenseCost<std::int64_t> cost(p.cost.data(), p.n, p.s);
    const Index before = taken.rounding_restarts;
    take(p, cost, taken);
    if (taken.rounding_restarts > before && std::isfinite(solve(p, cost, 2).objective)) ++placed;
  }
  CHECK(taken.rounding_restarts > 0 && placed > 0);
}

}  // namespace gridcompute
