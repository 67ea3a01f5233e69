// The matcher's rounds keep its invariant, whatever changes, and cost what a cold solve costs.
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
  // 300 classes: more than the board keeps whole, so limits, relisting and widening are met.
  for (const Slot n_slots : {Slot{1}, Slot{5}, Slot{300}}) {
    constexpr Index kJobs = 240;
    std::vector<double> cost(static_cast<std::size_t>(kJobs * n_slots)), unplaced{60}, move{0};
    for (double& c : cost) c = draw(0, 9) == 0 ? std::numeric_limits<double>::infinity() : draw(0, 50);
    const DenseCost<double> source(cost.data(), kJobs, n_slots);
    matcher::Matcher live(n_slots);
    live.set_slab({&source, unplaced.data(), 0, move.data(), 0, {}}, 60);
    std::vector<Cost> capacity(static_cast<std::size_t>(n_slots), 1);
    for (Slot s = 0; s < n_slots; ++s) live.set_capacity(s, 1);
    std::vector<bool> in(kJobs, false);
    for (int round = 0; round < 30; ++round) {
      for (int k = 0; k < (round == 0 ? 200 : 6); ++k) {
        const std::int32_t job = draw(0, kJobs - 1);
        const std::vector<matcher::Job> one{job};
        const auto at = static_cast<std::size_t>(job);
        in[at] ? live.remove(one) : live.add(one);
        in[at] = !in[at];
      }
      const Slot s = draw(0, n_slots - 1);
      capacity[static_cast<std::size_t>(s)] = draw(0, 3);
      live.set_capacity(s, capacity[static_cast<std::size_t>(s)]);
      Stop stop;
      const matcher::Answer answer = live.match({2, 0, -1}, stop);
      CHECK(live.holds());
      CHECK(answer.status == transport::Status::optimal);
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
      live.told();
      Stop idle;
      CHECK(live.match({1, 0, -1}, idle).changes.empty());
    }
  }
}

// Costs of classes change, classes come and close, and a world is restored from homes and prices: never cold, and as
// cheap as a cold solve.
TEST(matcher_looks_at_changed_classes_alone) {
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
    std::vector<matcher::Job> jobs;
    for (std::int32_t j = 0; j < kJobs; ++j) jobs.push_back(j);
    auto live = std::make_unique<matcher::Matcher>(first);
    live->set_slab({&begin, unplaced.data(), 0, move.data(), 0, {}}, 60);
    for (Slot s = 0; s < first; ++s) live->set_capacity(s, capacity[static_cast<std::size_t>(s)] = draw(0, 3));
    live->add(jobs);
    std::shared_ptr<const std::vector<Slot>> closed;
    for (int round = 0; round < 24; ++round) {
      const Slot s = draw(0, most - 1);
      const std::vector<Slot> one{s};
      if (round == 3) {  // three more classes
        live->set_slab({&source, unplaced.data(), 0, move.data(), 0, closed}, 60);
        const std::vector<Slot> added{first, first + 1, first + 2};
        for (const Slot a : added) live->set_capacity(a, capacity[static_cast<std::size_t>(a)] = 2);
        live->costs_changed(added);
      } else if (round > 3 && round % 3 == 0) {
        for (std::size_t j = 0; j < static_cast<std::size_t>(kJobs); ++j)
          cost[j * wide + static_cast<std::size_t>(s)] = draw(0, 50);
        live->costs_changed(one);
      } else if (round > 3 && round % 7 == 0) {
        if (closed) live->costs_changed(*closed);  // it opens again
        closed = std::make_shared<const std::vector<Slot>>(one);
        live->set_slab({&source, unplaced.data(), 0, move.data(), 0, closed}, 60);
        live->costs_changed(one);
      } else if (round == 20) {
        std::vector<Slot> homes;
        std::vector<double> prices;
        for (const matcher::Job job : jobs) homes.push_back(live->home(job));
        for (Slot k = 0; k < most; ++k) prices.push_back(live->price(k));
        auto again = std::make_unique<matcher::Matcher>(most);
        again->set_slab({&source, unplaced.data(), 0, move.data(), 0, closed}, 60);
        for (Slot k = 0; k < most; ++k) again->set_capacity(k, capacity[static_cast<std::size_t>(k)]);
        again->restore(jobs, homes, prices, live->world().resolution());
        live = std::move(again);
      }
      Stop stop;
      const matcher::Answer answer = live->match({2, 0, -1}, stop);
      if (draw(0, 1) == 1) live->told();  // else the next answer tells of both
      CHECK(live->holds());
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

// Rounds warm, cold and stopped in turn: what was told adds up to where the jobs are, whoever heard it late, and the
// next round that ends costs what a cold solve costs.
TEST(matcher_goes_on_after_stops_and_large_changes) {
  std::mt19937 random(3);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  constexpr Index kJobs = 3000;
  constexpr Slot kSlots = 6;
  std::vector<double> cost(static_cast<std::size_t>(kJobs * kSlots)), unplaced{60}, move{0};
  for (double& c : cost) c = draw(0, 50);
  const DenseCost<double> source(cost.data(), kJobs, kSlots);
  matcher::Matcher live(kSlots);
  live.set_slab({&source, unplaced.data(), 0, move.data(), 0, {}}, 60);
  const std::vector<Cost> capacity(kSlots, 300);
  for (Slot s = 0; s < kSlots; ++s) live.set_capacity(s, 300);
  std::vector<bool> in(kJobs, false);
  std::vector<Slot> home(kJobs, kNone);
  int ended = 0, cold = 0, stopped = 0;
  for (int round = 0; round < 60; ++round) {
    const std::vector<int> sizes{3, 60, 1200};
    for (int k = 0; k < sizes[static_cast<std::size_t>(round % 3)]; ++k) {
      const std::int32_t job = draw(0, kJobs - 1);
      const auto at = static_cast<std::size_t>(job);
      const std::vector<matcher::Job> one{job};
      if (draw(0, 3) == 0 && in[at]) {
        live.update(one);
      } else {
        in[at] ? live.remove(one) : live.add(one);
        in[at] = !in[at];
        home[at] = kNone;
      }
    }
    if (round % 4 == 1) {
      const std::vector<Slot> one{static_cast<Slot>(draw(0, kSlots - 1))};
      for (std::size_t j = 0; j < kJobs; ++j) cost[j * kSlots + static_cast<std::size_t>(one[0])] = draw(0, 50);
      live.costs_changed(one);
    }
    const bool late = draw(0, 2) == 0;
    Stop stop(late ? 0.0 : 1e9);
    const matcher::Answer answer = live.match({2, 0, -1}, stop);
    // A stopped round may leave costs that have changed to the next one.
    CHECK(answer.status == transport::Status::time_limit || live.holds());
    cold += answer.cold ? 1 : 0;
    stopped += answer.status == transport::Status::time_limit ? 1 : 0;
    if (draw(0, 3) != 0) {  // else it never arrived: the next one tells of it too
      live.told();
      for (const matcher::Change& c : answer.changes) {
        CHECK(home[static_cast<std::size_t>(c.job)] == c.from);
        home[static_cast<std::size_t>(c.job)] = c.to;
      }
      for (std::int32_t j = 0; j < kJobs; ++j)
        CHECK(!in[static_cast<std::size_t>(j)] || home[static_cast<std::size_t>(j)] == live.home(j));
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

}  // namespace gridcompute
