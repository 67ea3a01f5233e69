// A repair that goes on in a wider box, or with longer lists, against one that had everything from the start.
#include "gridcompute/transport/restricted/ssp_repair.hpp"

#include <algorithm>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/transport/restricted/add_columns.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kJobs = 400, kSlots = 12;

struct Case {
  std::vector<std::int64_t> cost;
  std::vector<Cost> capacity;

  explicit Case(std::mt19937& random) {
    const Cost spread = random() % 2 == 0 ? 6 : 3000;
    std::uniform_int_distribution<Cost> draw(0, spread);
    for (Index k = 0; k < kJobs * kSlots; ++k) cost.push_back(draw(random) + k % kSlots * spread / 20);
    capacity.assign(static_cast<std::size_t>(kSlots), kJobs / kSlots + 2);
    capacity[random() % 6] = kJobs / 6;
    capacity[6 + random() % 6] = 1;
  }
};

Box box_of(std::span<const Cost> center, Cost radius) {
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
    const Case p(random);
    const DenseCost<std::int64_t> cost(p.cost.data(), kJobs, kSlots);
    Problem problem;
    problem.cost = &cost;
    problem.capacity = p.capacity.data();
    const Keys keys(problem, 1.0);
    Pool pool(2);
    Stop stop;
    Level level;
    level.n = kJobs;
    level.capacity = p.capacity;
    const Scan how{keys, pool, stop, k % 2 == 0, {}};
    Seen seen;
    Stats stats;
    const std::vector<Cost> zero(static_cast<std::size_t>(kSlots), 0);

    Restricted all;
    CHECK(scan(how, level, box_of(zero, Cost{1} << 40), all, seen));
    std::vector<Cost> best = zero;
    Repair whole(all, level.capacity, best, box_of(zero, Cost{1} << 40), true, pool, stop, stats);
    CHECK(whole.run() == Repair::End::balanced);

    Restricted r;
    std::vector<Cost> prices = best;
    for (Cost& price : prices) price = std::max<Cost>(0, price + static_cast<Cost>(random() % 400) - 200);
    CHECK(scan(how, level, box_of(prices, 60), r, seen));
    Suspects suspects;
    bool done = false, everything = false;
    for (int round = 0; !done && round < 500; ++round) {
      Repair repair(r, level.capacity, prices, box_of(prices, 3), everything, pool, stop, stats);
      Repair::End end = repair.run();
      while (end == Repair::End::far) {
        std::vector<Cost> at = repair.wanted();
        for (Cost& price : at) price = std::max<Cost>(0, price);
        const Doubts doubts = suspects.doubtful(how, level, r, at);
        CHECK(doubts.jobs == Suspects{}.doubtful(how, level, r, at).jobs);
        if (!doubts.jobs.empty()) {
          CHECK(look_again(how, level, doubts, at, r, seen) != News::stopped);
          CHECK(r.holds());
          repair.relist(pool);
          ++relisted;
        }
        CHECK(repair.widen(repair.wanted(), pool));
        ++widened;
        end = repair.run();
      }
      const std::vector<Slot> stuck = repair.settled();
      repair.settle_prices();
      if (end == Repair::End::unreachable && everything)
        CHECK(open_ways(how, level, stuck, prices, 100, r, seen) == Way::found);
      everything = end == Repair::End::unreachable;
      if (end != Repair::End::balanced) continue;
      CHECK(repair.holds());
      const Doubts doubts = suspects.doubtful(how, level, r, prices);
      CHECK(doubts.jobs == Suspects{}.doubtful(how, level, r, prices).jobs);
      done = doubts.jobs.empty() || look_again(how, level, doubts, prices, r, seen) == News::none;
    }
    CHECK(done && r.objective() == all.objective());
  }
  CHECK(widened > 100 && relisted > 100);
}

}  // namespace gridcompute::transport
