// Network simplex beside cost scaling, the starts, and which method takes over.
#include <string>

#include "check.hpp"
#include "flow/flow_instances.hpp"
#include "gridcompute/flow/cost_scaling.hpp"
#include "gridcompute/flow/network_simplex/network_simplex.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/start.hpp"

namespace gridcompute::flow {

TEST(flow_methods_agree_and_are_certified) {
  std::mt19937 r(1);
  int seen[3] = {0, 0, 0};
  for (int k = 0; k < 1500; ++k) {
    CONTEXT("k", k);
    const FlowInstance x = random_instance(r, 1 + k % 9, k % 31);
    Stop stop;
    const FlowResult a = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    const FlowResult b = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
    CHECK(certified(x, a));
    CHECK(certified(x, b));
    CHECK_EQ(a.status, b.status);
    if (a.status == FlowStatus::optimal) CHECK_EQ(a.objective, b.objective);
    ++seen[static_cast<int>(a.status)];
  }
  for (const int count : seen) CHECK(count > 20);  // the generator reaches each kind of answer
}

// Parallel arcs of 2^60 units: the excess of a node passes 63 bits during cost scaling.
TEST(flow_cost_scaling_excess_beyond_63_bits) {
  std::mt19937 r(11);
  const std::int64_t most = FlowRange<std::int64_t>::kMaxFlow;
  for (int k = 0; k < 300; ++k) {
    CONTEXT("k", k);
    FlowInstance x = random_instance(r, 2 + k % 5, 10 + k);
    for (std::size_t e = 0; e < x.tail.size(); ++e) {
      x.lower[e] = 0;
      x.capacity[e] = k % 2 == 0 ? kInfinite : most;
      x.cost[e] = static_cast<std::int64_t>(r() % 3 == 0 ? r() % 4 : r() % (1 << 24));
    }
    x.supply.assign(x.supply.size(), 0);
    x.supply[0] = most, x.supply[1] = -most;
    Stop stop;
    const FlowResult a = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    const FlowResult b = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
    CHECK(certified(x, a));
    CHECK(certified(x, b));
    CHECK_EQ(a.status, b.status);
  }
}

// A node relabelled while it has an admissible arc would let units circulate until the cycle is saturated: millions of
// pushes.
TEST(flow_cost_scaling_has_no_circulating_units) {
  std::mt19937 r(12);
  for (int k = 0; k < 3000; ++k) {
    CONTEXT("k", k);
    FlowInstance x = random_instance(r, 4 + k % 9, 20 + k % 40);
    for (std::size_t e = 0; e < x.tail.size(); ++e) {
      const std::int64_t dear = std::int64_t{1} << 24, odd[] = {0, 1, -1, 5, dear, dear + 1, dear - 1, dear / 2};
      x.cost[e] = odd[r() % 8];
      if (r() % 2 == 0) x.capacity[e] = 1'000'000;
    }
    Stop stop;
    const FlowResult b = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
    CHECK(certified(x, b));
    CHECK(b.stats.pushes < 3000);
  }
}

// A global update searches no more levels than the range proof needs, however far apart prices are: one dear arc among
// cheap ones would otherwise lead it through millions.
TEST(flow_global_updates_search_few_levels) {
  std::mt19937 r(14);
  Index updates = 0;
  for (int k = 0; k < 400; ++k) {
    CONTEXT("k", k);
    FlowInstance x = random_instance(r, 4 + k % 9, 20 + k % 40);
    for (std::size_t e = 0; e < x.tail.size(); ++e) {
      x.cost[e] = r() % 3 == 0 ? std::int64_t{1} << 40 : static_cast<std::int64_t>(r() % 4);
      x.lower[e] = 0, x.capacity[e] = static_cast<std::int64_t>(r() % 9);
    }
    const MinCostFlow p = x.problem();
    const ProblemSummary s = summarize(p);
    const auto shape = build_topology(p, s, nullptr);
    const auto net = build_network(arc_data<std::int64_t>(p, s), s, *shape);
    CostScaling scaling(net);
    Stop stop;
    (void)scaling.run(stop);
    CHECK(scaling.counts().levels <= scaling.counts().global_updates * (17 * (p.n + 1) + 1));
    updates += scaling.counts().global_updates;
  }
  CHECK(updates > 100);
}

// A cost scaling start carries a feasible flow on its tree, with no arc off the tree strictly between its bounds; where
// there is no feasible flow there is no such start. The simplex ends on it as it does from nothing, in either width.
template <class Int>
void check_cost_scaling_start(const FlowInstance& x, int& made, int& none) {
  const MinCostFlow p = x.problem();
  const ProblemSummary s = summarize(p);
  if (!s.balanced || s.infinite_negative_arcs) return;
  const auto shape = build_topology(p, s, nullptr);
  const auto net = [&] { return build_network(arc_data<Int>(p, s), s, *shape); };
  Stop stop;
  using End = typename NetworkSimplex<Int>::End;
  NetworkSimplex<Int> plain(net());
  const auto end = plain.run(stop);
  auto start = cost_scaling_start(net(), stop, kNoBudget);
  CHECK_EQ(start.has_value(), end == End::optimal);
  ++(start ? made : none);
  if (!start) return;
  NetworkSimplex<Int> scaled(net(), start->basis, std::move(start->price));
  CHECK(scaled.solution().holds());
  CHECK_EQ(scaled.solution().unserved(), 0);
  CHECK(scaled.run(stop) == End::optimal);
  CHECK(scaled.solution().holds());
  plain.compact(), scaled.compact();
  const auto a = plain.solution().verify(), b = scaled.solution().verify();
  CHECK(a.total_cost == b.total_cost);
  CHECK(a.optimal);
  CHECK(b.optimal);
}

TEST(flow_starts_from_cost_scaling) {
  std::mt19937 r(18);
  int made = 0, none = 0;
  for (int k = 0; k < 600; ++k) {
    CONTEXT("k", k);
    FlowInstance x =
        k % 2 == 0 ? random_instance(r, 2 + k % 12, 1 + k % 40) : plain_instance(r, 2 + k % 30, 4 + k % 120);
    if (k % 3 == 0)
      for (std::int64_t& c : x.cost) c *= 1000;
    check_cost_scaling_start<std::int32_t>(x, made, none);
    check_cost_scaling_start<std::int64_t>(x, made, none);
  }
  CHECK(made > 300);
  CHECK(none > 300);
}

// Layers whose cheap arcs are narrow: the artificial start is given up early for one from cost scaling; a budget that
// ends before goes over to cost scaling; a layer that is too narrow is found as usual.
TEST(flow_layers_start_from_cost_scaling) {
  std::mt19937 r(19);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  constexpr int layers = 20, wide = 40;
  FlowInstance x;
  for (int v = 0; v < (layers - 1) * wide; ++v)
    for (int a = 0; a < 7; ++a) {
      const std::int64_t next = v / wide * wide + wide;
      x.tail.push_back(v), x.head.push_back(next + (a == 6 ? v % wide : draw(0, wide - 1)));
      x.capacity.push_back(a == 6 ? 100'000 : draw(1, 50));
      x.cost.push_back(a == 6 ? draw(2000, 6000) : draw(1, 1000));
    }
  x.supply.assign(layers * wide, 0);
  for (std::size_t v = 0; v < wide; ++v) {
    const std::int64_t units = draw(1, 100);
    x.supply[v] += units, x.supply[x.supply.size() - 1 - v] -= units;
  }
  Stop stop;
  const FlowResult a = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  const FlowResult b = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
  CHECK(certified(x, a));
  CHECK_EQ(a.stats.start, std::string("cost_scaling"));
  CHECK_EQ(a.objective, b.objective);
  FlowInstance dearer = x;
  for (std::size_t e = 0; e < x.cost.size(); e += 100) dearer.cost[e] += 500;
  const FlowResult again = solve(dearer.problem(), FlowMethod::network_simplex, &a.warm_start, stop);
  CHECK(certified(dearer, again));
  CHECK_EQ(again.stats.start, std::string("basis"));
  CHECK_EQ(solve(x.problem(), FlowMethod::automatic, nullptr, stop, 4).stats.method, std::string("cost_scaling"));
  FlowInstance cut = x;
  for (std::size_t e = 9 * wide * 7; e < 10 * wide * 7; ++e) cut.capacity[e] = 1;
  const FlowResult none = solve(cut.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(none.status, FlowStatus::infeasible);
  CHECK(certified(cut, none));
}

// Arcs that start at their upper bound: of negative cost, not too wide, on a cycle (by transitive closure).
TEST(flow_negative_arcs_on_cycles) {
  std::mt19937 r(15);
  int on = 0, off = 0;
  for (int k = 0; k < 500; ++k) {
    CONTEXT("k", k);
    FlowInstance x = random_instance(r, 2 + k % 12, 1 + k % 25);
    for (std::size_t e = 0; e < x.tail.size(); ++e) x.lower[e] = 0, x.capacity[e] = static_cast<std::int64_t>(r() % 9);
    const MinCostFlow p = x.problem();
    const ProblemSummary s = summarize(p);
    const auto shape = build_topology(p, s, nullptr);
    const auto net = build_network(arc_data<std::int32_t>(p, s), s, *shape);
    std::vector<std::vector<bool>> way(at(net.n), std::vector<bool>(at(net.n), false));
    for (Node v = 0; v < net.n; ++v) way[at(v)][at(v)] = true;
    for (Node round = 0; round < net.n; ++round)
      for (Arc e = 0; e < net.m(); ++e)
        for (Node v = 0; v < net.n; ++v)
          if (net.capacity[at(e)] != 0 && way[at(v)][at(net.tail[at(e)])]) way[at(v)][at(net.head[at(e)])] = true;
    const std::vector<std::uint8_t> found = negative_arcs_on_cycles(net, 5);
    for (Arc e = 0; e < net.m(); ++e) {
      const std::int32_t cap = net.capacity[at(e)];
      const bool full = net.cost[at(e)] < 0 && cap > 0 && cap <= 5 && way[at(net.head[at(e)])][at(net.tail[at(e)])];
      CHECK_EQ(full, (!found.empty() && found[at(e)] != 0));
      ++(full ? on : off);
    }
  }
  CHECK(on > 200);
  CHECK(off > 200);
}

// Negative costs on cycles start saturated, on no cycle they do not; the answer is certified in both cases.
TEST(flow_starts_saturated_on_negative_cycles) {
  std::mt19937 r(16);
  for (int k = 0; k < 20; ++k) {
    CONTEXT("k", k);
    FlowInstance x = plain_instance(r, 200, 2000);
    for (std::int64_t& c : x.cost) c = static_cast<std::int64_t>(r() % 2000) - 1000;
    Stop stop;
    const FlowResult a = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    const FlowResult b = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
    CHECK_EQ(std::string(a.stats.start), "saturated");
    CHECK(certified(x, a));
    CHECK_EQ(a.status, b.status);
    if (a.status == FlowStatus::optimal) CHECK_EQ(a.objective, b.objective);
    for (std::size_t e = 0; e < x.tail.size(); ++e)  // no cycles any more
      if (x.tail[e] > x.head[e]) std::swap(x.tail[e], x.head[e]);
    const FlowResult c = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    CHECK(std::string(c.stats.start) != "saturated");
    CHECK(certified(x, c));
  }
}

// Network simplex on a budget of 0: cost scaling takes over, cold or warm, with the same optimum. A budget that is not
// spent changes nothing.
TEST(flow_goes_over_to_cost_scaling_when_the_budget_is_spent) {
  std::mt19937 r(13);
  int over = 0;
  for (int k = 0; k < 200; ++k) {
    CONTEXT("k", k);
    FlowInstance x = plain_instance(r, 30 + k % 20, 800);
    Stop stop;
    const FlowResult named = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    const FlowResult cold = solve(x.problem(), FlowMethod::automatic, nullptr, stop, 0);
    const FlowResult whole = solve(x.problem(), FlowMethod::automatic, nullptr, stop);
    CHECK_EQ(std::string(named.stats.reason), "by name");
    CHECK_EQ(std::string(whole.stats.reason), "within budget");
    CHECK_EQ(named.stats.work, whole.stats.work);
    CHECK_EQ(named.potential, whole.potential);
    CHECK(certified(x, cold));
    CHECK_EQ(cold.status, named.status);
    if (cold.status == FlowStatus::optimal) CHECK_EQ(cold.objective, named.objective);
    const bool spent = std::string(cold.stats.reason) == "budget spent";
    CHECK_EQ(spent, (std::string(cold.stats.method) == "cost_scaling"));
    CHECK_EQ(spent, (cold.stats.phases > 0));
    CHECK(!spent || (cold.stats.pivots > 0 && cold.stats.pivots < named.stats.pivots));
    perturb(r, x, 3, 60);
    const FlowResult warm = solve(x.problem(), FlowMethod::automatic, &named.warm_start, stop, 0);
    CHECK(certified(x, warm));
    CHECK_EQ(warm.status, solve(x.problem(), FlowMethod::network_simplex, nullptr, stop).status);
    over += spent + (std::string(warm.stats.reason) == "budget spent");
  }
  CHECK(over > 100);
}

// A random graph; its ring takes everything. One source whose cheapest arc is narrow, so that no forest serves.
FlowInstance random_network(std::mt19937& r, int n, int arcs) {
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  FlowInstance x;
  const auto add = [&](std::int64_t t, std::int64_t h, std::int64_t u, std::int64_t c) {
    x.tail.push_back(t), x.head.push_back(h), x.capacity.push_back(u), x.cost.push_back(c);
  };
  for (int k = 0; k < arcs; ++k) {
    const std::int64_t t = draw(0, n - 1);
    add(t, (t + draw(1, n - 1)) % n, draw(1, 100), draw(1, 10'000));
  }
  for (int v = 0; v < n; ++v) add(v, (v + 1) % n, 1'000'000, 40'000);
  add(0, n / 3, 1, 0);
  x.supply.assign(static_cast<std::size_t>(n), 0);
  x.supply[0] = 4000, x.supply[static_cast<std::size_t>(n / 2)] = -4000;
  return x;
}

void scatter_supplies(std::mt19937& r, FlowInstance& x, std::int64_t most) {
  for (std::size_t v = 0; v + 1 < x.supply.size(); v += 2) {
    const std::int64_t units = 1 + static_cast<std::int64_t>(r()) % most;
    x.supply[v] += units, x.supply[v + 1] -= units;
  }
}

// An earlier tree that is a worse start than none is discarded, with the same answer; statistics count what changed.
TEST(flow_warm_starts_are_discarded) {
  std::mt19937 r(14);
  const FlowInstance x = random_network(r, 1000, 8000);
  FlowInstance street = x;
  for (std::int64_t& u : street.capacity) u = 1'000'000;
  Stop stop;
  const FlowResult from_nothing = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  const FlowResult from_forest = solve(street.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(from_nothing.stats.start, std::string("cost_scaling"));
  CHECK_EQ(from_forest.stats.start, std::string("forest"));
  const auto check = [&](const FlowInstance& y, const FlowResult& first, const char* start) {
    const FlowResult warm = solve(y.problem(), FlowMethod::network_simplex, &first.warm_start, stop);
    CHECK_EQ(warm.stats.start, std::string(start));
    CHECK(certified(y, warm));
    CHECK_EQ(warm.warm_start.topology, first.warm_start.topology);
    CHECK_EQ(warm.objective, solve(y.problem(), FlowMethod::network_simplex, nullptr, stop).objective);
    return warm;
  };
  FlowInstance dear = x;  // most arcs become eligible
  for (std::size_t e = 0; e < 8000; e += 2) dear.cost[e] = x.cost[7999 - e];
  CHECK(check(dear, from_nothing, "cost_scaling").stats.changed_costs > 3900);
  FlowInstance both = dear;  // dual repair gives up, and too many arcs of new cost are eligible
  for (std::size_t e = 1; e < 8000; e += 2) both.capacity[e] = x.capacity[8000 - e];
  CHECK(check(both, from_nothing, "cost_scaling").stats.changed_capacities > 3900);
  FlowInstance few = x;  // dual repair gives up, but costs are nearly the same
  for (std::size_t e = 1; e < 8000; e += 2) few.capacity[e] = x.capacity[8000 - e];
  few.cost[5] += 1;
  CHECK(check(few, from_nothing, "basis").stats.kept_tree_arcs > 700);
  FlowInstance busy = street;  // takes three times the work of the cold solve from a forest
  scatter_supplies(r, busy, 1);
  CHECK_EQ(check(busy, from_forest, "forest").stats.changed_supplies, 1000);
  FlowInstance town = street, city = street;  // most supply moved; beyond what capacities were cut to
  scatter_supplies(r, town, 12);
  scatter_supplies(r, city, 300);
  CHECK(check(town, from_forest, "forest").stats.changed_supplies > 900);
  CHECK_EQ(check(city, from_forest, "forest").stats.changed_supplies, 0);
}

// Sources and sinks around a hub start on its star, unless its arcs are too narrow, or too dear beside many others.
TEST(flow_hubs_start_from_a_star) {
  std::mt19937 r(15);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  for (int k = 0; k < 60; ++k) {
    CONTEXT("k", k);
    const int n = 20 + k, kind = k % 3, arcs = kind == 2 ? 12 : 2;
    FlowInstance x;
    const auto add = [&](std::int64_t t, std::int64_t h, std::int64_t u, std::int64_t c) {
      x.tail.push_back(t), x.head.push_back(h), x.capacity.push_back(u), x.cost.push_back(c);
    };
    for (int v = 1; v <= n; ++v) {
      const std::int64_t dear = kind == 2 ? 9000 : 0, room = kind == 1 ? 3 : 1000;
      add(v, 0, room, dear + draw(0, 50)), add(0, v, room, dear + draw(0, 50));
      for (int a = 0; a < arcs; ++a) add(v, 1 + (v + draw(0, n - 2)) % n, draw(1, 40), draw(0, 50));
    }
    x.supply.assign(static_cast<std::size_t>(n) + 1, 0);
    for (int v = 1; v < n; v += 2) {
      const std::int64_t units = draw(5, 30);
      x.supply[static_cast<std::size_t>(v)] = units, x.supply[static_cast<std::size_t>(v) + 1] = -units;
    }
    Stop stop;
    const FlowResult a = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    const FlowResult b = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
    CHECK(certified(x, a));
    CHECK_EQ(a.status, b.status);
    if (a.status == FlowStatus::optimal) CHECK_EQ(a.objective, b.objective);
    CHECK_EQ((a.stats.start == std::string("star")), (kind == 0));
  }
}

// A maximum flow through a grid, written as one arc back of negative cost: the budget of the simplex is soon spent,
// cost scaling needs no phase. Where the arcs have costs, the budget is the usual one.
TEST(flow_of_a_maximum_flow) {
  std::mt19937 r(16);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  const std::int64_t k = 40, from = k * k, to = from + 1;
  FlowInstance x;
  const auto add = [&](std::int64_t t, std::int64_t h, std::int64_t u, std::int64_t c) {
    x.tail.push_back(t), x.head.push_back(h), x.capacity.push_back(u), x.cost.push_back(c);
  };
  for (std::int64_t v = 0; v < from; ++v) {
    if (v % k + 1 < k) add(v, v + 1, draw(1, 1000), 0);
    if (v + k < from) add(v, v + k, draw(1, 1000), 0), add(v + k, v, draw(1, 1000), 0);
  }
  for (std::int64_t v = 0; v < from; v += k) add(from, v, 1000, 0), add(v + k - 1, to, 1000, 0);
  add(to, from, 1'000'000, -1);
  x.supply.assign(static_cast<std::size_t>(to) + 1, 0);
  Stop stop;
  const FlowResult a = solve(x.problem(), FlowMethod::automatic, nullptr, stop);
  const FlowResult b = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
  CHECK_EQ(a.stats.method, std::string("cost_scaling"));
  CHECK_EQ(a.stats.phases, 0);
  CHECK(certified(x, a));
  CHECK(certified(x, b));
  CHECK_EQ(a.objective, b.objective);
  CHECK(a.objective < -1000);
  for (std::size_t e = 0; e < x.cost.size(); e += 7) x.cost[e] = 1;
  x.cost.back() = -100;
  const FlowResult c = solve(x.problem(), FlowMethod::automatic, nullptr, stop);
  const FlowResult d = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop);
  CHECK_EQ(c.stats.method, std::string("network_simplex"));
  CHECK(d.stats.phases > 0);
  CHECK(certified(x, c));
  CHECK(certified(x, d));
  CHECK_EQ(c.objective, d.objective);
}

// A node whose arcs are too narrow for its supply or demand is a cut without a solve, in both widths; an earlier tree
// is kept for the next solve.
TEST(flow_single_node_cuts) {
  for (const std::int64_t scale : {std::int64_t{1}, std::int64_t{1} << 40})
    for (const bool source : {true, false}) {
      FlowInstance x;
      x.tail = {0, 0, 1, 2, 1, 1}, x.head = {1, 2, 3, 3, 2, 1};
      x.capacity = {5, 3, 9, 9, 9, 9}, x.cost = {1, 2, 3, 4, 5, 6};
      if (!source) std::swap(x.tail, x.head);
      for (std::int64_t& u : x.capacity) u *= scale;
      x.supply = {8 * scale, 0, 0, -8 * scale};
      if (!source) std::swap(x.supply[0], x.supply[3]);
      Stop stop;
      const FlowResult just = solve(x.problem(), FlowMethod::automatic, nullptr, stop);
      CHECK_EQ(just.status, FlowStatus::optimal);
      CHECK(certified(x, just));
      x.capacity[0] -= 1;
      const FlowResult none = solve(x.problem(), FlowMethod::automatic, nullptr, stop);
      CHECK_EQ(none.stats.method, std::string("capacity"));
      CHECK_EQ(none.cut, std::vector<Index>{0});
      CHECK(certified(x, none));
      const FlowResult on = solve(x.problem(), FlowMethod::automatic, &just.warm_start, stop);
      CHECK_EQ(on.stats.method, std::string("capacity"));
      CHECK_EQ(on.cut, none.cut);
      CHECK(certified(x, on));
      x.capacity[0] += 1;
      for (const FlowResult* before : {&none, &on}) {
        const FlowResult back = solve(x.problem(), FlowMethod::automatic, &before->warm_start, stop);
        CHECK(certified(x, back));
        CHECK_EQ(back.objective, just.objective);
        CHECK_EQ((back.stats.start == std::string("basis")), (before == &on));
      }
    }
}

// Arcs of capacity 0, however cheap, never enter; when they get capacity, a warm start finds them.
TEST(flow_of_arcs_of_capacity_0) {
  for (const std::int64_t cost : {std::int64_t{7}, std::int64_t{-7}, std::int64_t{1} << 40}) {
    FlowInstance x;
    for (int v = 0; v < 3; ++v)
      for (int k = 0; k < 200; ++k) {
        CONTEXT("k", k);
        x.tail.push_back(v), x.head.push_back(v + 1);
        x.capacity.push_back(k == 100 ? 50 : 0), x.cost.push_back(k == 100 ? cost : cost - 1 - k % 3);
      }
    x.supply = {20, 0, 0, -20};
    Stop stop;
    const FlowResult shut = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    CHECK(certified(x, shut));
    CHECK_EQ(shut.objective, Wide{3} * 20 * cost);
    CHECK(shut.stats.pivots <= 6);
    for (std::size_t e = 0; e < 40; ++e) x.capacity[e] = 1;
    const FlowResult open = solve(x.problem(), FlowMethod::network_simplex, &shut.warm_start, stop);
    const FlowResult cold = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
    CHECK(certified(x, open));
    CHECK_EQ(open.objective, cold.objective);
    CHECK_EQ(open.stats.start, std::string("basis"));
    for (std::size_t e = 0; e < 40; ++e) x.capacity[e] = 0;
    const FlowResult again = solve(x.problem(), FlowMethod::network_simplex, &open.warm_start, stop);
    CHECK(certified(x, again));
    CHECK_EQ(again.objective, shut.objective);
  }
}

}  // namespace gridcompute::flow
