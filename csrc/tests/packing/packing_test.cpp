// Packing: layouts, the state of the cluster, fill values, the knapsack, and the packer against its invariants.
#include <algorithm>
#include <new>
#include <numeric>
#include <random>

#include "check.hpp"
#include "gridcompute/packing/device_contents.hpp"
#include "gridcompute/packing/packer.hpp"
#include "gridcompute/packing/price_policy.hpp"

namespace gridcompute::packing {

namespace {

// Two halves or three thirds of a device: states by (halves, thirds).
Layout halves_or_thirds() {
  const State none = kNoState;
  // States: 0 empty, 1 one half, 2 two halves, 3..5 one to three thirds. Items: half, third.
  return {6, {1, 3, 2, none, none, none, none, 4, none, 5, none, none}, {0, 1}, {0, 500, 1000, 333, 666, 999}, 2};
}

Inventory inventory(std::vector<std::int32_t> gpus, std::vector<std::int32_t> model, std::vector<Layout> layouts) {
  Inventory v;
  for (std::size_t k = 0; k < gpus.size(); ++k) {
    v.cpu.push_back(16000), v.memory.push_back(65536), v.rank.push_back(static_cast<std::int32_t>(k));
  }
  v.gpus = std::move(gpus), v.model = std::move(model), v.layouts = std::move(layouts);
  return v;
}

std::vector<Shape> some_shapes() {
  return {{1000, 1024, 1, 300, -1, ~std::uint64_t{0}},
          {500, 512, 1, 810, -1, ~std::uint64_t{0}},
          {2000, 4096, 2, kDevice, -1, ~std::uint64_t{0}},
          {4000, 100, 0, 0, -1, ~std::uint64_t{0}},
          {100, 100, 1, 500, 0, 2},
          {100, 100, 1, 333, 1, 2},
          {100, 100, 1, kDevice, -1, 2},
          {8000, 9000, 4, kDevice, -1, 1}};
}

// Each number at an end of its range, at its default, or in between.
PackingTuning random_tuning(std::mt19937& random) {
  PackingTuning out;
  for (const TuningEntry& entry : kTuningTable) {
    const double values[] = {entry.low, entry.value, std::min(entry.high, 4 * entry.value + 1), entry.high};
    const auto kind = random() % 4;
    CHECK(set_tuning(out, entry.name, entry.high > 4096 && kind == 3 ? entry.value : values[kind]));
  }
  return out;
}

}  // namespace

// If this fails, an invalid template reaches the packer.
TEST(packing_layout_tables_are_checked) {
  const State none = kNoState;
  CHECK_THROWS((Layout{0, {}, {0}, {}, 1}), Error);
  CHECK_THROWS((Layout{1, {0}, {0}, {0}, 1}), Error);                    // a loop
  CHECK_THROWS((Layout{2, {5, none}, {0}, {0, 100}, 1}), Error);         // leads nowhere
  CHECK_THROWS((Layout{2, {1, none}, {3}, {0, 100}, 1}), Error);         // no such profile
  CHECK_THROWS((Layout{2, {1, none}, {0}, {0, 1001}, 1}), Error);        // more than a device
  CHECK_THROWS((Layout{3, {2, 2, none}, {0}, {0, 50, 100}, 1}), Error);  // two ways back
  const Layout layout = halves_or_thirds();
  CHECK(!layout.in_milli());
  CHECK(layout.full() == 6);
  CHECK(layout.free_milli(5) == 1);
  CHECK(layout.previous(2, 0) == 1);
  CHECK(layout.chosen(1, 1) == kNoState);
  CHECK(layout.chosen(0, 1) == 3);
}

// If this fails, sorted devices are out of order after one changes, and a memo knows one state under two names.
TEST(packing_node_states_stay_sorted) {
  std::mt19937 random(5);
  for (int k = 0; k < 2000; ++k) {
    NodeState s;
    s.devices = std::uniform_int_distribution<int>(1, 8)(random);
    std::vector<State> want;
    for (int d = 0; d < s.devices; ++d) want.push_back(static_cast<State>(random() % 5 * 250));
    std::sort(want.begin(), want.end());
    std::copy(want.begin(), want.end(), s.device.begin());
    const auto at = static_cast<std::size_t>(random() % static_cast<unsigned>(s.devices));
    const auto to = static_cast<State>(random() % 1001);
    s.replace(want[at], to);
    want[at] = to;
    std::sort(want.begin(), want.end());
    CHECK(std::equal(want.begin(), want.end(), s.device.begin()));
  }
}

// If this fails, the memo gives one state's value for another.
TEST(packing_memo_returns_what_was_computed) {
  StateMemo<std::int64_t> memo(8, 10'000);  // and starts over some times
  std::mt19937 random(9);
  for (int k = 0; k < 50'000; ++k) {
    NodeState s;
    s.devices = 8, s.cpu = static_cast<std::int64_t>(random() % 40), s.node_class = static_cast<int>(random() % 3);
    for (std::size_t d = 0; d < 8; ++d) s.device[d] = static_cast<State>(random() % 3);
    const auto value = [&] {
      std::int64_t v = s.cpu * 31 + s.node_class;
      for (std::size_t d = 0; d < 8; ++d) v = v * 7 + s.device[d];
      return v;
    };
    CHECK(memo.get(s, value) == value());
  }
}

// If this fails, a column of the pattern program is missed, and a bound is no bound.
TEST(packing_knapsack_is_exact) {
  std::mt19937 random(11);
  for (int k = 0; k < 100; ++k) {
    const std::vector<std::int32_t> milli{static_cast<std::int32_t>(200 + random() % 300),
                                          static_cast<std::int32_t>(200 + random() % 800), 190};
    const std::vector<std::int64_t> value{static_cast<std::int64_t>(random() % 1000),
                                          static_cast<std::int64_t>(random() % 1000),
                                          static_cast<std::int64_t>(random() % 300)};
    std::int64_t want = 0;
    for (int a = 0; a <= 5; ++a)
      for (int b = 0; b <= 5; ++b)
        for (int c = 0; c <= 5; ++c)
          if (a * milli[0] + b * milli[1] + c * milli[2] <= kDevice)
            want = std::max(want, a * value[0] + b * value[1] + c * value[2]);
    const Content best = best_content(milli, value);
    CHECK(best.value == want);
    std::int64_t sum = 0, weight = 0;
    for (std::size_t m = 0; m < 3; ++m) sum += best.count[m] * value[m], weight += best.count[m] * milli[m];
    CHECK(sum == want && weight <= kDevice);
  }
  const std::vector<std::int64_t> value{10, 7};
  const Content best = best_content(halves_or_thirds(), value);
  CHECK(best.value == 21 && best.count[0] == 0 && best.count[1] == 3);
}

TEST(packing_tuning_table_is_sound) {
  for (const TuningEntry& entry : kTuningTable) {
    CONTEXT("name", entry.name);
    CHECK(entry.low <= entry.value && entry.value <= entry.high && entry.whole);
    CHECK(*entry.unit != 0 && *entry.decides != 0);
  }
}

// If this fails, values come from a memo that is out of date, or filling exceeds a device.
TEST(packing_fill_values_fall_with_what_is_left) {
  Cluster cluster(inventory({4, 4}, {0, 1}, {Layout(), halves_or_thirds()}));
  std::vector<MixEntry> mix;
  std::vector<std::int64_t> prices;
  for (const Shape& s : some_shapes()) {
    mix.push_back({cluster.add_shape(s), 3});
    prices.push_back(s.demand());
  }
  PackingTuning tuning;
  FillValue fill(cluster, mix, prices, 7, tuning);
  for (NodeId n = 0; n < 2; ++n) {
    NodeState s = state_of(cluster, n);
    std::int64_t before = fill.value(cluster.layout(n), s);
    CHECK(before > 0 && before <= 4 * kDevice * tuning.lists);
    while (s.device[0] == 0) {
      s.replace(0, cluster.layout(n).full());
      const std::int64_t now = fill.value(cluster.layout(n), s);
      CHECK(now <= before && now == fill.compute(cluster.layout(n), s));
      before = now;
    }
    CHECK(before == 0);
  }
}

// If this fails, the cluster's totals differ from its pods, or a failed trial of moves changes the state, at the
// numbers of the tuning table or at others of their ranges.
TEST(packing_books_hold_through_places_moves_and_releases) {
  for (const char* const policy : {"price", "fgd", "best_fit", "dot_product", "packing", "clustering"}) {
    for (unsigned seed = 0; seed < 4; ++seed) {
      CONTEXT("policy", policy);
      CONTEXT("seed", seed);
      std::mt19937 random(seed);
      const PackingTuning tuning = seed == 0 ? PackingTuning() : random_tuning(random);
      Packer packer(inventory({4, 2, 4, 0, 1}, {0, 0, 1, 0, 1}, {Layout(), halves_or_thirds()}), policy, 7);
      const std::int64_t empty_milli = packer.cluster().free_milli();
      std::vector<MixEntry> mix;
      std::vector<std::int64_t> prices;
      for (const Shape& s : some_shapes()) mix.push_back({packer.add_shape(s), 1}), prices.push_back(s.demand());
      packer.set_mix(mix, prices, seed, tuning);
      for (int k = 0; k < 60; ++k) {
        std::vector<ShapeId> shapes;
        for (unsigned m = random() % 4; m-- > 0;) shapes.push_back(mix[random() % mix.size()].shape);
        const PodId first = packer.arrived();
        const Placed placed = packer.place(shapes, static_cast<int>(random() % 4));
        CHECK(packer.holds());
        for (std::size_t p = 0; p < shapes.size(); ++p) {
          const bool live = packer.cluster().find(first + static_cast<PodId>(p)) != nullptr;
          CHECK(live == (placed.refused[p] == Refusal::none));
          if (live) continue;
          for (NodeId n = 0; n < packer.cluster().nodes(); ++n)
            CHECK(!packer.cluster().fits(packer.cluster().shape(shapes[p]), n));
        }
        if (packer.arrived() == 0) continue;
        const auto gone = static_cast<PodId>(random() % static_cast<unsigned>(packer.arrived()));
        if (packer.cluster().find(gone) != nullptr) packer.release(std::span(&gone, 1));
        CHECK(packer.holds());
      }
      for (const Pod* const pod : packer.cluster().pods()) {
        const PodId id = pod->id;
        packer.release(std::span(&id, 1));
      }
      CHECK(packer.cluster().pods().empty());
      CHECK(packer.holds());
      CHECK(packer.cluster().free_milli() == empty_milli);
    }
  }
}

// If this fails, an id that is not placed is released, or half of the ids are before the error.
TEST(packing_release_is_all_or_nothing) {
  Packer packer(inventory({2}, {0}, {Layout()}), "price", 7);
  const ShapeId s = packer.add_shape(some_shapes()[0]);
  packer.set_mix({{s, 1}}, {300}, 0, PackingTuning());
  packer.place(std::vector<ShapeId>{s, s}, 0);
  CHECK_THROWS(packer.release(std::vector<PodId>{0, 2}), Error);
  CHECK_THROWS(packer.release(std::vector<PodId>{0, 0}), Error);
  CHECK_THROWS(packer.release(std::vector<PodId>{-1}), Error);
  CHECK(packer.cluster().pods().size() == 2);
}

namespace {

// A cluster in the middle of its life, mostly full, and the pods that come next.
struct World {
  World(const std::string& policy, unsigned seed)
      : random(seed), packer(inventory({4, 2, 4, 1}, {0, 0, 1, 1}, {Layout(), halves_or_thirds()}), policy, 9) {
    std::vector<MixEntry> mix;
    std::vector<std::int64_t> prices;
    for (const Shape& s : some_shapes()) mix.push_back({packer.add_shape(s), 1}), prices.push_back(s.demand());
    packer.set_mix(mix, prices, seed, PackingTuning());
    packer.place(draw(14), 0);
    for (const Pod* const pod : packer.cluster().pods()) {
      const PodId id = pod->id;
      if (random() % 3 == 0) packer.release(std::span(&id, 1));
    }
  }

  std::vector<ShapeId> draw(unsigned n) {
    std::vector<ShapeId> out;
    for (unsigned k = 0; k < n; ++k)
      out.push_back(static_cast<ShapeId>(random() % static_cast<unsigned>(packer.cluster().shapes())));
    return out;
  }

  // Returns all that later answers depend on, as numbers.
  std::vector<std::int64_t> state() {
    std::vector<std::int64_t> out = packer.counts(packer.arrived());
    const Cluster& c = packer.cluster();
    for (const Pod* const p : c.pods())
      out.insert(out.end(), {p->id, p->shape, p->at.node, static_cast<std::int64_t>(p->at.devices), p->at.item,
                             p->decision.cost, p->decision.charge, p->decision.runner_up, p->decision.runner_up_cost});
    for (NodeId n = 0; n < c.nodes(); ++n) {
      out.insert(out.end(), {c.cpu(n), c.memory(n), c.milli(n), c.free_devices(n)});
      out.insert(out.end(), c.devices(n).begin(), c.devices(n).end());
      for (const Pod* const p : c.pods_of(n)) out.push_back(p->id);
    }
    for (const Arrival& arrival : packer.latest()) out.insert(out.end(), {arrival.shape, arrival.placed});
    for (const Reservation& group : packer.reservations()) out.push_back(group.slots);
    out.push_back(packer.arrived());
    return out;
  }

  std::mt19937 random;
  Packer packer;
};

}  // namespace

// If this fails, a call that is short of memory has placed some of its pods, moved others, or changes later answers.
TEST(packing_calls_short_of_memory_change_nothing) {
  long moved = 0;
  for (const char* const policy : {"price", "fgd", "best_fit"})
    for (unsigned seed = 0; seed < 19; ++seed)
      for (const unsigned pods : {1U, 5U}) {
        CONTEXT("policy", policy);
        CONTEXT("seed", seed);
        CONTEXT("pods", pods);
        bool failed = true;
        for (long n = 0; failed; ++n) {
          CONTEXT("allocation", n);
          World world(policy, seed), whole(policy, seed);
          const std::vector<ShapeId> shapes = world.draw(pods), later = world.draw(4);
          const std::vector<std::int64_t> before = world.state();
          Placed placed;
          testing::allocations_left = n;
          try {
            placed = world.packer.place(shapes, 6);
            failed = false;
          } catch (const std::bad_alloc&) {
          }
          testing::allocations_left = -1;
          CHECK(world.packer.holds());
          CHECK(failed || n > 0);
          if (failed) {
            CHECK(world.state() == before);
            placed = world.packer.place(shapes, 6);
          }
          const Placed same = whole.packer.place(shapes, 6);
          CHECK(placed.refused == same.refused && placed.moved == same.moved);
          CHECK(world.state() == whole.state());
          world.packer.place(later, 2), whole.packer.place(later, 2);
          CHECK(world.state() == whole.state());
          moved += static_cast<long>(placed.moved.size());
        }
      }
  CHECK(moved > 0);
}

// If this fails, pods that left are kept, or a packer that is filled with the state of another differs from it.
TEST(packing_keeps_what_is_placed_and_the_latest) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    CONTEXT("seed", seed);
    World world("price", seed), other("price", seed);
    Packer& packer = world.packer;
    for (int k = 0; k < 40; ++k) {
      packer.place(world.draw(3), 2);
      for (const Pod* const pod : packer.cluster().pods()) {
        const PodId id = pod->id;
        if (world.random() % 2 == 0) packer.release(std::span(&id, 1));
      }
      CHECK(packer.holds());
      CHECK(packer.latest().size() == 9 && packer.arrived() == 14 + 3 * (k + 1));
    }
    CHECK_THROWS(packer.counts(10), Error);
    const std::vector<std::int64_t> last = packer.counts(9);
    CHECK(std::accumulate(last.begin(), last.end(), std::int64_t{0}) == 9);
    std::vector<Pod> pods;
    for (const Pod* const pod : packer.cluster().pods()) pods.push_back(*pod);
    CHECK_THROWS(other.packer.restore(pods, packer.counts(packer.arrived()), packer.latest()), Error);
  }
}

// If this fails, the same calls give other placements the second time.
TEST(packing_is_deterministic) {
  std::vector<std::vector<Position>> found;
  for (int run = 0; run < 2; ++run) {
    Packer packer(inventory({4, 4, 4}, {0, 0, 0}, {Layout()}), "price", 7);
    std::vector<MixEntry> mix;
    std::vector<std::int64_t> prices;
    for (const Shape& s : some_shapes())
      if (s.profile < 0) mix.push_back({packer.add_shape(s), 2}), prices.push_back(s.demand());
    packer.set_mix(mix, prices, 3, PackingTuning());
    std::mt19937 random(1);
    std::vector<ShapeId> shapes;
    for (int k = 0; k < 40; ++k) shapes.push_back(mix[random() % mix.size()].shape);
    packer.place(shapes, 3);
    found.emplace_back();
    for (const Pod* const pod : packer.cluster().pods()) found.back().push_back(pod->at);
  }
  CHECK(found[0] == found[1]);
}

}  // namespace gridcompute::packing
