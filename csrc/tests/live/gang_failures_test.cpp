// Rounds that end in the middle: at whichever allocation, cost or limit, all is as before or valid, and the next round
// gives what it gives where nothing failed.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <utility>

#include "check.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/live/matcher.hpp"

using gridcompute::testing::allocations_left;

namespace {

void* allocate(std::size_t n, std::size_t alignment) {
  if (allocations_left.load() >= 0 && allocations_left.fetch_sub(1) == 0) throw std::bad_alloc();
  void* memory = alignment == 0 ? std::malloc(n == 0 ? 1 : n)
                                : std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t n) { return allocate(n, 0); }
void* operator new[](std::size_t n) { return allocate(n, 0); }
void* operator new(std::size_t n, std::align_val_t to) { return allocate(n, static_cast<std::size_t>(to)); }
void* operator new[](std::size_t n, std::align_val_t to) { return allocate(n, static_cast<std::size_t>(to)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  try {
    return allocate(n, 0);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace gridcompute {

namespace {

// How a read of a job's costs fails.
enum class Way { allocation, nan, raise, interrupt };

constexpr long kStride = 40;  // steps that fail one by one; then as many for each doubling of their number
constexpr Index kJobs = 96;
constexpr Slot kWide = 8;

// Costs in memory, of which one read fails.
class FailingCost final : public CostSource {
 public:
  FailingCost(const std::vector<double>& cost, Index n_jobs, Slot n_slots) : CostSource(n_jobs, n_slots), cost_(cost) {}

  [[nodiscard]] bool real() const noexcept override { return true; }
  void reals(Rows rows, double* out) const override {
    for (Index k = 0; k < rows.count; ++k) {
      const double bad = read();
      for (Slot s = 0; s < n_slots(); ++s) out[k * n_slots() + s] = cost_[at(rows[k] * kWide + s)] + bad;
    }
  }
  // Does not interrupt: a round reads single costs after its last poll.
  [[nodiscard]] double real_at(Index job, Index slot) const override {
    return cost_[at(job * kWide + slot)] + (way == Way::interrupt ? 0 : read());
  }

  mutable std::atomic<long> left{-1};  // reads until one fails
  mutable Way way = Way::nan;
  mutable Stop* stop = nullptr;

 private:
  double read() const {
    if (left.load() < 0 || left.fetch_sub(1) != 0) return 0;
    if (way == Way::raise) throw Error(ErrorKind::invalid_problem, "cost", -1, "the formula raised");
    if (way == Way::nan) return std::nan("");
    stop->end(Stop::Why::interrupted);
    return 0;
  }

  const std::vector<double>& cost_;
};

// A matcher of gangs: by costs alone, by priorities, in queues, or in queues with limits of types.
struct World {
  explicit World(std::uint64_t seed_of_world) : random(seed_of_world), kind(draw(0, 3)), matcher(0) {
    if (kind == 3)
      matcher.set_queues(
          {{kNone, 0, kNone}, {40, 30, kForbidden}, {9, 5, 12}, true, {20, 15, 12, 18, 12, 30}, {0, 0, 9, 5, 0, 0}});
    else if (kind == 2)
      matcher.set_queues({{kNone, 0, kNone}, {40, 30, kForbidden}, {9, 5, 12}, true});
    else
      matcher.set_queues({{kNone}, {kForbidden}, {0}, kind == 1});
    grow(static_cast<Slot>(draw(1, 3)));
  }

  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

  void set_columns() {
    std::unique_ptr<FailingCost> before = std::exchange(source, std::make_unique<FailingCost>(cost, kJobs, n_slots));
    matcher.set_columns({source.get(), unplaced.data(), 1, move.data(), 0, {}}, 100);
    matcher.set_gangs({{demand.data(), 1}, {queue.data(), 1}, {priority.data(), 1}, {soft.data(), 1}},
                      kind == 3 ? std::span(types).first(at(n_slots)) : std::span<const std::int32_t>());
  }

  void grow(Slot more) {
    n_slots = std::min<Slot>(n_slots + more, kWide);
    set_columns();
    for (Slot s = n_slots - more; s < n_slots; ++s) matcher.set_capacity(std::max<Slot>(s, 0), draw(3, 12));
  }

  void draw_job(std::size_t k) {
    for (Slot s = 0; s < kWide; ++s) cost[k * kWide + at(s)] = draw(0, 9) == 0 ? kInf : draw(0, 50);
    unplaced[k] = draw(0, 60) == 0 ? kInf : draw(20, 90);
    demand[k] = 1 << draw(0, 2), queue[k] = kind >= 2 ? draw(0, 2) : 0;
    priority[k] = kind >= 1 ? draw(-1, 1) : 0, soft[k] = kind == 0 || draw(0, 3) > 0;
  }

  // Makes some changes, the same in every world of one seed.
  void change(int n_jobs) {
    for (int k = 0; k < n_jobs; ++k) {
      const std::vector<live::Job> one{draw(0, static_cast<int>(kJobs) - 1)};
      const std::size_t job = at(one[0]);
      if (!in[job])
        draw_job(job), matcher.add(one), in[job] = true;
      else if (draw(0, 3) > 0)
        matcher.remove(one), in[job] = false;
      else
        draw_job(job), matcher.update(one);
    }
    if (draw(0, 1) == 0) {
      const auto s = static_cast<Slot>(draw(0, n_slots - 1));
      matcher.set_capacity(s, draw(0, 16));
    }
    if (draw(0, 3) == 0 && n_slots < kWide) grow(1);
    if (draw(0, 3) == 0) {
      const std::vector<Slot> one{static_cast<Slot>(draw(0, n_slots - 1))};
      for (std::size_t k = 0; k < at(kJobs); ++k) cost[k * kWide + at(one[0])] = draw(0, 9) == 0 ? kInf : draw(0, 50);
      matcher.costs_changed(one);
    }
    matcher.set_shares(kind >= 2 ? std::vector<Cost>{20, 9, draw(10, 30)} : std::vector<Cost>{kForbidden});
    max_moves = draw(0, 3) == 0 ? draw(0, 4) : -1;
  }

  live::RoundAnswer match(Stop& stop, int threads = 1) {
    live::RoundAnswer answer = matcher.match({threads, 0, max_moves}, stop);
    if (stop.why() != Stop::Why::interrupted) matcher.acknowledge();
    return answer;
  }
  live::RoundAnswer match() {
    Stop stop;
    return match(stop);
  }

  // Returns all that a caller can read.
  std::vector<double> seen() {
    std::vector<double> all;
    for (live::Job job = 0; job < static_cast<live::Job>(kJobs); ++job)
      all.push_back(in[at(job)] ? matcher.placed_class(job) : -2);
    for (Slot s = 0; s < n_slots; ++s)
      all.push_back(matcher.price(s)), all.push_back(static_cast<double>(matcher.capacity(s)));
    for (const Cost sum : matcher.gangs()->requests()) all.push_back(static_cast<double>(sum));
    std::vector<Slot> slots(at(kJobs));
    std::vector<double> costs(at(kJobs));
    matcher.quote({source.get(), unplaced.data(), 1, move.data(), 0, {}},
                  {{demand.data(), 1}, {queue.data(), 1}, {priority.data(), 1}, {soft.data(), 1}}, slots, costs);
    all.insert(all.end(), slots.begin(), slots.end()), all.insert(all.end(), costs.begin(), costs.end());
    all.push_back(static_cast<double>(matcher.unacknowledged().size()));
    return all;
  }

  std::mt19937_64 random;
  int kind;
  Slot n_slots = 0;
  Index max_moves = -1;
  std::vector<double> cost = std::vector<double>(at(kJobs * kWide)), unplaced = std::vector<double>(at(kJobs)), move{1};
  std::vector<std::int32_t> demand = std::vector<std::int32_t>(at(kJobs), 1),
                            queue = std::vector<std::int32_t>(at(kJobs));
  std::vector<std::int64_t> priority = std::vector<std::int64_t>(at(kJobs));
  std::vector<std::uint8_t> soft = std::vector<std::uint8_t>(at(kJobs));
  std::vector<std::int32_t> types{0, 1, 0, 1, 0, 1, 1, 0};
  std::vector<bool> in = std::vector<bool>(at(kJobs));
  std::unique_ptr<FailingCost> source;
  live::Matcher matcher;
};

// Returns an answer as numbers.
std::vector<double> facts(const live::RoundAnswer& answer) {
  std::vector<double> all{
      static_cast<double>(answer.status),         answer.objective, answer.bound,
      static_cast<double>(answer.moves_deferred), answer.move_cost, static_cast<double>(answer.slots_added_by_pins)};
  for (const live::ReportedChange& c : answer.changes)
    all.insert(all.end(), {static_cast<double>(c.job), static_cast<double>(c.from), static_cast<double>(c.to)});
  const auto append = [&](const auto& list) {
    for (const auto& item : list) all.push_back(static_cast<double>(item));
  };
  append(answer.prices), append(answer.limit_prices), append(answer.load), append(answer.capacity);
  append(answer.held), append(answer.fixed), append(answer.witness_jobs), append(answer.witness_slots);
  return all;
}

// Tries a round that fails at its n-th step; returns the answer once the round has fewer steps.
std::optional<live::RoundAnswer> try_round(World& world, Way way, long n, int threads) {
  Stop stop;
  world.matcher.commit();
  world.source->way = way, world.source->stop = &stop;
  (way == Way::allocation ? allocations_left : world.source->left).store(n);
  std::optional<live::RoundAnswer> answer;
  bool failed = false;
  try {
    answer = world.match(stop, threads);
    failed = stop.why() == Stop::Why::interrupted;
  } catch (const std::bad_alloc&) {
    failed = true;
    CHECK_EQ(way, Way::allocation);
  } catch (const Error&) {
    failed = true;
    CHECK(way == Way::nan || way == Way::raise);
  }
  allocations_left.store(-1), world.source->left.store(-1);
  if (!failed) return answer;
  world.matcher.rollback();
  return {};
}

// Runs a world whose rounds fail at each step in turn beside one whose rounds do not.
void compare_with_calm(std::uint64_t world_seed, Way way) {
  CONTEXT("seed", world_seed);
  CONTEXT("way", way);
  World calm(world_seed), tried(world_seed);
  for (int round = 0; round < 4; ++round) {
    CONTEXT("round", round);
    for (World* world : {&calm, &tried}) world->change(round == 0 ? 40 : 8);
    const std::vector<double> needed = facts(calm.match()), before = tried.seen();
    for (long n = 0;; n += 1 + n / kStride) {
      CONTEXT("step", n);
      const auto found = try_round(tried, way, n, round % 2 + 1);
      CHECK(tried.matcher.holds());
      if (!found) {
        CHECK_EQ(tried.seen(), before);
        continue;
      }
      // A solve by transport may have read the NaN, and gone on without it: that round is another one.
      if (way == Way::nan && found->cold && facts(*found) != needed) return;
      CHECK_EQ(facts(*found), needed);
      break;
    }
    CHECK_EQ(tried.seen(), calm.seen());
  }
}

}  // namespace

// If this fails, a round of single jobs that was short of memory leaves keys, placements or prices of its own: which
// every later round takes for the costs of the classes that jobs are in.
TEST(rounds_that_fail_are_undone) {
  for (std::uint64_t k = 0; k < 6; ++k) {
    const std::uint64_t seed = testing::seed(k);
    CONTEXT("seed", seed);
    std::mt19937_64 random(seed);
    const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    std::vector<double> cost(at(kJobs * kWide));
    for (double& c : cost) c = draw(0, 9) == 0 ? kInf : draw(0, 50);
    const FailingCost source(cost, kJobs, kWide);
    const double unplaced = 60, move = 2;
    live::LiveTuning tuning;
    if (k % 2 == 1) tuning.cold_work_fixed = 0;  // solves from scratch are considered too
    live::Matcher matcher(kWide, tuning);
    matcher.set_columns({&source, &unplaced, 0, &move, 0, {}}, 70);
    for (Slot s = 0; s < kWide; ++s) matcher.set_capacity(s, 5);
    std::vector<bool> in(at(kJobs), false);
    const auto seen = [&] {
      std::vector<double> all;
      for (live::Job job = 0; job < static_cast<live::Job>(kJobs); ++job) {
        const Slot assigned = in[at(job)] ? matcher.state().assigned_class(job) : kNone;
        all.push_back(in[at(job)] ? matcher.placed_class(job) : -2);
        all.push_back(assigned);
        all.push_back(assigned == kNone ? 0 : static_cast<double>(matcher.state().key(job)));
      }
      for (Slot s = 0; s < kWide; ++s) all.push_back(matcher.price(s));
      return all;
    };
    for (int round = 0; round < 5; ++round) {
      CONTEXT("round", round);
      for (int change = 0; change < (round == 0 ? 50 : round == 3 ? 80 : 6); ++change) {
        const std::vector<live::Job> one{draw(0, static_cast<int>(kJobs) - 1)};
        const std::size_t job = at(one[0]);
        in[job] ? matcher.remove(one) : matcher.add(one);
        in[job] = !in[job];
      }
      const auto s = static_cast<Slot>(draw(0, kWide - 1));
      matcher.set_capacity(s, draw(0, 8));
      matcher.commit();
      const std::vector<double> before = seen();
      // At first a whole round is undone, which the index of the round before serves; a failure costs that index.
      std::optional<double> objective, found;
      for (long n = -1;; n += 1 + n / kStride) {
        CONTEXT("step", n);
        Stop stop;
        allocations_left.store(n);
        try {
          found = matcher.match({round % 2 + 1, 0, -1}, stop).objective;
        } catch (const std::bad_alloc&) {
        }
        allocations_left.store(-1);
        if (found && objective) break;
        if (found) objective = std::exchange(found, {});
        matcher.rollback();
        CHECK(matcher.holds());
        CHECK_EQ(seen(), before);
      }
      CHECK_EQ(*found, *objective);
      CHECK(matcher.holds());
      matcher.acknowledge();
    }
  }
}

// If this fails, a round that was short of memory, met a formula that raises or gives NaN, or was interrupted leaves
// two placements that disagree, or loses moves.
TEST(rounds_of_gangs_that_fail_are_undone) {
  for (std::uint64_t k = 0; k < 5; ++k)
    for (const Way way : {Way::allocation, Way::nan, Way::raise, Way::interrupt})
      compare_with_calm(testing::seed(k), way);
}

// If this fails, a round that a limit ends leaves classes or limits too full, moves what may not move, depends on
// threads, or keeps the next round from what is pending.
TEST(rounds_of_gangs_that_a_limit_ends_are_valid) {
  for (std::uint64_t k = 0; k < 12; ++k) {
    const std::uint64_t world_seed = testing::seed(k);
    CONTEXT("seed", world_seed);
    for (const double limit : {0.0, 0.3, 1.0, 3.0, 10.0, 40.0}) {
      CONTEXT("limit", limit);
      World one(world_seed), other(world_seed);
      for (int round = 0; round < 5; ++round) {
        CONTEXT("round", round);
        one.change(round == 0 ? 60 : 8), other.change(round == 0 ? 60 : 8);
        const std::vector<double> before = one.seen();
        Stop stop(1e300, {}, round == 4 ? kInf : limit), again(1e300, {}, round == 4 ? kInf : limit);
        const live::RoundAnswer answer = one.match(stop, 1);
        CHECK_EQ(facts(other.match(again, 7)), facts(answer));
        CHECK_EQ(again.work(), stop.work());
        CHECK(one.matcher.holds());
        CHECK(!(answer.bound > answer.objective));
        for (Slot s = 0; s < one.n_slots; ++s) CHECK(answer.load[at(s)] <= answer.capacity[at(s)]);
        std::vector<Cost> usage(3, 0);
        for (std::size_t job = 0; job < at(kJobs); ++job) {
          const Slot now = one.in[job] ? one.matcher.placed_class(static_cast<live::Job>(job)) : kNone;
          if (!answer.fixed.empty() && answer.fixed[job] != 0) CHECK_EQ(static_cast<double>(now), before[job]);
          if (now != kNone) usage[at(one.queue[job])] += one.demand[job];
        }
        const std::vector<Cost>& found = one.matcher.gangs()->placement().usages();
        if (one.kind >= 2) CHECK_EQ(usage[0] + usage[1], found[0]);
        for (std::size_t row = 0; row < found.size() && answer.status != transport::Status::infeasible; ++row)
          CHECK(found[row] <= one.matcher.gangs()->placement().limit(row));
        if (answer.status == transport::Status::infeasible) break;
      }
    }
  }
}

// If this fails, a limit of as much work as a round counts is not enough for it.
TEST(rounds_of_gangs_within_their_own_work_are_whole) {
  for (std::uint64_t k = 0; k < 12; ++k) {
    const std::uint64_t world_seed = testing::seed(k);
    CONTEXT("seed", world_seed);
    World free(world_seed), limited(world_seed);
    for (int round = 0; round < 4; ++round) {
      CONTEXT("round", round);
      free.change(round == 0 ? 60 : 8), limited.change(round == 0 ? 60 : 8);
      Stop none;
      const live::RoundAnswer answer = free.match(none, 3);
      Stop stop(1e300, {}, none.work());
      CHECK_EQ(facts(limited.match(stop)), facts(answer));
      CHECK(!stop.requested());
    }
  }
}

}  // namespace gridcompute
