#include "gridcompute/transport/generalized_assignment/whole_job_solver.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/exact/dyadic_sum.hpp"
#include "gridcompute/transport/generalized_assignment/branch_and_bound.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"
#include "gridcompute/transport/generalized_assignment/knapsack_bound.hpp"
#include "gridcompute/transport/generalized_assignment/window_search.hpp"
#include "gridcompute/transport/model/objective.hpp"

namespace gridcompute::transport {

namespace {

constexpr double kRounding = 0x1p-40;  // a gap of this share of all costs is none
constexpr int kChargeBits = 40;        // of a charge: products with units stay exact doubles

// Least share used for small gaps (share of search_steps).
constexpr double kLeastShare = 1.0 / 64;
// Gap up to which large problems are not searched without a time limit (relative gap).
constexpr double kNearGap = 1e-3;
// Costs from which a problem is large for kNearGap.
constexpr double kLargeCosts = 1 << 17;
// Costs of a round in memory: more jobs take turns (costs).
constexpr double kMemoryCosts = 1 << 22;
// Costs of the jobs that take turns (1 / share of kMemoryCosts).
constexpr Index kRotatingShare = 2;
// Subgradient steps at the root of the whole problem (evaluations).
constexpr int kRootEvaluations = 500;

class WholeJobSolver {
 public:
  // problem: the fitted one. result: of its relaxation, rounded.
  WholeJobSolver(const Problem& problem, const Options& options, Pool& pool, Stop& stop, const WholeJobTuning& tuning,
                 Result& result)
      : problem_(problem),
        options_(options),
        pool_(pool),
        stop_(stop),
        tuning_(tuning),
        result_(result),
        n_(problem.cost->n_jobs()),
        n_slots_(static_cast<Slot>(problem.cost->n_slots())),
        target_gap_(options.gap > 0   ? options.gap
                    : options.auction ? tuning_.auction_gap
                                      : 0),
        part_size_(tuning.part_classes_first) {
    price_bound_ = result_.bound;
    set_plan(result_.assignment);
  }

  void run() {
    const double from = stop_.seconds();
    stop_.set_closing_time(seconds_of_steps(tuning_.closing_steps * static_cast<double>(n_), stop_));
    const bool target_gap = target_gap_ > 0 && gap_closed();  // the gap asked for is met
    if (!result_.exact && !target_gap && !stop_.requested()) {
      stop_.stage("gangs", 0.9);
      if (!solve_exactly() && !gap_closed()) search();
      if (n_unassigned_required_ > 0 && result_.status != Status::infeasible) prove_infeasible();
    }
    finish();
    result_.stats.add("gangs", stop_.seconds() - from);
  }

 private:
  [[nodiscard]] bool required(Index job) const { return !unplaced_cost(problem_, job); }

  [[nodiscard]] Index count_unassigned_required(std::span<const std::int32_t> assignment) const {
    Index count = 0;
    for (Index i = 0; i < n_; ++i)
      if (assignment[at(i)] < 0 && required(i)) ++count;
    return count;
  }

  [[nodiscard]] double gap_above(double bound) const {
    return n_unassigned_required_ == 0 && bound > -kInf ? cost_.value() - bound : kInf;
  }

  // Returns whether the cost meets the bound up to the gap asked for.
  [[nodiscard]] bool gap_closed() const {
    if (n_unassigned_required_ > 0) return false;
    if (cost_.integral && result_.bound > -kInf && result_.exact_bound >= cost_.whole) return true;
    const double size = std::max(std::fabs(cost_.value()), std::fabs(result_.bound));
    return gap_above(result_.bound) <= std::max(target_gap_ * size, kRounding * cost_.magnitude);
  }

  void set_plan(std::vector<std::int32_t> assignment) {
    cost_ = total_cost(problem_, assignment, pool_);
    n_unassigned_required_ = count_unassigned_required(assignment);
    result_.assignment = std::move(assignment);
  }

  void keep_if_better(std::vector<std::int32_t> assignment) {
    const Index without = count_unassigned_required(assignment);
    const Total cost = total_cost(problem_, assignment, pool_);
    const bool cheaper = cost_.integral ? cost.whole < cost_.whole : cost.value() < cost_.value();
    if (without > n_unassigned_required_ || (without == n_unassigned_required_ && !cheaper)) return;
    result_.assignment = std::move(assignment), cost_ = cost, n_unassigned_required_ = without;
  }

  // Sets the bound to value * 2^exponent; with integral costs, rounded up.
  void set_bound(Wide value, int exponent) {
    result_.bound = double_below(value, exponent);
    if (!cost_.integral) return;
    const Wide unit = exponent < 0 ? static_cast<Wide>(1) << -exponent : 1;
    result_.exact_bound = exponent < 0 ? (value + (unit - 1)) >> -exponent : value << exponent;
    result_.bound = static_cast<double>(result_.exact_bound);
  }

  // Solves by dynamic programming over subsets where jobs are few; false if not.
  bool solve_exactly() {
    const std::optional<ExactPlan> plan = solve_by_subsets(problem_, stop_, tuning_);
    if (!plan) return false;
    if (!plan->feasible) {
      std::vector<Index> jobs;
      for (Index i = 0; i < n_; ++i)
        if (required(i)) jobs.push_back(i);
      set_infeasible(smallest_unpackable_set(problem_, jobs));
      return true;
    }
    set_plan(plan->assignment);
    cost_.integral = cost_.integral && plan->whole;
    if (cost_.integral) result_.exact_bound = *plan->whole;
    result_.bound = cost_.integral ? static_cast<double>(*plan->whole) : plan->below;
    // A sum between two doubles is reported as the lower one; beyond the range of doubles no exactness is claimed.
    if (!cost_.integral && std::fabs(plan->below) < kInf && std::fabs(plan->nearest) < kInf)
      exact_objective_ = plan->below;
    optimal_ = true;
    return true;
  }

  void search() {
    const double costs = static_cast<double>(n_) * static_cast<double>(n_slots_ + 1);
    const bool timed = std::isfinite(stop_.left());
    const double size = std::max(std::fabs(cost_.value()), std::fabs(result_.bound));
    const double gap = gap_above(result_.bound) / std::max(size, std::numeric_limits<double>::min());
    if (!timed && costs > kLargeCosts && gap <= kNearGap) return;
    const double cutoff = std::clamp(gap / tuning_.full_gap, kLeastShare, 1.0);
    double left = n_unassigned_required_ > 0 ? tuning_.assignment_steps : tuning_.search_steps * cutoff;
    for (std::uint64_t round = 0; !gap_closed() && !exhausted_ && !stop_.poll(); ++round) {
      const bool without = n_unassigned_required_ > 0;
      const double first = tuning_.search_steps * tuning_.round_share;
      const double doubled = std::exp2(static_cast<double>(round)) * first;  // rounds within a time limit double
      left -= run_round(round, timed ? std::min(doubled, tuning_.round_steps_most) : std::min(left, first * cutoff));
      if (without && n_unassigned_required_ == 0) left = tuning_.search_steps;
      if (!timed && left < tuning_.search_steps * cutoff * tuning_.last_round_share) break;
    }
    if (exhausted_) ++result_.stats.exhausted;
  }

  // Selects the jobs of a round: all if their costs fit into memory, else unassigned required ones and a rotating share
  // of the others.
  [[nodiscard]] std::vector<Index> jobs_of_round(std::uint64_t round) const {
    const auto most = std::max<Index>(1, static_cast<Index>(kMemoryCosts) / (n_slots_ + 1));
    std::vector<Index> jobs;
    const Index step = n_ <= most ? 1 : kRotatingShare * n_ / most + 1;
    for (Index i = 0; i < n_ && static_cast<Index>(jobs.size()) < most; ++i) {
      const bool turn = (i + static_cast<Index>(round % static_cast<std::uint64_t>(step))) % step == 0;
      if (turn || (result_.assignment[at(i)] < 0 && required(i))) jobs.push_back(i);
    }
    return jobs;
  }

  // Runs one round of all searches; returns the steps taken.
  double run_round(std::uint64_t round, double steps) {
    // Reduced costs at the prices are compared with the bound that these prices prove.
    const std::optional<IntegralModel> built = build_integral_model(
        problem_, result_.assignment, result_.prices, jobs_of_round(round), gap_above(price_bound_), stop_, tuning_);
    if (!built) return 1;
    const IntegralModel& model = *built;
    std::vector<Slot> start;
    for (const Index job : model.job) {
      const Slot s = result_.assignment[at(job)];
      start.push_back(s < 0 ? model.out() : s);
    }
    const std::uint64_t seed = options_.seed + round;
    WindowSearch search(model, std::move(start), seed, tuning_);
    BranchAndBound branch(model, search, stop_, tuning_);
    NeighbourhoodSearch parts(model, search, seed, stop_, tuning_);
    parts.set_size(part_size_);
    const double target = this->target(model);
    if (round == 0) search.start_greedily(stop_);
    search.improve(steps * tuning_.descent_share, target, stop_);
    branch.run(steps * (round == 0 ? tuning_.branch_share_first : tuning_.branch_share), target, kRootEvaluations);
    const bool all = model.jobs() == n_;
    if (all && !branch.charges().empty()) improve_bound(model, branch.charges());
    if (all && branch.complete()) {
      exhausted_ = n_unassigned_required_ == 0;
    } else {
      parts.improve(std::max(0.0, steps - branch.steps()), target);
      search.improve(std::max(0.0, steps - branch.steps() - parts.steps()), target, stop_);
    }
    part_size_ = parts.size();
    result_.stats.windows += search.windows();
    result_.stats.nodes += branch.nodes() + parts.nodes();
    std::vector<std::int32_t> assignment = result_.assignment;
    for (std::size_t i = 0; i < model.job.size(); ++i) {
      const Slot s = search.best()[i];
      assignment[at(model.job[i])] = s == model.out() ? -1 : s;
    }
    keep_if_better(std::move(assignment));
    return branch.steps() + parts.steps() + 1;
  }

  // Returns the keys at which a plan ends the search.
  [[nodiscard]] double target(const IntegralModel& model) const {
    if (model.jobs() < n_ || !(result_.bound > -kInf)) return -1;
    return (result_.bound + target_gap_ * std::fabs(result_.bound) - model.base) * model.scale;
  }

  // Adopts the exact bound of these charges if it is better.
  void improve_bound(const IntegralModel& model, const std::vector<double>& charges) {
    std::vector<double> all(at(n_));
    double most = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = model.least[i] + charges[i] / model.scale;
      most = std::max(most, std::fabs(all[i]));
    }
    if (!(most > 0 && most < kInf)) return;
    const double unit = std::ldexp(1.0, std::max(std::ilogb(most) - kChargeBits, -1000));
    for (double& y : all) y = std::nearbyint(y / unit) * unit;
    const std::optional<ScaledInteger> found = exact_knapsack_bound(problem_, all);
    if (!found || double_below(found->mantissa, found->exponent) <= result_.bound) return;
    set_bound(found->mantissa, found->exponent);
    knapsacks_ = found;
    result_.charges = std::move(all);
  }

  // Tries to prove infeasibility: an unassigned job and all jobs without a class outside its classes may not fit into
  // these.
  void prove_infeasible() {
    Index job = 0;
    while (result_.assignment[at(job)] >= 0 || !required(job)) ++job;
    std::vector<char> open(at(n_slots_), 0);
    for (const Choice& c : choices_of(problem_, job)) open[c.slot] = 1;
    std::vector<Index> jobs;
    for (Index i = 0; i < n_; ++i) {
      if (!required(i)) continue;
      const std::vector<Choice> choices = choices_of(problem_, i);
      if (std::ranges::all_of(choices, [&](const Choice& c) { return open[c.slot] != 0; })) jobs.push_back(i);
      if (static_cast<Index>(jobs.size()) > tuning_.subset_jobs) return;
    }
    std::vector<Index> stuck = smallest_unpackable_set(problem_, jobs);
    if (!stuck.empty()) set_infeasible(std::move(stuck));
  }

  // Sets the witness: these jobs and all classes open to any of them.
  void set_infeasible(std::vector<Index> jobs) {
    std::vector<char> open(at(n_slots_), 0);
    for (const Index job : jobs)
      for (const Choice& c : choices_of(problem_, job)) open[c.slot] = 1;
    result_.witness_slots.clear();
    for (Slot s = 0; s < n_slots_; ++s)
      if (open[s] != 0) result_.witness_slots.push_back(s);
    result_.witness_jobs = std::move(jobs);
    result_.status = Status::infeasible;
    result_.objective = result_.bound = kInf;
    result_.exact = false;
  }

  // Compares the exact cost with the exact bound, for real costs.
  void compare_exactly() {
    const std::optional<ScaledInteger> cost = exact_cost(problem_, result_.assignment);
    if (!cost) return;
    const int unit = std::min(cost->exponent, knapsacks_->exponent);
    const auto fits = [&](const ScaledInteger& x) {
      return std::abs(value_of({x.mantissa, x.exponent - unit})) < 0x1p120;
    };
    if (!fits(*cost) || !fits(*knapsacks_)) return;
    const auto in_unit = [&](const ScaledInteger& x) {
      return x.mantissa == 0 ? x.mantissa : x.mantissa * (static_cast<Wide>(1) << (x.exponent - unit));
    };
    bool exact = false;
    const double objective = double_below(cost->mantissa, cost->exponent, &exact);
    if (exact && in_unit(*cost) <= in_unit(*knapsacks_)) exact_objective_ = objective;
  }

  void finish() {
    if (knapsacks_ && n_unassigned_required_ == 0 && !cost_.integral && result_.status != Status::infeasible)
      compare_exactly();
    std::ranges::fill(result_.load, Cost{0});
    for (Index i = 0; i < n_; ++i)
      if (const Slot s = result_.assignment[at(i)]; s >= 0) result_.load[s] += problem_.weight(i);
    if (result_.status == Status::infeasible) return;
    result_.integral = cost_.integral;
    result_.exact_objective = cost_.whole;
    result_.objective = n_unassigned_required_ > 0 ? kInf : exact_objective_ ? *exact_objective_ : cost_.value();
    const bool met = cost_.integral && result_.bound > -kInf && result_.exact_bound >= cost_.whole;
    result_.exact = n_unassigned_required_ == 0 && (met || exact_objective_);
    if (n_unassigned_required_ == 0) result_.bound = std::min(result_.bound, result_.objective);
    if (n_unassigned_required_ == 0 && (optimal_ || result_.exact)) {
      result_.status = Status::optimal;
    } else if (stop_.requested() && stop_.why() != Stop::Why::time_limit) {
      result_.status = Status::stopped;
    } else {
      result_.status = stop_.requested() || n_unassigned_required_ > 0 ? Status::time_limit : Status::feasible;
    }
  }

  const Problem& problem_;
  const Options& options_;
  Pool& pool_;
  Stop& stop_;
  const WholeJobTuning& tuning_;
  Result& result_;
  Index n_;
  Slot n_slots_;
  double target_gap_;  // relative gap asked for, or 0
  Total cost_;
  Index n_unassigned_required_ = 0;  // required jobs without a class
  bool optimal_ = false;             // proved by the dynamic program
  bool exhausted_ = false;           // branch and bound has ruled out every cheaper plan
  double part_size_;                 // classes of the next subproblem
  double price_bound_ = -kInf;
  std::optional<ScaledInteger> knapsacks_;  // exact bound of result_.charges
  std::optional<double> exact_objective_;   // of real costs, where a double holds it exactly
};

}  // namespace

void solve_whole_jobs(const Problem& problem, const Options& options, Pool& pool, Stop& stop, SolveOnce* solve_once,
                      Result& result, const WholeJobTuning& tuning) {
  const FittedProblem fitted(problem);
  solve_once(fitted.problem(), options, pool, stop, result);
  if (result.status == Status::infeasible || stop.why() == Stop::Why::interrupted) return;
  WholeJobSolver(fitted.problem(), options, pool, stop, tuning, result).run();
}

namespace {

using Set = std::uint32_t;

constexpr int kSpareBits = 8;  // headroom for sums of 12 costs, the most that subset_jobs allows, and a sign

// Dynamic program over the subsets of some jobs.
class SubsetDp {
 public:
  SubsetDp(const Problem& problem, std::vector<Index> jobs) : problem_(problem), jobs_(std::move(jobs)) {
    const std::size_t n = jobs_.size();
    choices_.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<Choice>& c = choices_[j];
      c = choices_of(problem_, jobs_[j]);
      out_cost_.push_back(unplaced_cost(problem_, jobs_[j]));
      if (c.size() > n) {
        std::stable_sort(c.begin(), c.end(), [](const Choice& a, const Choice& b) { return cheaper(a.cost, b.cost); });
        c.resize(n);
      }
      for (const Choice& choice : c) slots_.push_back(choice.slot);
    }
    std::sort(slots_.begin(), slots_.end());
    slots_.erase(std::unique(slots_.begin(), slots_.end()), slots_.end());
    weight_.assign(std::size_t{1} << n, 0);
    for (Set set = 1; set < weight_.size(); ++set)
      weight_[set] = weight_[set & (set - 1)] + problem_.weight(jobs_[static_cast<std::size_t>(std::countr_zero(set))]);
  }

  [[nodiscard]] Set all() const { return static_cast<Set>(weight_.size() - 1); }
  // Returns the exponents of all costs.
  [[nodiscard]] ExponentRange window() const {
    ExponentRange out;
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      for (const Choice& c : choices_[j]) out.add(dyadic(c.cost));
      if (out_cost_[j]) out.add(dyadic(*out_cost_[j]));
    }
    return out;
  }

  // Returns for each set whether its jobs can be assigned without splitting.
  [[nodiscard]] std::vector<char> packable() const {
    std::vector<char> can(weight_.size(), 0);
    can[0] = 1;
    for (const Slot s : slots_) {
      const Set open = open_to(s);
      std::vector<char> next(can);
      for_each_fitting(s, open, [&](Set some) {
        for_each_subset(all() & ~some, [&](Set rest) { next[rest | some] |= can[rest]; });
      });
      can.swap(next);
    }
    return can;
  }

  // Computes the cheapest plan. K: words of a sum, in units of 2^low.
  template <int K>
  [[nodiscard]] std::optional<ExactPlan> cheapest(int low, Stop& stop) const {
    using Sum = FixedPoint<K>;
    const Costs<K> costs = costs_in<K>(low);
    std::vector<Sum> least(weight_.size()), sum(weight_.size());
    std::vector<char> known(weight_.size(), 0);  // a plan exists for this set
    known[0] = 1;
    for (Set set = 1; set <= all(); ++set) {
      const std::optional<Sum>& last = costs.out[static_cast<std::size_t>(std::countr_zero(set))];
      const Set rest = set & (set - 1);
      known[set] = static_cast<char>(last && known[rest] != 0);
      if (known[set] != 0) (least[set] = least[rest]) += *last;
    }
    std::vector<std::vector<std::uint16_t>> taken(
        slots_.size());  // per class and set: the subset assigned to the class
    for (std::size_t c = 0; c < slots_.size(); ++c) {
      if (stop.poll(static_cast<Index>(weight_.size() * weight_.size()))) return std::nullopt;
      const Set open = open_to(slots_[c]);
      std::vector<Sum> next(least);
      std::vector<char> next_known(known);
      taken[c].assign(weight_.size(), 0);
      for_each_fitting(slots_[c], open, [&](Set some) {
        (sum[some] = sum[some & (some - 1)]) += costs.in[c][static_cast<std::size_t>(std::countr_zero(some))];
        for_each_subset(all() & ~some, [&](Set rest) {
          if (known[rest] == 0) return;
          Sum here = least[rest];
          here += sum[some];
          if (next_known[rest | some] != 0 && !(here < next[rest | some])) return;
          next[rest | some] = here;
          next_known[rest | some] = 1;
          taken[c][rest | some] = static_cast<std::uint16_t>(some);
        });
      });
      least.swap(next);
      known.swap(next_known);
    }
    ExactPlan plan;
    plan.assignment.assign(jobs_.size(), -1);
    plan.feasible = known[all()] != 0;
    if (!plan.feasible) return plan;
    plan.below = least[all()].down(low);
    plan.nearest = least[all()].nearest(low);
    plan.whole = least[all()].ceiling(low);
    Set left = all();
    for (std::size_t c = slots_.size(); c-- > 0;) {
      const Set some = taken[c][left];
      for (Set set = some; set != 0; set &= set - 1)
        plan.assignment[static_cast<std::size_t>(std::countr_zero(set))] = slots_[c];
      left &= ~some;
    }
    return plan;
  }

 private:
  template <int K>
  struct Costs {
    std::vector<std::vector<FixedPoint<K>>> in;     // (relevant classes, jobs)
    std::vector<std::optional<FixedPoint<K>>> out;  // (jobs)
  };

  static Dyadic dyadic(const ScaledInteger& x) { return {static_cast<std::int64_t>(x.mantissa), x.exponent}; }

  // Visits the non-empty subsets of `open` that fit, ascending, so that subsets with one job less come first.
  template <class Visit>
  void for_each_fitting(Slot s, Set open, const Visit& visit) const {
    for (Set some = (0 - open) & open; some != 0; some = (some - open) & open)
      if (weight_[some] <= problem_.capacity[s]) visit(some);
  }

  template <class Visit>
  static void for_each_subset(Set of, const Visit& visit) {
    for (Set some = of;; some = (some - 1) & of) {
      visit(some);
      if (some == 0) return;
    }
  }

  [[nodiscard]] Set open_to(Slot s) const {
    Set open = 0;
    for (std::size_t j = 0; j < jobs_.size(); ++j)
      for (const Choice& c : choices_[j])
        if (c.slot == s) open |= Set{1} << j;
    return open;
  }

  template <int K>
  [[nodiscard]] Costs<K> costs_in(int low) const {
    Costs<K> out{{slots_.size(), std::vector<FixedPoint<K>>(jobs_.size())},
                 std::vector<std::optional<FixedPoint<K>>>(jobs_.size())};
    for (std::size_t j = 0; j < jobs_.size(); ++j) {
      for (const Choice& c : choices_[j]) {
        const auto at = std::lower_bound(slots_.begin(), slots_.end(), c.slot) - slots_.begin();
        out.in[static_cast<std::size_t>(at)][j].add(dyadic(c.cost), low);
      }
      if (out_cost_[j]) out.out[j].emplace().add(dyadic(*out_cost_[j]), low);
    }
    return out;
  }

  const Problem& problem_;
  std::vector<Index> jobs_;
  std::vector<std::vector<Choice>> choices_;            // (jobs)
  std::vector<Slot> slots_;                             // relevant classes, ascending
  std::vector<Cost> weight_;                            // (sets)
  std::vector<std::optional<ScaledInteger>> out_cost_;  // (jobs)
};

}  // namespace

std::optional<ExactPlan> solve_by_subsets(const Problem& problem, Stop& stop, const WholeJobTuning& tuning) {
  const Index n = problem.cost->n_jobs();
  if (n > tuning.subset_jobs) return std::nullopt;
  std::vector<Index> jobs;
  for (Index i = 0; i < n; ++i) jobs.push_back(i);
  const SubsetDp subsets(problem, std::move(jobs));
  const ExponentRange window = subsets.window();
  const int low = window.lowest(), bits = window.bits() + kSpareBits;
  if (bits < 2 * 64) return subsets.cheapest<2>(low, stop);
  if (bits < 6 * 64) return subsets.cheapest<6>(low, stop);
  return subsets.cheapest<36>(low, stop);
}

std::vector<Index> smallest_unpackable_set(const Problem& problem, std::span<const Index> jobs) {
  const std::vector<char> can = SubsetDp(problem, {jobs.begin(), jobs.end()}).packable();
  Set least = 0;
  for (Set set = 1; set < can.size(); ++set) {
    if (can[set] == 0 && (least == 0 || std::popcount(set) < std::popcount(least))) least = set;
  }
  std::vector<Index> out;
  for (Set set = least; set != 0; set &= set - 1) out.push_back(jobs[at(std::countr_zero(set))]);
  return out;
}

}  // namespace gridcompute::transport
