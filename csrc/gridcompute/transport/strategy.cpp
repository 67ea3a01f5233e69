#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "gridcompute/base/error.hpp"
#include "gridcompute/transport/auction/auction.hpp"
#include "gridcompute/transport/exact/cycle_canceling_on_lists.hpp"
#include "gridcompute/transport/exact/resolution_refinement.hpp"
#include "gridcompute/transport/exact/subnormal_scaling.hpp"
#include "gridcompute/transport/generalized_assignment/whole_job_solver.hpp"
#include "gridcompute/transport/kernels/row_minima.hpp"
#include "gridcompute/transport/model/dual_bound.hpp"
#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/model/perturbation.hpp"
#include "gridcompute/transport/model/resolution.hpp"
#include "gridcompute/transport/multilevel/duplicate_columns.hpp"
#include "gridcompute/transport/multilevel/gap_prediction.hpp"
#include "gridcompute/transport/multilevel/sampling.hpp"
#include "gridcompute/transport/multilevel/time_budget.hpp"
#include "gridcompute/transport/multilevel/warm_start.hpp"
#include "gridcompute/transport/restricted/add_columns.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/restricted/price_tuning.hpp"
#include "gridcompute/transport/result.hpp"
#include "gridcompute/transport/rounding/integral.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

namespace {

constexpr double kAuctionGap = 1e-3;     // what the anytime method is content with if no gap is asked for
constexpr double kClosing = 5e-8;        // seconds a job to deliver any matching of one thread's,
constexpr double kClosingGangs = 7e-8;   // any of gangs,
constexpr double kClosingRead = 1.5e-7;  // one by prices,
constexpr double kClosingListed = 5e-9;  // and for each candidate to be looked at, and left
constexpr double kLookAndTune = 1.3;     // of a look's time, to be worth more than one at prices alone
constexpr Index kAlike = 64;             // so many jobs a group: the optimum is sooner found than a matching is made
constexpr Cost kFirstBox = 6;            // the second level's box, in scales of the auction
constexpr double kSure = 0.5;            // of a gap wanted: what is expected less than this will do
constexpr double kGangError = 0x1p-18;   // of broken ties where keys have no unit
constexpr Cost kUnits = 2;               // a unit is so many spreads at least, or it is none

class TransportSolver {
 public:
  enum class Perturbing { allowed, ruled_out };  // of keys' ties, should a sample show many
  enum class End { done, out_of_range, needs_perturbation };
  using Kind = LevelOutcome::Kind;

  TransportSolver(const Problem& problem, const Options& options, Pool& pool, Stop& stop, double resolution,
                  Perturbation ties, Perturbing perturbing)
      : problem_(problem),
        options_(options),
        pool_(pool),
        stop_(stop),
        resolution_(resolution),
        keys_(problem, resolution, ties),
        perturbing_(perturbing),
        n_(problem.cost->n_jobs()),
        columns_(keys_.columns()),
        duplicate_of_(static_cast<std::size_t>(columns_)),
        budget_(full_, options.seed, kClosingRead * static_cast<double>(n_)),
        gap_(options.gap > 0   ? options.gap
             : options.auction ? kAuctionGap
                               : 0) {
    std::iota(duplicate_of_.begin(), duplicate_of_.end(), Slot{0});
    full_.n = n_;
    full_.capacity.assign(problem.capacity, problem.capacity + keys_.n_slots());
    for (Index i = 0; i < n_; ++i) weight_ += problem.weight(i);
    if (keys_.optional()) full_.capacity.push_back(static_cast<Cost>(weight_ + 1));
    // More room than all need is never used; with one more, a class with room for all still ends at price 0.
    for (Cost& u : full_.capacity) u = static_cast<Cost>(std::min<Wide>(u, weight_ + 1));
  }

  // out_of_range: a cost was, for this resolution; seen() tells. tied: to be done again with ties() broken.
  End run(Result& result) {
    prices_.assign(static_cast<std::size_t>(columns_), 0);
    stop_.set_closing_time((problem_.demand != nullptr ? kClosingGangs : kClosing) * static_cast<double>(n_));
    if (options_.direct && problem_.demand == nullptr && !keys_.perturbation().active() &&
        small_problem_fits(n_, columns_)) {
      if (solved_directly(result)) return End::done;
      if (!keys_.possible(seen_)) return End::out_of_range;
      prices_.assign(static_cast<std::size_t>(columns_), 0);
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
  [[nodiscard]] const QuantisedCost& keys() const noexcept { return keys_; }
  [[nodiscard]] const Perturbation& perturbation() const noexcept { return ties_; }

 private:
  // Reals too far apart for one resolution are proved at some prices only: the general method's get a try too.
  bool solved_directly(Result& result) {
    stop_.stage("paths", 0);
    const double from = stop_.seconds();
    std::vector<Cost> given;
    if (options_.prices != nullptr) given = warm_start_prices(options_.prices, keys_, keys_.per_cost());
    SmallProblemResult small =
        solve_small_problem(keys_, full_, given, options_.seed, pool_, stop_, seen_, result.stats);
    result.stats.add("direct", stop_.seconds() - from);
    if (!small.solved && !small.stopped) return false;
    prices_ = std::move(small.prices);
    IntegralPlan whole{std::move(small.assignment), std::move(small.load)};
    if (std::ranges::count(whole.assignment, -1) > 0)
      whole = complete_greedily({keys_, pool_, stop_, false, {}}, full_, prices_, stop_);
    deliver({small.stopped ? Kind::stopped : Kind::optimal, {}}, std::move(whole),
            KeySums{small.objective, small.value}, result);
    return small.stopped || result.status == Status::optimal;
  }

  // A matching at the prices at hand, if it is as near as wanted.
  bool try_current_prices(Stats& stats) {
    const SolverContext context{keys_, pool_, stop_, false, duplicate_of_};
    const double from = stop_.seconds();
    stop_.set_closing_time(kClosingRead * static_cast<double>(n_));
    RestrictedProblem r;
    CostRangeStats seen;
    if (!budget_.allows_passes(context, around(1), 1)) return false;
    stop_.stage("scan", 0.3);
    if (!pricing_pass(context, full_, around(1), r, seen)) return false;
    stats.evaluations += n_ * columns_;
    seen_.join(seen);
    const bool fits = keys_.possible(seen_) && r.first_infeasible_job < 0;
    if (fits) r_ = std::move(r);
    stats.add("scan", stop_.seconds() - from);
    return fits && within_gap(context, r_);
  }

  // The full problem. Where the time does not suffice for the box, no more than a matching by the prices at hand.
  LevelOutcome solve_full(Stats& stats) {
    if (std::exchange(early_, false)) {
      if (try_current_prices(stats)) return {Kind::close, {}};
      if (const LevelOutcome end = samples(stats); end.kind != Kind::optimal) return end;
    }
    const SolverContext context{keys_, pool_, stop_, share_, duplicate_of_};
    stop_.set_closing_time(kClosingRead * static_cast<double>(n_));
    const bool hasty = !budget_.allows_passes(context, box_, kLookAndTune);
    if (hasty) box_ = around(1);
    if (hasty && !budget_.allows_passes(context, box_, 1)) stop_.force_deadline();
    const auto enough = [&](RestrictedProblem& r) {
      if (hasty) reserve_for_delivery(r);
      if (!hasty && (gap_ == 0 || kAlike * r.groups() <= n_)) return false;
      const bool near = within_gap(context, r);
      if (hasty && !near) stop_.force_deadline();
      return hasty || near;
    };
    LevelOutcome end = solve_level(context, full_, box_, false, prices_, r_, seen_, stats, enough);
    if (end.kind == Kind::optimal && keys_.perturbation().active()) end = undo_perturbation(context, stats);
    return end;
  }

  // Prices and radii for the full problem from the ladder.
  LevelOutcome samples(Stats& stats) {
    if (stop_.poll()) return {Kind::stopped, {}};
    if (n_ == 0 || columns_ == 0) {
      box_ = around(1);
      return {};
    }
    const std::vector<Index> sizes = sample_sizes(n_, columns_);
    if (solved_ == 0) {
      start_prices(sizes.empty() ? n_ : sizes.front(), stats);
      share_ = problem_.demand == nullptr && !keys_.perturbation().active();  // until a level has told
      if (box_.center.empty()) box_ = around(1);
    }
    for (; solved_ < sizes.size(); ++solved_) {
      if (early_) break;
      const Index m = sizes[solved_];
      const bool first = solved_ == 0;
      if (!budget_.allows_level(m, stop_)) break;
      const double begun = stop_.seconds();
      const std::vector<Index> rows = stratified_sample(n_, m, options_.seed);
      const Level level = sample_level(problem_, rows, full_.capacity, weight_);
      RestrictedProblem r;
      const std::vector<Cost> before = prices_;
      const SolverContext context{keys_, pool_, stop_, share_, duplicate_of_};
      if (gap_ > 0 && !first && !share_ && !tried_) {
        const SolverContext apart{keys_, pool_, stop_, false, duplicate_of_};
        const double ahead = predict_gap(apart, level, prices_, sizes[solved_ - 1], n_);
        early_ = tried_ = ahead <= kSure * gap_;
      }
      given_ = given_ && warm_start_fits(context, level, r, stats);
      LevelOutcome end = given_ ? LevelOutcome{} : sample(context, level, r, stats);
      if (end.kind == Kind::infeasible) {
        if (r.first_infeasible_job >= 0) return {};  // the full scan finds it again, with its position
        end.kind = Kind::optimal;                    // a sample proves nothing
      }
      if (end.kind != Kind::optimal) return end;
      ++(given_ ? stats.given : stats.levels);
      if (perturbing_ == Perturbing::allowed && needs_perturbation(r, duplicate_of_, prices_, first) &&
          choose_level_perturbation(level))
        return {};
      if (stop_.poll()) return {Kind::stopped, {}};
      const double from = stop_.seconds();
      const RankedPriceError ranked = ranked_price_error(r, level.capacity, duplicate_of_, prices_, pool_);
      if (given_) {
        trust_region_.update_from_warm_start(ranked, fit_.misfit);
      } else {
        trust_region_.update(
            before, prices_,
            coupled_price_error(r, level.capacity, duplicate_of_, prices_, options_.seed, pool_, stop_), ranked);
      }
      stats.add("samples", stop_.seconds() - from);
      // The lowest level is too small to tell how wrong it is; the auction's scale is a better guess.
      box_ = trust_region_.box(prices_, first && scale_ > 0 ? kFirstBox * scale_ : kCostLimit / 8);
      // Sharing groups pays where few lists are distinct.
      Index shared = 0;
      for (const std::int32_t members : r.members) shared += members;
      share_ = share_ && shared > 2 * r.groups();
      budget_.record_level(context, m, stop_.seconds() - begun, around(1));
    }
    return {};
  }

  // Decides how, by the keys of a few jobs.
  bool choose_level_perturbation(const Level& level) {
    const PerturbationRequest wanted{keys_.integral() || options_.resolution > 0,
                                     problem_.demand != nullptr ? kGangError : 0};
    ties_ = choose_perturbation(probe_keys(keys_, level), keys_.limit(), columns_, wanted);
    return ties_.active();
  }

  // One level: in memory where it is small, and then the candidates at the prices found tell how far to trust them.
  LevelOutcome sample(const SolverContext& context, const Level& level, RestrictedProblem& r, Stats& stats) {
    const double from = stop_.seconds();
    if (!sample_fits(level.n, columns_) || !improve_prices(keys_, level, prices_, stop_, seen_, stats))
      return solve_level(context, level, box_, true, prices_, r, seen_, stats);
    box_.center = prices_;
    if (!pricing_pass(context, level, box_, r, seen_)) return {Kind::stopped, {}};
    r.place(prices_, level.capacity, pool_);
    stats.evaluations += level.n * columns_;
    stats.add("samples", stop_.seconds() - from);
    return {};
  }

  [[nodiscard]] PriceBox around(Cost radius) const {
    const std::vector<Cost> all(prices_.size(), std::clamp<Cost>(radius, 1, kCostLimit / 8));
    return {prices_, all, all};
  }

  // Do the prices that were given stand for this level's own? Then it is only looked at, to learn its noise.
  bool warm_start_fits(const SolverContext& context, const Level& level, RestrictedProblem& r, Stats& stats) {
    const double from = stop_.seconds();
    box_.center = prices_;
    fit_ = {};
    if (pricing_pass(context, level, box_, r, seen_) && r.first_infeasible_job < 0) {
      r.place(prices_, level.capacity, pool_);
      fit_ = fit_loads(r.load(), level.capacity, duplicate_of_, prices_, weight_spread(problem_, level));
    }
    stats.evaluations += level.n * columns_;
    stats.add("samples", stop_.seconds() - from);
    return fit_.good;
  }

  // Prices to begin with, by a few jobs: those given if they fit, else an auction's.
  void start_prices(Index m, Stats& stats) {
    const double from = stop_.seconds();
    const std::vector<Index> rows = stratified_sample(n_, m, options_.seed);
    const Level level = sample_level(problem_, rows, full_.capacity, weight_);
    const std::optional<auction::KeyTable> keys = read_key_table(keys_, level, stop_, seen_);
    if (!keys || keys->rows == 0) return;
    if (keys_.possible(seen_)) {
      std::vector<Cost> weights;
      for (const Index job : rows) weights.push_back(problem_.weight(job));
      duplicate_of_ = find_duplicate_columns(*keys);
      if (options_.prices != nullptr) {
        const std::vector<Cost> given = warm_start_prices(options_.prices, keys_, keys_.per_cost());
        const WarmStartTrial trial = try_warm_start(*keys, weights, level.capacity, duplicate_of_, given);
        if (trial.good) given_ = true, prices_ = given, box_ = around(trial.radius);
      }
      if (!given_) {
        const auction::AuctionStart start = auction::start_prices(*keys, weights, level.capacity, stop_);
        prices_ = start.prices;
        scale_ = start.epsilon;
        if (start.cut_short) ++stats.cut_short;
        box_ = around(4 * start.epsilon);
      }
    }
    stats.evaluations += m * columns_;
    stats.add("samples", stop_.seconds() - from);
  }

  [[nodiscard]] double cost_lower_bound(Wide sum) const {
    return cost_rounded_down(sum, keys_, seen_.inexact, weight_);
  }

  // Is the matching at prices_, before any repair, as near as wanted?
  bool within_gap(const SolverContext& context, RestrictedProblem& r) {
    r.place(prices_, full_.capacity, pool_);
    whole_ = round_to_integral(context, full_, r, prices_, stop_);
    if (whole_.n_unassigned_required > 0) return false;
    whole_.cost = total_cost(problem_, whole_.assignment, pool_);
    const double cost = whole_.cost->value();
    // Compares the relative gap, (objective - bound) / max(|objective|, |bound|), with what is wanted.
    const auto within = [&](double bound) {
      return std::isfinite(bound) && cost - bound <= gap_ * std::max(std::fabs(cost), std::fabs(bound));
    };
    value_ = r.value(prices_, pool_);
    const Wide room = capacity_value(prices_, full_.capacity);
    if (within(cost_lower_bound(value_ - room))) return true;
    // What broken ties take from the bound, prices in whole units prove, at a look at all costs.
    const bool ties = keys_.perturbation().active() && unit() >= kUnits * keys_.perturbation().spread;
    if (!ties || !within(static_cast<double>(value_ - room) / keys_.per_cost())) return false;
    const std::vector<Cost> prices = round_to_units(prices_, unit()).prices;
    const QuantisedCost plain = unperturbed();
    const std::optional<Wide> value = dual_value({plain, pool_, stop_, false, duplicate_of_}, full_, prices);
    if (!value ||
        !within(cost_rounded_down(*value - capacity_value(prices, full_.capacity), plain, seen_.inexact, weight_)))
      return false;
    value_ = *value, prices_ = prices, keys_ = plain;
    return true;
  }

  // Keys as they were before ties were broken, in the same unit.
  [[nodiscard]] QuantisedCost unperturbed() const {
    const Perturbation& ties = keys_.perturbation();
    return {problem_, resolution_, {ties.shift, 0, ties.scale, ties.whole}};
  }

  // The search is over: of what was reserved, what remains to be done once all have a place is still.
  void reserve_for_delivery(const RestrictedProblem& r) {
    stop_.set_closing_time(kClosing * static_cast<double>(n_) + kClosingListed * static_cast<double>(r.slot.size()));
  }

  void finish(const LevelOutcome& end, Result& result) {
    if (stop_.why() == Stop::Why::interrupted) return void(result.status = Status::stopped);  // nobody will see it
    const double from = stop_.seconds();
    reserve_for_delivery(r_);
    const SolverContext context{keys_, pool_, stop_, share_, duplicate_of_};
    const bool read = static_cast<Index>(r_.place_of.size()) == n_ && r_.weight_total == weight_ &&
                      r_.box.center.size() == static_cast<std::size_t>(columns_);
    const bool units = end.kind == Kind::optimal && problem_.demand == nullptr;
    if (read && end.kind == Kind::stopped && !r_.placed()) r_.place(prices_, full_.capacity, pool_);
    IntegralPlan whole = end.kind == Kind::close                 ? std::move(whole_)
                         : !read || r_.first_infeasible_job >= 0 ? complete_greedily(context, full_, prices_, stop_)
                         : units ? assign_unsplit(context, full_, r_)
                                 : round_to_integral(context, full_, r_, prices_, stop_);
    if (whole.rounded_again) ++result.stats.deals;
    if (stop_.interrupted()) return void(result.status = Status::stopped);
    result.stats.candidates = static_cast<Index>(r_.slot.size());
    result.stats.groups = r_.groups();
    std::optional<KeySums> sums;
    // Prices that were stopped half-way may hide classes outside the candidates.
    if (read)
      sums = {units ? r_.objective() : 0,
              end.kind == Kind::close ? value_
              : units || end.kind == Kind::optimal
                  ? r_.value(prices_, pool_)
                  : r_.lowest_value(prices_, [&](Index k) { return problem_.weight(k); }, pool_)};
    if (stop_.interrupted()) return void(result.status = Status::stopped);
    deliver(end, std::move(whole), sums, result);
    if (result.rounding >= 0 && read)
      cancel_cycles_on_lists(context, full_, r_, prices_, options_.resolution > 0, result);
    result.stats.add("finish", stop_.seconds() - from);
  }

  // A unit of all keys, ties not counted.
  [[nodiscard]] Cost unit() const {
    const std::uint64_t bits = seen_.bits | std::uint64_t{1} << (keys_.integral() ? keys_.perturbation().shift : 62);
    return static_cast<Cost>(bits & (~bits + 1));
  }

  // From the optimum of broken keys to that of the keys as they were, if these have a unit.
  LevelOutcome undo_perturbation(const SolverContext& context, Stats& stats) {
    const Perturbation ties = keys_.perturbation();
    const Cost unit = this->unit();
    if (unit < kUnits * ties.spread) return {};
    remove_perturbation(
        r_, keys_.perturber(), [&](Index k) { return full_.row(k); }, [&](Index k) { return problem_.weight(k); },
        pool_);
    UnitPrices rounded = round_to_units(prices_, unit);
    prices_ = std::move(rounded.prices);
    keys_ = unperturbed();
    if (rounded.gap >= ties.spread) return {};
    stats.ties_settled = 1;
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
      witness(end, result);
    } else {
      classify_result({problem_, keys_, full_, prices_, seen_, weight_}, end.kind == Kind::optimal, whole, sums, pool_,
                      stop_, result);
    }
  }

  void witness(const LevelOutcome& end, Result& result) {
    result.status = Status::infeasible;
    result.objective = result.bound = std::numeric_limits<double>::infinity();
    if (r_.first_infeasible_job >= 0) {
      result.witness_jobs.assign(1, r_.first_infeasible_job);
      return;
    }
    for (const Slot s : end.classes) {
      if (s < keys_.n_slots()) result.witness_slots.push_back(s);
    }
    std::sort(result.witness_slots.begin(), result.witness_slots.end());
    result.witness_jobs = jobs_with_units_in(r_, end.classes);
  }

  const Problem& problem_;
  const Options& options_;
  Pool& pool_;
  Stop& stop_;
  double resolution_;  // asked for
  QuantisedCost keys_;
  Perturbing perturbing_;
  Perturbation ties_;  // wanted
  Index n_;
  Slot columns_;
  std::vector<Slot> duplicate_of_;
  Wide weight_ = 0;
  Level full_;
  std::vector<Cost> prices_;
  PriceBox box_;
  Cost scale_ = 0;      // on which prices matter, from the auction
  bool given_ = false;  // prices were, and stand for the levels so far
  LoadFit fit_;         // of them
  TimeBudget budget_;
  TrustRegion trust_region_;
  double gap_;              // the gap, or 0
  std::size_t solved_ = 0;  // samples
  bool early_ = false, tried_ = false;
  bool share_ = false;
  RestrictedProblem r_;
  IntegralPlan whole_;  // of the last close(),
  Wide value_ = 0;      // and of its prices
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
    const double most = largest_cost_likely(problem, pool, stop);
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
      result.stats.ties_broken = 1;
      continue;
    }
    if (ties.active()) {  // no sample had keys as large as some that came later
      ties = {};
      result.stats.ties_broken = 0;
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
    resolution = choose_resolution(largest_cost_seen(problem, pool, stop, true).cost, static_cast<Cost>(limit));
    ++result.stats.restarts;
  }
}

}  // namespace gridcompute::transport
