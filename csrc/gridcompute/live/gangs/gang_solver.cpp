#include "gridcompute/live/gangs/gang_solver.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gridcompute::live {

GangSolver::GangSolver(PrimalDual& pair, ChangeLog& log, const GangTuning& tuning)
    : pair_(pair),
      log_(log),
      tuning_(tuning),
      placement_(pair, tuning),
      prices_(placement_),
      moves_(placement_, prices_) {}

// ---------------------------------------------------------------- changes

void GangSolver::set_columns(const GangColumns& columns, std::span<const std::int32_t> types) {
  placement_.set_columns(columns);
  placement_.set_types(types);
  prices_.resize();
}

void GangSolver::set_queues(Queues queues) {
  const std::size_t n = queues.parent.size();
  placement_.set_queues(std::move(queues));
  prices_.set_queues();
  shares_.assign(n, kForbidden);
}

void GangSolver::set_shares(std::span<const Cost> shares) {
  if (std::equal(shares.begin(), shares.end(), shares_.begin(), shares_.end())) return;
  commit();
  shares_.assign(shares.begin(), shares.end());
  kept_.changed = true;
}

void GangSolver::add(Job job, Slot slot) {
  commit();
  placement_.add(job, slot);
  prices_.hold(job, false);
  mark_dirty(job);
  kept_.changed = true;
  if (slot == placement_.out()) ++kept_.n_new;
}

void GangSolver::remove(Job job) noexcept {
  commit();
  prices_.forget(job);
  placement_.remove(job);
  kept_.changed = true;
}

void GangSolver::update(Job job) noexcept {
  commit();
  mark_dirty(job);
  placement_.mark_stale();
  kept_.changed = kept_.updated = true;
}

// Where memory is short for the list, all terms are read again.
void GangSolver::mark_dirty(Job job) noexcept {
  try {
    dirty_.push_back(job);
  } catch (const std::bad_alloc&) {
    all_dirty_ = true;
  }
}

std::vector<Cost> GangSolver::requests() const {
  const std::vector<std::int32_t>& parent = placement_.queues().parent;
  std::vector<Cost> sums(parent.size(), 0);
  for (Slot s = 0; s <= placement_.out(); ++s)
    for (const Job job : placement_.members(s))
      for (std::int32_t q = placement_.queue(job); q >= 0; q = parent[at(q)]) sums[at(q)] += placement_.demand(job);
  return sums;
}

// ---------------------------------------------------------------- the round

RoundAnswer GangSolver::solve(const MatchOptions& options, Stop& stop) {
  RoundContext round{options, stop, Pool(thread_count(options.threads)), {}, {}, {}, stop.seconds()};
  commit();
  End end = End::interrupted;
  try {
    end = run(round);
    if (end == End::placed) conclude(round);
    if (end == End::infeasible) {
      placement_.undo();
      round.answer.status = transport::Status::infeasible;
      round.answer.objective = round.answer.bound = kInf;
      write_report(round, false);
    }
  } catch (...) {
    rollback();
    throw;
  }
  end == End::interrupted ? rollback() : log_.merge_unacknowledged(round.answer);
  return std::move(round.answer);
}

void GangSolver::commit() noexcept {
  placement_.keep();
  moves_.commit();
  before_.reset(), replaced_.reset();
}

void GangSolver::rollback() noexcept {
  if (!before_) return;
  placement_.undo();
  prices_.undo();
  replaced_ ? misplaced_.swap(*replaced_) : misplaced_.resize(before_->n_misplaced);
  std::swap(kept_, *before_);
  dirty_.clear();
  all_dirty_ = true;
  commit();
}

GangSolver::End GangSolver::run(RoundContext& round) {
  const bool costs_changed = !pair_.changed.empty();
  kept_.n_misplaced = misplaced_.size();
  prices_.begin_round();
  before_ = kept_;
  log_.recharge_changed_classes(round.pool);
  placement_.begin_round();
  moves_.begin_round(shares_, round.options.max_moves, round.stop);
  refresh(round, costs_changed);
  round.answer.jobs_queued = kept_.n_new;
  prices_.release_unplaceable();
  if (is_impossible(round)) return End::infeasible;
  const bool any_changed = kept_.changed || costs_changed;
  bool found = true;
  if (any_changed) {
    take_out_misplaced(costs_changed || kept_.updated);
    if ((!kept_.priced || many_new()) && !moves_.stopped()) found = start_cold(round);
    if (found) search(round);
  }
  if (round.stop.why() == Stop::Why::interrupted) return End::interrupted;
  if (!found) return End::infeasible;
  improve_bound(round, any_changed);
  round.end_stage("search");
  return round.stop.why() == Stop::Why::interrupted ? End::interrupted : End::placed;
}

// Share of the jobs that may be new before prices are computed from scratch.
constexpr double kColdShare = 0.3;

bool GangSolver::many_new() const {
  return static_cast<double>(kept_.n_new) > kColdShare * static_cast<double>(placement_.n_live());
}

// Returns whether a job that must run fits in no class that allows it, which the witness then says.
bool GangSolver::is_impossible(RoundContext& round) {
  const Job job = prices_.impossible();
  if (job == kNone) return false;
  const std::vector<Job> live = pair_.state.live_jobs();
  round.answer.witness_jobs.assign(1, std::lower_bound(live.begin(), live.end(), job) - live.begin());
  for (Slot s = 0; s < placement_.out(); ++s)
    if (std::isfinite(moves_.cost(job, s))) round.answer.witness_slots.push_back(s);
  return true;
}

// Returns the relative gap of a placement's cost.
double GangSolver::gap(double total) const {
  const double bound = prices_.bound(), size = std::max(std::fabs(total), std::fabs(bound));
  return std::isfinite(total) && size > 0 ? (total - bound) / size : 0.0;
}

// Relative gap of a large world above which its prices are improved.
constexpr double kLateTarget = 1.2e-4;
// Relative gap that prices of another problem leave in a large world, above which they are improved at once.
constexpr double kRoughLateGap = 2e-3;
// Ratio of the gap to that of the round before, from which it is rough.
constexpr double kRoughGrowth = 2;
// Rounds between two improvements of the prices of a large world.
constexpr Index kLateInterval = 16;

// Closes the gap that the search has left, by better prices, or by a solve from scratch.
void GangSolver::improve_bound(RoundContext& round, bool any_changed) {
  if (placement_.ranked()) hold_running();
  total_ = objective();
  // A large instance whose prices are far from optimal, as after a new table, is solved by transport at once.
  if (!small_world() && !placement_.ranked() && !round.answer.cold && any_changed && !round.stop.requested() &&
      gap(total_) > tuning_.cold_gap) {
    if (start_cold(round)) {
      search(round);
      total_ = objective();
    }
  }
  // In a large instance passes that improve prices pay only now and then.
  ++kept_.rounds_since_prices;
  const double now = gap(total_);
  const bool rough = now > kRoughLateGap && kRoughGrowth * kept_.gap < now;
  const bool due = small_world() ? now > tuning_.warm_target
                                 : now > kLateTarget && (kept_.rounds_since_prices >= kLateInterval || rough);
  if (due && !round.stop.requested()) improve_prices(round, any_changed);
}

// Temperature of a search in a large world whose prices are nearly right (share of the mean distance).
constexpr double kLateTemperature = 0.0002;
// Passes of Newton's method after a cold start.
constexpr int kColdPasses = 60;
// Passes of Newton's method in a large world once its gap has grown.
constexpr int kLatePasses = 6;
// Relative gap at which an improvement of prices ends.
constexpr double kPriceTarget = 5e-5;

void GangSolver::improve_prices(RoundContext& round, bool any_changed) {
  const bool small = small_world(), rough = !small && gap(total_) > kRoughLateGap;
  kept_.rounds_since_prices = 0;
  prices_.improve(total_, kPriceTarget, small || rough ? tuning_.warm_temperature : kLateTemperature,
                  small   ? (round.answer.cold ? kColdPasses : tuning_.warm_passes)
                  : rough ? kColdPasses
                          : kLatePasses,
                  round.pool, round.stop);
  round.end_stage("prices");
  if (!any_changed || !(gap(total_) > tuning_.warm_target) || round.stop.requested()) return;
  search(round);
  if (placement_.ranked()) hold_running();
  total_ = objective();
  if (small && gap(total_) > tuning_.warm_target)
    prices_.improve(total_, kPriceTarget, tuning_.warm_temperature, tuning_.warm_passes, round.pool, round.stop);
}

// Completes the answer, and makes the placement that of the matcher: the last step that may throw.
void GangSolver::conclude(RoundContext& round) {
  std::vector<Job> jobs = moved();
  std::vector<Slot> to;
  for (const Job job : jobs) to.push_back(placement_.slot(job));
  const double bound = prices_.bound();
  const bool closed = std::isfinite(total_) && total_ - bound <= std::ldexp(std::fabs(total_), -40);
  write_report(round, true);
  const MatchOptions all{round.options.threads, round.options.seed, -1, round.options.gap};
  RoundContext report{all, round.stop, Pool(1), std::move(round.answer), {}, {}, round.stage_began};
  log_.commit(report, jobs, to, {closed, false, total_, bound});
  RoundAnswer& answer = round.answer = std::move(report.answer);
  answer.moves_deferred = moves_.n_refused();
  answer.bound = std::min(answer.bound, answer.objective);
  const Stop& stop = round.stop;
  if (log_.n_forbidden() > 0) answer.status = transport::Status::time_limit;
  if (stop.requested())
    answer.status = stop.why() == Stop::Why::time_limit ? transport::Status::time_limit : transport::Status::stopped;
  for (const Job job : jobs) mark_dirty(job);
  pair_.changed.clear();
  kept_.n_new = 0;
  kept_.gap = gap(total_);
  kept_.changed = stop.requested() || moves_.n_refused() > 0;
  kept_.updated = false;
}

// Writes prices, loads and capacities; which jobs may not move; and, if there is a bound, which it counts as running.
void GangSolver::write_report(RoundContext& round, bool bounded) const {
  RoundAnswer& answer = round.answer;
  answer.limit_prices = prices_.limits();
  for (Slot s = 0; s < placement_.out(); ++s) {
    answer.prices.push_back(prices_[s]);
    answer.load.push_back(placement_.load(s));
    answer.capacity.push_back(placement_.capacity(s));
    answer.slots_added_by_pins += placement_.capacity(s) - pair_.capacity.given(s);
  }
  if (placement_.ranked() || placement_.any_fixed()) {
    const auto n = at(placement_.n_positions());
    answer.held.resize(n, 0), answer.fixed.resize(n, 0);
    for (std::size_t k = 0; k < n; ++k) {
      const auto job = static_cast<Job>(k);
      if (!placement_.is_live(job)) continue;
      answer.held[k] = bounded && prices_.held(job) ? 1 : 0;
      answer.fixed[k] = placement_.fixed(job) ? 1 : 0;
    }
  }
  round.end_stage("report");
}

bool GangSolver::small_world() const { return placement_.n_live() * placement_.out() <= tuning_.small_world; }

// Reads the terms of jobs that changed, or of all.
void GangSolver::refresh(RoundContext& round, bool costs_changed) {
  std::vector<Cost> capacities;
  Cost divisor = 0;  // 0: computed; for large instances 1 is used, which is always valid
  for (Slot s = 0; s <= placement_.out() && small_world() && divisor != 1; ++s)
    for (const Job job : placement_.members(s)) divisor = std::gcd(divisor, placement_.demand(job));
  placement_.set_divisor(std::max<Cost>(divisor, 1));
  for (Slot s = 0; s < placement_.out(); ++s) capacities.push_back(placement_.capacity(s));
  if (capacities != kept_.capacities) kept_.changed = all_dirty_ = true;
  kept_.capacities = std::move(capacities);
  if (all_dirty_ || costs_changed) {
    prices_.refresh_all(round.pool, round.stop);
  } else {
    std::sort(dirty_.begin(), dirty_.end());
    dirty_.erase(std::unique(dirty_.begin(), dirty_.end()), dirty_.end());
    round.stop.count(static_cast<Index>(dirty_.size()) * placement_.out());
    for (const Job job : dirty_)
      if (placement_.is_live(job)) prices_.refresh(job);
  }
  dirty_.clear();
  all_dirty_ = false;
  round.end_stage("terms");
}

// Computes prices by transport, and without ranks the placement too. Returns false if it proved that there is no
// placement.
bool GangSolver::start_cold(RoundContext& round) {
  round.answer.cold = true;
  round.answer.reason = !kept_.priced ? "first round" : many_new() ? "many jobs changed" : "the gap has grown";
  const std::vector<Job> live = pair_.state.live_jobs();
  if (live.empty() || placement_.out() == 0) return true;
  transport::Result result = solve_by_transport(round, live);
  round.answer.stats = result.stats;
  round.end_stage("cold");
  if (result.status == transport::Status::infeasible) {
    round.answer.witness_jobs = std::move(result.witness_jobs);
    round.answer.witness_slots = std::move(result.witness_slots);
    return false;
  }
  prices_.set(result.prices);
  kept_.priced = true;
  prices_.refresh_all(round.pool, round.stop);
  const bool take = !placement_.ranked() && result.assignment.size() == live.size() && round.options.max_moves < 0;
  for (std::size_t k = 0; k < live.size() && take; ++k) {
    const Slot to = result.assignment[k] < 0 ? placement_.out() : result.assignment[k];
    if (to == placement_.slot(live[k]) || placement_.fixed(live[k])) continue;
    if (to == placement_.out() && !std::isfinite(placement_.out_cost(live[k]))) continue;
    moves_.move(live[k], to);
    moves_.commit();
  }
  return true;
}

transport::Result GangSolver::solve_by_transport(RoundContext& round, const std::vector<Job>& live) const {
  std::vector<Placement> placements;
  std::vector<std::int32_t> demand;
  for (const Job job : live) {
    placements.push_back(placement_.placement(job));
    demand.push_back(static_cast<std::int32_t>(placement_.demand(job)));
  }
  const PosedCost cost(pair_.state.columns(), live, std::move(placements), pair_.max_abs_cost);
  const std::vector<double> unplaced = cost.unplaced();
  const transport::Problem problem{&cost, kept_.capacities.data(), demand.data(), unplaced.data(), 1};
  transport::Options options;
  options.seed = round.options.seed;
  options.threads = round.options.threads;
  options.gap = placement_.ranked() ? tuning_.rough_gap : round.options.gap;
  return transport::solve(problem, options, round.stop);
}

double GangSolver::least_gain() const { return pair_.max_abs_cost * 0x1p-44; }

// Returns the jobs that are not in their placed class, ascending.
std::vector<Job> GangSolver::moved() const {
  std::vector<Job> jobs;
  for (const GangPlacement::Move& move : placement_.moves())
    if (placement_.slot(move.job) != pair_.state.placed_class(move.job)) jobs.push_back(move.job);
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  return jobs;
}

// Returns the total cost of the placement, +inf if a job that must run does not.
double GangSolver::objective() {
  double sum = log_.placed_cost();
  Index missing = log_.n_forbidden();
  for (const Job job : moved()) {
    const double before = log_.charge(job), after = moves_.cost(job, placement_.slot(job));
    std::isfinite(before) ? void(sum -= before) : void(--missing);
    std::isfinite(after) ? void(sum += after) : void(++missing);
  }
  return missing > 0 ? kInf : sum;
}

// ---------------------------------------------------------------- what must leave

// Removes jobs whose class does not admit them, and jobs beyond capacities and limits.
void GangSolver::take_out_misplaced(bool costs_changed) {
  if (costs_changed) {
    std::vector<Job> jobs;
    moves_.count(placement_.n_live());
    for (Slot s = 0; s < placement_.out(); ++s)
      for (const Job job : placement_.members(s))
        if (!placement_.admits(job, s)) jobs.push_back(job);
    for (const Job job : jobs) moves_.move(job, placement_.out());
  }
  take_out_of_full_classes();
  take_out_of_limits();
  moves_.commit();
}

void GangSolver::take_out_of_full_classes() {
  for (Slot s = 0; s < placement_.out(); ++s) {
    if (placement_.left(s) >= 0) continue;
    std::vector<Job> jobs(placement_.members(s).begin(), placement_.members(s).end());
    take_out(jobs, -placement_.left(s));
  }
}

// Removes jobs beyond the limits: of all types, then of each.
void GangSolver::take_out_of_limits() {
  const Queues& queues = placement_.queues();
  std::vector<Job> jobs;
  for (std::size_t row = 0; row < queues.n_rows(); ++row) {
    const Cost over = placement_.usages()[row] - placement_.limit(row);
    if (over <= 0) continue;
    const std::size_t q = row % queues.size();
    const auto type = static_cast<std::int32_t>(row / queues.size()) - 1;  // -1: all
    jobs.clear();
    for (Slot s = 0; s < placement_.out(); ++s) {
      if (type >= 0 && placement_.type(s) != type) continue;
      for (const Job job : placement_.members(s))
        for (std::int32_t up = placement_.queue(job); up >= 0; up = queues.parent[at(up)])
          if (at(up) == q) jobs.push_back(job);
    }
    take_out(jobs, over);
  }
}

// Removes jobs that are not fixed, lowest priority and least density first, until `excess` slots are free.
void GangSolver::take_out(std::vector<Job>& jobs, Cost excess) {
  std::vector<std::pair<double, Job>> order;
  for (const Job job : jobs)
    if (!placement_.fixed(job))
      order.emplace_back((placement_.out_cost(job) - moves_.cost(job, placement_.slot(job))) /
                             static_cast<double>(placement_.demand(job)),
                         job);
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    const bool must_a = std::isinf(a.first), must_b = std::isinf(b.first);
    if (must_a != must_b) return must_b;
    const auto x = placement_.priority(a.second), y = placement_.priority(b.second);
    return x != y ? x < y : a < b;
  });
  for (const auto& [value, job] : order) {
    if (excess <= 0) return;
    excess -= placement_.demand(job);
    moves_.move(job, placement_.out());
  }
}

// ---------------------------------------------------------------- search

// Relative gap of the last round above which jobs that had to go elsewhere are placed again.
constexpr double kReplaceGap = 5e-5;

void GangSolver::search(RoundContext& round) {
  if (round.stop.requested()) {
    take_out_of_full_classes();  // which a solve by transport that was stopped may have left
  } else if (placement_.ranked() || round.options.max_moves >= 0) {
    admit();
  } else {
    place_by_prices(round, kept_.gap > kReplaceGap);
  }
  round.end_stage("admit");
  settle();
  improve(round);
  if (!round.stop.requested()) settle();
  round.end_stage("improve");
}

// Returns the largest value of a slot to the job.
double GangSolver::density(Job job) {
  return (placement_.out_cost(job) - prices_.least(job)) / static_cast<double>(placement_.demand(job));
}

// Returns the waiting jobs of at most this demand that some class admits: first those that must run, then by priority
// and value of a slot.
std::vector<Job> GangSolver::waiting_by_rank(Cost most) {
  struct Entry {
    std::int64_t priority;
    double density;
    Job job;
  };
  std::vector<Entry> order;
  for (const Job job : placement_.members(placement_.out())) {
    if (placement_.demand(job) > most || !std::isfinite(prices_.least(job))) continue;
    order.push_back({placement_.priority(job), density(job), job});
  }
  std::sort(order.begin(), order.end(), [](const Entry& a, const Entry& b) {
    const bool must_a = std::isinf(a.density), must_b = std::isinf(b.density);
    if (must_a != must_b) return must_a;
    if (a.priority != b.priority) return a.priority > b.priority;
    return a.density != b.density ? a.density > b.density : a.job < b.job;
  });
  std::vector<Job> jobs;
  for (const Entry& entry : order) jobs.push_back(entry.job);
  return jobs;
}

void GangSolver::admit() {
  for (const Claim claim : {Claim::must, Claim::type, Claim::guarantee, Claim::share, Claim::priority, Claim::cost}) {
    moves_.count(static_cast<Index>(placement_.members(placement_.out()).size()));
    if (moves_.stopped()) return;
    if (claim != Claim::type || placement_.typed()) admit_by(claim);
  }
}

// Returns whether the job's queue is owed the job by this claim: the slots of its jobs of this priority and above, and
// the job's, are within the claim.
bool GangSolver::entitled(Job job, Claim claim) const {
  if (claim == Claim::must) return std::isinf(placement_.out_cost(job));
  if (claim == Claim::priority || claim == Claim::cost) return true;
  if (claim == Claim::type) return moves_.owed_any_type(job);
  const std::int32_t queue = placement_.queue(job);
  const Cost most = claim == Claim::guarantee ? placement_.queues().guarantee[at(queue)] : shares_[at(queue)];
  const Cost with = placement_.usage(queue) + placement_.demand(job);
  return with <= most || with - placement_.usage_below(queue, placement_.priority(job)) <= most;
}

// Returns whether any other queue holds more than a claim leaves to it.
bool GangSolver::any_above(std::int32_t queue, Claim claim) const {
  const Queues& queues = placement_.queues();
  const auto n = static_cast<std::int32_t>(queues.size());
  for (std::int32_t q = 0; q < n; ++q) {
    if (q == queue) continue;
    if (claim == Claim::type) {
      const auto n_types = static_cast<std::int32_t>(queues.n_rows() / queues.size()) - 1;
      for (std::int32_t t = 0; t < n_types; ++t)
        if (placement_.usage_of_type(q, t) > placement_.guarantee_of_type(q, t)) return true;
    } else if (placement_.usage(q) > (claim == Claim::share ? shares_[at(q)] : queues.guarantee[at(q)])) {
      return true;
    }
  }
  return false;
}

void GangSolver::admit_by(Claim claim) {
  const double gain = least_gain();
  Index tries = 0;
  for (const Job job : waiting_by_rank()) {
    if (placement_.running(job) || !entitled(job, claim)) continue;
    moves_.count(placement_.out());
    if (moves_.stopped_meanwhile()) return;
    const std::int32_t queue = placement_.queue(job);
    if (claim != Claim::cost && moves_.insert(job, claim)) {
      moves_.commit();
      continue;
    }
    bool possible =
        claim == Claim::must || claim == Claim::cost || placement_.usage_below(queue, placement_.priority(job)) > 0;
    if (claim == Claim::share || claim == Claim::guarantee || claim == Claim::type)
      possible = possible || any_above(queue, claim);
    if (claim == Claim::cost && (density(job) <= 0 || ++tries > tuning_.ejections)) continue;
    if (!possible) continue;
    if (moves_.insert_by(job, claim, gain)) moves_.commit();
  }
}

// Rounds of filling and serving priorities; each lets in a job or raises a priority.
constexpr int kSettleRounds = 100;

// Admits waiting jobs that fit and that priorities entitle, until neither admits another one.
void GangSolver::settle() {
  for (int k = 0; k < kSettleRounds; ++k) {
    const bool filled = fill();
    if (moves_.stopped()) return;
    const bool served = placement_.ranked() && serve_priorities();
    if (!filled && !served) return;
  }
}

// Places waiting jobs that fit in a class where they cost less than waiting.
bool GangSolver::fill() {
  Cost most = 0;
  for (Slot s = 0; s < placement_.out(); ++s) most = std::max(most, placement_.left(s));
  if (most <= 0) return false;
  bool any = false;
  for (const Job job : waiting_by_rank(most)) {
    if (!moves_.insert(job)) continue;
    if (!placement_.ranked()) misplaced_.push_back(job);
    any = true;
  }
  moves_.commit();
  return any;
}

// Gives waiting jobs the slots of jobs of their queue that have a lower priority and at least their demand.
bool GangSolver::serve_priorities() {
  const std::size_t n = placement_.queues().parent.size();
  std::vector<std::vector<Job>> running(n);
  for (Slot s = 0; s < placement_.out(); ++s)
    for (const Job job : placement_.members(s))
      if (!placement_.fixed(job) && std::isfinite(placement_.out_cost(job)))
        running[at(placement_.queue(job))].push_back(job);
  for (std::vector<Job>& list : running)
    std::sort(list.begin(), list.end(), [&](Job a, Job b) {
      const auto x = placement_.priority(a), y = placement_.priority(b);
      return x != y ? x < y : a < b;
    });
  bool any = false;
  moves_.count(placement_.n_live());
  for (const Job job : waiting_by_rank()) {
    if (placement_.running(job)) continue;
    if (moves_.stopped_meanwhile()) break;
    const double leave = placement_.out_cost(job);
    const std::vector<Job>& list = running[at(placement_.queue(job))];
    Job best = kNone;
    double least = kInf;
    for (const Job other : list) {
      if (placement_.priority(other) >= placement_.priority(job)) break;
      if (best != kNone && placement_.priority(other) > placement_.priority(best)) break;
      moves_.count(1);
      const Slot s = placement_.slot(other);
      if (s == placement_.out() || placement_.demand(other) < placement_.demand(job)) continue;
      const double here = moves_.cost(job, s);
      if (!(here < leave)) continue;
      const double total = here - moves_.cost(other, s) + placement_.out_cost(other);
      if (total < least) least = total, best = other;
    }
    if (best == kNone) continue;
    const Slot s = placement_.slot(best);
    const std::size_t mark = moves_.mark();
    moves_.move(best, placement_.out());
    moves_.move(job, s);
    if (moves_.too_many()) {
      moves_.back_to(mark);
      continue;
    }
    moves_.commit();
    any = true;
  }
  return any;
}

// ---------------------------------------------------------------- without ranks

// Places every waiting job whose gain exceeds its price in its class of least reduced cost, and then balances; `again`:
// also moves running jobs that an earlier round had to place elsewhere.
void GangSolver::place_by_prices(RoundContext& round, bool again) {
  std::vector<Job> worth;
  for (const Job job : placement_.members(placement_.out()))
    if (prices_.least(job) < placement_.out_cost(job)) worth.push_back(job);
  if (again) {
    std::vector<Job> now = std::exchange(misplaced_, {});
    std::vector<Job>& jobs = replaced_ ? now : replaced_.emplace(std::move(now));
    std::sort(jobs.begin(), jobs.end());
    jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
    for (const Job job : jobs)
      if (placement_.is_live(job) && placement_.running(job) && !placement_.fixed(job) &&
          prices_.cheapest(job) != placement_.slot(job) && prices_.cheapest(job) != placement_.out() &&
          prices_.least(job) < placement_.out_cost(job))
        worth.push_back(job);
  }
  std::sort(worth.begin(), worth.end());
  for (const Job job : worth) moves_.move(job, prices_.cheapest(job));
  moves_.commit();
  round.end_stage("place");
  balance(round);
  round.end_stage("balance");
  if (!round.stop.requested()) fill_open_classes();
  round.end_stage("fill");
}

// Members of a class that is too full that are looked at first.
constexpr Index kBalanceScan = 2000;
// Members that are looked at next where these do not free enough.
constexpr Index kBalanceChunk = 500;

// Moves members of over-full classes at the least losses, to classes with room or out.
void GangSolver::balance(RoundContext& round) {
  struct Way {
    double loss;  // for a slot
    Job job;
  };
  std::vector<Way> ways;
  const Slot out = placement_.out();
  for (int sweep = 0; sweep < 2; ++sweep) {
    for (Slot s = 0; s < out; ++s) {
      if (placement_.left(s) >= 0 || moves_.stopped()) continue;
      const std::span<const Job> members = placement_.members(s);
      const std::size_t n = members.size();
      const std::size_t take = sweep > 0 ? n : std::min(n, at(kBalanceScan));
      moves_.count(static_cast<Index>(take) * out);
      const std::size_t start = n > take ? (at(s) * 7919 + at(placement_.n_live()) * 31) % n : 0;
      std::vector<Slot> open;
      for (Slot t = 0; t < out; ++t)
        if (placement_.left(t) > 0) open.push_back(t);
      const auto best = [&](Job job, const double* costs, double& loss) {
        const auto w = static_cast<double>(placement_.demand(job));
        const double here = costs[s] + w * prices_[s];
        Slot to = kNone;
        loss = placement_.out_cost(job) - here;
        if (std::isfinite(loss)) to = out;
        for (const Slot t : open) {
          if (t == s || placement_.left(t) < placement_.demand(job)) continue;
          const double there = costs[t] + w * prices_[t] - here;
          if (there < loss) loss = there, to = t;
        }
        return to;
      };
      ways.assign(take, Way{kInf, kNone});
      round.pool.for_chunks(static_cast<Index>(take), kBalanceChunk, [&](Index, Index begin, Index end) {
        std::vector<double> row(at(out));
        for (Index k = begin; k < end; ++k) {
          const Job job = members[(start + at(k)) % n];
          if (placement_.fixed(job)) continue;
          double loss = 0;
          placement_.read_row(job, row.data());
          if (best(job, row.data(), loss) == kNone) continue;
          ways[at(k)] = {loss / static_cast<double>(placement_.demand(job)), job};
        }
      });
      std::erase_if(ways, [](const Way& way) { return way.job == kNone; });
      // A heap of losses as last computed: they only rise while classes fill.
      const auto later = [](const Way& a, const Way& b) { return a.loss != b.loss ? a.loss > b.loss : a.job > b.job; };
      std::make_heap(ways.begin(), ways.end(), later);
      while (placement_.left(s) < 0 && !ways.empty()) {
        std::pop_heap(ways.begin(), ways.end(), later);
        Way way = ways.back();
        ways.pop_back();
        double loss = 0;
        const Slot to = best(way.job, moves_.row(way.job), loss);
        if (to == kNone) continue;
        loss /= static_cast<double>(placement_.demand(way.job));
        if (loss > way.loss && !ways.empty() && loss > ways.front().loss) {
          ways.push_back({loss, way.job});
          std::push_heap(ways.begin(), ways.end(), later);
          continue;
        }
        moves_.move(way.job, to);
        if (to != out) misplaced_.push_back(way.job);
      }
    }
  }
  take_out_of_full_classes();  // jobs that must run and find no class; if stopped, all that are left
  moves_.commit();
}

// Jobs a slot that are sorted to fill a class.
constexpr Cost kFillCandidates = 2;

// Fills each class that has room with the waiting jobs of least loss there at its price.
void GangSolver::fill_open_classes() {
  struct Way {
    double loss;  // for a slot
    Job job;
  };
  std::vector<Slot> open;
  Cost most = 0;
  for (Slot s = 0; s < placement_.out(); ++s)
    if (placement_.left(s) > 0) open.push_back(s), most = std::max(most, placement_.left(s));
  if (open.empty()) return;
  std::vector<std::vector<Way>> ways(open.size());
  for (const Job job : placement_.members(placement_.out())) {
    const Cost demand = placement_.demand(job);
    if (demand > most) continue;
    moves_.count(static_cast<Index>(open.size()));
    const double* costs = moves_.row(job);
    const double leave = placement_.out_cost(job);
    const auto w = static_cast<double>(demand);
    for (std::size_t k = 0; k < open.size(); ++k) {
      const Slot s = open[k];
      if (demand <= placement_.left(s) && costs[s] < leave)
        ways[k].push_back({(costs[s] - leave) / w + prices_[s], job});
    }
  }
  const auto less = [](const Way& a, const Way& b) { return a.loss != b.loss ? a.loss < b.loss : a.job < b.job; };
  for (std::size_t k = 0; k < open.size(); ++k) {
    std::vector<Way>& list = ways[k];
    const std::size_t keep = std::min(list.size(), at(placement_.left(open[k]) * kFillCandidates));
    std::nth_element(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(keep), list.end(), less);
    std::sort(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(keep), less);
    for (std::size_t j = 0; j < keep && placement_.left(open[k]) > 0; ++j) {
      const Job job = list[j].job;
      if (placement_.running(job) || placement_.left(open[k]) < placement_.demand(job)) continue;
      moves_.move(job, open[k]);
      misplaced_.push_back(job);
    }
  }
  moves_.commit();
}

// ---------------------------------------------------------------- held jobs

// Marks the running jobs that the bound counts as running.
void GangSolver::hold_running() {
  const std::size_t n = placement_.queues().parent.size();
  bool any = false;
  std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
  for (const Job job : placement_.members(placement_.out()))
    if (std::isfinite(prices_.least(job))) lowest = std::min(lowest, placement_.priority(job)), any = true;
  moves_.count(placement_.n_live());
  for (Slot s = 0; s <= placement_.out(); ++s) {
    for (const Job job : placement_.members(s)) {
      const bool held = s != placement_.out() && (n > 1 || (any && placement_.priority(job) > lowest));
      if (held == prices_.held(job)) continue;
      prices_.hold(job, held);
      prices_.refresh(job);
      moves_.count(placement_.out());
    }
  }
}

}  // namespace gridcompute::live
