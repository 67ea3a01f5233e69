// Transport against a slow oracle on small random instances, the invariants of the restricted problem, and the
// arithmetic of the certificate at its edges.
#include "gridcompute/certificate/transport.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "check.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/certificate/exact_numbers.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"
#include "gridcompute/transport/restricted/ssp_repair.hpp"
#include "transport/transport_instances.hpp"

namespace gridcompute {

namespace {

// Slow oracle: tries every job in every class with room.
Cost least_cost(const Instance& p, std::vector<Cost>& room, Index job) {
  if (job == p.n) return 0;
  const Cost weight = p.demand.empty() ? 1 : p.demand[static_cast<std::size_t>(job)];
  Cost least = kNoPlan;
  const auto offer = [&](Cost here) {
    const Cost rest = least_cost(p, room, job + 1);
    if (rest != kNoPlan) least = std::min(least, here + rest);
  };
  if (!p.unplaced.empty()) offer(static_cast<Cost>(p.unplaced[static_cast<std::size_t>(job)]));
  for (Index s = 0; s < p.s; ++s) {
    Cost& left = room[static_cast<std::size_t>(s)];
    if (left < weight) continue;
    left -= weight;
    offer(p.cost[static_cast<std::size_t>(job * p.s + s)]);
    left += weight;
  }
  return least;
}

Instance random_instance(std::mt19937& random, Index most_jobs, bool gangs) {
  const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
  Instance p;
  p.n = draw(0, most_jobs), p.s = draw(0, 4);
  const Index spread = draw(0, 1) == 0 ? 2 : 1000;
  for (Index k = 0; k < p.n * p.s; ++k) p.cost.push_back(draw(-spread, spread));
  for (Index s = 0; s < p.s; ++s) p.capacity.push_back(draw(0, 3));
  for (Index i = 0; gangs && i < p.n; ++i) p.demand.push_back(static_cast<std::int32_t>(draw(1, 3)));
  if (draw(0, 1) == 0) {
    for (Index i = 0; i < p.n; ++i) p.unplaced.push_back(static_cast<double>(draw(-spread, spread)));
  }
  p.cost.reserve(1), p.capacity.reserve(1);
  return p;
}

}  // namespace

TEST(transport_is_the_slow_twin) {
  std::mt19937 random(1);
  for (int k = 0; k < 400; ++k) {
    const Instance p = random_instance(random, 6, k % 3 == 0);
    const DenseCost<std::int64_t> cost(p.cost.data(), p.n, p.s);
    std::vector<Cost> room = p.capacity;
    const Cost least = least_cost(p, room, 0);
    check_result(p, cost, solve(p, cost, 1), least);
    check_result(p, cost, solve(p, cost, 1, true), least);
  }
}

// Copies of rows and of classes, samples, spare room, and keys that need 64 bits, all in memory: the general method's
// optimum again.
TEST(transport_in_memory_agrees_with_the_general_method) {
  std::mt19937 random(5);
  const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
  for (int k = 0; k < 40; ++k) {
    Instance p;
    p.n = draw(100, 900), p.s = draw(1, 25);
    const Index kinds = k % 2 == 0 ? 7 : p.n, columns = k % 3 == 0 ? 4 : p.s;
    const Cost spread = k % 5 == 0 ? Cost{1} << 40 : k % 5 == 1 ? 3 : 1000;
    std::vector<Cost> key;
    for (Index c = 0; c < kinds * columns; ++c) key.push_back(draw(-spread, spread));
    for (Index i = 0; i < p.n; ++i) {
      const Index kind = draw(0, kinds - 1);
      for (Index s = 0; s < p.s; ++s) p.cost.push_back(key[static_cast<std::size_t>(kind * columns + s % columns)]);
    }
    for (Index s = 0; s < p.s; ++s) p.capacity.push_back(draw(0, (k % 7 == 0 ? 20 : 2) * p.n / p.s));
    if (k % 3 != 2) p.unplaced.assign(static_cast<std::size_t>(p.n), static_cast<double>(spread / 2));
    const DenseCost<std::int64_t> cost(p.cost.data(), p.n, p.s);
    const transport::Result ladder = solve(p, cost, 2), direct = solve(p, cost, 2, true);
    CHECK(ladder.status == direct.status);
    CHECK(ladder.exact_objective == direct.exact_objective);
    const bool none = ladder.status == transport::Status::infeasible;
    const Cost least = none ? kNoPlan : static_cast<Cost>(ladder.exact_objective);
    check_result(p, cost, ladder, least);
    check_result(p, cost, direct, least);
  }
}

// Several chunks, levels and threads: the same answer from 1, 2 and 7 threads, proved by the certificate.
TEST(transport_is_proved_and_the_same_for_any_threads) {
  std::mt19937 random(2);
  for (const Cost spread : {Cost{3}, Cost{100000}}) {
    Instance p;
    p.n = 6000, p.s = 12;
    std::uniform_int_distribution<Cost> draw(0, spread);
    for (Index k = 0; k < p.n * p.s; ++k) p.cost.push_back(draw(random));
    for (Index s = 0; s < p.s; ++s) p.capacity.push_back(60 * (s + 3));
    p.capacity.back() += 600;
    const DenseCost<std::int64_t> cost(p.cost.data(), p.n, p.s);
    const transport::Result first = solve(p, cost, 1);
    CHECK(first.exact);
    check_result(p, cost, first, static_cast<Cost>(first.exact_objective));
    for (const int threads : {2, 7}) {
      const transport::Result other = solve(p, cost, threads);
      CHECK(other.assignment == first.assignment);
      CHECK(other.prices == first.prices);
    }
  }
}

// Coarse costs of each type: keys are perturbed and prices rounded, or not, where a sample misled. The optimum is that
// of the in-memory solver, which perturbs nothing, and has the same bits for any number of threads.
TEST(transport_breaks_ties_and_mends_them) {
  std::mt19937 random(11);
  Index broken = 0, settled = 0, misled = 0;
  for (int k = 0; k < 30; ++k) {
    Instance p;
    p.n = 2500, p.s = 24 + k;
    std::gamma_distribution<double> draw(1.0, k % 3 == 0 ? 2.0 : k % 3 == 1 ? 35.0 : 100.0);
    for (Index c = 0; c < p.n * p.s; ++c) p.cost.push_back(static_cast<Cost>(draw(random)));
    if (k % 6 == 5) p.cost[static_cast<std::size_t>(1001 * p.s)] = Cost{1} << 49;
    for (Index s = 0; s < p.s; ++s)
      p.capacity.push_back(2 * (s + 2) * p.n / (p.s * (p.s + 3)) + 1 + 60 * (s % 3) * (k % 2));
    if (k % 4 == 3) p.unplaced.assign(static_cast<std::size_t>(p.n), 5.0);
    std::vector<std::int32_t> narrow(p.cost.begin(), p.cost.end());
    std::vector<double> real(p.cost.begin(), p.cost.end());
    const DenseCost<std::int64_t> wide(p.cost.data(), p.n, p.s);
    const DenseCost<std::int32_t> small(narrow.data(), p.n, p.s);
    const DenseCost<double> reals(real.data(), p.n, p.s);
    const transport::Result whole = solve(p, wide, 2, true), ladder = solve(p, wide, 2), other = solve(p, wide, 1);
    CHECK(whole.stats.perturbed == 0);
    CHECK(ladder.assignment == other.assignment && ladder.prices == other.prices);
    check_result(p, wide, ladder, static_cast<Cost>(whole.exact_objective));
    broken += ladder.stats.perturbed, settled += ladder.stats.perturbation_repairs;
    misled += ladder.stats.perturbed == 0 && ladder.stats.levels > 3 ? 1 : 0;
    if (k % 6 == 5) continue;
    check_result(p, small, solve(p, small, 2), static_cast<Cost>(whole.exact_objective));
    const transport::Result last = solve(p, reals, 2);
    CHECK(last.status == transport::Status::optimal && last.exact && last.objective == whole.objective);
    broken += last.stats.perturbed;
  }
  CHECK(broken > 30 && settled > 0 && misled > 0);
}

// Pricing pass, then repair: the invariants that later proofs need.
TEST(transport_stages_hold) {
  std::mt19937 random(3);
  for (int k = 0; k < 60; ++k) {
    Instance p;
    p.n = 40, p.s = 5;
    std::uniform_int_distribution<Cost> draw(0, k % 2 == 0 ? 3 : 500);
    for (Index c = 0; c < p.n * p.s; ++c) p.cost.push_back(draw(random));
    p.capacity.assign(5, 9);
    const DenseCost<std::int64_t> cost(p.cost.data(), p.n, p.s);
    transport::Problem problem;
    problem.cost = &cost;
    problem.capacity = p.capacity.data();
    const transport::IntegerKeys keys(problem, 1.0);
    Pool pool(2);
    Stop stop;
    transport::Level level;
    level.n = p.n;
    level.capacity = p.capacity;
    transport::PriceBox box;
    box.center.assign(5, 0), box.down.assign(5, 1000), box.up.assign(5, 1000);
    transport::RestrictedProblem r;
    transport::CostRangeStats seen;
    CHECK(transport::pricing_pass(transport::SolverContext{keys, pool, stop, k % 4 < 2, {}}, level, box, r, seen));
    std::vector<Cost> prices(5, 0);
    r.place(prices, level.capacity, pool);
    CHECK(r.holds());
    transport::Stats stats;
    transport::SspRepair repair(r, level.capacity, prices, box, true, pool, stop, stats);
    CHECK(repair.run() == transport::SspRepair::End::balanced);
    CHECK(repair.holds());
    CHECK(r.holds());
  }
}

TEST(certificate_finds_each_fault) {
  const std::vector<std::int64_t> values{1, 5, 2, 3};
  const std::vector<Cost> capacity{1, 1};
  const DenseCost<std::int64_t> cost(values.data(), 2, 2);
  const certificate::TransportProblem problem{&cost, capacity, {}, {}};
  Pool pool(1);
  Stop stop;
  const auto faults = [&](std::vector<std::int32_t> assignment, std::vector<double> prices) {
    const auto r = certificate::check_transport(problem, assignment, prices, pool, stop);
    return r.faults.size() + r.forbidden.size() + r.missing.size() + r.overfull.size() + r.unproved.size();
  };
  CHECK(faults({0, 1}, {1, 0}) == 0);
  CHECK(faults({0, 0}, {1, 0}) == 1);   // over capacity
  CHECK(faults({0, 2}, {1, 0}) == 1);   // no such class
  CHECK(faults({0, -1}, {1, 0}) == 1);  // must be placed
  CHECK(faults({0, 1}, {-1, 0}) == 1);  // a price below 0
  CHECK(faults({0, 1}, {std::nan(""), 0}) == 1);
  CHECK(faults({0}, {1, 0}) == 1);  // an entry too few
  CHECK(faults({0, 1, 1}, {1, 0}) == 1);
  CHECK(faults({0, 1}, {1}) == 1);
  CHECK(faults({}, {}) == 2);
  const auto good =
      certificate::check_transport(problem, std::vector<std::int32_t>{0, 1}, std::vector<double>{0, 0}, pool, stop);
  CHECK(*good.objective.integer == 4 && *good.bound.integer == 3 && !good.tight);
  const std::vector<Index> jobs{0, 1};
  CHECK(!certificate::check_witness(problem, jobs, std::vector<Slot>{0}).faults.empty());     // class 1 is open
  CHECK(!certificate::check_witness(problem, jobs, std::vector<Slot>{0, 1}).faults.empty());  // and has room
  const std::vector<Cost> short_capacity{1};
  const certificate::TransportProblem broken{&cost, short_capacity, {}, {}};
  CHECK_THROWS(
      certificate::check_transport(broken, std::vector<std::int32_t>{0, 1}, std::vector<double>{0, 0}, pool, stop),
      Error);
}

// Contradictions within an answer are found without reading the costs.
TEST(certificate_refuses_contradictions) {
  const std::vector<std::int64_t> values{1, 5, 2, 3};
  const std::vector<Cost> capacity{1, 1};
  const DenseCost<std::int64_t> cost(values.data(), 2, 2);
  const certificate::TransportProblem problem{&cost, capacity, {}, {}};
  const auto finds = [&](std::vector<std::int32_t> assignment, std::vector<Cost> load, std::vector<double> prices,
                         bool complete = true) {
    const double objective = complete ? 4 : std::numeric_limits<double>::infinity();
    return certificate::contradiction(problem, {assignment, load, prices, objective, complete});
  };
  CHECK(finds({0, 1}, {1, 1}, {1, 0}).empty());
  CHECK(finds({0, -1}, {1, 0}, {1, 0}, false).empty());
  CHECK(finds({0, -1}, {1, 0}, {1, 0}) == "1 jobs that must be placed are not");
  CHECK(finds({0, 0}, {2, 0}, {1, 0}) == "load[0] is 2, beyond the capacity");
  CHECK(finds({0, 1}, {1, 0}, {1, 0}) == "load[1] is 0, the assignment gives 1");
  CHECK(finds({0, 2}, {1, 1}, {1, 0}) == "assignment[1] is 2");
  CHECK(finds({0, 1}, {1, 1}, {-1, 0}) == "prices[0] is -1");
  CHECK(finds({0, 1}, {1, 1}, {1}) == "an array of the answer has a wrong size");
}

// The certificate's own proof: sums that no double holds, to the last bit, whatever the order.
TEST(exact_sum_is_exact) {
  using certificate::ExactSum;
  constexpr double most = std::numeric_limits<double>::max(), least = std::numeric_limits<double>::denorm_min();
  ExactSum sum;
  for (const double x : {most, most, least, -most, 1.0, -most}) sum.add(x);
  CHECK(sum.down() == 1.0 && sum.up() == std::nextafter(1.0, 2.0));
  CHECK(!sum.integer() && *sum.ceiling() == 2);
  sum.add(-least);
  CHECK(sum.down() == 1.0 && sum.up() == 1.0 && *sum.integer() == 1);
  sum.add(-1.0);
  CHECK(sum.sign() == 0);
  sum.add(most), sum.add(most);
  CHECK(sum.down() == most && std::isinf(sum.up()));

  ExactSum product;
  product.subtract_product(std::numeric_limits<Cost>::max(), 0.1);
  product.subtract_product(3, -least);
  CHECK(product.sign() == -1 && product.down() < product.up());
  for (int k = 0; k < 10; ++k) product.add(0.1 * 0x1p63 / 10);  // near, not equal
  CHECK(std::fabs(product.down()) < 1e4);

  ExactSum big;
  const Wide huge = (static_cast<Wide>(1) << 125) + 12345;
  big.add(-huge, 0);
  CHECK(*big.integer() == -huge && *big.ceiling() == -huge);
  big.add(0.5);
  CHECK(!big.integer() && *big.ceiling() == -huge + 1);
  big.negate();
  CHECK(*big.ceiling() == huge);

  std::mt19937_64 random(5);
  for (int k = 0; k < 2000; ++k) {
    ExactSum forth, back;
    std::vector<double> terms;
    for (int i = 0; i < 30; ++i)
      terms.push_back(std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 900) - 500));
    for (const double x : terms) forth.add(x);
    std::reverse(terms.begin(), terms.end());
    ExactSum half;
    for (std::size_t i = 0; i < terms.size(); ++i) (i % 2 == 0 ? back : half).add(terms[i]);
    back.join(half);
    CHECK(forth.down() == back.down() && forth.up() == back.up());
    back.negate();
    forth.join(back);
    CHECK(forth.sign() == 0);
  }
}

// w p + c is enclosed where it is no double, for jobs and gangs.
TEST(certificate_bounds_reals_rigorously) {
  const std::vector<double> values{0.1, 0.7, 0.3, 0.2};
  const std::vector<Cost> capacity{3, 3};
  const std::vector<std::int32_t> demand{3, 1};
  const DenseCost<double> cost(values.data(), 2, 2);
  Pool pool(1);
  Stop stop;
  for (const bool gang : {false, true}) {
    const certificate::TransportProblem problem{
        &cost, capacity, gang ? std::span(demand) : std::span<const std::int32_t>(), {}};
    const auto r = certificate::check_transport(problem, std::vector<std::int32_t>{0, 1},
                                                std::vector<double>{1.0 / 3, 0}, pool, stop);
    CHECK(r.faults.empty() && r.complete);
    CHECK(r.bound.low <= r.bound.high && r.bound.high <= std::nextafter(std::nextafter(r.bound.low, 1), 1));
    CHECK(r.bound.low <= r.objective.high);
    CHECK(r.objective.low <= 0.1 + 0.2 && 0.1 + 0.2 <= std::nextafter(r.objective.high, 1));
  }
}

}  // namespace gridcompute
