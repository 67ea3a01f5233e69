// A repair that continues in a wider box, or with longer lists, compared with one that had these from the start.
#include "gridcompute/transport/restricted/ssp_repair.hpp"

#include <algorithm>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/restricted/infeasibility_proof.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kRepairJobs = 400, kRepairSlots = 12;

struct RepairCase {
  std::vector<std::int64_t> cost;
  std::vector<Cost> capacity;

  explicit RepairCase(std::mt19937& random) {
    const Cost spread = random() % 2 == 0 ? 6 : 3000;
    std::uniform_int_distribution<Cost> draw(0, spread);
    for (Index k = 0; k < kRepairJobs * kRepairSlots; ++k)
      cost.push_back(draw(random) + k % kRepairSlots * spread / 20);
    capacity.assign(static_cast<std::size_t>(kRepairSlots), kRepairJobs / kRepairSlots + 2);
    capacity[random() % 6] = kRepairJobs / 6;
    capacity[6 + random() % 6] = 1;
  }
};

PriceBox box_of(std::span<const Cost> center, Cost radius) {
  const std::vector<Cost> all(center.size(), radius);
  return {{center.begin(), center.end()}, all, all};
}

}  // namespace

// If this fails, what a repair knows of its groups is out of date after its box or its lists have grown: units end at
// other than their cheapest class, which the bound then contradicts, or the solve never ends.
TEST(repair_goes_on_in_a_wider_box_and_with_longer_lists) {
  std::mt19937 random(7);
  int widened = 0, relisted = 0;
  for (int k = 0; k < 200; ++k) {
    const RepairCase p(random);
    const DenseCost<std::int64_t> cost(p.cost.data(), kRepairJobs, kRepairSlots);
    Problem problem;
    problem.cost = &cost;
    problem.capacity = p.capacity.data();
    const IntegerKeys keys(problem, 1.0);
    Pool pool(2);
    Stop stop;
    Level level;
    level.n = kRepairJobs;
    level.capacity = p.capacity;
    const SolverContext context{keys, pool, stop, k % 2 == 0, {}};
    CostRangeStats seen;
    Stats stats;
    const std::vector<Cost> zero(static_cast<std::size_t>(kRepairSlots), 0);

    RestrictedProblem all;
    CHECK(pricing_pass(context, level, box_of(zero, Cost{1} << 40), all, seen));
    std::vector<Cost> best = zero;
    SspRepair whole(all, level.capacity, best, box_of(zero, Cost{1} << 40), true, pool, stop, stats);
    CHECK(whole.run() == SspRepair::End::balanced);

    RestrictedProblem r;
    std::vector<Cost> prices = best;
    for (Cost& price : prices) price = std::max<Cost>(0, price + static_cast<Cost>(random() % 400) - 200);
    CHECK(pricing_pass(context, level, box_of(prices, 60), r, seen));
    ViolationFinder finder;
    bool done = false, all_arcs = false;
    for (int round = 0; !done && round < 500; ++round) {
      SspRepair repair(r, level.capacity, prices, box_of(prices, 3), all_arcs, pool, stop, stats);
      SspRepair::End end = repair.run();
      while (end == SspRepair::End::left_box) {
        std::vector<Cost> at = repair.target_prices();
        for (Cost& price : at) price = std::max<Cost>(0, price);
        const Violations violations = finder.find(context, r, at);
        CHECK(violations.jobs == ViolationFinder{}.find(context, r, at).jobs);
        if (!violations.jobs.empty()) {
          CHECK(add_improving_columns(context, level, violations, at, r, seen) != AddedColumns::stopped);
          CHECK(r.holds());
          repair.include_new_columns(pool);
          ++relisted;
        }
        CHECK(repair.widen(repair.target_prices(), pool));
        ++widened;
        end = repair.run();
      }
      const std::vector<Slot> stuck = repair.settled();
      repair.write_prices();
      if (end == SspRepair::End::unreachable && all_arcs)
        CHECK(add_escape_columns(context, level, stuck, prices, 100, r, seen) == EscapeColumns::found);
      all_arcs = end == SspRepair::End::unreachable;
      if (end != SspRepair::End::balanced) continue;
      CHECK(repair.holds());
      const Violations violations = finder.find(context, r, prices);
      CHECK(violations.jobs == ViolationFinder{}.find(context, r, prices).jobs);
      done = violations.jobs.empty() ||
             add_improving_columns(context, level, violations, prices, r, seen) == AddedColumns::none;
    }
    CHECK(done && r.objective() == all.objective());
  }
  CHECK(widened > 100 && relisted > 100);
}

}  // namespace gridcompute::transport
