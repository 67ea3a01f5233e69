#include "gridcompute/live/matcher.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "gridcompute/base/error.hpp"

namespace gridcompute::live {

namespace {

// The largest price that a restored matcher starts from, in keys: half the range, so that it can still rise.
constexpr double kMaxStartPrice = static_cast<double>(kCostLimit / 2);

[[noreturn]] void refuse(const char* field, Index index, const std::string& found, const std::string& needed) {
  const std::string where = index < 0 ? std::string(field) : std::string(field) + "[" + std::to_string(index) + "]";
  throw Error(ErrorKind::invalid_problem, field, index, where + ": found " + found + ", needed " + needed);
}

}  // namespace

Matcher::Matcher(Slot n_slots, const LiveTuning& tuning, const GangTuning& of_gangs)
    : tuning_(tuning), gang_tuning_(of_gangs), pair_(n_slots, tuning_), log_(pair_), solver_(pair_, log_) {}

// ---------------------------------------------------------------- changes

void Matcher::set_columns(const StoreColumns& columns, double max_abs_cost) {
  MatcherState& state = pair_.state;
  begin_change();
  const auto n_slots = static_cast<Slot>(columns.cost->n_slots());
  const std::optional<double> resolution = state.resolution_for(max_abs_cost, n_slots);  // throws before any change
  if (n_slots > state.unplaced_class()) add_classes(n_slots);
  state.set_columns(columns);
  pair_.max_abs_cost = max_abs_cost;
  log_.resize(at(state.n_positions()));
  if (!resolution) return;
  // Prices may come from costs that have since changed, and then exceed the range of the present ones.
  const auto most = static_cast<double>(largest_cost(n_slots + 2));
  for (Cost& price : pair_.prices)
    price = static_cast<Cost>(
        std::nearbyint(std::min(most, static_cast<double>(price) / state.resolution() * *resolution)));
  const bool finer = *resolution > state.resolution();
  state.set_resolution(*resolution);
  pair_.discard_index(finer ? "costs allow a finer resolution" : "costs outgrew the resolution");
}

void Matcher::add_classes(Slot n_slots) {
  log_.add_classes(at(n_slots - pair_.state.unplaced_class()));
  pair_.add_classes(n_slots);
}

void Matcher::set_queues(Queues queues) {
  if (!gangs_) gangs_ = std::make_unique<GangSolver>(pair_, log_, gang_tuning_);
  gangs_->set_queues(std::move(queues));
}

// Jobs by which the records of changed jobs are prefetched ahead.
constexpr Index kPrefetchJobs = 16;

// Jobs that change lie all over memory: the data of a job is prefetched before its turn.
void Matcher::prefetch(std::span<const Job> jobs, std::size_t k) const noexcept {
  const std::size_t ahead = k + at(kPrefetchJobs), soon = k + at(tuning_.prefetch_members);
  if (ahead < jobs.size()) {
    pair_.state.prefetch(jobs[ahead]);
    log_.prefetch(jobs[ahead]);
  }
  if (soon < jobs.size()) pair_.state.prefetch_member(jobs[soon]);
}

void Matcher::set_gangs(const GangColumns& columns, std::span<const std::int32_t> types) {
  begin_change();
  std::vector<std::int32_t> copied(types.begin(), types.end());
  if (!columns_before_) columns_before_.emplace(gang_columns_, types_);
  gang_columns_ = columns, types_.swap(copied);
  gangs_->set_columns(columns, types);
}

void Matcher::add(std::span<const Job> jobs) {
  begin_change();
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    prefetch(jobs, k);
    const Job job = jobs[k];
    pair_.state.add(job, pair_.state.unplaced_class());
    gangs_ ? change_gang(job, GangChange::Kind::added) : pair_.enqueue(job);
    log_.add(job);
  }
}

void Matcher::remove(std::span<const Job> jobs) {
  MatcherState& state = pair_.state;
  begin_change();
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    prefetch(jobs, k);
    const Job job = jobs[k];
    gangs_ ? change_gang(job, GangChange::Kind::removed) : pair_.unassign(job);
    log_.remove(job);
    if (state.is_pinned(job)) pair_.capacity.count_pinned(state.placed_class(job), -1);
    state.remove(job);
  }
  log_.forget_removed();
}

void Matcher::update(std::span<const Job> jobs) {
  begin_change();
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    prefetch(jobs, k);
    const Job job = jobs[k];
    gangs_ ? change_gang(job, GangChange::Kind::updated) : pair_.enqueue(job);
    log_.recharge(job);
  }
}

// Makes a change of a gang, whose placed class is known, and records it.
void Matcher::change_gang(Job job, GangChange::Kind kind) {
  if (gang_changes_.empty()) counted_before_ = gangs_->counted();
  gang_changes_.push_back({job, kind});
  try {
    if (kind == GangChange::Kind::added) gangs_->add(job, pair_.state.placed_class(job));
    if (kind == GangChange::Kind::removed) gangs_->remove(job);
    if (kind == GangChange::Kind::updated) gangs_->update(job);
  } catch (...) {
    gang_changes_.pop_back();
    throw;
  }
}

void Matcher::pin(std::span<const Job> jobs, bool pinned) {
  MatcherState& state = pair_.state;
  begin_change();
  for (const Job job : jobs) {
    if (state.is_pinned(job) == pinned) continue;
    gangs_ ? change_gang(job, GangChange::Kind::updated) : pair_.enqueue(job);
    state.set_pinned(job, pinned);
    pair_.capacity.count_pinned(state.placed_class(job), pinned ? 1 : -1);
  }
}

void Matcher::place(std::span<const Job> jobs, std::span<const Slot> slots) {
  begin_change();
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    log_.record(jobs[k]);
    if (pair_.state.is_live(jobs[k])) remove(jobs.subspan(k, 1));
    add_placed(jobs[k], slots[k]);
    gangs_ ? change_gang(jobs[k], GangChange::Kind::updated) : pair_.enqueue(jobs[k]);
  }
}

void Matcher::add_placed(Job job, Slot placed) {
  const Slot slot = placed == kNone ? pair_.state.unplaced_class() : placed;
  pair_.state.add(job, slot);
  if (gangs_) change_gang(job, GangChange::Kind::added);
  log_.add(job);
}

std::vector<Job> Matcher::pinned_at(std::span<const Slot> slots) const {
  const MatcherState& state = pair_.state;
  std::vector<bool> asked(at(state.n_classes()), false);
  Cost left = 0;
  for (const Slot s : slots) {
    if (!asked[at(s)]) left += pair_.capacity.pinned(s);
    asked[at(s)] = true;
  }
  std::vector<Job> jobs;
  for (Job job = 0; left > 0 && job < static_cast<Job>(state.n_positions()); ++job) {
    if (!state.is_live(job) || !state.is_pinned(job) || !asked[at(state.placed_class(job))]) continue;
    jobs.push_back(job);
    --left;
  }
  return jobs;
}

// ---------------------------------------------------------------- rounds, undo

RoundAnswer Matcher::match(const MatchOptions& options, Stop& stop) {
  if (in_round_) commit();
  in_round_ = true;
  pair_.begin_round(), log_.begin_round();
  return gangs_ ? gangs_->solve(options, stop) : solver_.solve(options, stop);
}

// Keeps the last round, if there was no commit() since; copies what changes replace.
void Matcher::begin_change() {
  if (in_round_) commit();
  pair_.begin_change();
}

void Matcher::commit() noexcept {
  pair_.commit(), log_.commit();
  if (gangs_) gangs_->commit();
  std::vector<GangChange>().swap(gang_changes_);
  columns_before_.reset();
  in_round_ = false;
}

void Matcher::rollback() {
  if (gangs_) gangs_->rollback();
  log_.rollback_placements();
  const bool any = !gang_changes_.empty();
  for (; !gang_changes_.empty(); gang_changes_.pop_back()) {
    const auto [job, kind] = gang_changes_.back();
    if (kind == GangChange::Kind::added) gangs_->remove(job);
    if (kind == GangChange::Kind::removed) gangs_->add(job, pair_.state.placed_class(job));
    if (kind == GangChange::Kind::updated) gangs_->update(job);
  }
  if (any) gangs_->set_counted(counted_before_);
  pair_.rollback();
  log_.rollback_sums();
  if (columns_before_) {
    gang_columns_ = columns_before_->first, types_.swap(columns_before_->second);
    columns_before_.reset();
    gangs_->set_columns(gang_columns_, types_);
  }
  in_round_ = false;
}

// ---------------------------------------------------------------- restoring

void Matcher::check_restored(std::span<const Job> jobs, std::span<const Slot> placed, std::span<const double> prices,
                             double resolution) const {
  const MatcherState& state = pair_.state;
  const Slot n_slots = state.unplaced_class();
  if (placed.size() != jobs.size())
    refuse("homes", -1, std::to_string(placed.size()), "one for each of " + std::to_string(jobs.size()) + " jobs");
  if (prices.size() != at(n_slots))
    refuse("prices", -1, std::to_string(prices.size()), "one for each of " + std::to_string(n_slots) + " classes");
  std::vector<bool> seen(at(state.n_positions()), false);
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    const bool inside = jobs[k] >= 0 && jobs[k] < static_cast<Job>(state.n_positions());
    if (!inside || state.is_live(jobs[k]) || seen[at(jobs[k])])
      refuse("jobs", static_cast<Index>(k), std::to_string(jobs[k]),
             "a free position below " + std::to_string(state.n_positions()) + ", once");
    seen[at(jobs[k])] = true;
    if (placed[k] < kNone || placed[k] >= n_slots)
      refuse("homes", static_cast<Index>(k), std::to_string(placed[k]),
             "a class below " + std::to_string(n_slots) + ", or -1");
  }
  for (std::size_t s = 0; s < prices.size(); ++s)
    if (!(prices[s] >= 0 && prices[s] < std::numeric_limits<double>::infinity()))
      refuse("prices", static_cast<Index>(s), shown(prices[s]), "a finite number, 0 or more");
  if (resolution != 0 && !MatcherState::valid_resolution(resolution))
    refuse("resolution", -1, shown(resolution), "a power of two from 2^-1000 to 2^1000");
}

void Matcher::restore(std::span<const Job> jobs, std::span<const Slot> placed, std::span<const double> prices,
                      double resolution) {
  begin_change();
  check_restored(jobs, placed, prices, resolution);
  MatcherState& state = pair_.state;
  if (resolution > 0 && state.keeps_resolution(resolution, pair_.max_abs_cost)) state.set_resolution(resolution);
  for (std::size_t k = 0; k < jobs.size(); ++k) add_placed(jobs[k], placed[k]);
  if (gangs_) return gangs_->restore(prices);
  for (std::size_t s = 0; s < prices.size(); ++s)  // any prices are valid; those far beyond all costs only take longer
    pair_.prices[s] = static_cast<Cost>(std::nearbyint(std::min(prices[s] * state.resolution(), kMaxStartPrice)));
  pair_.can_rebuild = true;
  pair_.cold_reason = "restored";
}

// ---------------------------------------------------------------- reading

void Matcher::quote(const StoreColumns& jobs, std::span<Slot> slots, std::span<double> costs) const {
  const MatcherState& state = pair_.state;
  // Costs are rounded as keys are, but in units of cost: a quoted job may cost far more than any that is live.
  const auto rounded = [&](double cost) {
    const double key = cost * state.resolution();
    return std::fabs(key) < 0x1p52 ? std::nearbyint(key) / state.resolution() : cost;
  };
  std::vector<double> row(at(state.unplaced_class()));
  for (Index k = 0; k < jobs.cost->n_jobs(); ++k) {
    jobs.cost->reals(Rows{nullptr, k, 1}, row.data());
    forbid_closed(state.columns(), row.data());
    const double unplaced = jobs.unplaced_of(static_cast<Job>(k));
    double best = rounded(unplaced);
    slots[at(k)] = kNone;
    for (Slot s = 0; s < state.unplaced_class(); ++s) {
      const double here = rounded(row[at(s)]) + price(s);
      if (!(here < best)) continue;
      best = here;
      slots[at(k)] = s;
    }
    costs[at(k)] = slots[at(k)] == kNone ? unplaced : row[at(slots[at(k)])];
  }
}

void Matcher::quote(const StoreColumns& jobs, const GangColumns& gangs, std::span<Slot> slots,
                    std::span<double> costs) const {
  const MatcherState& state = pair_.state;
  const Slot n_slots = state.unplaced_class();
  std::vector<double> row(at(n_slots));
  for (Index k = 0; k < jobs.cost->n_jobs(); ++k) {
    const auto job = static_cast<Job>(k);
    jobs.cost->reals(Rows{nullptr, k, 1}, row.data());
    forbid_closed(state.columns(), row.data());
    const auto w = static_cast<double>(gangs.demand[job]);
    const double unplaced = jobs.unplaced_of(job);
    double best = unplaced - w * gangs_->prices().of_queue(gangs.queue[job]);
    slots[at(k)] = kNone;
    const double* prices = gangs_->prices().to_queue(gangs.queue[job]);
    for (Slot s = 0; s < n_slots; ++s) {
      const double here = row[at(s)] + w * prices[s];
      if (gangs.demand[job] > pair_.capacity[s] || !(here < best)) continue;
      best = here;
      slots[at(k)] = s;
    }
    costs[at(k)] = slots[at(k)] == kNone ? unplaced : row[at(slots[at(k)])];
  }
}

bool Matcher::holds() const {
  if (gangs_) return log_.holds() && gangs_->holds();
  const MatcherState& state = pair_.state;
  std::vector<Cost> pinned(at(state.n_classes()), 0);
  for (const Job job : state.live_jobs()) {
    if (state.is_pinned(job)) ++pinned[at(state.placed_class(job))];
  }
  std::vector<bool> changed(at(state.n_classes()), false);
  for (const Slot s : pair_.changed) changed[at(s)] = true;
  return log_.holds() && pair_.capacity.holds(pinned) && state.holds(changed) &&
         (!pair_.index || pair_.index->holds(changed));
}

}  // namespace gridcompute::live
