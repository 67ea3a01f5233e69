// The general method with one unit for all costs: which engine, for how long, and what follows where it fails.
//
// Engines, six: near_assignment and in_memory_ssp (small/), the auction of the first prices (auction/),
// column_generation (restricted/), whole_job_solver (generalized_assignment/), cycle_canceling (exact/).
//
// Decision table. Rows are tried from the top; "->" names what follows a failure. Budgets are fields of tuning.hpp.
//
//   condition                          engine                                     budget                     on failure
//   ---------------------------------- ------------------------------------------ -------------------------- ----------
//   jobs with demand > 1 (solve.cpp)   whole_job_solver: this table as its        gap, time limit            (any time)
//                                      relaxation, then search and bounds
//   two thirds of the columns are      merged_classes: this table on fewer        one comparison of columns  next row
//   copies (solve.cpp)                 classes
//   method "auto", demand 1, the keys  small_problem: near_assignment where       counted work, of each      next row
//   or lists fit in memory             classes hold few jobs, else in_memory_ssp
//   always: start prices               caller's prices where a sample fits them,  one sample, bids           (advice)
//                                      else an auction on the smallest sample
//   each sample but the full problem   in memory where it fits, else              sample_rounds              (advice)
//                                      column_generation
//   a gap is asked for, and predicted  one pass in a box of radius 1, jobs at     one pass                   next row
//   to be within kSureGap of it        their cheapest class, surplus evicted
//   a sample has many ties             this table again with perturbed keys;      once                       no ties
//                                      then prices are rounded to units, and                                 broken
//                                      reoptimised where that is not enough
//   no time for a pass that keeps      one pass in a box of radius 1: a bound,    one pass                   any
//   candidates                         jobs at their cheapest class                                          matching
//   else                               column_generation: pricing pass, Newton,   kPassesMost passes, then   (ends: the
//                                      ssp_repair, columns added                  lists only grow            optimum)
//   the same, with a gap               the same; it ends where the matching at    the same                   (ends: the
//                                      the prices of Newton is within the gap                                optimum)
//   a cost beyond the resolution       this table again, resolution from all      once                       CostRange-
//                                      costs                                                                 Error
//   an optimum of rounded keys         cycle_canceling on lists or all costs,     counted work               "feasible"
//   (solve.cpp)                        resolution_refinement                                                 + bound
#include "gridcompute/transport/strategy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/auction.hpp"
#include "gridcompute/transport/exact/cycle_canceling.hpp"
#include "gridcompute/transport/exact/resolution_refinement.hpp"
#include "gridcompute/transport/generalized_assignment/whole_job_solver.hpp"
#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"
#include "gridcompute/transport/multilevel/trust_region.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/restricted/infeasibility_proof.hpp"
#include "gridcompute/transport/restricted/newton.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/rounding.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

namespace {

// Keys have a unit where it is at least this many spreads: then rounding a perturbed key to the unit undoes the
// perturbation, whichever way it went.
constexpr Cost kUnits = 2;

// Jobs a group from which the optimum is found sooner than a matching at prices is rounded.
constexpr Index kGroupedJobs = 64;
// Box of the first sample (epsilons of the auction).
constexpr Cost kAuctionBox = 4;
// Box of the second sample (epsilons of the auction).
constexpr Cost kSecondBox = 6;
// Predicted gap at which no larger sample is solved (of the gap asked for).
constexpr double kSureGap = 0.5;
// Largest perturbation of jobs with demand > 1 whose keys have no unit (of the mean key).
constexpr double kPerturbationError = 0x1p-18;

class TransportSolver {
 public:
  enum class Perturbing { allowed, ruled_out };  // of keys, where a sample has many ties
  enum class End { done, out_of_range, needs_perturbation };
  using Kind = LevelOutcome::Kind;

  TransportSolver(const Problem& problem, const Options& options, Pool& pool, Stop& stop, double resolution,
                  Perturbation ties, Perturbing perturbing)
      : problem_(problem),
        options_(options),
        tuning_(*options.tuning),
        pool_(pool),
        stop_(stop),
        resolution_(resolution),
        keys_(problem, resolution, ties),
        perturbing_(perturbing),
        n_(problem.cost->n_jobs()),
        columns_(keys_.columns()),
        duplicate_of_(at(columns_)),
        budget_(full_, columns_, options.seed,
                seconds_of_steps(tuning_.closing_steps_pass * static_cast<double>(n_), stop)),
        trust_region_(tuning_),
        gap_(options.gap > 0   ? options.gap
             : options.auction ? options.tuning->auction_gap
                               : 0) {
    std::iota(duplicate_of_.begin(), duplicate_of_.end(), Slot{0});
    full_.n = n_;
    if (problem.shards != nullptr) problem.shards->attach(full_);
    full_.capacity.assign(problem.capacity, problem.capacity + keys_.n_slots());
    if (problem.demand == nullptr) weight_ = n_;
    for (Index i = 0; problem.demand != nullptr && i < n_; ++i) weight_ += problem.weight(i);
    if (keys_.optional()) full_.capacity.push_back(static_cast<Cost>(weight_ + 1));
    // Capacity above the total weight is never used; with one unit more, a class with capacity for all still ends at
    // price 0.
    for (Cost& u : full_.capacity) u = static_cast<Cost>(std::min<Wide>(u, weight_ + 1));
  }

  // Runs the solve. out_of_range: a cost exceeded this resolution, see seen(). needs_perturbation: to be run again with
  // perturbation().
  End run(Result& result) {
    prices_.assign(at(columns_), 0);
    set_closing_steps((problem_.demand != nullptr ? tuning_.closing_steps_demand : tuning_.closing_steps) *
                      static_cast<double>(n_));
    if (options_.direct && problem_.demand == nullptr && !keys_.perturbation().active() &&
        small_problem_fits(n_, columns_, tuning_)) {
      if (solved_directly(result)) return End::done;
      if (!keys_.possible(seen_)) return End::out_of_range;
      prices_.assign(at(columns_), 0);
      seen_ = {};
    }
    stop_.stage("samples", 0);
    LevelOutcome end = samples(result.stats);
    if (end.kind == Kind::out_of_range) return End::out_of_range;
    if (ties_.active()) return End::needs_perturbation;
    if (end.kind == Kind::optimal) {
      end = solve_full(result.stats);
      if (end.kind == Kind::out_of_range) return End::out_of_range;
    }
    finish(end, result);
    return End::done;
  }

  [[nodiscard]] const CostRangeStats& seen() const noexcept { return seen_; }
  [[nodiscard]] const IntegerKeys& keys() const noexcept { return keys_; }
  [[nodiscard]] const Perturbation& perturbation() const noexcept { return ties_; }

 private:
  // Solves a small problem in memory. For reals too far apart for one resolution some prices prove the optimum and
  // others do not: then the general method follows, whose prices differ.
  bool solved_directly(Result& result) {
    stop_.stage("paths", 0);
    const double from = stop_.seconds();
    std::vector<Cost> given;
    if (options_.prices != nullptr) given = warm_start_prices(options_.prices, keys_, keys_.per_cost());
    SmallProblemResult small =
        solve_small_problem(keys_, full_, given, options_.seed, pool_, stop_, seen_, result.stats, tuning_);
    result.stats.add("direct", stop_.seconds() - from);
    if (!small.solved && !small.stopped) return false;
    prices_ = std::move(small.prices);
    IntegralPlan whole{std::move(small.assignment), std::move(small.load)};
    if (std::ranges::count(whole.assignment, -1) > 0)
      whole = complete_greedily({keys_, pool_, stop_, false, {}, tuning_}, full_, prices_, stop_);
    deliver({small.stopped ? Kind::stopped : Kind::optimal, {}}, std::move(whole),
            KeySums{small.objective, small.value}, result);
    return small.stopped || result.status == Status::optimal;
  }

  // Tries a matching at the present prices after one narrow pass; true if it is within the gap.
  bool try_current_prices(Stats& stats) {
    const SolverContext context{keys_, pool_, stop_, false, duplicate_of_, tuning_};
    const double from = stop_.seconds();
    set_closing_steps(tuning_.closing_steps_pass * static_cast<double>(n_));
    RestrictedProblem r;
    CostRangeStats seen;
    if (!budget_.allows_passes(context, box_around(1), 1)) return false;
    stop_.stage("scan", 0.3);
    if (!pricing_pass(context, full_, box_around(1), r, seen)) return false;
    stats.evaluations += n_ * columns_;
    seen_.join(seen);
    const bool fits = keys_.possible(seen_) && r.first_infeasible_job < 0;
    if (fits) r_ = std::move(r);
    stats.add("scan", stop_.seconds() - from);
    return fits && within_gap(context, r_);
  }

  // Solves the full problem. Where there is no time for candidates, it rounds at the present prices.
  LevelOutcome solve_full(Stats& stats) {
    if (std::exchange(stop_sampling_, false)) {
      if (try_current_prices(stats)) return {Kind::close, {}};
      if (const LevelOutcome end = samples(stats); end.kind != Kind::optimal) return end;
    }
    const SolverContext context{keys_, pool_, stop_, share_, duplicate_of_, tuning_};
    set_closing_steps(tuning_.closing_steps_pass * static_cast<double>(n_));
    const bool no_time = !budget_.allows_passes(context, box_, tuning_.pass_and_tune);
    if (no_time) box_ = box_around(1);
    if (no_time && !budget_.allows_passes(context, box_, 1)) stop_.force_deadline();
    const auto enough = [&](RestrictedProblem& r) {
      if (no_time) reserve_for_delivery(r);
      if (!no_time && (gap_ == 0 || kGroupedJobs * r.groups() <= n_)) return false;
      const bool near = within_gap(context, r);
      if (no_time && !near) stop_.force_deadline();
      return no_time || near;
    };
    LevelOutcome end = solve_level(context, full_, box_, false, prices_, r_, seen_, stats, enough);
    if (end.kind == Kind::optimal && keys_.perturbation().active()) end = undo_perturbation(context, stats);
    return end;
  }

  // Solves the samples: prices and box for the full problem.
  LevelOutcome samples(Stats& stats) {
    if (stop_.poll()) return {Kind::stopped, {}};
    if (n_ == 0 || columns_ == 0) {
      box_ = box_around(1);
      return {};
    }
    std::vector<Index> sizes = sample_sizes(n_, columns_, tuning_);
    if (solved_ == 0) {
      start_prices(sizes.empty() ? n_ : sizes.front(), stats);
      share_ = problem_.demand == nullptr && !keys_.perturbation().active();  // until a level was measured
      if (box_.center.empty()) box_ = box_around(1);
    }
    for (; solved_ < sizes.size(); ++solved_) {
      if (stop_sampling_) break;
      const Index m = sizes[solved_];
      const bool first = solved_ == 0;
      if (!budget_.allows_level(m, stop_)) break;
      const double begun = stop_.seconds();
      const std::vector<Index> rows = sample_rows(m);
      const Level level = sample_level(problem_, rows, full_.capacity, weight_);
      RestrictedProblem r;
      const std::vector<Cost> before = prices_;
      const SolverContext context{keys_, pool_, stop_, share_, duplicate_of_, tuning_};
      if (gap_ > 0 && !first && !share_ && !gap_tried_) {
        const SolverContext apart{keys_, pool_, stop_, false, duplicate_of_, tuning_};
        const double ahead = predict_gap(apart, level, prices_, sizes[solved_ - 1], n_);
        stop_sampling_ = gap_tried_ = ahead <= kSureGap * gap_;
      }
      given_ = given_ && warm_start_fits(context, level, r, stats);
      LevelOutcome end = given_ ? LevelOutcome{} : sample(context, level, r, stats);
      if (end.kind == Kind::infeasible) {
        if (r.first_infeasible_job >= 0) return {};  // the full pass finds it again, with its position
        end.kind = Kind::optimal;                    // a sample proves nothing
      }
      if (end.kind != Kind::optimal) return end;
      ++(given_ ? stats.warm_levels : stats.levels);
      if (perturbing_ == Perturbing::allowed && needs_perturbation(r, duplicate_of_, prices_, first, tuning_) &&
          choose_level_perturbation(level))
        return {};
      if (stop_.poll()) return {Kind::stopped, {}};
      const double from = stop_.seconds();
      const RankedPriceError ranked = ranked_price_error(r, level.capacity, duplicate_of_, prices_, pool_, tuning_);
      if (given_) {
        trust_region_.update_from_warm_start(ranked, fit_.misfit);
      } else {
        trust_region_.update(
            before, prices_,
            coupled_price_error(r, level.capacity, duplicate_of_, prices_, options_.seed, pool_, stop_, tuning_),
            ranked);
      }
      stats.add("samples", stop_.seconds() - from);
      // The lowest level is too small to estimate its error; the auction's epsilon is a better guess.
      box_ = trust_region_.box(prices_, first && scale_ > 0 ? kSecondBox * scale_ : kCostLimit / 8);
      // Sharing groups pays where few lists are distinct.
      Index shared = 0;
      for (const std::int32_t members : r.members) shared += members;
      share_ = share_ && shared > tuning_.shared_jobs * r.groups();
      budget_.record_level(context, m, stop_.seconds() - begun, box_around(1));
      // A sample of jobs in shards is read from all of them: that costs as much as a pass.
      if (solved_ + 1 == sizes.size() && problem_.shards == nullptr && !given_) {
        if (const Index more = extra_sample(r, box_, m, n_, tuning_); more > 0) sizes.push_back(more);
      }
    }
    return {};
  }

  // Returns the rows of m sampled jobs in the cost source.
  [[nodiscard]] std::vector<Index> sample_rows(Index m) const {
    std::vector<Index> positions = stratified_sample(n_, m, options_.seed);
    return problem_.shards != nullptr ? problem_.shards->rows_of(positions) : positions;
  }

  // Chooses a perturbation by the keys of a few jobs.
  bool choose_level_perturbation(const Level& level) {
    const PerturbationRequest wanted{keys_.integral() || options_.resolution > 0,
                                     problem_.demand != nullptr ? kPerturbationError : 0};
    ties_ = choose_perturbation(probe_keys(keys_, level), keys_.limit(), columns_, wanted, tuning_);
    return ties_.active();
  }

  // Solves one sample: in memory where it is small, followed by one pricing pass that gives the error estimates their
  // candidates.
  LevelOutcome sample(const SolverContext& context, const Level& level, RestrictedProblem& r, Stats& stats) {
    const double from = stop_.seconds();
    if (!sample_fits(level.n, columns_) || !improve_prices(keys_, level, prices_, stop_, seen_, stats, tuning_))
      return solve_level(context, level, box_, true, prices_, r, seen_, stats);
    box_.center = prices_;
    if (!pricing_pass(context, level, box_, r, seen_)) return {Kind::stopped, {}};
    r.place(prices_, level.capacity, pool_);
    stats.evaluations += level.n * columns_;
    stats.add("samples", stop_.seconds() - from);
    return {};
  }

  void set_closing_steps(double steps) { stop_.set_closing_time(seconds_of_steps(steps, stop_)); }

  [[nodiscard]] PriceBox box_around(Cost radius) const {
    const std::vector<Cost> all(prices_.size(), std::clamp<Cost>(radius, 1, kCostLimit / 8));
    return {prices_, all, all};
  }

  // Returns whether the start prices fit this level. Then it is not solved; one pass gives the error estimates their
  // candidates.
  bool warm_start_fits(const SolverContext& context, const Level& level, RestrictedProblem& r, Stats& stats) {
    const double from = stop_.seconds();
    box_.center = prices_;
    fit_ = {};
    if (pricing_pass(context, level, box_, r, seen_) && r.first_infeasible_job < 0) {
      r.place(prices_, level.capacity, pool_);
      fit_ = fit_loads(r.load(), level.capacity, duplicate_of_, prices_, weight_spread(problem_, level), tuning_);
    }
    stats.evaluations += level.n * columns_;
    stats.add("samples", stop_.seconds() - from);
    return fit_.good;
  }

  // Sets the first prices from the smallest sample: the caller's if they fit, else an auction's.
  void start_prices(Index m, Stats& stats) {
    const double from = stop_.seconds();
    const std::vector<Index> rows = sample_rows(m);
    const Level level = sample_level(problem_, rows, full_.capacity, weight_);
    const std::optional<auction::KeyTable> keys = read_key_table(keys_, level, stop_, seen_);
    if (!keys || keys->rows == 0) return;
    if (keys_.possible(seen_)) {
      std::vector<Cost> weights;
      for (const Index job : rows) weights.push_back(problem_.weight(job));
      duplicate_of_ = find_duplicate_columns(*keys);
      if (options_.prices != nullptr) {
        const std::vector<Cost> given = warm_start_prices(options_.prices, keys_, keys_.per_cost());
        const WarmStartTrial trial = try_warm_start(*keys, weights, level.capacity, duplicate_of_, given, tuning_);
        if (trial.good) given_ = true, prices_ = given, box_ = box_around(trial.radius);
      }
      if (!given_) {
        const auction::AuctionStart start = auction::start_prices(*keys, weights, level.capacity, stop_, tuning_);
        prices_ = start.prices;
        scale_ = start.epsilon;
        if (start.cut_short) ++stats.auction_cutoffs;
        box_ = box_around(kAuctionBox * start.epsilon);
      }
    }
    stats.evaluations += m * columns_;
    stats.add("samples", stop_.seconds() - from);
  }

  [[nodiscard]] double cost_lower_bound(Wide sum) const {
    return cost_rounded_down(sum, keys_, seen_.inexact, weight_);
  }

  // Returns whether the matching at prices_, before any repair, is within the gap.
  bool within_gap(const SolverContext& context, RestrictedProblem& r) {
    r.place(prices_, full_.capacity, pool_);
    whole_ = round_to_integral(context, full_, r, prices_, stop_);
    if (whole_.n_unassigned_required > 0) return false;
    whole_.cost = total_cost(problem_, whole_.assignment, pool_, tuning_);
    const double cost = whole_.cost->value();
    // Compares the relative gap, (objective - bound) / max(|objective|, |bound|), with the one asked for.
    const auto within = [&](double bound) {
      return std::isfinite(bound) && cost - bound <= gap_ * std::max(std::fabs(cost), std::fabs(bound));
    };
    value_ = r.value(prices_, pool_);
    const Wide room = capacity_value(prices_, full_.capacity);
    if (within(cost_lower_bound(value_ - room))) return true;
    // Prices rounded to whole units prove the part of the bound that the perturbation removed, in one pass over all
    // costs.
    const bool ties = keys_.perturbation().active() && unit() >= kUnits * keys_.perturbation().spread;
    if (!ties || !within(static_cast<double>(value_ - room) / keys_.per_cost())) return false;
    const std::vector<Cost> prices = round_to_units(prices_, unit()).prices;
    const IntegerKeys plain = unperturbed();
    const std::optional<Wide> value = dual_value({plain, pool_, stop_, false, duplicate_of_, tuning_}, full_, prices);
    if (!value ||
        !within(cost_rounded_down(*value - capacity_value(prices, full_.capacity), plain, seen_.inexact, weight_)))
      return false;
    value_ = *value, prices_ = prices, keys_ = plain;
    return true;
  }

  // Returns the keys without perturbation, in the same unit.
  [[nodiscard]] IntegerKeys unperturbed() const {
    const Perturbation& ties = keys_.perturbation();
    return {problem_, resolution_, {ties.shift, 0, ties.scale, ties.whole}};
  }

  // Reserves time for delivery alone: the search is over.
  void reserve_for_delivery(const RestrictedProblem& r) {
    set_closing_steps(tuning_.closing_steps * static_cast<double>(n_) +
                      tuning_.closing_steps_candidate * static_cast<double>(r.slot.size()));
  }

  void finish(const LevelOutcome& end, Result& result) {
    if (stop_.why() == Stop::Why::interrupted)
      return void(result.status = Status::stopped);  // interrupted: the result is discarded
    const double from = stop_.seconds();
    reserve_for_delivery(r_);
    const SolverContext context{keys_, pool_, stop_, share_, duplicate_of_, tuning_};
    const bool read = static_cast<Index>(r_.place_of.size()) == full_.n && full_.jobs() == n_ &&
                      r_.weight_total == weight_ && r_.box.center.size() == at(columns_);
    const bool units = end.kind == Kind::optimal && problem_.demand == nullptr;
    if (full_.shards != nullptr) {
      if (end.kind == Kind::optimal)
        list_jobs_of_cycles(context, full_, prices_, rounding_of(keys_, seen_.inexact), r_);
      if (stop_.requested() || end.kind != Kind::optimal) return deliver_nothing(end, result);
    }
    if (read && end.kind == Kind::stopped && !r_.placed()) r_.place(prices_, full_.capacity, pool_);
    IntegralPlan whole = end.kind == Kind::close                 ? std::move(whole_)
                         : !read || r_.first_infeasible_job >= 0 ? complete_greedily(context, full_, prices_, stop_)
                         : units ? assign_units(context)
                                 : round_to_integral(context, full_, r_, prices_, stop_);
    if (full_.shards != nullptr) {  // a shard may fail, or time may end, before all shards have their classes
      for (std::int32_t& s : whole.assignment) s = s == keys_.n_slots() ? -1 : s;
      whole.cost = full_.shards->total(whole.assignment);
      if (stop_.requested()) return deliver_nothing(end, result);
    }
    if (whole.rounded_again) ++result.stats.rounding_restarts;
    if (stop_.interrupted()) return void(result.status = Status::stopped);
    result.stats.candidates = static_cast<Index>(r_.slot.size());
    result.stats.groups = r_.groups();
    std::optional<KeySums> sums;
    // Prices of an interrupted repair may violate constraints of classes outside the candidates: the box bounds these.
    if (read)
      sums = {units ? r_.objective() : 0,
              end.kind == Kind::close ? value_
              : units || end.kind == Kind::optimal
                  ? r_.value(prices_, pool_)
                  : r_.lowest_value(prices_, [&](Index k) { return problem_.weight(k); }, pool_)};
    if (stop_.interrupted()) return void(result.status = Status::stopped);
    deliver(end, std::move(whole), sums, result);
    if (result.rounding >= 0 && read) cancel_cycles_on_lists(context, full_, r_, prices_, kept_of(options_), result);
    result.stats.add("finish", stop_.seconds() - from);
  }

  // Assigns the listed jobs; loads are those of all.
  [[nodiscard]] IntegralPlan assign_units(const SolverContext& context) const {
    IntegralPlan whole = assign_unsplit(context, full_, r_);
    if (full_.shards != nullptr) whole.load = r_.load();
    return whole;
  }

  // Ends a solve over shards that has no optimum: jobs of other processes cannot be assigned from here.
  void deliver_nothing(const LevelOutcome& end, Result& result) {
    const auto n_slots = at(keys_.n_slots());
    shift_to_zero(prices_, full_.capacity, weight_);
    result.prices = prices_as_doubles({prices_.data(), n_slots}, keys_.per_cost());
    result.load.assign(n_slots, 0);
    result.resolution = keys_.resolution();
    if (end.kind == Kind::infeasible && !stop_.requested()) return write_proof(end, result);
    result.status = stop_.why() == Stop::Why::time_limit ? Status::time_limit : Status::stopped;
    result.objective = std::numeric_limits<double>::infinity();
    result.bound = -std::numeric_limits<double>::infinity();
  }

  // Returns the unit of all keys, without the perturbation.
  [[nodiscard]] Cost unit() const {
    const std::uint64_t bits = seen_.bits | std::uint64_t{1} << (keys_.integral() ? keys_.perturbation().shift : 62);
    return static_cast<Cost>(bits & (~bits + 1));
  }

  // Turns the optimum of perturbed keys into that of the unperturbed ones, if these have a unit.
  LevelOutcome undo_perturbation(const SolverContext& context, Stats& stats) {
    const Perturbation ties = keys_.perturbation();
    const Cost unit = this->unit();
    if (unit < kUnits * ties.spread) return {};
    remove_perturbation(
        r_, keys_.perturber(), [&](Index k) { return problem_.cost->identity(full_.row(k)); },
        [&](Index k) { return problem_.weight(k); }, pool_);
    if (full_.shards != nullptr) full_.shards->remove_perturbation(keys_.perturber(), r_);
    UnitPrices rounded = round_to_units(prices_, unit);
    prices_ = std::move(rounded.prices);
    keys_ = unperturbed();
    if (rounded.gap >= ties.spread) return {};
    stats.perturbation_repairs = 1;
    return reoptimise(context, full_, prices_, r_, seen_, stats);
  }

  void deliver(const LevelOutcome& end, IntegralPlan&& whole, std::optional<KeySums> sums, Result& result) {
    result.assignment = std::move(whole.assignment);
    const Cost settled = shift_to_zero(prices_, full_.capacity, weight_);
    if (sums) sums->value -= static_cast<Wide>(settled) * weight_;
    const Slot n_slots = keys_.n_slots();
    for (std::int32_t& s : result.assignment) s = s == n_slots ? -1 : s;
    result.load.assign(whole.load.begin(), whole.load.begin() + n_slots);
    result.prices = prices_as_doubles({prices_.data(), result.load.size()}, keys_.per_cost());
    result.remainders.clear();
    result.resolution = keys_.perturbation().active() ? keys_.per_cost() : keys_.resolution();
    if (end.kind == Kind::infeasible) {
      write_proof(end, result);
    } else {
      classify_result({problem_, keys_, full_, prices_, seen_, weight_}, end.kind == Kind::optimal, whole, sums, pool_,
                      stop_, result);
    }
  }

  void write_proof(const LevelOutcome& end, Result& result) {
    write_infeasibility_proof(r_, end.classes, keys_.n_slots(), full_.shards != nullptr, result);
  }

  const Problem& problem_;
  const Options& options_;
  const Tuning& tuning_;
  Pool& pool_;
  Stop& stop_;
  double resolution_;  // the caller's, or chosen
  IntegerKeys keys_;
  Perturbing perturbing_;
  Perturbation ties_;  // perturbation that a sample asked for
  Index n_;
  Slot columns_;
  std::vector<Slot> duplicate_of_;
  Wide weight_ = 0;
  Level full_;
  std::vector<Cost> prices_;
  PriceBox box_;
  Cost scale_ = 0;      // last epsilon of the auction: the scale on which prices matter
  bool given_ = false;  // start prices were given, and fit all levels so far
  LoadFit fit_;         // their fit
  TimeBudget budget_;
  TrustRegion trust_region_;
  double gap_;              // asked for, relative; 0: none
  std::size_t solved_ = 0;  // samples
  bool stop_sampling_ = false, gap_tried_ = false;
  bool share_ = false;
  RestrictedProblem r_;
  IntegralPlan whole_;  // of the last within_gap()
  Wide value_ = 0;      // dual value at its prices
  CostRangeStats seen_;
};

}  // namespace

void solve_in_one_unit(const Problem& problem, const Options& options, Pool& pool, Stop& stop, Result& result) {
  const double limit = static_cast<double>(largest_cost(problem.cost->n_slots() + 2));
  const bool natural = !problem.cost->real() && problem.demand == nullptr && unplaced_integral(problem) &&
                       largest_unplaced(problem) <= limit;
  double resolution = options.resolution;
  const bool automatic = !(resolution > 0);
  if (automatic && natural) {
    resolution = 1;
  } else if (automatic) {
    const double most = largest_cost_likely(problem, pool, stop, *options.tuning);
    if (solve_scaled(problem, options, most, pool, stop, solve_in_one_unit, result)) return;
    resolution = choose_resolution(most, static_cast<Cost>(limit));
  }
  Perturbation ties;
  auto perturbing = TransportSolver::Perturbing::allowed;
  for (int attempt = 0;;) {
    TransportSolver solver(problem, options, pool, stop, resolution, ties, perturbing);
    const TransportSolver::End end = solver.run(result);
    if (end == TransportSolver::End::done) return;
    perturbing = TransportSolver::Perturbing::ruled_out;  // once at most
    if (end == TransportSolver::End::needs_perturbation) {
      ties = solver.perturbation();
      result.stats.perturbed = 1;
      continue;
    }
    if (ties.active()) {  // no sample had keys as large as some read later
      ties = {};
      result.stats.perturbed = 0;
      ++result.stats.restarts;
      continue;
    }
    ++attempt;
    const CostRangeStats& seen = solver.seen();
    if (seen.invalid >= 0) {
      throw Error(ErrorKind::invalid_problem, "cost", seen.invalid,
                  "cost: row " + std::to_string(seen.invalid) +
                      " has a NaN or -inf; finite costs or +inf (forbidden) are needed");
    }
    const auto allowed = static_cast<double>(solver.keys().limit());
    if (!automatic || natural || attempt > 1) {
      throw Error(ErrorKind::cost_range, "cost", -1,
                  "cost * resolution reaches " + shown(seen.largest) + "; with " +
                      std::to_string(problem.cost->n_slots()) + " slots at most " + shown(allowed) + " is allowed");
    }
    resolution =
        choose_resolution(largest_cost_seen(problem, pool, stop, true, *options.tuning).cost, static_cast<Cost>(limit));
    ++result.stats.restarts;
  }
}

namespace {

constexpr double kRounding = 0x1p-30;  // share of the sum of |costs|: an optimum of keys within it is called optimal
// Share of the sum of |costs| by which an objective may lie below its bound: one is rounded to nearest, the other down.
// A larger contradiction is a wrong answer.
constexpr double kContradiction = 0x1p-40;

// Throws where the bound exceeds the objective by more than rounding explains.
void refuse_contradiction(const Result& result, const Total& total) {
  const bool contradicts = result.integral ? std::isfinite(result.bound) && result.exact_bound > result.exact_objective
                                           : result.bound - result.objective >
                                                 kContradiction * total.magnitude + std::numeric_limits<double>::min();
  if (!contradicts) return;
  throw Error(ErrorKind::internal, "", -1,
              "transport: the answer contradicts itself: it costs " + shown(result.objective) +
                  ", and its prices prove " + shown(result.bound) + " of every answer");
}

// Returns whether every key is its cost times the resolution exactly, so that a sum of keys is a sum of costs.
bool exact_keys(const DualSolution& of) {
  return of.problem.demand == nullptr && key_rounding(of.keys, of.seen.inexact) == 0;
}

// Writes the remainders of prices, which doubles lose, for keys in a unit that is a power of two. False where some
// price is beyond the doubles.
bool deliver_remainder(std::span<const Cost> prices, double per_cost, Result& result) {
  std::vector<double> lacking;
  for (std::size_t s = 0; s < prices.size(); ++s) {
    const double price = round_up(prices[s]);
    if (!(price / per_cost <= std::numeric_limits<double>::max())) return false;
    lacking.push_back(static_cast<double>(prices[s] - static_cast<Cost>(price)) / per_cost);
  }
  result.remainders.assign(1, std::move(lacking));
  return true;
}

// Throws where a class exceeds its capacity, or where an optimum of keys is not proved by its prices.
void require_sound(const DualSolution& of, const IntegralPlan& whole, bool optimum, Wide found, Wide objective) {
  for (std::size_t s = 0; s < of.all.capacity.size(); ++s) {
    if (whole.load[s] < 0 || whole.load[s] > of.all.capacity[s])
      throw Error(ErrorKind::internal, "", -1,
                  "transport: class " + std::to_string(s) + " was given " + std::to_string(whole.load[s]) +
                      " units, its capacity is " + std::to_string(of.all.capacity[s]));
  }
  if (optimum && found != objective)
    throw Error(ErrorKind::internal, "", -1, "transport: prices do not prove the matching they came with");
}

}  // namespace

double rounding_of(const IntegerKeys& keys, bool inexact) { return 2 * key_rounding(keys, inexact) / keys.per_cost(); }

void classify_result(const DualSolution& of, bool solved, const IntegralPlan& whole, const std::optional<KeySums>& sums,
                     Pool& pool, Stop& stop, Result& result) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const bool ended = sums && solved && whole.n_unassigned_required == 0;
  const bool unit = of.problem.demand == nullptr, exact = exact_keys(of);
  // Where keys are the costs themselves, their sum is known already.
  const bool by_keys = ended && unit && exact && of.keys.resolution() == 1.0 && !of.problem.cost->real() &&
                       unplaced_integral(of.problem);
  const Total total = by_keys      ? Total{sums->objective >> of.keys.perturbation().shift, 0, 0, 0, true}
                      : whole.cost ? *whole.cost
                                   : total_cost(of.problem, result.assignment, pool);
  result.integral = total.integral;
  result.exact_objective = total.whole;
  result.objective = total.value();
  result.bound = -inf;
  bool proved = false;
  if (const auto least = sums ? std::nullopt : bound_of_source(of.problem, pool)) {
    result.bound = *least;
    std::fill(result.prices.begin(), result.prices.end(), 0.0);  // the bound is the dual objective at these prices
  }
  require_sound(of, whole, false, 0, 0);
  if (sums) {
    const Wide found = sums->value - capacity_value(of.prices, of.all.capacity);
    require_sound(of, whole, ended && unit, found, sums->objective);
    const std::span<const Cost> delivered_from(of.prices.data(), result.prices.size());
    proved = ended && unit && exact && found == sums->objective;
    Wide lost = price_rounding_loss(delivered_from, of.keys.per_cost(), of.all.capacity, of.weight);
    if (proved && lost > 0 && deliver_remainder(delivered_from, of.keys.per_cost(), result)) lost = 0;
    const Wide value = found - lost;
    result.bound = cost_rounded_down(value, of.keys, of.seen.inexact, of.weight);
    if (result.integral) {  // every plan costs an integer
      result.exact_bound = exact && of.keys.resolution() == 1.0 ? value >> of.keys.perturbation().shift
                                                                : integer_not_below(result.bound);
      result.bound = static_cast<double>(result.exact_bound);
      result.exact = whole.n_unassigned_required == 0 && result.exact_bound >= result.exact_objective;
    } else if (exact && ended && value == sums->objective) {
      result.exact = true;
      result.objective = static_cast<double>(value) / of.keys.per_cost();
    }
    if (whole.n_unassigned_required == 0) refuse_contradiction(result, total);
    if (ended) result.bound = std::min(result.bound, result.objective);
  }
  // An optimum of rounded keys is called optimal only if no other plan can be cheaper by more than kRounding.
  const auto close = [&] { return unit && result.objective - result.bound <= kRounding * total.magnitude; };
  if (ended && unit && !result.exact && !proved && !close() && of.problem.shards == nullptr) {
    const std::span<const Cost> capacity(of.all.capacity.data(), result.prices.size());
    if (const auto again = bound_of_costs(of.problem, result.prices, capacity, pool, stop))
      result.bound = std::min(std::max(result.bound, *again), result.objective);
  }
  if (ended && unit && !exact) result.rounding = rounding_of(of.keys, of.seen.inexact);
  if (result.exact || (ended && (proved || close()))) {
    result.status = Status::optimal;
  } else if (stop.why() == Stop::Why::time_limit) {
    result.status = Status::time_limit;
  } else {
    // Without a stop only jobs with demand > 1 are left unplaced, which proves nothing: whole_job_solver.hpp continues.
    result.status = stop.requested()                  ? Status::stopped
                    : whole.n_unassigned_required > 0 ? Status::time_limit
                                                      : Status::feasible;
  }
  if (whole.n_unassigned_required > 0) result.objective = inf, result.exact = false;
  if (!result.integral && !(std::fabs(result.objective) < inf && std::fabs(result.bound) < inf)) result.exact = false;
}

}  // namespace gridcompute::transport
