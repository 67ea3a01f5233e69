// Jobs with demands, each whole in one class: each exact step against enumeration, and bounds against any plan's cost.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/transport/generalized_assignment/branch_and_bound.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"
#include "gridcompute/transport/generalized_assignment/knapsack_bound.hpp"
#include "gridcompute/transport/generalized_assignment/whole_job_solver.hpp"
#include "gridcompute/transport/generalized_assignment/window_search.hpp"
#include "transport/transport_instances.hpp"

namespace gridcompute::transport {

namespace {

// Tight instances: demands of 1 to `largest`, capacity for all or nearly all of them.
struct DemandInstance {
  Index n, s;
  std::vector<double> cost, unplaced;
  std::vector<std::int32_t> demand;
  std::vector<Cost> capacity;
  std::optional<DenseCost<double>> source;
  Problem problem;

  DemandInstance(std::mt19937& random, Index jobs, Index classes, int largest) : n(jobs), s(classes) {
    const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
    Cost all = 0;
    for (Index i = 0; i < n; ++i) demand.push_back(static_cast<std::int32_t>(draw(1, largest))), all += demand.back();
    const bool halves = draw(0, 3) == 0;
    for (Index k = 0; k < n * s; ++k)
      cost.push_back(draw(0, 9) == 0 ? kInf : static_cast<double>(draw(-20, 60)) / (halves ? 2 : 1));
    for (Index k = 0; k < s; ++k) capacity.push_back(std::max<Cost>(0, all / s + draw(-1, 2)));
    if (draw(0, 1) == 0)
      for (Index i = 0; i < n; ++i) unplaced.push_back(draw(0, 3) == 0 ? kInf : static_cast<double>(draw(0, 80)));
    source.emplace(cost.data(), n, s);
    problem.cost = &*source;
    problem.capacity = capacity.data();
    problem.demand = demand.data();
    if (!unplaced.empty()) problem.unplaced = unplaced.data(), problem.unplaced_stride = 1;
  }
  DemandInstance(const DemandInstance&) = delete;
  DemandInstance& operator=(const DemandInstance&) = delete;

  // +inf where there is no plan. Sums of halves: exact.
  double least(Index job = 0) {
    if (job == n) return 0;
    double best = unplaced.empty() ? kInf : unplaced[static_cast<std::size_t>(job)] + least(job + 1);
    for (Index k = 0; k < s; ++k) {
      Cost& room = capacity[static_cast<std::size_t>(k)];
      const double here = cost[static_cast<std::size_t>(job * s + k)];
      if (room < problem.weight(job) || here == kInf) continue;
      room -= problem.weight(job);
      best = std::min(best, here + least(job + 1));
      room += problem.weight(job);
    }
    return best;
  }
};

// Places each job in the first class with room, else leaves it out.
std::vector<std::int32_t> any_plan(const DemandInstance& g) {
  std::vector<Cost> room = g.capacity;
  std::vector<std::int32_t> at(static_cast<std::size_t>(g.n), -1);
  for (Index i = 0; i < g.n; ++i) {
    for (Index k = 0; k < g.s && at[static_cast<std::size_t>(i)] < 0; ++k) {
      if (room[static_cast<std::size_t>(k)] < g.problem.weight(i) ||
          g.cost[static_cast<std::size_t>(i * g.s + k)] == kInf)
        continue;
      room[static_cast<std::size_t>(k)] -= g.problem.weight(i);
      at[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(k);
    }
  }
  return at;
}

IntegralModel whole_model(const DemandInstance& g, const std::vector<std::int32_t>& plan) {
  std::vector<Index> jobs(static_cast<std::size_t>(g.n));
  std::iota(jobs.begin(), jobs.end(), Index{0});
  Stop stop;
  return *build_integral_model(g.problem, plan, std::vector<double>(static_cast<std::size_t>(g.s), 0.0), jobs, kInf,
                               stop);
}

std::vector<Slot> places(const IntegralModel& model, const std::vector<std::int32_t>& plan) {
  std::vector<Slot> at;
  for (const std::int32_t k : plan) at.push_back(k < 0 ? model.out() : k);
  return at;
}

bool keeps_rooms(const IntegralModel& model, const std::vector<Slot>& at) {
  std::vector<Cost> room = model.capacity;
  for (Index i = 0; i < model.jobs(); ++i)
    if (const Slot k = at[static_cast<std::size_t>(i)]; k != model.out()) {
      if (model.row(i)[k] >= kForbidden) return false;
      room[k] -= model.weight[static_cast<std::size_t>(i)];
    }
  return std::ranges::all_of(room, [](Cost left) { return left >= 0; });
}

// Returns the cost of the plan without must-place penalties; +inf where a job that must be placed is not.
double cost_of(const IntegralModel& model, const std::vector<Slot>& at) {
  double sum = model.base;
  for (Index i = 0; i < model.jobs(); ++i) {
    const Slot k = at[static_cast<std::size_t>(i)];
    if (k == model.out() && model.required[static_cast<std::size_t>(i)] != 0) return kInf;
    sum += static_cast<double>(model.row(i)[k]) / model.scale;
  }
  return sum;
}

}  // namespace

TEST(whole_jobs_in_a_window_are_placed_at_least_cost_by_loads_and_by_subsets) {
  std::mt19937 random(1);
  const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
  WindowDp window_dp;
  for (int round = 0; round < 400; ++round) {
    JobWindow w;
    const Index m = draw(1, 7);
    const auto k = static_cast<Slot>(draw(1, 4));
    const Index unit = draw(1, 3);
    for (Index i = 0; i < m; ++i) w.weight.push_back(unit * draw(1, 4));
    for (Slot c = 0; c < k; ++c) w.room.push_back(draw(0, 10));
    for (Index i = 0; i < m; ++i) {
      for (Slot c = 0; c < k; ++c) w.key.push_back(draw(0, 4) == 0 ? kForbidden : draw(-5, 9));
      w.key.push_back(draw(0, 20));
    }
    const std::function<Cost(Index)> least = [&](Index i) -> Cost {
      if (i == m) return 0;
      Cost best = w.key[static_cast<std::size_t>(i * (k + 1) + k)] + least(i + 1);
      for (Slot c = 0; c < k; ++c) {
        const Cost key = w.key[static_cast<std::size_t>(i * (k + 1) + c)],
                   weight = w.weight[static_cast<std::size_t>(i)];
        if (key >= kForbidden || weight > w.room[c]) continue;
        w.room[c] -= weight;
        best = std::min(best, key + least(i + 1));
        w.room[c] += weight;
      }
      return best;
    };
    const Cost best = least(0);
    for (const bool loads : {true, false}) {
      std::vector<Slot> to;
      loads ? window_dp.solve_by_loads(w, static_cast<std::uint64_t>(round), to)
            : window_dp.solve_by_subsets_of_jobs(w, to);
      Cost sum = 0;
      std::vector<Cost> room = w.room;
      for (Index i = 0; i < m; ++i) {
        const Slot c = to[static_cast<std::size_t>(i)];
        sum += w.key[static_cast<std::size_t>(i * (k + 1) + c)];
        if (c < k) room[c] -= w.weight[static_cast<std::size_t>(i)];
      }
      CHECK(sum == best);
      CHECK(std::ranges::all_of(room, [](Cost left) { return left >= 0; }));
    }
  }
}

TEST(whole_jobs_by_subsets_are_the_optimum_or_cannot_be_placed) {
  std::mt19937 random(2);
  int none = 0;
  for (int round = 0; round < 300; ++round) {
    DemandInstance g(random, round % 7, 1 + round % 4, 4);
    const double least = g.least();
    Stop stop;
    const std::optional<ExactPlan> plan = solve_by_subsets(g.problem, stop);
    CHECK(plan && plan->feasible == (least < kInf));
    if (!plan) continue;
    if (plan->feasible) {
      CHECK(plan->below == least && plan->nearest == least);
    } else if (g.unplaced.empty()) {
      std::vector<Index> jobs(static_cast<std::size_t>(g.n));
      std::iota(jobs.begin(), jobs.end(), Index{0});
      CHECK(!smallest_unpackable_set(g.problem, jobs).empty());
      ++none;
    }
  }
  CHECK(none > 10);
}

TEST(whole_jobs_that_branches_exhaust_are_optimal) {
  std::mt19937 random(3);
  int complete = 0;
  for (int round = 0; round < 400; ++round) {
    DemandInstance g(random, 1 + round % 8, 1 + round % 4, 4);
    const double least = g.least();
    const std::vector<std::int32_t> plan = any_plan(g);
    const IntegralModel model = whole_model(g, plan);
    Stop stop;
    WindowSearch search(model, places(model, plan), 1);
    BranchAndBound branch(model, search, stop);
    branch.run(1 << 22, -1, 60);
    CHECK(keeps_rooms(model, search.best()));
    const double found = cost_of(model, search.best());
    CHECK(found >= least);
    if (!branch.complete() || least == kInf) continue;
    ++complete;
    CHECK(found == least);
  }
  CHECK(complete > 200);
}

TEST(whole_jobs_searched_keep_every_rule_and_never_get_dearer) {
  std::mt19937 random(4);
  for (int round = 0; round < 60; ++round) {
    DemandInstance g(random, 8 + round % 9, 2 + round % 5, round % 3 == 0 ? 60 : 5);
    const std::vector<std::int32_t> plan = any_plan(g);
    const IntegralModel model = whole_model(g, plan);
    Stop stop;
    WindowSearch search(model, places(model, plan), static_cast<std::uint64_t>(round));
    Wide before = search.best_cost();
    const auto ahead = [&] {
      CHECK(keeps_rooms(model, search.best()));
      CHECK(search.best_cost() <= before);
      before = search.best_cost();
    };
    search.start_greedily(stop);
    ahead();
    search.improve(1 << 18, -1, stop);
    ahead();
    NeighbourhoodSearch(model, search, 1, stop).improve(1 << 18, -1);
    ahead();
  }
}

// If this fails, a plan of the search breaks a capacity or a bound is too high for some values of the tuning.
TEST(whole_jobs_are_certified_whatever_the_tuning) {
  for (std::uint64_t k = 0; k < 60; ++k) {
    const std::uint64_t seed = testing::seed(k);
    CONTEXT("seed", seed);
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
    WholeJobTuning tuning;
    const auto draw = [&](auto& field, double low, double high) {
      const double share = std::uniform_real_distribution<double>(0, 1)(random);
      const double most = std::min(high, std::max(2 * static_cast<double>(field), low + 1));  // no minutes of search
      field = static_cast<std::remove_reference_t<decltype(field)>>(low + share * (most - low));
    };
#define GRIDCOMPUTE_DRAW(type, name, value, low, high, unit, decides) draw(tuning.name, low, high);
    GRIDCOMPUTE_WHOLE_JOB_TUNING(GRIDCOMPUTE_DRAW)
#undef GRIDCOMPUTE_DRAW
    for (double* steps : {&tuning.search_steps, &tuning.assignment_steps}) *steps = std::min(*steps, 0x1p21);
    DemandInstance g(random, 13 + static_cast<Index>(seed % 3), 2, 4);
    const double least = g.least();
    Pool pool(1);
    Stop stop;
    Result result;
    solve_whole_jobs(g.problem, {}, pool, stop, solve_in_one_unit, result, tuning);
    CONTEXT("least", least);
    CONTEXT("objective", result.objective);
    CONTEXT("bound", result.bound);
    CHECK(result.bound <= least);
    CHECK(result.objective >= least);
    if (result.status == Status::optimal) CHECK_EQ(result.objective, least);
    if (result.status == Status::infeasible) CHECK_EQ(least, kInf);
    if (result.status == Status::infeasible || result.objective == kInf) continue;
    std::vector<Cost> room = g.capacity;
    double sum = 0;
    for (Index i = 0; i < g.n; ++i) {
      const std::int32_t s = result.assignment[static_cast<std::size_t>(i)];
      sum += s < 0 ? g.unplaced[static_cast<std::size_t>(i)] : g.cost[static_cast<std::size_t>(i * g.s + s)];
      if (s >= 0) room[static_cast<std::size_t>(s)] -= g.problem.weight(i);
    }
    CHECK_EQ(sum, result.objective);
    CHECK(std::ranges::all_of(room, [](Cost left) { return left >= 0; }));
  }
}

TEST(whole_jobs_bounded_by_knapsacks_cost_no_less_whatever_the_charges) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    DemandInstance g(random, round % 7, 1 + round % 3, 4);
    std::vector<double> charges;
    for (Index i = 0; i < g.n; ++i) charges.push_back(std::uniform_real_distribution<double>(-30, 90)(random));
    const std::optional<ScaledInteger> bound = exact_knapsack_bound(g.problem, charges);
    CHECK(bound && double_below(bound->mantissa, bound->exponent) <= g.least());
  }
}

TEST(whole_jobs_fill_no_more_than_some_sum_of_demands) {
  std::mt19937 random(6);
  const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::int32_t> demand;
    const Index unit = draw(1, 3) * (round % 5 == 0 ? 5000 : 1);
    for (Index k = draw(0, 8); k > 0; --k) demand.push_back(static_cast<std::int32_t>(unit * draw(1, 9)));
    std::vector<char> reached(std::size_t{1} << demand.size());
    std::vector<Cost> sums;
    for (std::size_t set = 0; set < reached.size(); ++set) {
      Cost sum = 0;
      for (std::size_t k = 0; k < demand.size(); ++k)
        if ((set >> k & 1) != 0) sum += demand[k];
      sums.push_back(sum);
    }
    const Cost total = *std::ranges::max_element(sums);
    std::vector<Cost> capacity;
    for (int k = 0; k < 6; ++k) capacity.push_back(draw(0, total + 5));
    const std::vector<Cost> found = fillable_capacities(capacity, demand);
    for (std::size_t k = 0; k < capacity.size(); ++k) {
      Cost most = 0;
      for (const Cost sum : sums)
        if (sum <= capacity[k]) most = std::max(most, sum);
      CHECK(found[k] == (capacity[k] < total ? most : capacity[k]));
    }
  }
  // Where sums are too many to be listed, only their divisor is used, which never gives too little capacity.
  const std::vector<std::int32_t> large{2'000'000'006, 2'000'000'010, 1'999'999'994, 1'000'000'002};
  CHECK(fillable_capacities(std::vector<Cost>{3'999'999'999}, large)[0] >= 3'000'000'008);
}

TEST(whole_jobs_in_units_are_rounded_down_and_no_further) {
  bool whole = true;
  CommonUnit unit(96);
  for (const double x : {1e300, 3.0, -0.75, 5e-324}) unit.include(to_scaled_integer(x));
  CHECK(unit.count(to_scaled_integer(3.0), whole) == 0 && !whole);
  whole = true;
  CHECK(unit.count(to_scaled_integer(-0.75), whole) == -1 && !whole);
  CommonUnit fine(96);
  fine.include(to_scaled_integer(-0.75)), fine.include(to_scaled_integer(3.0));
  whole = true;
  CHECK(std::ldexp(static_cast<double>(fine.count(to_scaled_integer(-0.75), whole)), fine.exponent()) == -0.75 &&
        whole);
  bool exact = false;
  CHECK(double_below((static_cast<Wide>(1) << 53) + 1, 0, &exact) == 0x1p53 && !exact);
  CHECK(double_below(-(static_cast<Wide>(1) << 53) - 1, 0) < -0x1p53);
  CHECK(double_below(3, -1, &exact) == 1.5 && exact);
  CHECK(double_below(-1, -1200) < 0 && double_below(1, -1200) == 0);
}

}  // namespace gridcompute::transport
