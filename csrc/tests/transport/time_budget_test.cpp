// The work that follows a stop is counted in rows read, because time depends on the machine.

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "gridcompute/transport/multilevel/trust_region.hpp"
#include "transport/transport_instances.hpp"

namespace gridcompute {
namespace {

// A million pairs and more, no two classes alike, and a count of the rows that are read.
class Counted final : public CostSource {
 public:
  Counted(Index n, Index s) : CostSource(n, s) {}
  [[nodiscard]] bool real() const noexcept override { return false; }
  void integers(Rows rows, Cost* out) const override {
    read_.fetch_add(rows.count, std::memory_order_relaxed);
    for (Index k = 0; k < rows.count; ++k) {
      for (Index s = 0; s < n_slots(); ++s) *out++ = integer_at(rows[k], s);
    }
  }
  void reals(Rows rows, double* out) const override {
    std::vector<Cost> costs(static_cast<std::size_t>(rows.count * n_slots()));
    integers(rows, costs.data());
    std::copy(costs.begin(), costs.end(), out);
  }
  [[nodiscard]] Cost integer_at(Index job, Index slot) const override {
    const auto z = (static_cast<std::uint64_t>(job * n_slots() + slot) + 1) * 0x9E3779B97F4A7C15ULL;
    return static_cast<Cost>((z ^ (z >> 29)) % 10'000);
  }
  [[nodiscard]] double real_at(Index job, Index slot) const override {
    return static_cast<double>(integer_at(job, slot));
  }
  [[nodiscard]] Index rows_read() const noexcept { return read_; }

 private:
  mutable std::atomic<Index> read_ = 0;
};

struct Stopped {
  transport::Result result;
  Index after;  // rows read since the stop
};

constexpr Index kBudgetJobs = 40'000, kBudgetSlots = 50;

Stopped solve_until(Stop::Why why, const char* stage, const std::vector<std::int32_t>& demand) {
  const Counted cost(kBudgetJobs, kBudgetSlots);
  const std::vector<Cost> capacity(kBudgetSlots, 2 * kBudgetJobs / kBudgetSlots);
  transport::Problem problem{&cost, capacity.data(), demand.empty() ? nullptr : demand.data()};
  transport::Options options;
  options.threads = 2;
  Index then = 0;
  Stop stop(1e9, [&](const Progress& p) {
    then = cost.rows_read();
    return std::string(p.stage) == stage ? why : Stop::Why::none;
  });
  transport::Result result = transport::solve(problem, options, stop);
  return {std::move(result), stop.requested() ? cost.rows_read() - then : 0};
}

}  // namespace

// If this fails, Ctrl-C or a caller's stop is answered only after most costs have been read once more.
TEST(transport_reads_little_after_a_stop) {
  constexpr Index kInHand = 2 * 2048;  // a chunk a thread
  for (const auto why : {Stop::Why::interrupted, Stop::Why::stopped}) {
    for (const char* stage : {"samples", "scan", "repair"}) {
      for (const std::vector<std::int32_t>& demand :
           {std::vector<std::int32_t>{}, std::vector<std::int32_t>(kBudgetJobs, 2)}) {
        const Stopped end = solve_until(why, stage, demand);
        CHECK(end.after <= kInHand + (why == Stop::Why::interrupted ? 0 : kBudgetJobs / 4));
        if (why == Stop::Why::interrupted) continue;
        CHECK(end.result.assignment.size() == std::size_t{kBudgetJobs});
        for (const Cost load : end.result.load) CHECK(load <= 2 * kBudgetJobs / kBudgetSlots);
      }
    }
  }
}

// If this fails, a solve without a limit times a pass, or one with a limit begins a pass that it has no time for.
TEST(transport_paces_itself_by_the_time_left) {
  const Counted cost(kBudgetJobs, kBudgetSlots);
  const std::vector<Cost> capacity(kBudgetSlots, kBudgetJobs), prices(kBudgetSlots, 0), radius(kBudgetSlots, 1);
  const transport::Problem problem{&cost, capacity.data()};
  const transport::IntegerKeys keys(problem, 1);
  const transport::Level all{nullptr, kBudgetJobs, capacity};
  const transport::PriceBox box{prices, radius, radius};
  Pool pool(2);
  const auto tried = [&](double seconds) {
    Stop stop(seconds);
    const transport::SolverContext context{keys, pool, stop, false, {}};
    transport::TimeBudget budget(all, kBudgetSlots, 0, 10);
    budget.record_level(context, 100, 1.0, box);
    return std::pair(budget.allows_passes(context, box, 1), budget.allows_level(100, stop));
  };
  CHECK(tried(1e12) == std::pair(true, true));
  CHECK(cost.rows_read() == 0);
  CHECK(tried(1000) == std::pair(true, true));
  CHECK(cost.rows_read() > 0 && cost.rows_read() < kBudgetJobs / 4);
  CHECK(tried(5) == std::pair(false, false));  // less than what follows a look takes
}

// If this fails, a limit of work reads a clock, or refuses a step that it has the work for.
TEST(transport_paces_itself_by_the_work_left) {
  const Counted cost(kBudgetJobs, kBudgetSlots);
  const std::vector<Cost> capacity(kBudgetSlots, kBudgetJobs), prices(kBudgetSlots, 0), radius(kBudgetSlots, 1);
  const transport::Problem problem{&cost, capacity.data()};
  const transport::IntegerKeys keys(problem, 1);
  const transport::Level all{nullptr, kBudgetJobs, capacity};
  const transport::PriceBox box{prices, radius, radius};
  Pool pool(2);
  constexpr Index kPass = kBudgetJobs * kBudgetSlots, kLevel = 100 * kBudgetSlots;
  const auto tried = [&](Index steps_left) {
    Stop stop(std::numeric_limits<double>::infinity(), {}, static_cast<double>(2 * kPass));
    stop.count(stop.steps_left() - steps_left);
    const transport::SolverContext context{keys, pool, stop, false, {}};
    transport::TimeBudget budget(all, kBudgetSlots, 0, 10);
    budget.record_level(context, 100, 1.0, box);
    return std::pair(budget.allows_passes(context, box, 3), budget.allows_level(100, stop));
  };
  CHECK(tried(kPass + kLevel) == std::pair(true, true));
  CHECK(tried(kPass + kLevel - 1) == std::pair(true, false));
  CHECK(tried(kPass - 1) == std::pair(false, false));
  CHECK(cost.rows_read() == 0);
}

}  // namespace gridcompute
