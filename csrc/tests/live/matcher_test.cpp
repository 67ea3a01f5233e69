// Rounds of the live matcher keep its invariants after any change, and cost what a solve from scratch costs.
#include "gridcompute/live/matcher.hpp"

#include <cmath>
#include <memory>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"

namespace gridcompute {

TEST(matcher_rounds_equal_cold_solves) {
  std::mt19937 random(1);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  // 300 classes are more than the index keeps whole, so limits, reindexing and widening are met.
  for (const Slot n_slots : {Slot{1}, Slot{5}, Slot{300}}) {
    constexpr Index kJobs = 240;
    std::vector<double> cost(static_cast<std::size_t>(kJobs * n_slots)), unplaced{60}, move{0};
    for (double& c : cost) c = draw(0, 9) == 0 ? std::numeric_limits<double>::infinity() : draw(0, 50);
    const DenseCost<double> source(cost.data(), kJobs, n_slots);
    live::Matcher matcher(n_slots);
    matcher.set_columns({&source, unplaced.data(), 0, move.data(), 0, {}}, 60);
    std::vector<Cost> capacity(static_cast<std::size_t>(n_slots), 1);
    for (Slot s = 0; s < n_slots; ++s) matcher.set_capacity(s, 1);
    std::vector<bool> in(kJobs, false);
    for (int round = 0; round < 30; ++round) {
      for (int k = 0; k < (round == 0 ? 200 : 6); ++k) {
        const std::int32_t job = draw(0, kJobs - 1);
        const std::vector<live::Job> one{job};
        const auto at = static_cast<std::size_t>(job);
        in[at] ? matcher.remove(one) : matcher.add(one);
        in[at] = !in[at];
      }
      const Slot s = draw(0, n_slots - 1);
      capacity[static_cast<std::size_t>(s)] = draw(0, 3);
      matcher.set_capacity(s, capacity[static_cast<std::size_t>(s)]);
      Stop stop;
      const live::RoundAnswer answer = matcher.match({2, 0, -1}, stop);
      CHECK(matcher.holds());
      CHECK_EQ(answer.status, transport::Status::optimal);
      std::vector<double> rows;
      Index n = 0;
      for (std::size_t j = 0; j < in.size(); ++j) {
        if (!in[j]) continue;
        ++n;
        const auto row = cost.begin() + static_cast<std::ptrdiff_t>(j) * n_slots;
        rows.insert(rows.end(), row, row + n_slots);
      }
      const DenseCost<double> plain(rows.data(), n, n_slots);
      transport::Problem problem{&plain, capacity.data(), nullptr, unplaced.data(), 0};
      Stop again;
      CHECK(std::fabs(transport::solve(problem, {}, again).objective - answer.objective) < 1e-6);
      matcher.acknowledge();
      Stop idle;
      CHECK(matcher.match({1, 0, -1}, idle).changes.empty());
    }
  }
}

// Costs of classes change, classes are added and closed, and a matcher is restored from placements and prices: no round
// is cold, and each costs what a solve from scratch costs.
TEST(matcher_reprices_changed_classes_alone) {
  std::mt19937 random(2);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  for (const Slot most : {Slot{9}, Slot{290}}) {
    constexpr Index kJobs = 200;
    const Slot first = most - 3;
    const auto wide = static_cast<std::size_t>(most);
    std::vector<double> cost(static_cast<std::size_t>(kJobs) * wide), unplaced{40}, move{0}, narrow;
    for (double& c : cost) c = draw(0, 9) == 0 ? std::numeric_limits<double>::infinity() : draw(0, 50);
    for (std::size_t j = 0; j < static_cast<std::size_t>(kJobs); ++j) {
      const auto row = cost.begin() + static_cast<std::ptrdiff_t>(j * wide);
      narrow.insert(narrow.end(), row, row + first);
    }
    const DenseCost<double> source(cost.data(), kJobs, most), begin(narrow.data(), kJobs, first);
    std::vector<Cost> capacity(wide, 0);
    std::vector<live::Job> jobs;
    for (std::int32_t j = 0; j < kJobs; ++j) jobs.push_back(j);
    auto matcher = std::make_unique<live::Matcher>(first);
    matcher->set_columns({&begin, unplaced.data(), 0, move.data(), 0, {}}, 60);
    for (Slot s = 0; s < first; ++s) matcher->set_capacity(s, capacity[static_cast<std::size_t>(s)] = draw(0, 3));
    matcher->add(jobs);
    std::shared_ptr<const std::vector<Slot>> closed;
    for (int round = 0; round < 24; ++round) {
      const Slot s = draw(0, most - 1);
      const std::vector<Slot> one{s};
      if (round == 3) {  // three more classes
        matcher->set_columns({&source, unplaced.data(), 0, move.data(), 0, closed}, 60);
        const std::vector<Slot> added{first, first + 1, first + 2};
        for (const Slot a : added) matcher->set_capacity(a, capacity[static_cast<std::size_t>(a)] = 2);
        matcher->costs_changed(added);
      } else if (round > 3 && round % 3 == 0) {
        for (std::size_t j = 0; j < static_cast<std::size_t>(kJobs); ++j)
          cost[j * wide + static_cast<std::size_t>(s)] = draw(0, 50);
        matcher->costs_changed(one);
      } else if (round > 3 && round % 7 == 0) {
        if (closed) matcher->costs_changed(*closed);  // it opens again
        closed = std::make_shared<const std::vector<Slot>>(one);
        matcher->set_columns({&source, unplaced.data(), 0, move.data(), 0, closed}, 60);
        matcher->costs_changed(one);
      } else if (round == 20) {
        std::vector<Slot> homes;
        std::vector<double> prices;
        for (const live::Job job : jobs) homes.push_back(matcher->placed_class(job));
        for (Slot k = 0; k < most; ++k) prices.push_back(matcher->price(k));
        auto again = std::make_unique<live::Matcher>(most);
        again->set_columns({&source, unplaced.data(), 0, move.data(), 0, closed}, 60);
        for (Slot k = 0; k < most; ++k) again->set_capacity(k, capacity[static_cast<std::size_t>(k)]);
        again->restore(jobs, homes, prices, matcher->state().resolution());
        matcher = std::move(again);
      }
      Stop stop;
      const live::RoundAnswer answer = matcher->match({2, 0, -1}, stop);
      if (draw(0, 1) == 1) matcher->acknowledge();  // else the next answer contains both
      CHECK(matcher->holds());
      CHECK(answer.cold == (round == 0));
      std::vector<double> rows = cost;
      for (std::size_t j = 0; closed && j < static_cast<std::size_t>(kJobs); ++j)
        rows[j * wide + static_cast<std::size_t>(closed->front())] = std::numeric_limits<double>::infinity();
      const DenseCost<double> plain(rows.data(), kJobs, most);
      const transport::Problem problem{round < 3 ? static_cast<const CostSource*>(&begin) : &plain, capacity.data(),
                                       nullptr, unplaced.data(), 0};
      Stop again;
      CHECK(std::fabs(transport::solve(problem, {}, again).objective - answer.objective) < 1e-6);
    }
  }
}

// Rounds are warm, cold and stopped in turn: the changes reported add up to the placements, also where an answer was
// not acknowledged, and the next round that ends costs what a solve from scratch costs.
TEST(matcher_continues_after_stops_and_large_changes) {
  std::mt19937 random(3);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  constexpr Index kJobs = 3000;
  constexpr Slot kSlots = 6;
  std::vector<double> cost(static_cast<std::size_t>(kJobs * kSlots)), unplaced{60}, move{0};
  for (double& c : cost) c = draw(0, 50);
  const DenseCost<double> source(cost.data(), kJobs, kSlots);
  live::Matcher matcher(kSlots);
  matcher.set_columns({&source, unplaced.data(), 0, move.data(), 0, {}}, 60);
  const std::vector<Cost> capacity(kSlots, 300);
  for (Slot s = 0; s < kSlots; ++s) matcher.set_capacity(s, 300);
  std::vector<bool> in(kJobs, false);
  std::vector<Slot> placed(kJobs, kNone);
  int ended = 0, cold = 0, stopped = 0;
  for (int round = 0; round < 60; ++round) {
    const std::vector<int> sizes{3, 60, 1200};
    for (int k = 0; k < sizes[static_cast<std::size_t>(round % 3)]; ++k) {
      const std::int32_t job = draw(0, kJobs - 1);
      const auto at = static_cast<std::size_t>(job);
      const std::vector<live::Job> one{job};
      if (draw(0, 3) == 0 && in[at]) {
        matcher.update(one);
      } else {
        in[at] ? matcher.remove(one) : matcher.add(one);
        in[at] = !in[at];
        placed[at] = kNone;
      }
    }
    if (round % 4 == 1) {
      const std::vector<Slot> one{static_cast<Slot>(draw(0, kSlots - 1))};
      for (std::size_t j = 0; j < kJobs; ++j) cost[j * kSlots + static_cast<std::size_t>(one[0])] = draw(0, 50);
      matcher.costs_changed(one);
    }
    const bool late = draw(0, 2) == 0;
    Stop stop(late ? 0.0 : 1e9);
    const live::RoundAnswer answer = matcher.match({2, 0, -1}, stop);
    // A stopped round may leave costs that have changed to the next one.
    CHECK(answer.status == transport::Status::time_limit || matcher.holds());
    cold += answer.cold ? 1 : 0;
    stopped += answer.status == transport::Status::time_limit ? 1 : 0;
    if (draw(0, 3) != 0) {  // else it was lost: the next answer contains its changes too
      matcher.acknowledge();
      for (const live::ReportedChange& c : answer.changes) {
        CHECK_EQ(placed[static_cast<std::size_t>(c.job)], c.from);
        placed[static_cast<std::size_t>(c.job)] = c.to;
      }
      for (std::int32_t j = 0; j < kJobs; ++j)
        CHECK(!in[static_cast<std::size_t>(j)] || placed[static_cast<std::size_t>(j)] == matcher.placed_class(j));
    }
    if (answer.status != transport::Status::optimal) continue;
    ++ended;
    std::vector<double> rows;
    Index n = 0;
    for (std::size_t j = 0; j < in.size(); ++j) {
      if (!in[j]) continue;
      ++n;
      const auto row = cost.begin() + static_cast<std::ptrdiff_t>(j) * kSlots;
      rows.insert(rows.end(), row, row + kSlots);
    }
    const DenseCost<double> plain(rows.data(), n, kSlots);
    const transport::Problem problem{&plain, capacity.data(), nullptr, unplaced.data(), 0};
    Stop again;
    CHECK(std::fabs(transport::solve(problem, {}, again).objective - answer.objective) < 1e-6);
  }
  CHECK(ended > 20 && cold > 5 && stopped > 5);
}

// Every tuned number may have any value within its range: it decides which exact way a round takes, so the costs of its
// answers do not depend on it.
TEST(matcher_is_exact_with_any_tuning) {
  for (std::uint64_t k = 0; k < 40; ++k) {
    const std::uint64_t seed = testing::seed(k);
    CONTEXT("seed", seed);
    std::mt19937_64 random(seed);
    const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
    live::LiveTuning tuning;
    for (const TuningEntry& entry : live::kTuningTable) {
      CHECK(entry.low <= entry.value && entry.value <= entry.high);
      const Index kind = draw(0, 3);  // the default, an end of the range, or any value
      const auto low = static_cast<Index>(entry.low), high = static_cast<Index>(entry.high);
      if (kind == 1) CHECK(set_tuning(tuning, entry.name, draw(0, 1) == 0 ? entry.low : entry.high));
      if (kind == 2) CHECK(set_tuning(tuning, entry.name, static_cast<double>(draw(low, high))));
    }
    // Half of the cases are small enough in the work model for warm rounds only, half consider a cold solve.
    if (draw(0, 1) == 0) tuning.cold_work_fixed = 0;
    const Index n_jobs = draw(1, 150);
    const auto n_slots = static_cast<Slot>(draw(1, 40));
    const auto wide = static_cast<std::size_t>(n_slots);
    const double move = draw(0, 1) == 0 ? 0.0 : 2.0;
    const double unplaced = 60;
    std::vector<double> cost(static_cast<std::size_t>(n_jobs) * wide);
    const auto any_cost = [&] {
      return draw(0, 9) == 0 ? std::numeric_limits<double>::infinity() : static_cast<double>(draw(0, 50));
    };
    for (double& c : cost) c = any_cost();
    const DenseCost<double> source(cost.data(), n_jobs, n_slots);
    live::Matcher matcher(n_slots, tuning);
    matcher.set_columns({&source, &unplaced, 0, &move, 0, {}}, 70);
    std::vector<Cost> capacity(wide);
    for (Slot s = 0; s < n_slots; ++s) matcher.set_capacity(s, capacity[static_cast<std::size_t>(s)] = draw(0, 8));
    std::vector<bool> in(static_cast<std::size_t>(n_jobs), false);
    std::vector<Slot> placed(in.size(), kNone);
    for (int round = 0; round < 12; ++round) {
      CONTEXT("round", round);
      for (Index change = 0; change < (round == 0 ? n_jobs : draw(0, 12)); ++change) {
        const auto job = static_cast<live::Job>(draw(0, n_jobs - 1));
        const auto at = static_cast<std::size_t>(job);
        const std::vector<live::Job> one{job};
        in[at] ? matcher.remove(one) : matcher.add(one);
        in[at] = !in[at];
        placed[at] = kNone;
      }
      const auto s = static_cast<Slot>(draw(0, n_slots - 1));
      if (draw(0, 1) == 0) {
        matcher.set_capacity(s, capacity[static_cast<std::size_t>(s)] = draw(0, 8));
      } else {
        for (std::size_t j = 0; j < in.size(); ++j) cost[j * wide + static_cast<std::size_t>(s)] = any_cost();
        matcher.costs_changed(std::vector<Slot>{s});
      }
      // The oracle: the costs as posed, with the switching costs written out, solved from scratch.
      std::vector<double> rows, leaving;
      for (std::size_t j = 0; j < in.size(); ++j) {
        if (!in[j]) continue;
        for (std::size_t c = 0; c < wide; ++c) {
          const bool stays = placed[j] == kNone || placed[j] == static_cast<Slot>(c);
          rows.push_back(cost[j * wide + c] + (stays ? 0 : move));
        }
        leaving.push_back(unplaced + (placed[j] == kNone ? 0 : move));
      }
      Stop stop;
      const live::RoundAnswer answer = matcher.match({static_cast<int>(draw(1, 3)), seed}, stop);
      matcher.acknowledge();
      CONTEXT("reason", answer.reason);
      CHECK(matcher.holds());
      CHECK_EQ(answer.status, transport::Status::optimal);
      for (const live::ReportedChange& change : answer.changes) {
        CHECK_EQ(placed[static_cast<std::size_t>(change.job)], change.from);
        placed[static_cast<std::size_t>(change.job)] = change.to;
      }
      const DenseCost<double> posed(rows.data(), static_cast<Index>(leaving.size()), n_slots);
      const transport::Problem problem{&posed, capacity.data(), nullptr, leaving.data(), 1};
      Stop again;
      CHECK_EQ(answer.objective, transport::solve(problem, {}, again).objective);
    }
  }
}

TEST(rounds_of_gangs_keep_rules_and_invariants) {
  std::mt19937 random(2);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  for (const int kind : {0, 1, 2}) {  // costs alone, queues, queues with limits of types
    const bool ranked = kind > 0, typed = kind > 1;
    constexpr Index kJobs = 200;
    constexpr Slot kSlots = 6;
    std::vector<double> cost(kJobs * kSlots), unplaced(kJobs), move{1};
    std::vector<std::int32_t> demand(kJobs), queue(kJobs);
    std::vector<std::int64_t> priority(kJobs);
    std::vector<std::uint8_t> preemptible(kJobs);
    for (double& c : cost) c = draw(0, 9) == 0 ? std::numeric_limits<double>::infinity() : draw(0, 50);
    for (std::size_t k = 0; k < kJobs; ++k) {
      unplaced[k] = draw(20, 90), demand[k] = 1 << draw(0, 3), queue[k] = ranked ? draw(0, 2) : 0;
      priority[k] = ranked ? draw(-1, 1) : 0, preemptible[k] = draw(0, 3) > 0;
    }
    const DenseCost<double> source(cost.data(), kJobs, kSlots);
    live::Matcher matcher(kSlots);
    if (typed)
      matcher.set_queues({{kNone, 0, kNone},
                          {90, 60, kForbidden},
                          {20, 10, 30},
                          true,
                          {40, 30, 25, 35, 25, 60},
                          {0, 0, 20, 10, 0, 0}});
    else if (ranked)
      matcher.set_queues({{kNone, 0, kNone}, {90, 60, kForbidden}, {20, 10, 30}, true});
    else
      matcher.set_queues({{kNone}, {kForbidden}, {0}, false});
    matcher.set_columns({&source, unplaced.data(), 1, move.data(), 0, {}}, 100);
    const std::vector<std::int32_t> types{0, 1, 0, 1, 0, 1};
    matcher.set_gangs({{demand.data(), 1}, {queue.data(), 1}, {priority.data(), 1}, {preemptible.data(), 1}},
                      typed ? std::span(types) : std::span<const std::int32_t>());
    std::vector<bool> in(kJobs, false);
    for (int round = 0; round < 25; ++round) {
      for (int k = 0; k < (round == 0 ? 120 : 8); ++k) {
        const std::int32_t job = draw(0, kJobs - 1);
        const std::vector<live::Job> one{job};
        const auto at = static_cast<std::size_t>(job);
        in[at] ? matcher.remove(one) : matcher.add(one);
        in[at] = !in[at];
      }
      if (round % 3 == 0)
        for (Slot s = 0; s < kSlots; ++s) matcher.set_capacity(s, draw(5, 40));
      const std::vector<Cost> shares = ranked ? std::vector<Cost>{60, 30, 50} : std::vector<Cost>{kForbidden};
      matcher.set_shares(shares);
      Stop stop;
      const live::RoundAnswer answer = matcher.match({3, 0, -1}, stop);
      CHECK(matcher.holds());
      CHECK(answer.bound <= answer.objective);
      std::vector<Cost> load(kSlots, 0), usage(3, 0), even(3, 0);
      for (live::Job job = 0; job < static_cast<live::Job>(kJobs); ++job) {
        const auto at = static_cast<std::size_t>(job);
        const Slot s = in[at] ? matcher.placed_class(job) : kNone;
        if (s == kNone) continue;
        load[static_cast<std::size_t>(s)] += demand[at];
        usage[static_cast<std::size_t>(queue[at])] += demand[at];
        if (s % 2 == 0) even[static_cast<std::size_t>(queue[at])] += demand[at];
      }
      for (Slot s = 0; s < kSlots; ++s)
        CHECK(load[static_cast<std::size_t>(s)] <= answer.capacity[static_cast<std::size_t>(s)]);
      if (ranked) CHECK(usage[0] + usage[1] <= 90 && usage[1] <= 60);
      if (typed) CHECK(even[0] + even[1] <= 40 && even[1] <= 30 && even[2] <= 25);
      if (typed) CHECK(usage[2] - even[2] <= 60 && usage[1] - even[1] <= 25);
      matcher.acknowledge();
      Stop idle;
      CHECK(matcher.match({1, 0, -1}, idle).changes.empty());
      matcher.acknowledge();
    }
  }
}

}  // namespace gridcompute
