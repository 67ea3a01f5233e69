// Network simplex and cost scaling on small and unusual graphs, warm starts, ranges, and the DIMACS reader.
#include "gridcompute/certificate/flow.hpp"

#include <algorithm>
#include <random>
#include <thread>

#include "check.hpp"
#include "flow/flow_instances.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/flow/cost_scaling.hpp"
#include "gridcompute/flow/dimacs.hpp"
#include "gridcompute/flow/network_simplex/dual_repair.hpp"
#include "gridcompute/flow/network_simplex/network_simplex.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/start.hpp"
#include "gridcompute/flow/warm_start.hpp"

namespace gridcompute::flow {

// A warm start from any other problem changes the time, never the answer.
TEST(flow_warm_starts_change_nothing_but_speed) {
  std::mt19937 r(2);
  for (int k = 0; k < 600; ++k) {
    CONTEXT("k", k);
    FlowInstance x = random_instance(r, 2 + k % 8, 4 + k % 30);
    Stop stop;
    const FlowResult before =
        solve(x.problem(), k % 2 == 0 ? FlowMethod::network_simplex : FlowMethod::cost_scaling, nullptr, stop);
    const FlowInstance y = random_instance(r, 2 + k % 8, 4 + k % 30);
    switch (k % 4) {
      case 0:
        x.cost = y.cost;
        break;
      case 1:
        x.capacity = y.capacity, x.lower = y.lower;
        break;
      case 2:
        x.supply = y.supply;
        break;
      default:
        x = y;
        break;
    }
    const FlowResult warm = solve(x.problem(), FlowMethod::network_simplex, &before.warm_start, stop);
    const FlowResult cold = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    CHECK(certified(x, warm));
    CHECK_EQ(warm.status, cold.status);
    if (cold.status == FlowStatus::optimal) CHECK_EQ(warm.objective, cold.objective);
  }
}

template <class Int>
void check_tree(const FlowInstance& x, bool crash) {
  const MinCostFlow p = x.problem();
  const ProblemSummary s = summarize(p);
  if (!s.balanced || s.infinite_negative_arcs || (crash && s.negative_costs)) return;
  const auto shape = build_topology(p, s, nullptr);
  auto net = build_network(arc_data<Int>(p, s), s, *shape);
  const Basis start = crash ? shortest_path_forest(net, kFlowTuning).basis : Basis{};
  NetworkSimplex<Int> simplex(std::move(net), start);
  CHECK(simplex.solution().holds());
  Stop stop;
  (void)simplex.run(stop);
  CHECK(simplex.solution().holds());
}

TEST(flow_trees_hold_their_invariants) {
  std::mt19937 r(3);
  for (int k = 0; k < 300; ++k) {
    CONTEXT("k", k);
    FlowInstance x = random_instance(r, 2 + k % 12, 5 + k % 60);
    if (k % 2 == 0)
      for (std::int64_t& c : x.cost) c = c < 0 ? -c : c;
    for (const bool crash : {false, true}) {
      check_tree<std::int32_t>(x, crash);
      check_tree<std::int64_t>(x, crash);
    }
  }
}

struct ResumeCounts {
  int resumed = 0, repaired = 0, rebuilt = 0;
};

// Resumes the tree of x for y; each stage keeps the invariants, and the last flow is that of a cold solve.
template <class Int>
void check_resume(const FlowInstance& x, const FlowInstance& y, ResumeCounts& seen) {
  Stop stop;
  const MinCostFlow p = x.problem(), q = y.problem();
  const ProblemSummary s = summarize(p);
  const auto shape = build_topology(p, s, nullptr);
  ArcData<Int> data = arc_data<Int>(p, s);
  NetworkSimplex<Int> first(build_network(data, s, *shape));
  if (first.run(stop) != NetworkSimplex<Int>::End::optimal) return;
  first.compact();
  const WarmStartState<Int> before{std::move(first), std::move(data), s.negative_capacity, ColdSolveRecord{}, true};
  const auto found = difference(q, *shape, before);
  if (!found) return;
  ++seen.resumed;
  auto simplex = NetworkSimplex<Int>::resumed(before.simplex, kFlowTuning);
  TreeSolution<Int>& tree = simplex.solution();
  DualRepair<Int> repair(tree, kFlowTuning);
  CHECK(repair.set_capacities_and_supplies(found->capacity_arcs, found->capacity, found->supply));
  if (repair.run(stop)) {
    CHECK(tree.holds());
    // Its ratio test keeps the tree optimal for the costs of x; the primal pivots below would hide that it does not.
    for (Arc e = 0; e < tree.m(); ++e) {
      CONTEXT("arc", e);
      CHECK(tree.capacity(e) == 0 || tree.reduced_cost(e) >= 0);
    }
    tree.set_costs(found->cost_arcs, found->cost);
  } else {
    tree.rebuild(found->cost_arcs, found->cost);
  }
  CHECK(tree.holds());
  const auto end = simplex.run(stop);
  CHECK(tree.holds());
  seen.repaired += tree.counts.dual_pivots > 0 && tree.dropped_arcs() == 0;
  seen.rebuilt += tree.dropped_arcs() > 0;
  const FlowResult cold = solve(q, FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(end == NetworkSimplex<Int>::End::optimal, cold.status == FlowStatus::optimal);
  if (cold.status != FlowStatus::optimal) return;
  simplex.compact();
  const auto verification = tree.verify();
  CHECK(verification.total_cost == cold.objective);
  CHECK(verification.optimal);
  std::vector<std::int64_t> flow(q.tail.size());
  tree.for_each_flow([&](Arc k, Int units) { flow[at(shape->original[at(k)])] = units; });
  Wide total = 0;
  for (std::size_t e = 0; e < flow.size(); ++e) total += static_cast<Wide>(flow[e]) * q.cost[e];
  CHECK(total == cold.objective);
}

TEST(flow_trees_resume_for_other_problems) {
  std::mt19937 r(6);
  ResumeCounts narrow, wide;
  for (int k = 0; k < 1500; ++k) {
    CONTEXT("k", k);
    const FlowInstance x = plain_instance(r, 2 + k % 30, 5 + k % 130);
    FlowInstance y = x;
    perturb(r, y, k % 4, 5 + k % 40);
    check_resume<std::int32_t>(x, y, narrow);
    check_resume<std::int64_t>(x, y, wide);
  }
  for (const ResumeCounts& seen : {narrow, wide}) {
    CHECK(seen.resumed > 200);
    CHECK(seen.repaired > 20);
    CHECK(seen.rebuilt > 20);
  }
}

// Chains of warm starts: each from the one before, through infeasible and back.
TEST(flow_warm_starts_in_chains) {
  std::mt19937 r(7);
  int seen[2] = {0, 0};
  for (int k = 0; k < 200; ++k) {
    CONTEXT("k", k);
    FlowInstance x = plain_instance(r, 2 + k % 25, 10 + k % 150);
    Stop stop;
    FlowResult last = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    for (int step = 0; step < 6; ++step) {
      perturb(r, x, (k + step) % 4, 20);
      FlowResult warm = solve(x.problem(), FlowMethod::network_simplex, &last.warm_start, stop);
      const FlowResult cold = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
      CHECK(certified(x, warm));
      CHECK_EQ(warm.status, cold.status);
      if (cold.status == FlowStatus::optimal) CHECK_EQ(warm.objective, cold.objective);
      ++seen[warm.status == FlowStatus::optimal];
      last = std::move(warm);
    }
  }
  CHECK(seen[0] > 50);
  CHECK(seen[1] > 50);
}

// Many threads start from one answer at once; nothing of it may be written to (checked by TSan).
TEST(flow_warm_start_is_shared_by_threads) {
  std::mt19937 r(8);
  FlowInstance x = plain_instance(r, 40, 400);
  for (std::int64_t& c : x.capacity) c += 20;
  Stop stop;
  const FlowResult first = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(first.status, FlowStatus::optimal);
  for (std::size_t e = 0; e < x.cost.size(); e += 3) x.cost[e] += 5, x.capacity[e] /= 4;
  std::vector<FlowResult> found(4);
  {
    std::vector<std::jthread> threads;
    for (FlowResult& out : found)
      threads.emplace_back([&] {
        Stop own;
        out = solve(x.problem(), FlowMethod::network_simplex, &first.warm_start, own);
        CHECK_EQ(first.flow().size(), x.tail.size());  // computed from the tree by the first call
      });
  }
  for (const FlowResult& out : found) {
    CHECK(certified(x, out));
    CHECK_EQ(out.flow(), found[0].flow());
    CHECK_EQ(out.potential, found[0].potential);
    CHECK(out.stats.changed_costs > 0);
    CHECK(out.stats.changed_capacities > 0);
  }
}

// Local pricing needs no pass over all arcs where few costs changed; block pricing takes over where it prices too many
// arcs one by one.
TEST(flow_warm_starts_price_near_what_changed) {
  std::mt19937 r(9);
  FlowInstance x = plain_instance(r, 2000, 40000);
  for (std::size_t e = 0; e < x.cost.size(); ++e) x.cost[e] = std::abs(x.cost[e]), x.capacity[e] += 100;
  Stop stop;
  const FlowResult first = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  FlowInstance few = x, many = x;
  few.cost[7] += 3;
  for (std::size_t e = 0; e < x.cost.size(); e += 5) many.cost[e] = x.cost[x.cost.size() - 1 - e];
  FlowTuning local, blocks;
  local.local_passes = 64, blocks.local_passes = 0;
  const FlowResult one = solve(few.problem(), FlowMethod::network_simplex, &first.warm_start, stop, {}, local);
  const FlowResult two = solve(many.problem(), FlowMethod::network_simplex, &first.warm_start, stop, {}, blocks);
  CHECK_EQ(one.stats.changed_costs, 1);
  CHECK_EQ(one.stats.priced_blocks, 0);
  CHECK(certified(few, one));
  CHECK(two.stats.changed_costs > 7000);
  CHECK(two.stats.priced_blocks > 0);
  CHECK(certified(many, two));
  few.head[7] = few.tail[7] == 0 ? 1 : 0;  // another graph
  CHECK(certified(few, solve(few.problem(), FlowMethod::network_simplex, &first.warm_start, stop)));
}

// A forest fills parallel arcs. Negative costs exclude a forest: then the eligible arcs lie together, blocks are
// scattered, and every arc must still be priced.
TEST(flow_of_many_parallel_arcs) {
  std::mt19937 r(10);
  FlowInstance x;
  for (int v = 0; v < 6; ++v)
    for (int k = 0; k < 300; ++k) {
      CONTEXT("k", k);
      x.tail.push_back(v), x.head.push_back(v + 1);
      x.capacity.push_back(1 + static_cast<std::int64_t>(r() % 5)),
          x.cost.push_back(static_cast<std::int64_t>(r() % 90));
    }
  x.supply.assign(7, 0);
  x.supply[0] = 500, x.supply[6] = -500;
  Stop stop;
  const FlowResult filled = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(filled.status, FlowStatus::optimal);
  CHECK(certified(x, filled));
  CHECK_EQ(filled.stats.pivots, 0);
  for (std::int64_t& c : x.cost) c -= 100;
  const FlowResult a = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(a.status, FlowStatus::optimal);
  CHECK(certified(x, a));
  CHECK_EQ(a.objective, filled.objective - Wide{600} * 500);
  FlowTuning neighbours;
  neighbours.scatter_after_rounds = 1 << 30;
  const FlowResult b = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop, {}, neighbours);
  CHECK_EQ(a.objective, b.objective);
  CHECK(a.stats.priced_blocks < b.stats.priced_blocks);
}

// The largest flows and costs of a width, changed to and from: sums must not leave it unnoticed.
TEST(flow_warm_starts_at_the_ends_of_the_range) {
  Stop stop;
  for (const std::int64_t most : {std::int64_t{FlowRange<std::int32_t>::kMaxFlow}, FlowRange<std::int64_t>::kMaxFlow}) {
    FlowInstance x;
    for (int k = 0; k < 12; ++k) {  // twelve parallel arcs, nine of them full, whose capacities are then lifted
      x.tail.push_back(0), x.head.push_back(1);
      x.capacity.push_back(k < 9 ? 1 : kInfinite);
      x.cost.push_back(k);
    }
    x.supply = {most, -most};
    const FlowResult first = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    CHECK(certified(x, first));
    CHECK_EQ(first.status, FlowStatus::optimal);
    for (std::int64_t& u : x.capacity) u = kInfinite;
    const FlowResult grown = solve(x.problem(), FlowMethod::network_simplex, &first.warm_start, stop);
    CHECK(certified(x, grown));
    CHECK_EQ(grown.objective, 0);
    for (std::int64_t& u : x.capacity) u = 3;
    CHECK(certified(x, solve(x.problem(), FlowMethod::network_simplex, &grown.warm_start, stop)));
    x.capacity[5] = kInfinite;
    x.supply = {5, -5};
    CHECK(certified(x, solve(x.problem(), FlowMethod::network_simplex, &grown.warm_start, stop)));
    x.cost[5] = std::int64_t{1} << 40;
    CHECK(certified(x, solve(x.problem(), FlowMethod::network_simplex, &grown.warm_start, stop)));
    x.cost[0] = -3, x.capacity[0] = kInfinite;
    CHECK(certified(x, solve(x.problem(), FlowMethod::network_simplex, &grown.warm_start, stop)));
    x.supply = {6, -5};
    CHECK_EQ(solve(x.problem(), FlowMethod::network_simplex, &grown.warm_start, stop).status, FlowStatus::infeasible);
    x.supply = {5, -5}, x.capacity[3] = -1;
    CHECK_THROWS(solve(x.problem(), FlowMethod::network_simplex, &grown.warm_start, stop), Error);
  }
}

// Potentials leave 32 bits, and the 64-bit solver continues from the same tree.
TEST(flow_narrow_width_goes_on_in_wide) {
  FlowInstance x;
  const int n = 200;  // a chain whose length in cost passes 2^29
  x.supply.assign(n, 0);
  x.supply[0] = 5;
  x.supply[n - 1] = -5;
  for (int v = 0; v + 1 < n; ++v) {
    x.tail.push_back(v);
    x.head.push_back(v + 1);
    x.lower.push_back(0);
    x.capacity.push_back(7);
    x.cost.push_back(FlowRange<std::int32_t>::kMaxCost);
  }
  Stop stop;
  const FlowResult r = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(r.status, FlowStatus::optimal);
  CHECK_EQ(r.stats.bits, 64);
  CHECK_EQ(r.objective, static_cast<Wide>(FlowRange<std::int32_t>::kMaxCost) * 5 * (n - 1));
  CHECK(certified(x, r));
}

TEST(flow_ranges_at_the_bound_and_one_past) {
  FlowInstance x;
  x.tail = {0, 1}, x.head = {1, 2}, x.lower = {0, 0}, x.capacity = {kInfinite, kInfinite};
  const std::int64_t most_flow = FlowRange<std::int64_t>::kMaxFlow,
                     most_cost = FlowRange<std::int64_t>::kMaxBig / 4 - 1;
  x.cost = {most_cost, -most_cost};
  x.supply = {1, 0, -1};
  Stop stop;
  CHECK(certified(x, solve(x.problem(), FlowMethod::network_simplex, nullptr, stop)));
  x.cost[0] = most_cost + 1;
  CHECK_THROWS(solve(x.problem(), FlowMethod::network_simplex, nullptr, stop), Error);
  x.cost = {3, 4};
  x.supply = {most_flow, 0, -most_flow};
  const FlowResult r = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK(certified(x, r));
  CHECK_EQ(r.objective, static_cast<Wide>(most_flow) * 7);
  CHECK(certified(x, solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop)));
  x.supply = {most_flow + 1, 0, -most_flow - 1};
  CHECK_THROWS(solve(x.problem(), FlowMethod::network_simplex, nullptr, stop), Error);
  x.supply = {1, 0, -1};
  x.cost = {CostScaling::largest_cost(3), 1};
  CHECK(certified(x, solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop)));
  ++x.cost[0];
  CHECK_THROWS(solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop), Error);
}

TEST(flow_certificate_refutes_wrong_answers) {
  FlowInstance x;
  x.tail = {0, 0, 1}, x.head = {1, 2, 2}, x.lower = {0, 0, 0}, x.capacity = {3, 2, 9}, x.cost = {1, 4, 1};
  x.supply = {4, 0, -4};
  Stop stop;
  const FlowResult r = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK(certified(x, r));
  for (std::size_t e = 0; e < 3; ++e) {
    auto flow = r.flow();
    ++flow[e];
    CHECK(!certificate::check_optimal(x.claim(), flow, r.potential).valid);
  }
  auto dear = r.flow();  // feasible, not optimal
  dear[0] -= 1, dear[2] -= 1, dear[1] += 1;
  CHECK(certificate::check_feasible(x.claim(), dear).valid);
  CHECK(!certificate::check_optimal(x.claim(), dear, r.potential).valid);
  auto shifted = r.potential;
  shifted[1] += 100;
  CHECK(!certificate::check_optimal(x.claim(), r.flow(), shifted).valid);
  const std::vector<Index> cut{0}, twice{0, 0}, none;
  CHECK(!certificate::check_cut(x.claim(), cut).valid);
  CHECK(!certificate::check_cut(x.claim(), twice).valid);
  CHECK(!certificate::check_cycle(x.claim(), none).valid);
}

TEST(flow_stops_when_asked) {
  std::mt19937 r(5);
  FlowInstance x;
  const int n = 3000;
  x.supply.assign(n, 0);
  for (int v = 0; v < n; ++v)
    for (int k = 0; k < 4; ++k) {
      x.tail.push_back(v);
      x.head.push_back((v + 1 + static_cast<int>(r() % 50)) % n);
      x.lower.push_back(0);
      x.capacity.push_back(100);
      x.cost.push_back(static_cast<std::int64_t>(r() % 1000));
    }
  for (std::size_t v = 0; v < n / 2; v += 50) x.supply[v] = 100, x.supply[v + n / 2] = -100;
  for (const FlowMethod method : {FlowMethod::network_simplex, FlowMethod::cost_scaling}) {
    Stop stop(1e9, [](const Progress&) { return Stop::Why::stopped; });
    const FlowResult result = solve(x.problem(), method, nullptr, stop);
    CHECK_EQ(result.status, FlowStatus::stopped);
    CHECK_EQ(result.flow().size(), x.tail.size());
  }
}

TEST(dimacs_round_trip_and_errors) {
  const auto read = [](std::string_view all) {
    DimacsReader reader("mem");
    reader.feed(all);
    return reader.finish();
  };
  std::mt19937 r(4);
  const FlowInstance x = random_instance(r, 7, 20);
  const std::string text = write_dimacs(x.problem());
  for (std::size_t cut = 0; cut < text.size(); cut += 7) {
    DimacsReader pieces("mem");
    pieces.feed(std::string_view(text).substr(0, cut));
    pieces.feed(std::string_view(text).substr(cut));
    CHECK_EQ(pieces.finish().head, x.head);
    CHECK_THROWS(pieces.finish(), Error);
  }
  const Dimacs d = read(text);
  CHECK_EQ(d.tail, x.tail);
  CHECK_EQ(d.head, x.head);
  CHECK_EQ(d.lower, x.lower);
  CHECK_EQ(d.capacity, x.capacity);
  CHECK_EQ(d.cost, x.cost);
  CHECK_EQ(d.supply, x.supply);
  for (const char* bad : {"", "p max 1 0\n", "p min 2 1\na 1 3 0 1 1\n", "p min 2 1\na 1 2 0 1\n", "n 1 1\n",
                          "p min 2 1\na 1 2 0 1 99999999999999999999\n", "p min 1 0\nn 1 1\nn 1 2\n", "x\n",
                          "p min 2 2\na 1 2 0 1 1\n", "p min 2000000000 0\n", "p min 2 0\na 1 2 0 1 1\n", "\xFF\xFEp",
                          "p min 2 1\na 1 2 5 4 0\n", "p min 1 0 0\n", "p min -1 0\n"})
    CHECK_THROWS(read(bad), Error);
}

}  // namespace gridcompute::flow
