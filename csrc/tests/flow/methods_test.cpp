// Network simplex beside cost scaling, and what takes over from what.
#include <string>

#include "check.hpp"
#include "flow/flow_instances.hpp"
#include "gridcompute/flow/cost_scaling/cost_scaling.hpp"
#include "gridcompute/flow/network_simplex/simplex.hpp"
#include "gridcompute/flow/preprocess.hpp"
#include "gridcompute/flow/start/scaled_start.hpp"
#include "gridcompute/flow/strong_components.hpp"

namespace gridcompute::flow {

TEST(flow_methods_agree_and_prove_what_they_say) {
  std::mt19937 r(1);
  int seen[3] = {0, 0, 0};
  for (int k = 0; k < 1500; ++k) {
    const Instance x = random_instance(r, 1 + k % 9, k % 31);
    Stop stop;
    const Result a = solve(x.problem(), Method::network_simplex, nullptr, stop);
    const Result b = solve(x.problem(), Method::cost_scaling, nullptr, stop);
    CHECK(proved(x, a));
    CHECK(proved(x, b));
    CHECK(a.status == b.status);
    if (a.status == Status::optimal) CHECK(a.objective == b.objective);
    ++seen[static_cast<int>(a.status)];
  }
  for (const int count : seen) CHECK(count > 20);  // the generator reaches each kind of answer
}

// Arcs of 2^60 units side by side: what cost scaling moves to one node and away again passes 63 bits on the way.
TEST(flow_cost_scaling_moves_more_than_63_bits) {
  std::mt19937 r(11);
  const std::int64_t most = Range<std::int64_t>::kMaxFlow;
  for (int k = 0; k < 300; ++k) {
    Instance x = random_instance(r, 2 + k % 5, 10 + k);
    for (std::size_t e = 0; e < x.tail.size(); ++e) {
      x.lower[e] = 0;
      x.capacity[e] = k % 2 == 0 ? kInfinite : most;
      x.cost[e] = static_cast<std::int64_t>(r() % 3 == 0 ? r() % 4 : r() % (1 << 24));
    }
    x.supply.assign(x.supply.size(), 0);
    x.supply[0] = most, x.supply[1] = -most;
    Stop stop;
    const Result a = solve(x.problem(), Method::network_simplex, nullptr, stop);
    const Result b = solve(x.problem(), Method::cost_scaling, nullptr, stop);
    CHECK(proved(x, a) && proved(x, b));
    CHECK(a.status == b.status);
  }
}

// A node relabelled while it has an admissible arc lets units run round a cycle until its room is used up.
TEST(flow_cost_scaling_sends_no_units_round) {
  std::mt19937 r(12);
  for (int k = 0; k < 3000; ++k) {
    Instance x = random_instance(r, 4 + k % 9, 20 + k % 40);
    for (std::size_t e = 0; e < x.tail.size(); ++e) {
      const std::int64_t dear = std::int64_t{1} << 24, odd[] = {0, 1, -1, 5, dear, dear + 1, dear - 1, dear / 2};
      x.cost[e] = odd[r() % 8];
      if (r() % 2 == 0) x.capacity[e] = 1'000'000;
    }
    Stop stop;
    const Result b = solve(x.problem(), Method::cost_scaling, nullptr, stop);
    CHECK(proved(x, b));
    CHECK(b.stats.pushes < 3000);
  }
}

// A global update searches so many levels as a unit can have to go, however far apart prices are: one dear arc among
// cheap ones would lead it through millions.
TEST(flow_global_updates_end_in_time) {
  std::mt19937 r(14);
  Index updates = 0;
  for (int k = 0; k < 400; ++k) {
    Instance x = random_instance(r, 4 + k % 9, 20 + k % 40);
    for (std::size_t e = 0; e < x.tail.size(); ++e) {
      x.cost[e] = r() % 3 == 0 ? std::int64_t{1} << 40 : static_cast<std::int64_t>(r() % 4);
      x.lower[e] = 0, x.capacity[e] = static_cast<std::int64_t>(r() % 9);
    }
    const Problem p = x.problem();
    const Survey s = survey(p);
    const auto shape = topology(p, s, nullptr);
    const auto net = network(given<std::int64_t>(p, s), s, *shape);
    CostScaling scaling(net);
    Stop stop;
    (void)scaling.run(stop);
    CHECK(scaling.counts().levels <= scaling.counts().global_updates * (17 * (p.n + 1) + 1));
    updates += scaling.counts().global_updates;
  }
  CHECK(updates > 100);
}

// A scaled start carries a feasible flow on its tree, no arc off the tree between its bounds, whatever eps left; where
// there is no feasible flow there is no such start. The simplex ends on it as it does from nothing, in either width.
template <class Int>
void check_scaled_start(const Instance& x, int& made, int& none) {
  const Problem p = x.problem();
  const Survey s = survey(p);
  if (!s.balanced || s.unbounded_arcs) return;
  const auto shape = topology(p, s, nullptr);
  const auto net = [&] { return network(given<Int>(p, s), s, *shape); };
  Stop stop;
  Simplex<Int> plain(net());
  const auto end = plain.run(stop);
  auto start = scaled_start(net(), stop, kNoBudget);
  CHECK(start.has_value() == (end == Simplex<Int>::End::optimal));
  ++(start ? made : none);
  if (!start) return;
  Simplex<Int> scaled(net(), start->basis, std::move(start->price));
  CHECK(scaled.holds() && scaled.unserved() == 0);
  CHECK(scaled.run(stop) == Simplex<Int>::End::optimal && scaled.holds());
  plain.rest(), scaled.rest();
  CHECK(plain.account().total == scaled.account().total);
  CHECK(plain.account().proved && scaled.account().proved);
}

TEST(flow_scaled_starts) {
  std::mt19937 r(18);
  int made = 0, none = 0;
  for (int k = 0; k < 600; ++k) {
    Instance x = k % 2 == 0 ? random_instance(r, 2 + k % 12, 1 + k % 40) : plain_instance(r, 2 + k % 30, 4 + k % 120);
    if (k % 3 == 0)
      for (std::int64_t& c : x.cost) c *= 1000;
    check_scaled_start<std::int32_t>(x, made, none);
    check_scaled_start<std::int64_t>(x, made, none);
  }
  CHECK(made > 300 && none > 300);
}

// Layers whose cheap arcs are narrow: an artificial start would take long, is given up early, and a scaled one takes
// its place; a budget that ends there goes over to cost scaling, and where a layer is too narrow that is found as ever.
TEST(flow_layers_start_scaled) {
  std::mt19937 r(19);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  constexpr int layers = 20, wide = 40;
  Instance x;
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
  const Result a = solve(x.problem(), Method::network_simplex, nullptr, stop);
  const Result b = solve(x.problem(), Method::cost_scaling, nullptr, stop);
  CHECK(proved(x, a) && a.stats.start == std::string("scaled") && a.objective == b.objective);
  Instance dearer = x;
  for (std::size_t e = 0; e < x.cost.size(); e += 100) dearer.cost[e] += 500;
  const Result again = solve(dearer.problem(), Method::network_simplex, &a.kept, stop);
  CHECK(proved(dearer, again) && again.stats.start == std::string("basis"));
  CHECK(solve(x.problem(), Method::automatic, nullptr, stop, 4).stats.method == std::string("cost_scaling"));
  Instance cut = x;
  for (std::size_t e = 9 * wide * 7; e < 10 * wide * 7; ++e) cut.capacity[e] = 1;
  const Result none = solve(cut.problem(), Method::network_simplex, nullptr, stop);
  CHECK(none.status == Status::infeasible && proved(cut, none));
}

// Which arcs begin full: those of negative cost, not too wide, that some way leads back along.
TEST(flow_negative_arcs_on_cycles) {
  std::mt19937 r(15);
  int on = 0, off = 0;
  for (int k = 0; k < 500; ++k) {
    Instance x = random_instance(r, 2 + k % 12, 1 + k % 25);
    for (std::size_t e = 0; e < x.tail.size(); ++e) x.lower[e] = 0, x.capacity[e] = static_cast<std::int64_t>(r() % 9);
    const Problem p = x.problem();
    const Survey s = survey(p);
    const auto shape = topology(p, s, nullptr);
    const auto net = network(given<std::int32_t>(p, s), s, *shape);
    std::vector<std::vector<bool>> way(at(net.n), std::vector<bool>(at(net.n), false));
    for (Node v = 0; v < net.n; ++v) way[at(v)][at(v)] = true;
    for (Node round = 0; round < net.n; ++round)
      for (Arc e = 0; e < net.m(); ++e)
        for (Node v = 0; v < net.n; ++v)
          if (net.cap[at(e)] != 0 && way[at(v)][at(net.tail[at(e)])]) way[at(v)][at(net.head[at(e)])] = true;
    const std::vector<std::uint8_t> found = negative_on_cycles(net, 5);
    for (Arc e = 0; e < net.m(); ++e) {
      const std::int32_t cap = net.cap[at(e)];
      const bool full = net.cost[at(e)] < 0 && cap > 0 && cap <= 5 && way[at(net.head[at(e)])][at(net.tail[at(e)])];
      CHECK(full == (!found.empty() && found[at(e)] != 0));
      ++(full ? on : off);
    }
  }
  CHECK(on > 200 && off > 200);
}

// A full start takes far fewer steps where many costs are negative; the answer is the same.
TEST(flow_begins_full_where_cycles_pay) {
  std::mt19937 r(16);
  for (int k = 0; k < 20; ++k) {
    Instance x = plain_instance(r, 200, 2000);
    for (std::int64_t& c : x.cost) c = static_cast<std::int64_t>(r() % 2000) - 1000;
    Stop stop;
    const Result a = solve(x.problem(), Method::network_simplex, nullptr, stop);
    const Result b = solve(x.problem(), Method::cost_scaling, nullptr, stop);
    CHECK(std::string(a.stats.start) == "full" && proved(x, a) && a.status == b.status);
    if (a.status == Status::optimal) CHECK(a.objective == b.objective);
    for (std::size_t e = 0; e < x.tail.size(); ++e)  // no cycles any more
      if (x.tail[e] > x.head[e]) std::swap(x.tail[e], x.head[e]);
    const Result c = solve(x.problem(), Method::network_simplex, nullptr, stop);
    CHECK(std::string(c.stats.start) != "full" && proved(x, c));
  }
}

// Network simplex on a budget that is soon spent: cost scaling takes over, cold or warm, with the same optimum. One
// that is not spent changes nothing.
TEST(flow_goes_over_to_cost_scaling_when_the_budget_is_spent) {
  std::mt19937 r(13);
  int over = 0;
  for (int k = 0; k < 200; ++k) {
    Instance x = plain_instance(r, 30 + k % 20, 800);
    Stop stop;
    const Result named = solve(x.problem(), Method::network_simplex, nullptr, stop);
    const Result cold = solve(x.problem(), Method::automatic, nullptr, stop, 0);
    const Result whole = solve(x.problem(), Method::automatic, nullptr, stop);
    CHECK(std::string(named.stats.chosen) == "by name" && std::string(whole.stats.chosen) == "within budget");
    CHECK(named.stats.effort == whole.stats.effort && named.potential == whole.potential);
    CHECK(proved(x, cold) && cold.status == named.status);
    if (cold.status == Status::optimal) CHECK(cold.objective == named.objective);
    const bool spent = std::string(cold.stats.chosen) == "budget spent";
    CHECK(spent == (std::string(cold.stats.method) == "cost_scaling") && spent == (cold.stats.phases > 0));
    CHECK(!spent || (cold.stats.pivots > 0 && cold.stats.pivots < named.stats.pivots));
    shake(r, x, 3, 60);
    const Result warm = solve(x.problem(), Method::automatic, &named.kept, stop, 0);
    CHECK(proved(x, warm));
    CHECK(warm.status == solve(x.problem(), Method::network_simplex, nullptr, stop).status);
    over += spent + (std::string(warm.stats.chosen) == "budget spent");
  }
  CHECK(over > 100);
}

// A random graph; its ring takes everything. One source whose cheapest arc is narrow, so that no forest serves.
Instance random_network(std::mt19937& r, int n, int arcs) {
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  Instance x;
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

void scatter_supplies(std::mt19937& r, Instance& x, std::int64_t most) {
  for (std::size_t v = 0; v + 1 < x.supply.size(); v += 2) {
    const std::int64_t units = 1 + static_cast<std::int64_t>(r()) % most;
    x.supply[v] += units, x.supply[v + 1] -= units;
  }
}

// Where an earlier tree is a worse start than none, none is used, for the same answer; the counters say what changed.
TEST(flow_changes_too_many_begin_anew) {
  std::mt19937 r(14);
  const Instance x = random_network(r, 1000, 8000);
  Instance street = x;
  for (std::int64_t& u : street.capacity) u = 1'000'000;
  Stop stop;
  const Result from_nothing = solve(x.problem(), Method::network_simplex, nullptr, stop);
  const Result from_forest = solve(street.problem(), Method::network_simplex, nullptr, stop);
  CHECK(from_nothing.stats.start == std::string("scaled") && from_forest.stats.start == std::string("forest"));
  const auto check = [&](const Instance& y, const Result& first, const char* start) {
    const Result warm = solve(y.problem(), Method::network_simplex, &first.kept, stop);
    CHECK(warm.stats.start == std::string(start) && proved(y, warm) && warm.kept.topology == first.kept.topology);
    CHECK(warm.objective == solve(y.problem(), Method::network_simplex, nullptr, stop).objective);
    return warm;
  };
  Instance dear = x;  // most arcs promise something
  for (std::size_t e = 0; e < 8000; e += 2) dear.cost[e] = x.cost[7999 - e];
  CHECK(check(dear, from_nothing, "scaled").stats.changed_costs > 3900);
  Instance both = dear;  // the repair gives up, and among the arcs of new cost too many do
  for (std::size_t e = 1; e < 8000; e += 2) both.capacity[e] = x.capacity[8000 - e];
  CHECK(check(both, from_nothing, "scaled").stats.changed_capacities > 3900);
  Instance few = x;  // it gives up, but costs are much as they were
  for (std::size_t e = 1; e < 8000; e += 2) few.capacity[e] = x.capacity[8000 - e];
  few.cost[5] += 1;
  CHECK(check(few, from_nothing, "basis").stats.kept_tree_arcs > 700);
  Instance busy = street;  // little moves, but it takes three times what the cold solve did, which the forest made easy
  scatter_supplies(r, busy, 1);
  CHECK(check(busy, from_forest, "forest").stats.changed_supplies == 1000);
  Instance town = street, city = street;  // another flow than the forest's; and more than capacities were cut to
  scatter_supplies(r, town, 12);
  scatter_supplies(r, city, 300);
  CHECK(check(town, from_forest, "forest").stats.changed_supplies > 900);
  CHECK(check(city, from_forest, "forest").stats.changed_supplies == 0);
}

// Sources and sinks around a hub begin on it, unless its arcs are too narrow or too dear beside many others.
TEST(flow_hubs_are_a_start) {
  std::mt19937 r(15);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  for (int k = 0; k < 60; ++k) {
    const int n = 20 + k, kind = k % 3, arcs = kind == 2 ? 12 : 2;
    Instance x;
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
    const Result a = solve(x.problem(), Method::network_simplex, nullptr, stop);
    const Result b = solve(x.problem(), Method::cost_scaling, nullptr, stop);
    CHECK(proved(x, a) && a.status == b.status);
    if (a.status == Status::optimal) CHECK(a.objective == b.objective);
    CHECK((a.stats.start == std::string("star")) == (kind == 0));
  }
}

// A maximum flow through a grid, written as one arc back that pays: the simplex soon gives up, cost scaling needs no
// phase. Where the arcs cost something, it has the budget it has anywhere.
TEST(flow_of_a_maximum) {
  std::mt19937 r(16);
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<std::int64_t>(low, high)(r); };
  const std::int64_t k = 40, from = k * k, to = from + 1;
  Instance x;
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
  const Result a = solve(x.problem(), Method::automatic, nullptr, stop);
  const Result b = solve(x.problem(), Method::network_simplex, nullptr, stop);
  CHECK(a.stats.method == std::string("cost_scaling") && a.stats.phases == 0);
  CHECK(proved(x, a) && proved(x, b) && a.objective == b.objective && a.objective < -1000);
  for (std::size_t e = 0; e < x.cost.size(); e += 7) x.cost[e] = 1;
  x.cost.back() = -100;
  const Result c = solve(x.problem(), Method::automatic, nullptr, stop);
  const Result d = solve(x.problem(), Method::cost_scaling, nullptr, stop);
  CHECK(c.stats.method == std::string("network_simplex") && d.stats.phases > 0);
  CHECK(proved(x, c) && proved(x, d) && c.objective == d.objective);
}

// A node whose arcs cannot take what it has, or bring what it needs, is a cut without a solve, in both widths; an
// earlier tree waits for the next.
TEST(flow_of_a_node_with_too_few_arcs) {
  for (const std::int64_t scale : {std::int64_t{1}, std::int64_t{1} << 40})
    for (const bool source : {true, false}) {
      Instance x;
      x.tail = {0, 0, 1, 2, 1, 1}, x.head = {1, 2, 3, 3, 2, 1};
      x.capacity = {5, 3, 9, 9, 9, 9}, x.cost = {1, 2, 3, 4, 5, 6};
      if (!source) std::swap(x.tail, x.head);
      for (std::int64_t& u : x.capacity) u *= scale;
      x.supply = {8 * scale, 0, 0, -8 * scale};
      if (!source) std::swap(x.supply[0], x.supply[3]);
      Stop stop;
      const Result just = solve(x.problem(), Method::automatic, nullptr, stop);
      CHECK(just.status == Status::optimal && proved(x, just));
      x.capacity[0] -= 1;
      const Result none = solve(x.problem(), Method::automatic, nullptr, stop);
      CHECK(none.stats.method == std::string("capacity") && none.cut == std::vector<Index>{0} && proved(x, none));
      const Result on = solve(x.problem(), Method::automatic, &just.kept, stop);
      CHECK(on.stats.method == std::string("capacity") && on.cut == none.cut && proved(x, on));
      x.capacity[0] += 1;
      for (const Result* before : {&none, &on}) {
        const Result back = solve(x.problem(), Method::automatic, &before->kept, stop);
        CHECK(proved(x, back) && back.objective == just.objective);
        CHECK((back.stats.start == std::string("basis")) == (before == &on));
      }
    }
}

// Arcs without room, however cheap, are never looked for; when they get some, a warm start finds them.
TEST(flow_of_arcs_without_room) {
  for (const std::int64_t cost : {std::int64_t{7}, std::int64_t{-7}, std::int64_t{1} << 40}) {
    Instance x;
    for (int v = 0; v < 3; ++v)
      for (int k = 0; k < 200; ++k) {
        x.tail.push_back(v), x.head.push_back(v + 1);
        x.capacity.push_back(k == 100 ? 50 : 0), x.cost.push_back(k == 100 ? cost : cost - 1 - k % 3);
      }
    x.supply = {20, 0, 0, -20};
    Stop stop;
    const Result shut = solve(x.problem(), Method::network_simplex, nullptr, stop);
    CHECK(proved(x, shut) && shut.objective == Wide{3} * 20 * cost && shut.stats.pivots <= 6);
    for (std::size_t e = 0; e < 40; ++e) x.capacity[e] = 1;
    const Result open = solve(x.problem(), Method::network_simplex, &shut.kept, stop);
    const Result cold = solve(x.problem(), Method::network_simplex, nullptr, stop);
    CHECK(proved(x, open) && open.objective == cold.objective && open.stats.start == std::string("basis"));
    for (std::size_t e = 0; e < 40; ++e) x.capacity[e] = 0;
    const Result again = solve(x.problem(), Method::network_simplex, &open.kept, stop);
    CHECK(proved(x, again) && again.objective == shut.objective);
  }
}

}  // namespace gridcompute::flow
