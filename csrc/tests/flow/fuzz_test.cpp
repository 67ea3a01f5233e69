// Min-cost flow with every tuned number drawn at random: the tuning may change the time and the choice among optima
// that tie, never the status, the optimum or the validity of the certificate.
#include <cmath>
#include <string>

#include "check.hpp"
#include "flow/flow_instances.hpp"

namespace gridcompute::flow {

// Draws within [low, high]: a quarter of the draws at either end, the others uniform in the logarithm.
template <class T>
T draw_within(std::mt19937& r, double low, double high) {
  const auto kind = r() % 4;
  if (kind == 0) return static_cast<T>(low);
  if (kind == 1) return static_cast<T>(high);
  const double shift = low > 0 ? 0 : 1 - low;
  const double a = std::log(low + shift), b = std::log(high + shift);
  const double x = std::exp(a + (b - a) * static_cast<double>(r() % 1001) / 1000) - shift;
  return static_cast<T>(std::clamp(x, low, high));
}

FlowTuning random_tuning(std::mt19937& r) {
  FlowTuning t;
#define GRIDCOMPUTE_DRAW(type, name, value, low, high, unit, decides) t.name = draw_within<type>(r, low, high);
  GRIDCOMPUTE_FLOW_TUNING(GRIDCOMPUTE_DRAW)
#undef GRIDCOMPUTE_DRAW
  return t;
}

TEST(flow_tuning_table_is_sound) {
  for (const TuningEntry& entry : kFlowTuningTable) {
    CONTEXT("name", entry.name);
    CHECK(entry.low <= entry.value);
    CHECK(entry.value <= entry.high);
    CHECK(*entry.unit != 0 && *entry.decides != 0);
  }
}

// Draws an instance of a shape that some path of the strategy is for.
FlowInstance shaped_instance(std::mt19937& r, int kind) {
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(r);
  };
  if (kind == 0) return random_instance(r, static_cast<int>(draw(1, 12)), static_cast<int>(draw(0, 50)));
  if (kind == 1) return plain_instance(r, static_cast<int>(draw(2, 60)), static_cast<int>(draw(5, 500)));
  FlowInstance x;
  const auto add = [&](std::int64_t t, std::int64_t h, std::int64_t u, std::int64_t c) {
    x.tail.push_back(t), x.head.push_back(h), x.capacity.push_back(u), x.cost.push_back(c);
  };
  const std::int64_t large = draw(0, 3) == 0 ? std::int64_t{1} << 30 : 1;  // beyond the narrow width
  std::int64_t n = 0;
  if (kind == 2) {  // layers, with a wide and dear arc each
    const std::int64_t layers = draw(2, 6), width = draw(1, 8);
    n = layers * width;
    for (std::int64_t v = 0; v + width < n; ++v) {
      for (int a = 0; a < 4; ++a)
        add(v, v / width * width + width + draw(0, width - 1), draw(0, 9), large * draw(1, 90));
      add(v, v + width, 100, large * 300);
    }
    x.supply.assign(static_cast<std::size_t>(n), 0);
    for (std::int64_t v = 0; v < width; ++v) {
      const std::int64_t units = draw(0, 20);
      x.supply[static_cast<std::size_t>(v)] += units, x.supply[static_cast<std::size_t>(n - 1 - v)] -= units;
    }
  } else {  // a ring around a hub, parallel arcs, some of negative cost
    n = draw(3, 40);
    for (std::int64_t v = 1; v < n; ++v) {
      add(v, 0, draw(0, 30), large * draw(0, 9)), add(0, v, draw(0, 30), large * draw(0, 9));
      for (int a = 0; a < 6; ++a) add(v, 1 + v % (n - 1), draw(0, 5), large * draw(kind == 3 ? -9 : 0, 40));
    }
    for (std::size_t e = 0; e < x.tail.size(); ++e)
      if (x.tail[e] == x.head[e]) x.head[e] = 0;
    x.supply.assign(static_cast<std::size_t>(n), 0);
    for (std::int64_t v = 1; v + 1 < n; v += 2) {
      const std::int64_t units = draw(0, 12);
      x.supply[static_cast<std::size_t>(v)] += units, x.supply[static_cast<std::size_t>(v + 1)] -= units;
    }
  }
  return x;
}

TEST(flow_answers_do_not_depend_on_the_tuning) {
  using testing::seed;
  int seen[5] = {};
  std::string starts;
  for (std::uint64_t k = 0; k < 600; ++k) {
    const std::uint64_t s = seed(k);
    CONTEXT("seed", s);
    std::mt19937 r(static_cast<std::mt19937::result_type>(s));
    FlowInstance x = shaped_instance(r, static_cast<int>(s % 5));
    Stop stop;
    FlowResult last;
    for (int step = 0; step < 4; ++step) {
      CONTEXT("step", step);
      const FlowTuning tuning = random_tuning(r);
      const FlowMethod method = r() % 3 == 0 ? FlowMethod::network_simplex : FlowMethod::automatic;
      const FlowResult plain = solve(x.problem(), FlowMethod::network_simplex, nullptr, stop);
      FlowResult drawn = solve(x.problem(), method, step == 0 ? nullptr : &last.warm_start, stop, {}, tuning);
      CHECK(certified(x, drawn));
      CHECK_EQ(drawn.status, plain.status);
      if (plain.status == FlowStatus::optimal) CHECK_EQ(drawn.objective == plain.objective, true);
      const FlowResult scaled = solve(x.problem(), FlowMethod::cost_scaling, nullptr, stop, {}, tuning);
      CHECK(certified(x, scaled));
      CHECK_EQ(scaled.status, plain.status);
      ++seen[static_cast<int>(plain.status)];
      if (starts.find(drawn.stats.start) == std::string::npos) starts += std::string(drawn.stats.start) + " ";
      last = std::move(drawn);
      perturb(r, x, static_cast<int>(r() % 4), static_cast<int>(r() % 40));
      if (!x.lower.empty())
        for (std::size_t e = 0; e < x.lower.size(); ++e) x.capacity[e] = std::max(x.capacity[e], x.lower[e]);
    }
  }
  CHECK(seen[static_cast<int>(FlowStatus::optimal)] > 100);
  CHECK(seen[static_cast<int>(FlowStatus::infeasible)] > 100);
  for (const char* start : {"artificial", "saturated", "forest", "star", "basis", "cost_scaling"}) {
    CONTEXT("starts seen", starts);
    CONTEXT("start", start);
    CHECK(starts.find(start) != std::string::npos);
  }
}

}  // namespace gridcompute::flow
