#include "gridcompute/transport/restricted/column_generation.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <optional>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/restricted/infeasibility_proof.hpp"
#include "gridcompute/transport/restricted/newton.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"
#include "gridcompute/transport/restricted/ssp_repair.hpp"

namespace gridcompute::transport {

namespace {

// Adds the seconds of each stage to the statistics.
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

// Widens the narrow box, by `factor` for classes whose target prices are near its edge or beyond.
void widen(std::span<const Cost> wanted, Cost factor, const Tuning& tuning, PriceBox& narrow) {
  const auto wider = [&](Cost radius, Cost move) {
    return std::min(kCostLimit / 8, (move > radius / tuning.widen_soon ? factor : tuning.widen_factor) * radius);
  };
  for (std::size_t s = 0; s < wanted.size(); ++s) {
    const Cost move = wanted[s] - narrow.center[s];
    narrow.up[s] = wider(narrow.up[s], move);
    narrow.down[s] = wider(narrow.down[s], -move);
  }
}

// Ratio of the units that a measured price drop attracts to those that are missing.
constexpr Cost kDropUnits = 2;

// Limits price drops. A class with a deficit that is a candidate of few jobs gets a target price as if it were free,
// where a small drop may suffice: one that attracts kDropUnits times the units it lacks. Prices are moves from `from`,
// less their median.
void limit_price_drops(const SolverContext& context, const Level& level, RestrictedProblem& r, const SspRepair& repair,
                       std::span<const Cost> from, std::vector<Cost>& wanted) {
  const PriceBox& narrow = repair.box();
  std::vector<Cost> moves(wanted.size());
  for (std::size_t s = 0; s < moves.size(); ++s) moves[s] = wanted[s] - from[s];
  std::vector<Cost> sorted(moves);
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  int drawn = 0;
  for (Slot s = 0; s < r.columns; ++s) {
    const Cost move = wanted[s] - from[s] - *middle;
    if (repair.excess(s) >= 0 || move >= -narrow.down[s] || drawn == context.tuning.measured_drops ||
        !context.keys.problem().cost->singles())
      continue;
    ++drawn;
    wanted[s] =
        from[s] + *middle -
        std::max(narrow.down[s], price_drop_needed(context, level, r, from, s, -kDropUnits * repair.excess(s), -move));
  }
  for (std::size_t s = 0; s < moves.size(); ++s) wanted[s] = std::max<Cost>(0, wanted[s] - *middle);
}

using Kind = LevelOutcome::Kind;
using Ended = std::optional<LevelOutcome>;  // empty: continue

// Violations from which a pricing pass over all jobs is repeated in a wider box (1 / share of jobs).
constexpr Index kViolationsMany = 4;
// Violations beyond that share that are few all the same.
constexpr Index kViolationsFew = 64;
// Passes of one level; from then on lists only grow, which ends.
constexpr int kPassesMost = 4;
// Units that a sample may leave out of balance (1 / share).
constexpr Index kSampleImbalance = 100;
// Box of the repair, and by how much it grows; rounds end as it is at least 2 (1 / share of the box).
constexpr Cost kRepairBox = 8;
// Box of the repair where Newton's method stalled, or some of many classes surely moves far (1 / share).
constexpr Cost kRepairBoxWide = 3;
// Classes from which there are many.
constexpr Index kWideClasses = 300;
// Share of the units left out of balance by a stalled Newton method.
constexpr double kNewtonStalled = 1.0 / 200;
// Ratio of the box of a repeated pass to the price move that asks for it.
constexpr Cost kRecentreFactor = 2;
// Columns added for each unit without a path, at most.
constexpr Wide kEscapeUnits = 1 << 20;

// The rounds of one level; see column_generation.hpp.
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
    return static_cast<Index>(violations.jobs.size()) > level_.jobs() / kViolationsMany + kViolationsFew;
  }

  // Finds violations at at_, including those of jobs in shards.
  Violations find_violations() {
    list_doubtful_jobs(level_, at_, 0, r_);
    context_.stop.count(static_cast<Index>(r_.place_of.size() + r_.slot.size()));
    return finder_.find(context_, r_, at_);
  }

  AddedColumns add_columns(const Violations& violations, std::span<const Cost> at) {
    stats_.rows_extended += static_cast<Index>(violations.jobs.size());
    stats_.evaluations += static_cast<Index>(violations.jobs.size()) * r_.columns;
    return add_improving_columns(context_, level_, violations, at, r_, seen_);
  }

  // Prices all jobs: new candidate lists, tuned prices, and the box of the repair.
  Ended price_all() {
    stage("scan", 0.05, 0.3);
    RestrictedProblem fresh;  // a stop leaves the last complete problem
    if (!pricing_pass(context_, level_, box_, fresh, seen_)) return LevelOutcome{Kind::stopped, {}};
    r_ = std::move(fresh);
    finder_ = {};
    if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
    if (r_.first_infeasible_job >= 0) return LevelOutcome{Kind::infeasible, {}};
    if (r_.columns == 0) return LevelOutcome{};  // no job, or all jobs infeasible
    stats_.evaluations += (r_.wrapped ? 2 : 1) * level_.jobs() * r_.columns;
    if (r_.wrapped) ++stats_.int64_fallbacks;
    if (scans_++ > 0) ++stats_.repeated_passes;
    lap("scan");
    const double left =
        tune_prices(r_, level_.capacity, context_.duplicate_of, prices_, context_.pool, context_.stop, context_.tuning);
    lap("tune");
    if (enough_ && enough_(r_)) return LevelOutcome{Kind::close, {}};
    const bool much = left > kNewtonStalled * static_cast<double>(r_.weight_total);
    if (much) ++stats_.newton_stalls;
    const Cost narrower = much || r_.columns >= kWideClasses ? kRepairBoxWide : kRepairBox;
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
    SspRepair repair(r_, level_.capacity, prices_, narrow_, all_, context_.pool, context_.stop, stats_,
                     context_.tuning);
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
    if (sample_ && round_ >= context_.tuning.sample_rounds) {
      ++stats_.unbalanced_samples;
      return LevelOutcome{};
    }
    if (end == SspRepair::End::left_box && balanced_enough(repair)) return LevelOutcome{};
    narrow_.center = prices_;
    const Cost factor = all_ ? context_.tuning.widen_factor : kRepairBox;
    if (end == SspRepair::End::left_box) widen(at_, factor, context_.tuning, narrow_);
    return std::nullopt;
  }

  // Continues a repair whose prices leave its box: columns for the jobs that this concerns, and a wider box.
  Ended continue_in_wider_box(SspRepair& repair, SspRepair::End& end) {
    for (int wider = 0; end == SspRepair::End::left_box; ++wider) {
      repair.write_prices();
      at_ = repair.target_prices();
      limit_price_drops(context_, level_, r_, repair, prices_, at_);
      if (wider == context_.tuning.repair_widenings || balanced_enough(repair)) break;
      lap("repair");
      const Violations violations = find_violations();
      if (too_many(violations)) break;
      if (!violations.jobs.empty()) {
        if (add_columns(violations, at_) == AddedColumns::stopped) return LevelOutcome{Kind::stopped, {}};
        if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
        repair.include_new_columns(context_.pool);
      }
      lap("verify");
      if (!repair.widen(at_, context_.pool)) (void)repair.widen(repair.target_prices(), context_.pool);
      ++stats_.box_widenings;
      end = repair.run();
    }
    return std::nullopt;
  }

  // Returns whether a sample is balanced enough: its prices are only advice.
  [[nodiscard]] bool balanced_enough(const SspRepair& repair) const {
    return sample_ && repair.unmet() <= r_.weight_total / kSampleImbalance;
  }

  // Adds escape columns where the lists have no path from classes with excess to classes with deficits.
  Ended add_escapes() {
    if (!all_) {  // first by the arcs that the narrow box excluded
      all_ = true;
      for (std::size_t s = 0; s < prices_.size(); ++s) {
        narrow_.down[s] = std::max(narrow_.down[s], box_.down[s]);
        narrow_.up[s] = std::max(narrow_.up[s], box_.up[s]);
      }
      return std::nullopt;
    }
    ++stats_.escape_searches;
    const auto units = static_cast<Cost>(std::clamp<Wide>(ways_ * lacking_, 1, std::max<Wide>(1, r_.weight_total)));
    if (level_.shards != nullptr) level_.shards->list_escaping(stuck_, prices_, units, r_);
    const EscapeColumns escape = add_escape_columns(context_, level_, stuck_, prices_, units, r_, seen_);
    if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
    ways_ = std::min<Wide>(kEscapeUnits,
                           2 * ways_);  // the units may reach classes that have no path either
    lap("verify");
    if (escape == EscapeColumns::stopped) return LevelOutcome{Kind::stopped, {}};
    if (escape == EscapeColumns::none) return LevelOutcome{Kind::infeasible, stuck_};
    return std::nullopt;
  }

  // Prices the jobs whose lists may lack a cheaper class. Returns the optimum if no job has a violated constraint.
  Ended reprice(SspRepair::End end) {
    stage("verify", 0.2, 0.8);
    const Violations violations = find_violations();
    if (too_many(violations)) {
      if (scans_ < kPassesMost) {
        recentre_box();
        return std::nullopt;
      }
      ++stats_.passes_exhausted;
    }
    const AddedColumns added = violations.jobs.empty() ? AddedColumns::none : add_columns(violations, at_);
    if (added == AddedColumns::stopped) return LevelOutcome{Kind::stopped, {}};
    if (out_of_range()) return LevelOutcome{Kind::out_of_range, {}};
    if (end == SspRepair::End::balanced && added == AddedColumns::none) return LevelOutcome{};
    lap("verify");
    return std::nullopt;
  }

  // Prepares another pricing pass: around prices that repair left nearly in balance, and wide enough to include the
  // target prices. Not around the targets: they were computed one by one, and together may be far from balance.
  void recentre_box() {
    for (std::size_t s = 0; s < prices_.size(); ++s) {
      const Cost moved = at_[s] - prices_[s];
      box_.down[s] = std::min(kCostLimit / 8, std::max(box_.down[s], -kRecentreFactor * moved));
      box_.up[s] = std::min(kCostLimit / 8, std::max(box_.up[s], kRecentreFactor * moved));
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
  PriceBox box_, narrow_;        // of the pricing pass, and of its repair
  Wide ways_ = 1, lacking_ = 0;  // multiple of the units without a path that get escape columns, and those units
  bool fresh_ = true;            // a pricing pass is next
  bool all_ = false;             // repair has all arcs of the lists, whatever its box
  int scans_ = 0, round_ = 0;
  std::vector<Cost> at_;     // prices to price at
  std::vector<Slot> stuck_;  // classes from which repair found no path
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
    SspRepair repair(r, level.capacity, prices, {prices, any, any}, true, context.pool, context.stop, stats,
                     context.tuning);
    const SspRepair::End end = repair.run();
    clock.lap("repair");
    if (end == SspRepair::End::stopped) {
      repair.write_prices();
      break;
    }
    if (end == SspRepair::End::left_box) return {Kind::out_of_range, {}};  // beyond the range of prices
    if (end != SspRepair::End::balanced)
      throw Error(ErrorKind::internal, "", -1, "transport: repair found no path on lists that held a matching");
    context.stop.stage("verify", 0.95);
    if (level.shards != nullptr) level.shards->list_misplaced(prices, r);
    const Violations violations = find_violations_exact(context, level, r, prices);
    stats.evaluations += level.jobs() * r.columns;
    if (context.stop.requested()) break;
    stats.rows_extended += static_cast<Index>(violations.jobs.size());
    const AddedColumns added = violations.jobs.empty()
                                   ? AddedColumns::none
                                   : add_improving_columns(context, level, violations, prices, r, seen);
    clock.lap("verify");
    if (added == AddedColumns::stopped) break;
    if (added == AddedColumns::none) return {};
  }
  return {Kind::stopped, {}};
}

namespace {

constexpr Index kViolationChunk = 1 << 15;  // jobs a chunk
constexpr double kRounding = 0x1p-48;       // relative rounding error of a needed shift

// Rounds down to a double. Needed shifts are rounded up, so that the difference of a shift and a margin is below its
// true value by its own rounding at most, and a shift is lowered by that.
double surely_below(Cost x) {
  constexpr double kExact = 0x1p52;  // integers up to here are doubles
  const double below = -round_up(-x);
  return std::fabs(below) < kExact ? below : std::nextafter(below, -std::numeric_limits<double>::infinity());
}

// Suspects a group from which each group's bound is computed once for all of them.
constexpr Index kSuspectsPerGroup = 4;

// The shift below which a job's constraint may be violated: the least key + price of its candidates minus the bound on
// other classes with shift 0.
class NeededShifts {
 public:
  // `jobs`: how many will be tested.
  NeededShifts(const SolverContext& context, const RestrictedProblem& r, std::span<const Cost> prices, Cost margin,
               Index jobs)
      : r_(r), prices_(prices), margin_(margin), fixed_(at(r.columns)) {
    for (Slot s = 0; s < r.columns; ++s) fixed_[s] = round_up(prices[s] - r.box.center[s] + margin);
    if (kSuspectsPerGroup * jobs < r.groups()) return;
    grouped_.resize(r.size.size());
    context.pool.for_chunks(r.groups(), kViolationChunk, [&](Index, Index begin, Index end) {
      for (Index g = begin; g < end; ++g) grouped_[g] = of_group(g);
    });
  }

  [[nodiscard]] double operator()(Index k) const {
    const std::int32_t w = r_.place_of[k];
    return w >= 0 ? fixed_[w] - static_cast<double>(r_.margin[k]) : grouped_.empty() ? of_group(~w) : grouped_[~w];
  }

 private:
  [[nodiscard]] double of_group(Index g) const {
    if (r_.weight[g] == 0 || r_.next[g] >= kForbidden) return -std::numeric_limits<double>::infinity();
    return round_up(r_.cheapest(g, prices_) - r_.box.center[r_.slot[r_.begin[g]]] - r_.next[g] + margin_);
  }

  const RestrictedProblem& r_;
  std::span<const Cost> prices_;
  Cost margin_;
  std::vector<double> fixed_;          // by class
  DefaultInitVector<double> grouped_;  // by group, or empty where few jobs are tested
};

// visit(chunk, j) for the j of [0, n).
template <class Visit>
void each(const SolverContext& context, Index n, const Visit& visit) {
  context.pool.for_chunks(n, kViolationChunk, [&](Index chunk, Index begin, Index end) {
    for (Index j = begin; j < end; ++j) visit(at(chunk), j);
  });
}

}  // namespace

Cost least_listed_cost(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                       std::span<const Cost> prices, Index k) {
  const std::int32_t w = r.place_of[k], g = ~w;
  const Slot at = w >= 0 ? w : r.slot[r.begin[g]];
  return context.keys.at(level.row(k), at) + (w >= 0 ? prices[at] : r.cheapest(g, prices));
}

// Returns whether no job outside the suspects has a violation.
bool ViolationFinder::none_possible(const RestrictedProblem& r, std::span<const Cost> prices, double lowest) const {
  if (at_.empty() || known_ != r.place_of.size()) return false;
  double rise = 0, parts = std::fabs(most_) + std::fabs(lowest);
  for (std::size_t s = 0; s < prices.size(); ++s) {
    rise = std::max(rise, static_cast<double>(prices[s] - at_[s]));
    parts = std::max({parts, std::fabs(static_cast<double>(prices[s] - r.box.center[s])),
                      std::fabs(static_cast<double>(at_[s] - r.box.center[s]))});
  }
  return most_ + rise + kRounding * (parts + rise) <= lowest;
}

// Suspects that are kept between two tests (1 / share of jobs).
constexpr Index kSuspectsShare = 32;
// Sample that sets the limit of suspicion (jobs).
constexpr Index kSuspectsSample = 1 << 12;

void ViolationFinder::collect_suspects(const SolverContext& context, const RestrictedProblem& r,
                                       std::span<const Cost> prices, double lowest) {
  const auto n = static_cast<Index>(r.place_of.size());
  const NeededShifts needs(context, r, prices, margin_, n);
  std::vector<double> some;
  for (Index k = 0; k < n; k += std::max<Index>(1, n / kSuspectsSample)) some.push_back(needs(k));
  const auto rank = some.begin() + static_cast<std::ptrdiff_t>(some.size() / kSuspectsShare);
  std::nth_element(some.begin(), rank, some.end(), std::greater<>{});
  most_ = some.empty() ? lowest : std::min(lowest, *rank);
  at_.assign(prices.begin(), prices.end());
  known_ = r.place_of.size();
  std::vector<std::vector<Index>> parts(at(Pool::chunks(n, kViolationChunk)));
  each(context, n, [&](std::size_t chunk, Index k) {
    if (needs(k) > most_) parts[chunk].push_back(k);
  });
  jobs_ = flatten(parts);
}

bool list_doubtful_jobs(const Level& level, std::span<const Cost> prices, Cost margin, RestrictedProblem& r) {
  if (level.shards == nullptr || (margin == 0 && r.box.holds(prices))) return false;
  return level.shards->list_doubtful(prices, margin, r);
}

double lowest_shift(const RestrictedProblem& r, std::span<const Cost> prices) {
  return surely_below(r.box.shift(prices));
}

Violations ViolationFinder::find(const SolverContext& context, const RestrictedProblem& r,
                                 std::span<const Cost> prices) {
  Violations out;
  out.shift = r.box.shift(prices);
  if (margin_ == 0 && r.box.holds(prices)) return out;
  const double lowest = surely_below(out.shift);
  if (!none_possible(r, prices, lowest)) collect_suspects(context, r, prices, lowest);
  const auto asked = static_cast<Index>(jobs_.size());
  const NeededShifts needs(context, r, prices, margin_, asked);
  std::vector<std::vector<Index>> parts(at(Pool::chunks(asked, kViolationChunk)));
  each(context, asked, [&](std::size_t chunk, Index j) {
    const Index k = jobs_[at(j)];
    if (lowest < needs(k)) parts[chunk].push_back(k);
  });
  out.jobs = flatten(parts);
  return out;
}

namespace {

constexpr Index kMarginChunk = 1 << 15;  // jobs a chunk of a test on margins
constexpr Index kLows = 1 << 13;         // jobs a chunk of a pass over all costs

// Returns V at these prices over the listed classes.
Cost cheapest(const std::vector<Cost>& row, std::span<const std::uint8_t> listed, std::span<const Cost> prices) {
  Cost least = kForbidden;
  for (std::size_t s = 0; s < listed.size(); ++s) {
    if (listed[s] != 0) least = std::min(least, row[s] + prices[s]);
  }
  return least;
}

}  // namespace

Violations find_violations_exact(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                 std::span<const Cost> prices) {
  const auto n = static_cast<Index>(r.place_of.size());
  const RowMinima minima(context, level, prices);
  std::vector<std::vector<Index>> parts;
  context.stop.count(n * r.columns);
  const bool whole = context.pool.for_parts(
      parts, n, kLows,
      [&](auto& part, Index begin, Index end) {
        minima.for_each(begin, end, [&](Index k, Cost low) {
          if (low < least_listed_cost(context, level, r, prices, k)) part.push_back(k);
        });
      },
      &context.stop);
  Violations out;
  if (!whole) return out;
  out.shift = r.box.shift(prices);
  out.jobs = flatten(parts);
  return out;
}

// Sample that measures a price drop (jobs).
constexpr Index kMeasuredJobs = 1 << 16;

Cost price_drop_needed(const SolverContext& context, const Level& level, RestrictedProblem& r,
                       std::span<const Cost> prices, Slot slot, Cost units, Cost most) {
  const Index n = level.jobs();
  // One job in `step` is a large enough sample.
  const Index step = std::max<Index>(1, n / kMeasuredJobs), asked = (n + step - 1) / step;
  if (level.shards != nullptr) {
    level.shards->list_every(step, r);
    if (context.stop.requested()) return most;
  }
  std::vector<std::vector<Cost>> parts;
  context.pool.for_parts(parts, asked, kMarginChunk, [&](auto& part, Index begin, Index end) {
    for (Index at = begin * step; at < std::min(n, end * step); at += step) {
      const Index k = level.shards != nullptr ? level.shards->listed_at(at) : at;
      const Index job = level.row(k);
      const Cost need = context.keys.at(job, slot) + prices[slot] - least_listed_cost(context, level, r, prices, k);
      if (need > 0 && need < most) part.push_back(need);
    }
  });
  std::vector<Cost> needs = flatten(parts);
  const Cost rank = (units + step - 1) / step;
  if (static_cast<Cost>(needs.size()) <= rank) return most;
  std::nth_element(needs.begin(), needs.begin() + rank, needs.end());
  return needs[static_cast<std::size_t>(rank)] + 1;
}

// Box of columns added after a repair (1 / share of the box).
constexpr Cost kAddedBox = 8;

AddedColumns add_improving_columns(const SolverContext& context, const Level& level, const Violations& violations,
                                   std::span<const Cost> prices, RestrictedProblem& r, CostRangeStats& seen) {
  const auto n = at(r.columns);
  ColumnTests with{std::vector<Cost>(n), std::vector<Cost>(n), std::vector<Cost>(n)};
  for (std::size_t s = 0; s < n; ++s) {
    with.up[s] = prices[s] + r.box.up[s] / kAddedBox;
    with.near[s] = prices[s] - r.box.down[s] / kAddedBox;
    with.bound[s] = r.box.center[s] - r.box.down[s] + violations.shift;
  }
  std::atomic<bool> better = false;
  const bool read = extend_lists(context, level, violations.jobs, r, seen,
                                 [&](Index, const std::vector<Cost>& row, std::span<std::uint8_t> listed) {
                                   const Cost now = cheapest(row, listed, prices);
                                   mark_candidates(row.data(), with, now, listed);
                                   if (cheapest(row, listed, prices) < now) better = true;
                                 });
  return !read ? AddedColumns::stopped : better ? AddedColumns::better : AddedColumns::none;
}

}  // namespace gridcompute::transport
