// Few jobs a class: near_assignment on candidate lists, compared with the general method.
#include "gridcompute/transport/small/near_assignment.hpp"

#include <algorithm>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"

namespace gridcompute::transport {

namespace {

struct NearCase {
  Index n = 0;
  Slot s = 0;
  std::vector<double> cost, unplaced;
  std::vector<Cost> capacity;

  // Products of job and class factors: prices far apart, so that the first lists do not reach the cheapest class.
  explicit NearCase(std::mt19937& random, int k) {
    const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
    s = static_cast<Slot>(k % 4 == 0 ? draw(1, 70) : draw(100, 400));
    n = draw(0, k % 3 == 0 ? s : 3 * s);
    const Index spread = k % 5 == 0 ? 2 : k % 5 == 1 ? 600 : 1000;
    std::vector<Index> worth, size;
    for (Slot c = 0; c < s; ++c) worth.push_back(draw(0, spread));
    for (Index i = 0; i < n; ++i) size.push_back(draw(0, 30));
    for (Index i = 0; i < n; ++i) {
      for (Slot c = 0; c < s; ++c) {
        const bool forbidden = k % 7 == 1 && draw(0, 9) > 0;
        const Index noise = k % 2 == 0 ? 0 : draw(0, spread / 10);
        cost.push_back(forbidden ? std::numeric_limits<double>::infinity()
                                 : static_cast<double>(size[i] * worth[static_cast<std::size_t>(c)] + noise));
      }
    }
    for (Slot c = 0; c < s; ++c) capacity.push_back(draw(0, k % 6 == 0 ? 20 : 2 * n / s + 2));
    if (k % 3 != 1) unplaced.assign(static_cast<std::size_t>(n), static_cast<double>(draw(0, 20 * spread)));
    cost.reserve(1);
  }
};

}  // namespace

// If this fails, a class that is cheaper than a list's bound is missed, or unused slots with a positive price are
// accepted: then an answer is called optimal and is not.
TEST(few_jobs_a_class_reach_the_optimum_of_the_general_method) {
  std::mt19937 random(3);
  Index solved = 0, copies = 0, searches = 0, read_again = 0, given_up = 0, cut_short = 0, too_long = 0;
  for (int k = 0; k < 120; ++k) {
    const NearCase p(random, k);
    const DenseCost<double> cost(p.cost.data(), p.n, p.s);
    Problem problem;
    problem.cost = &cost;
    problem.capacity = p.capacity.data();
    if (!p.unplaced.empty()) problem.unplaced = p.unplaced.data(), problem.unplaced_stride = 1;
    const IntegerKeys keys(problem, 1.0);
    Level level;
    level.n = p.n;
    level.capacity = p.capacity;
    if (keys.optional()) level.capacity.push_back(p.n + 1);
    SmallProblemResult first;
    for (const int threads : {1, 3}) {
      Pool pool(threads);
      Stop stop;
      CostRangeStats seen;
      Stats stats;
      const SmallProblemResult found = solve_near_assignment(keys, level, {}, pool, stop, seen, stats);
      searches += stats.searches;
      read_again += stats.rows_extended;
      cut_short += stats.auction_cutoffs;
      if (threads == 1) first = found;
      CHECK(found.solved == first.solved && found.assignment == first.assignment && found.prices == first.prices);
    }
    Stop stop;
    const Result ladder = solve(problem, Options{}, stop);
    if (!first.solved) {
      const bool alike = k % 5 == 0 || p.n < 8;  // three kinds of columns, or rows too few to tell
      const bool tied = k % 2 == 0;              // products without noise: it may take too long
      (alike ? copies : given_up) += 1;
      if (!alike && ladder.status == Status::optimal) ++too_long;
      CHECK(alike || tied || ladder.status == Status::infeasible);
      continue;
    }
    ++solved;
    CHECK(ladder.status == Status::optimal);
    CHECK(static_cast<double>(first.objective) == ladder.objective);
    Wide room = 0;
    for (std::size_t c = 0; c < level.capacity.size(); ++c) {
      CHECK(first.load[c] <= level.capacity[c]);
      CHECK(first.prices[c] >= 0);
      room += static_cast<Wide>(level.capacity[c]) * first.prices[c];
    }
    CHECK(first.value - room == first.objective);
  }
  CHECK(solved > 60 && given_up > 0 && copies > 5);
  CHECK(searches > 100 && read_again > 100);
  CHECK(cut_short > 0 && too_long > 0);
}

// After a stop there is no answer, but the prices so far prove a bound, and no job is placed twice.
TEST(few_jobs_a_class_stop_when_asked) {
  constexpr Index kJobs = 2000, kClasses = 1000;
  std::mt19937 random(4);
  std::vector<double> values;
  for (Index i = 0; i < kJobs; ++i)
    for (Index s = 0; s < kClasses; ++s)
      values.push_back(
          static_cast<double>((i % 37) * (s % 101) + std::uniform_int_distribution<Index>(0, 200)(random)));
  const DenseCost<double> cost(values.data(), kJobs, kClasses);
  Level level;
  level.n = kJobs;
  level.capacity.assign(kClasses, 2);
  Problem problem;
  problem.cost = &cost;
  problem.capacity = level.capacity.data();
  const IntegerKeys keys(problem, 1.0);
  Pool pool(2);
  Stop never;
  CostRangeStats seen;
  Stats stats;
  const SmallProblemResult best = solve_near_assignment(keys, level, {}, pool, never, seen, stats);
  CHECK(best.solved);
  // The hook is asked every 20 ms or less often; the last stop before the end is well after the first lists.
  Index proved = 0;
  for (int polls = 0, ended = 0; ended == 0; polls = 2 * polls + 1) {
    int left = polls;
    Stop stop(1e9, [&](const Progress&) { return --left < 0 ? Stop::Why::stopped : Stop::Why::none; });
    const SmallProblemResult found = solve_near_assignment(keys, level, {}, pool, stop, seen, stats);
    ended = stop.requested() ? 0 : 1;
    CHECK(found.solved == !stop.requested());
    if (!found.stopped) continue;
    ++proved;
    Wide bound = found.value;
    std::vector<Cost> load(kClasses, 0);
    for (std::size_t s = 0; s < load.size(); ++s) bound -= 2 * static_cast<Wide>(found.prices[s]);
    CHECK(bound <= best.objective);
    for (const std::int32_t s : found.assignment)
      if (s >= 0) ++load[static_cast<std::size_t>(s)];
    CHECK(load == found.load);
    CHECK(*std::max_element(load.begin(), load.end()) <= 2);
  }
  CHECK(proved > 0);
}

}  // namespace gridcompute::transport
