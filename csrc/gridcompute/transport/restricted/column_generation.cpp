#include "gridcompute/transport/restricted/column_generation.hpp"

#include <algorithm>
#include <optional>

#include "gridcompute/base/error.hpp"
#include "gridcompute/transport/restricted/add_columns.hpp"
#include "gridcompute/transport/restricted/price_tuning.hpp"
#include "gridcompute/transport/restricted/ssp_repair.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMany = 4;  // more than a quarter of all jobs in doubt: scan again with a wider box
constexpr int kScans = 4;   // at most; then lists only grow, which always ends
constexpr int kSampleRounds = 24;
constexpr Index kRough = 100;        // one in so many units of a sample may be left out of balance
constexpr Cost kNarrower = 8;        // the box of a scan to that of its repair;
constexpr Cost kNarrowerOfMany = 3;  // where tuning left much, or of so many classes one surely has farther to go
constexpr Index kManyClasses = 300;
constexpr double kMuch = 1.0 / 200;  // of all units
constexpr int kWider = 16;           // times a repair goes on in a wider box
constexpr int kDrawn = 8;            // classes a round whose fall is measured
constexpr Wide kMostWays = 1 << 20;  // for each unit that has none

// Seconds of each stage go to the stats.
class Clock {
 public:
  Clock(Stats& stats, const Stop& stop) : stats_(stats), stop_(stop), from_(stop.seconds()) {}
  void lap(const char* stage) {
    const double now = stop_.seconds();
    stats_.add(stage, now - from_);
    from_ = now;
  }

 private:
  Stats& stats_;
  const Stop& stop_;
  double from_;
};

// The narrow box, wider for the classes whose prices want to leave it.
void widen(std::span<const Cost> wanted, Cost factor, PriceBox& narrow) {
  for (std::size_t s = 0; s < wanted.size(); ++s) {
    const Cost move = wanted[s] - narrow.center[s];
    narrow.up[s] = std::min(kCostLimit / 8, (move > narrow.up[s] / 2 ? factor : 2) * narrow.up[s]);
    narrow.down[s] = std::min(kCostLimit / 8, (-move > narrow.down[s] / 2 ? factor : 2) * narrow.down[s]);
  }
}

// A class that too few have on their list wants to be as good as free, where a little cheaper may do: as much as draws
// twice the units it lacks. Prices as moves from `from` less their median.
void limit_price_drops(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                       const SspRepair& repair, std::span<const Cost> from, std::vector<Cost>& wanted) {
  const PriceBox& narrow = repair.box();
  std::vector<Cost> moves(wanted.size());
  for (std::size_t s = 0; s < moves.size(); ++s) moves[s] = wanted[s] - from[s];
  std::vector<Cost> sorted(moves);
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  int drawn = 0;
  for (Slot s = 0; s < r.columns; ++s) {
    const Cost move = wanted[s] - from[s] - *middle;
    if (repair.excess(s) >= 0 || move >= -narrow.down[s] || drawn == kDrawn || !context.keys.problem().cost->singles())
      continue;
    ++drawn;
    wanted[s] = from[s] + *middle -
                std::max(narrow.down[s], price_drop_needed(context, level, r, from, s, -2 * repair.excess(s), -move));
  }
  for (std::size_t s = 0; s < moves.size(); ++s) wanted[s] = std::max<Cost>(0, wanted[s] - *middle);
}

using Kind = LevelOutcome::Kind;
using Ended = std::optional<LevelOutcome>;  // nothing: go on

// The rounds of one level: a look at all pairs near prices, repair on the lists it gives, a look at what they left out.
class ColumnGeneration {
 public:
  ColumnGeneration(const SolverContext& context, const Level& level, const PriceBox& start, bool sample,
                   std::vector<Cost>& prices, RestrictedProblem& r, CostRangeStats& seen, Stats& stats,
                   const AcceptPrices& enough)
      : context_(context),
        level_(level),
        sample_(sample),
        prices_(prices),
        r_(r),
        seen_(seen),
        stats_(stats),
        enough_(enough),
        clock_(stats, context.stop),
        box_(start) {
    prices_ = start.center;
  }

  LevelOutcome run() {
    for (;; ++round_) {
      if (fresh_)
        if (Ended ended = price_all()) return *ended;
      if (context_.stop.poll()) return {Kind::stopped, {}};
      SspRepair::End end{};
      if (Ended ended = repair_plan(end)) return *ended;
      if (Ended ended = end == SspRepair::End::unreachable ? add_escapes() : reprice(end)) return *ended;
    }
  }

 private:
  void lap(const char* stage) { clock_.lap(sample_ ? "samples" : stage); }
  void stage(const char* name, double of_sample, double of_all) const {
    context_.stop.stage(sample_ ? "samples" : name, sample_ ? of_sample : of_all);
  }
  [[nodiscard]] bool out_of_range() const { return !context_.keys.possible(seen_); }
  [[nodiscard]] bool too_many(const Violations& violations) const {
    return static_cast<Index>(violations.jobs.size()) > level_.n / kMany + 64;
  }

  AddedColumns add_columns(const Violations& violations, std::span<const Cost> at) {
    stats_.rescanned += static_cast<Index>(violations.jobs.size());
    stats_.evaluations += static_cast<Index>(violations.jobs.size()) * r_.columns;
    stats_.odd += static_cast<Index>(violations.compared.size());
    return add_improving_columns(context_, level_, violations, at, r_, seen_);
  }

  // Lists of all jobs anew, prices in balance but for what repair will do, and its box.
  Ended price_all() {
    stage("scan", 0.05, 0.3);
    RestrictedProblem fresh;  // a stop half-way leaves the last whole one
    if (!pricing_pass(context_, level_, box_, fresh, seen_)) return LevelOutcome{Kind::stopped, {}};
    r_ = std::move(fresh);
    finder_ = {};
    if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
    if (r_.first_infeasible_job >= 0) return LevelOutcome{Kind::infeasible, {}};
    if (r_.columns == 0) return LevelOutcome{};  // no job either, or it were hopeless
    stats_.evaluations += (r_.wrapped ? 2 : 1) * level_.n * r_.columns;
    if (r_.wrapped) ++stats_.wide;
    if (scans_++ > 0) ++stats_.rescans;
    lap("scan");
    const double left = tune_prices(r_, level_.capacity, context_.duplicate_of, prices_, context_.pool, context_.stop);
    lap("tune");
    if (enough_ && enough_(r_)) return LevelOutcome{Kind::close, {}};
    const bool much = left > kMuch * static_cast<double>(r_.weight_total);
    if (much) ++stats_.stalled;
    const Cost narrower = much || r_.columns >= kManyClasses ? kNarrowerOfMany : kNarrower;
    narrow_ = box_;
    for (Cost& x : narrow_.down) x = std::max<Cost>(1, x / narrower);
    for (Cost& x : narrow_.up) x = std::max<Cost>(1, x / narrower);
    all_ = fresh_ = false;
    return std::nullopt;
  }

  Ended repair_plan(SspRepair::End& end) {
    ++stats_.rounds;
    stage("repair", 0.1, 0.6);
    narrow_.center = prices_;
    SspRepair repair(r_, level_.capacity, prices_, narrow_, all_, context_.pool, context_.stop, stats_);
    end = repair.run();
    if (Ended ended = continue_in_wider_box(repair, end)) return ended;
    narrow_ = repair.box();
    if (end == SspRepair::End::unreachable) stuck_ = repair.settled(), lacking_ = repair.unmet();
    if (end != SspRepair::End::left_box) {
      if (end != SspRepair::End::balanced) repair.write_prices();
      at_ = prices_;
    }
    lap("repair");
    if (end == SspRepair::End::stopped) return LevelOutcome{Kind::stopped, {}};
    if (sample_ && round_ >= kSampleRounds) {
      ++stats_.unsettled;
      return LevelOutcome{};
    }
    if (end == SspRepair::End::left_box && balanced_enough(repair)) return LevelOutcome{};
    narrow_.center = prices_;
    if (end == SspRepair::End::left_box) widen(at_, all_ ? 2 : kNarrower, narrow_);
    return std::nullopt;
  }

  // While prices want to leave the box: lists of the jobs in doubt, and a wider one.
  Ended continue_in_wider_box(SspRepair& repair, SspRepair::End& end) {
    for (int wider = 0; end == SspRepair::End::left_box; ++wider) {
      repair.write_prices();
      at_ = repair.target_prices();
      limit_price_drops(context_, level_, r_, repair, prices_, at_);
      if (wider == kWider || balanced_enough(repair)) break;
      lap("repair");
      const Violations violations = finder_.find(context_, level_, r_, at_);
      if (too_many(violations)) break;
      if (!violations.jobs.empty()) {
        if (add_columns(violations, at_) == AddedColumns::stopped) return LevelOutcome{Kind::stopped, {}};
        if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
        repair.include_new_columns(context_.pool);
      }
      lap("verify");
      if (!repair.widen(at_, context_.pool)) (void)repair.widen(repair.target_prices(), context_.pool);
      ++stats_.widened;
      end = repair.run();
    }
    return std::nullopt;
  }

  // A sample's prices only guide: it may be left a little out of balance.
  [[nodiscard]] bool balanced_enough(const SspRepair& repair) const {
    return sample_ && repair.unmet() <= r_.weight_total / kRough;
  }

  // No way on the lists from where there are too many to where there are too few.
  Ended add_escapes() {
    if (!all_) {  // perhaps by pairs that the narrow box left out
      all_ = true;
      for (std::size_t s = 0; s < prices_.size(); ++s) {
        narrow_.down[s] = std::max(narrow_.down[s], box_.down[s]);
        narrow_.up[s] = std::max(narrow_.up[s], box_.up[s]);
      }
      return std::nullopt;
    }
    ++stats_.ways;
    const auto units = static_cast<Cost>(std::clamp<Wide>(ways_ * lacking_, 1, std::max<Wide>(1, r_.weight_total)));
    const EscapeColumns escape = add_escape_columns(context_, level_, stuck_, prices_, units, r_, seen_);
    if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
    ways_ = std::min<Wide>(kMostWays, 2 * ways_);  // those who left may have come to where there is no way on either
    lap("verify");
    if (escape == EscapeColumns::stopped) return LevelOutcome{Kind::stopped, {}};
    if (escape == EscapeColumns::none) return LevelOutcome{Kind::infeasible, stuck_};
    return std::nullopt;
  }

  // Whom the lists may have kept from what is better: nobody, if the level is solved.
  Ended reprice(SspRepair::End end) {
    stage("verify", 0.2, 0.8);
    const Violations violations = finder_.find(context_, level_, r_, at_);
    if (too_many(violations)) {
      if (scans_ < kScans) {
        recentre_box();
        return std::nullopt;
      }
      ++stats_.capped;
    }
    const AddedColumns added = violations.jobs.empty() ? AddedColumns::none : add_columns(violations, at_);
    if (added == AddedColumns::stopped) return LevelOutcome{Kind::stopped, {}};
    if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
    if (end == SspRepair::End::balanced && added == AddedColumns::none) return LevelOutcome{};
    lap("verify");
    return std::nullopt;
  }

  // For another scan: around prices that repair left nearly in balance, and wide enough for where they want to go. Not
  // around these: they were told one by one, and together may be far from balance.
  void recentre_box() {
    for (std::size_t s = 0; s < prices_.size(); ++s) {
      const Cost moved = at_[s] - prices_[s];
      box_.down[s] = std::min(kCostLimit / 8, std::max(box_.down[s], -2 * moved));
      box_.up[s] = std::min(kCostLimit / 8, std::max(box_.up[s], 2 * moved));
    }
    for (Cost& p : prices_) p = std::max<Cost>(p, 0);
    box_.center = prices_;
    fresh_ = true;
  }

  const SolverContext& context_;
  const Level& level_;
  const bool sample_;
  std::vector<Cost>& prices_;
  RestrictedProblem& r_;
  CostRangeStats& seen_;
  Stats& stats_;
  const AcceptPrices& enough_;
  Clock clock_;
  ViolationFinder finder_;
  PriceBox box_, narrow_;        // of the scan, and of its repair
  Wide ways_ = 1, lacking_ = 0;  // units that had no way on, and how often so many get one
  bool fresh_ = true;            // a scan comes next
  bool all_ = false;             // repair on whole lists, whatever the box
  int scans_ = 0, round_ = 0;
  std::vector<Cost> at_;     // prices to be looked at from
  std::vector<Slot> stuck_;  // where repair found no way on
};

}  // namespace

LevelOutcome solve_level(const SolverContext& context, const Level& level, const PriceBox& start, bool sample,
                         std::vector<Cost>& prices, RestrictedProblem& r, CostRangeStats& seen, Stats& stats,
                         const AcceptPrices& enough) {
  return ColumnGeneration(context, level, start, sample, prices, r, seen, stats, enough).run();
}

LevelOutcome reoptimise(const SolverContext& context, const Level& level, std::vector<Cost>& prices,
                        RestrictedProblem& r, CostRangeStats& seen, Stats& stats) {
  Clock clock(stats, context.stop);
  const std::vector<Cost> any(prices.size(), kCostLimit / 8);
  while (!context.stop.poll()) {
    ++stats.rounds;
    context.stop.stage("repair", 0.9);
    SspRepair repair(r, level.capacity, prices, {prices, any, any}, true, context.pool, context.stop, stats);
    const SspRepair::End end = repair.run();
    clock.lap("repair");
    if (end == SspRepair::End::stopped) {
      repair.write_prices();
      break;
    }
    if (end == SspRepair::End::left_box) return {Kind::out_of_range, {}};  // beyond what any price may be
    if (end != SspRepair::End::balanced)
      throw Error(ErrorKind::internal, "", -1, "transport: repair found no path on lists that held a matching");
    context.stop.stage("verify", 0.95);
    const Violations violations = find_violations_exact(context, level, r, prices);
    stats.evaluations += level.n * r.columns;
    if (context.stop.requested()) break;
    stats.rescanned += static_cast<Index>(violations.jobs.size());
    const AddedColumns added = violations.jobs.empty()
                                   ? AddedColumns::none
                                   : add_improving_columns(context, level, violations, prices, r, seen);
    clock.lap("verify");
    if (added == AddedColumns::stopped) break;
    if (added == AddedColumns::none) return {};
  }
  return {Kind::stopped, {}};
}

}  // namespace gridcompute::transport
