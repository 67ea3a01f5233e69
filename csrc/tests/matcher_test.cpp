// The matcher's rounds keep its invariant, whatever changes, and cost what a cold solve costs.
#include "gridcompute/matcher/matcher.hpp"

#include <cmath>
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
    live.set_slab({&source, unplaced.data(), 0, move.data(), 0}, 60, false);
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
      Stop idle;
      CHECK(live.match({1, 0, -1}, idle).changes.empty());
    }
  }
}

}  // namespace gridcompute
