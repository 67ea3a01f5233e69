// Network simplex and cost scaling on graphs too small to be interesting to benches and odd enough to break code.
#include "gridcompute/certificate/flow.hpp"

#include <algorithm>
#include <random>
#include <thread>

#include "check.hpp"
#include "flow/flow_instances.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/flow/cost_scaling/cost_scaling.hpp"
#include "gridcompute/flow/dimacs.hpp"
#include "gridcompute/flow/network_simplex/simplex.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/start/crash_basis.hpp"
#include "gridcompute/flow/warm_start/difference.hpp"

namespace gridcompute::flow {

// A warm start may be wrong about everything and must only cost time.
TEST(flow_warm_starts_change_nothing_but_speed) {
  std::mt19937 r(2);
  for (int k = 0; k < 600; ++k) {
    Instance x = random_instance(r, 2 + k % 8, 4 + k % 30);
    Stop stop;
    const Result before =
        solve(x.problem(), k % 2 == 0 ? Method::network_simplex : Method::cost_scaling, nullptr, stop);
    const Instance y = random_instance(r, 2 + k % 8, 4 + k % 30);
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
    const Result warm = solve(x.problem(), Method::network_simplex, &before.kept, stop);
    const Result cold = solve(x.problem(), Method::network_simplex, nullptr, stop);
    CHECK(proved(x, warm));
    CHECK(warm.status == cold.status);
    if (cold.status == Status::optimal) CHECK(warm.objective == cold.objective);
  }
}

template <class Int>
void check_tree(const Instance& x, bool crash) {
  const Problem p = x.problem();
  const Survey s = survey(p);
  if (!s.balanced || s.unbounded_arcs || (crash && s.negative_costs)) return;
  const auto shape = topology(p, s, nullptr);
  auto net = network(given<Int>(p, s), s, *shape);
  const Basis start = crash ? shortest_path_forest(net).basis : Basis{};
  Simplex<Int> tree(std::move(net), start);
  CHECK(tree.holds());
  Stop stop;
  (void)tree.run(stop);
  CHECK(tree.holds());
}

TEST(flow_trees_hold_their_invariants) {
  std::mt19937 r(3);
  for (int k = 0; k < 300; ++k) {
    Instance x = random_instance(r, 2 + k % 12, 5 + k % 60);
    if (k % 2 == 0)
      for (std::int64_t& c : x.cost) c = c < 0 ? -c : c;
    for (const bool crash : {false, true}) {
      check_tree<std::int32_t>(x, crash);
      check_tree<std::int64_t>(x, crash);
    }
  }
}

struct Resumed {
  int taken = 0, dual = 0, replanted = 0;
};

// The tree of x taken to y; every stage keeps the invariants, and the last flow is that of a cold solve.
template <class Int>
void check_resume(const Instance& x, const Instance& y, Resumed& seen) {
  Stop stop;
  const Problem p = x.problem(), q = y.problem();
  const Survey s = survey(p);
  const auto shape = topology(p, s, nullptr);
  Given<Int> known = given<Int>(p, s);
  Simplex<Int> first(network(known, s, *shape));
  if (first.run(stop) != Simplex<Int>::End::optimal) return;
  first.rest();
  const Earlier<Int> before{std::move(first), std::move(known), s.negative, Cold{}, true};
  const auto found = change(q, *shape, before);
  if (!found) return;
  ++seen.taken;
  auto tree = Simplex<Int>::again(before.tree);
  CHECK(tree.reroom(found->reroomed, found->room, found->supply));
  if (tree.repair(stop)) {
    CHECK(tree.holds());
    tree.recost(found->recosted, found->cost);
  } else {
    tree.replant(found->recosted, found->cost);
  }
  CHECK(tree.holds());
  const auto end = tree.run(stop);
  CHECK(tree.holds());
  seen.dual += tree.counts().dual_pivots > 0 && tree.cut_arcs() == 0;
  seen.replanted += tree.cut_arcs() > 0;
  const Result cold = solve(q, Method::network_simplex, nullptr, stop);
  CHECK((end == Simplex<Int>::End::optimal) == (cold.status == Status::optimal));
  if (cold.status != Status::optimal) return;
  tree.rest();
  const auto account = tree.account();
  CHECK(account.total == cold.objective);
  CHECK(account.proved);
  std::vector<std::int64_t> flow(q.tail.size());
  tree.each_flow([&](Arc k, Int units) { flow[at(shape->order[at(k)])] = units; });
  Wide total = 0;
  for (std::size_t e = 0; e < flow.size(); ++e) total += static_cast<Wide>(flow[e]) * q.cost[e];
  CHECK(total == cold.objective);
}

TEST(flow_trees_are_taken_to_other_problems) {
  std::mt19937 r(6);
  Resumed narrow, wide;
  for (int k = 0; k < 1500; ++k) {
    const Instance x = plain_instance(r, 2 + k % 30, 5 + k % 130);
    Instance y = x;
    shake(r, y, k % 4, 5 + k % 40);
    check_resume<std::int32_t>(x, y, narrow);
    check_resume<std::int64_t>(x, y, wide);
  }
  for (const Resumed& seen : {narrow, wide}) CHECK(seen.taken > 200 && seen.dual > 20 && seen.replanted > 20);
}

// Chains of warm starts: each from the one before, through infeasible and back.
TEST(flow_warm_starts_in_a_row) {
  std::mt19937 r(7);
  int seen[2] = {0, 0};
  for (int k = 0; k < 200; ++k) {
    Instance x = plain_instance(r, 2 + k % 25, 10 + k % 150);
    Stop stop;
    Result last = solve(x.problem(), Method::network_simplex, nullptr, stop);
    for (int step = 0; step < 6; ++step) {
      shake(r, x, (k + step) % 4, 20);
      Result warm = solve(x.problem(), Method::network_simplex, &last.kept, stop);
      const Result cold = solve(x.problem(), Method::network_simplex, nullptr, stop);
      CHECK(proved(x, warm));
      CHECK(warm.status == cold.status);
      if (cold.status == Status::optimal) CHECK(warm.objective == cold.objective);
      ++seen[warm.status == Status::optimal];
      last = std::move(warm);
    }
  }
  CHECK(seen[0] > 50 && seen[1] > 50);
}

// Many threads start from one answer at once; nothing of it may be written to (TSan looks).
TEST(flow_one_start_serves_many_threads) {
  std::mt19937 r(8);
  Instance x = plain_instance(r, 40, 400);
  for (std::int64_t& c : x.capacity) c += 20;
  Stop stop;
  const Result first = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(first.status == Status::optimal);
  for (std::size_t e = 0; e < x.cost.size(); e += 3) x.cost[e] += 5, x.capacity[e] /= 4;
  std::vector<Result> found(4);
  {
    std::vector<std::jthread> threads;
    for (Result& out : found)
      threads.emplace_back([&] {
        Stop own;
        out = solve(x.problem(), Method::network_simplex, &first.kept, own);
        CHECK(first.flow().size() == x.tail.size());  // read off the tree by the first who asks
      });
  }
  for (const Result& out : found) {
    CHECK(proved(x, out));
    CHECK(out.flow() == found[0].flow() && out.potential == found[0].potential);
    CHECK(out.stats.changed_costs > 0 && out.stats.changed_capacities > 0);
  }
}

// Few new costs: no pass over all arcs is made. Many: passes take over from looks at single arcs.
TEST(flow_warm_starts_look_where_something_changed) {
  std::mt19937 r(9);
  Instance x = plain_instance(r, 2000, 40000);
  for (std::size_t e = 0; e < x.cost.size(); ++e) x.cost[e] = std::abs(x.cost[e]), x.capacity[e] += 100;
  Stop stop;
  const Result first = solve(x.problem(), Method::network_simplex, nullptr, stop);
  Instance few = x, many = x;
  few.cost[7] += 3;
  for (std::size_t e = 0; e < x.cost.size(); e += 5) many.cost[e] = x.cost[x.cost.size() - 1 - e];
  const Result one = solve(few.problem(), Method::network_simplex, &first.kept, stop);
  const Result two = solve(many.problem(), Method::network_simplex, &first.kept, stop);
  CHECK(one.stats.changed_costs == 1 && one.stats.priced_blocks == 0 && proved(few, one));
  CHECK(two.stats.changed_costs > 7000 && two.stats.priced_blocks > 0 && proved(many, two));
  few.head[7] = few.tail[7] == 0 ? 1 : 0;  // another graph
  CHECK(proved(few, solve(few.problem(), Method::network_simplex, &first.kept, stop)));
}

// Arcs beside one another are filled by the start. Where costs are negative there is none: arcs that promise something
// lie together here, so blocks are scattered, and every arc must still be looked at.
TEST(flow_of_many_parallel_arcs) {
  std::mt19937 r(10);
  Instance x;
  for (int v = 0; v < 6; ++v)
    for (int k = 0; k < 300; ++k) {
      x.tail.push_back(v), x.head.push_back(v + 1);
      x.capacity.push_back(1 + static_cast<std::int64_t>(r() % 5)),
          x.cost.push_back(static_cast<std::int64_t>(r() % 90));
    }
  x.supply.assign(7, 0);
  x.supply[0] = 500, x.supply[6] = -500;
  Stop stop;
  const Result filled = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(filled.status == Status::optimal && proved(x, filled) && filled.stats.pivots == 0);
  for (std::int64_t& c : x.cost) c -= 100;
  const Result a = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(a.status == Status::optimal && proved(x, a) && a.objective == filled.objective - Wide{600} * 500);
  CHECK(a.stats.priced_blocks < 4 * a.stats.pivots);  // seven to one while blocks were of neighbours
}

// The largest flows and costs of a width, changed to and from: sums must not leave it unseen.
TEST(flow_warm_starts_at_the_ends_of_the_range) {
  Stop stop;
  for (const std::int64_t most : {std::int64_t{Range<std::int32_t>::kMaxFlow}, Range<std::int64_t>::kMaxFlow}) {
    Instance x;
    for (int k = 0; k < 12; ++k) {  // twelve parallel arcs, nine of them full: their rooms then grow without bound
      x.tail.push_back(0), x.head.push_back(1);
      x.capacity.push_back(k < 9 ? 1 : kInfinite);
      x.cost.push_back(k);
    }
    x.supply = {most, -most};
    const Result first = solve(x.problem(), Method::network_simplex, nullptr, stop);
    CHECK(proved(x, first) && first.status == Status::optimal);
    for (std::int64_t& u : x.capacity) u = kInfinite;
    const Result grown = solve(x.problem(), Method::network_simplex, &first.kept, stop);
    CHECK(proved(x, grown) && grown.objective == 0);
    for (std::int64_t& u : x.capacity) u = 3;
    CHECK(proved(x, solve(x.problem(), Method::network_simplex, &grown.kept, stop)));
    x.capacity[5] = kInfinite;
    x.supply = {5, -5};
    CHECK(proved(x, solve(x.problem(), Method::network_simplex, &grown.kept, stop)));
    x.cost[5] = std::int64_t{1} << 40;
    CHECK(proved(x, solve(x.problem(), Method::network_simplex, &grown.kept, stop)));
    x.cost[0] = -3, x.capacity[0] = kInfinite;
    CHECK(proved(x, solve(x.problem(), Method::network_simplex, &grown.kept, stop)));
    x.supply = {6, -5};
    CHECK(solve(x.problem(), Method::network_simplex, &grown.kept, stop).status == Status::infeasible);
    x.supply = {5, -5}, x.capacity[3] = -1;
    CHECK_THROWS(solve(x.problem(), Method::network_simplex, &grown.kept, stop), Error);
  }
}

// The narrow width must notice that it is too narrow, and the wide one go on from its tree.
TEST(flow_narrow_hands_over_to_wide) {
  Instance x;
  const int n = 200;  // a chain whose length in cost passes 2^29
  x.supply.assign(n, 0);
  x.supply[0] = 5;
  x.supply[n - 1] = -5;
  for (int v = 0; v + 1 < n; ++v) {
    x.tail.push_back(v);
    x.head.push_back(v + 1);
    x.lower.push_back(0);
    x.capacity.push_back(7);
    x.cost.push_back(Range<std::int32_t>::kMaxCost);
  }
  Stop stop;
  const Result r = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(r.status == Status::optimal);
  CHECK(r.stats.bits == 64);
  CHECK(r.objective == static_cast<Wide>(Range<std::int32_t>::kMaxCost) * 5 * (n - 1));
  CHECK(proved(x, r));
}

TEST(flow_ranges_at_the_bound_and_one_past) {
  Instance x;
  x.tail = {0, 1}, x.head = {1, 2}, x.lower = {0, 0}, x.capacity = {kInfinite, kInfinite};
  const std::int64_t most_flow = Range<std::int64_t>::kMaxFlow, most_cost = Range<std::int64_t>::kMaxBig / 4 - 1;
  x.cost = {most_cost, -most_cost};
  x.supply = {1, 0, -1};
  Stop stop;
  CHECK(proved(x, solve(x.problem(), Method::network_simplex, nullptr, stop)));
  x.cost[0] = most_cost + 1;
  CHECK_THROWS(solve(x.problem(), Method::network_simplex, nullptr, stop), Error);
  x.cost = {3, 4};
  x.supply = {most_flow, 0, -most_flow};
  const Result r = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(proved(x, r) && r.objective == static_cast<Wide>(most_flow) * 7);
  CHECK(proved(x, solve(x.problem(), Method::cost_scaling, nullptr, stop)));
  x.supply = {most_flow + 1, 0, -most_flow - 1};
  CHECK_THROWS(solve(x.problem(), Method::network_simplex, nullptr, stop), Error);
  x.supply = {1, 0, -1};
  x.cost = {CostScaling::largest_cost(3), 1};
  CHECK(proved(x, solve(x.problem(), Method::cost_scaling, nullptr, stop)));
  ++x.cost[0];
  CHECK_THROWS(solve(x.problem(), Method::cost_scaling, nullptr, stop), Error);
}

TEST(flow_certificate_refuses_what_is_wrong) {
  Instance x;
  x.tail = {0, 0, 1}, x.head = {1, 2, 2}, x.lower = {0, 0, 0}, x.capacity = {3, 2, 9}, x.cost = {1, 4, 1};
  x.supply = {4, 0, -4};
  Stop stop;
  const Result r = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(proved(x, r));
  for (std::size_t e = 0; e < 3; ++e) {
    auto flow = r.flow();
    ++flow[e];
    CHECK(!certificate::check_optimal(x.claim(), flow, r.potential).valid);
  }
  auto dear = r.flow();  // feasible, but not cheapest
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
  Instance x;
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
  for (const Method method : {Method::network_simplex, Method::cost_scaling}) {
    Stop stop(1e9, [](const Progress&) { return Stop::Why::stopped; });
    const Result result = solve(x.problem(), method, nullptr, stop);
    CHECK(result.status == Status::stopped);
    CHECK(result.flow().size() == x.tail.size());
  }
}

TEST(dimacs_round_trip_and_errors) {
  std::mt19937 r(4);
  const Instance x = random_instance(r, 7, 20);
  const std::string text = write_dimacs(x.problem());
  for (std::size_t cut = 0; cut < text.size(); cut += 7) {
    DimacsReader pieces("mem");
    pieces.feed(std::string_view(text).substr(0, cut));
    pieces.feed(std::string_view(text).substr(cut));
    CHECK(pieces.finish().head == x.head);
    CHECK_THROWS(pieces.finish(), Error);
  }
  const Dimacs d = read_dimacs(text, "mem");
  CHECK(d.tail == x.tail && d.head == x.head && d.lower == x.lower);
  CHECK(d.capacity == x.capacity && d.cost == x.cost && d.supply == x.supply);
  for (const char* bad : {"", "p max 1 0\n", "p min 2 1\na 1 3 0 1 1\n", "p min 2 1\na 1 2 0 1\n", "n 1 1\n",
                          "p min 2 1\na 1 2 0 1 99999999999999999999\n", "p min 1 0\nn 1 1\nn 1 2\n", "x\n",
                          "p min 2 2\na 1 2 0 1 1\n", "p min 2000000000 0\n", "p min 2 0\na 1 2 0 1 1\n", "\xFF\xFEp",
                          "p min 2 1\na 1 2 5 4 0\n", "p min 1 0 0\n", "p min -1 0\n"})
    CHECK_THROWS(read_dimacs(bad, "mem"), Error);
}

}  // namespace gridcompute::flow
