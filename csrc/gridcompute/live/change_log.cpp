#include "gridcompute/live/change_log.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::live {

namespace {

// A gap beyond this share of the objective is more than the rounding of keys explains; as in transport.
constexpr double kRounding = 0x1p-30;

// Composes the changes of each job, in the order given, into one from its first class to its last; none where these are
// the same.
std::vector<ReportedChange> composed(std::vector<ReportedChange> all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const ReportedChange& x, const ReportedChange& y) { return x.job < y.job; });
  std::vector<ReportedChange> net;
  for (std::size_t k = 0; k < all.size();) {
    ReportedChange change = all[k];
    for (; k < all.size() && all[k].job == change.job; ++k) change.to = all[k].to;
    if (change.from != change.to) net.push_back(change);
  }
  return net;
}

}  // namespace

ChangeLog::ChangeLog(PrimalDual& pair) : pair_(pair), state_(pair.state), placed_load_(at(state_.n_classes()), 0) {}

// ---------------------------------------------------------------- undo

void ChangeLog::commit() noexcept {
  std::vector<Record>().swap(records_);
  deferred_before_.reset(), unacknowledged_before_.reset();
}

void ChangeLog::rollback_placements() noexcept {
  for (; !records_.empty(); records_.pop_back()) {
    const Record& before = records_.back();
    state_.set_placed_class(before.job, before.placed);
    charge_[at(before.job)] = before.charge;
  }
  if (deferred_before_) deferred_.swap(*deferred_before_);
  if (unacknowledged_before_) unacknowledged_.swap(*unacknowledged_before_);
}

void ChangeLog::rollback_sums() noexcept {
  placed_load_.assign(at(state_.n_classes()), 0);  // no more than they were
  sum_ = {};
  for (auto job = Job{0}; job < static_cast<Job>(state_.n_positions()); ++job) {
    if (!state_.is_live(job)) continue;
    ++placed_load_[at(state_.placed_class(job))];
    sum_.add(charge_[at(job)], 1);
  }
  commit();
}

void ChangeLog::begin_round() { deferred_before_ = deferred_, unacknowledged_before_ = unacknowledged_; }

// ---------------------------------------------------------------- charges

void ChangeLog::ChargeSum::add(double charge, int sign) {
  charge < kInf ? total.add(charge, sign) : void(forbidden += sign);
}

void ChangeLog::add(Job job) {
  ++placed_load_[at(state_.placed_class(job))];
  sum_.add(charge_[at(job)] = state_.cost(job, state_.placed_class(job)), 1);
}

void ChangeLog::remove(Job job) {
  sum_.add(charge_[at(job)], -1);
  --placed_load_[at(state_.placed_class(job))];
}

void ChangeLog::recharge(Job job) {
  record(job);
  sum_.add(charge_[at(job)], -1);
  sum_.add(charge_[at(job)] = state_.cost(job, state_.placed_class(job)), 1);
}

// Jobs whose charge one thread recomputes at once (jobs).
constexpr Index kChargeChunk = Index{1} << 14;

void ChangeLog::recharge_changed_classes(Pool& pool) {
  if (pair_.changed.empty()) return;
  std::vector<bool> changed(at(state_.n_classes()), false);
  for (const Slot s : pair_.changed) changed[at(s)] = true;
  const Index n = state_.n_positions(), chunk_size = kChargeChunk;
  std::vector<ChargeSum> parts;
  pool.for_parts(parts, n, chunk_size, [&](auto& part, Index begin, Index end) {
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      if (!state_.is_live(job) || !changed[at(state_.placed_class(job))]) continue;
      part.add(charge_[at(job)], -1);
      charge_[at(job)] = state_.cost(job, state_.placed_class(job));
      part.add(charge_[at(job)], 1);
    }
  });
  for (const ChargeSum& part : parts) sum_.add(part);
}

void ChangeLog::forget_removed() {
  if (unacknowledged_.empty()) return;
  if (!unacknowledged_before_) unacknowledged_before_ = unacknowledged_;
  std::erase_if(unacknowledged_, [&](const ReportedChange& change) { return !state_.is_live(change.job); });
}

// ---------------------------------------------------------------- changes

// Makes `to` the placed classes of the jobs, and appends these changes to the answer.
void ChangeLog::place(RoundContext& round, std::span<const Job> jobs, std::span<const Slot> to) {
  const auto n = static_cast<Index>(jobs.size());
  const Index chunk_size = kChargeChunk;
  const Slot unplaced = state_.unplaced_class();
  for (const Job job : jobs) record(job);
  std::vector<ReportedChange>& changes = round.answer.changes;
  const std::size_t first = changes.size();
  changes.resize(first + jobs.size());
  std::vector<ChargeSum> parts;
  round.pool.for_parts(parts, n, chunk_size, [&](auto& part, Index begin, Index end) {
    for (std::size_t k = at(begin); k < at(end); ++k) {
      const Job job = jobs[k];
      const Slot from = state_.placed_class(job);
      changes[first + k] = {job, from == unplaced ? kNone : from, to[k] == unplaced ? kNone : to[k]};
      part.add(charge_[at(job)], -1);
      charge_[at(job)] = state_.cost(job, to[k]);
      part.add(charge_[at(job)], 1);
    }
  });
  for (const ChargeSum& part : parts) sum_.add(part);
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    const Slot from = state_.placed_class(jobs[k]);
    if (from != unplaced) round.move_cost.add(state_.move_cost(jobs[k]), 1);
    --placed_load_[at(from)];
    ++placed_load_[at(to[k])];
    state_.set_placed_class(jobs[k], to[k]);
  }
}

void ChangeLog::commit(RoundContext& round) {
  std::vector<Job> jobs = std::move(round.touched);
  jobs.insert(jobs.end(), deferred_.begin(), deferred_.end());
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  std::erase_if(
      jobs, [&](Job job) { return !state_.is_live(job) || state_.assigned_class(job) == state_.placed_class(job); });
  // The proof is of the problem as it was posed, so it comes before the placements change.
  const Wide value = pair_.dual_value();
  const bool by_gap = round.answer.ended_by_gap;
  const bool exact = state_.n_rounded() == 0 && pair_.price_rounding() == 0 && !by_gap;
  const RoundProof proof{!by_gap, exact, pair_.objective_of(value), pair_.lower_bound_of(value)};
  std::vector<Slot> to;
  for (const Job job : jobs) to.push_back(state_.assigned_class(job));
  commit(round, jobs, to, proof);
}

void ChangeLog::commit(RoundContext& round, std::vector<Job>& jobs, std::vector<Slot>& to, const RoundProof& proof) {
  limit_moves(round, jobs, to);
  place(round, jobs, to);
  update_index(jobs);
  conclude(round, proof);
}

// Reduces the changes to those that max_moves allows, and defers the others.
void ChangeLog::limit_moves(RoundContext& round, std::vector<Job>& jobs, std::vector<Slot>& to) {
  deferred_.clear();
  const Index limit = round.options.max_moves;
  const auto moves = std::count_if(jobs.begin(), jobs.end(),
                                   [&](Job job) { return state_.placed_class(job) != state_.unplaced_class(); });
  if (limit >= 0 && moves > limit) {
    const std::vector<bool> selected =
        select_changes(state_, jobs, to, placed_load_, pair_.capacity.effective(), limit);
    std::size_t n = 0;
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      selected[k] ? void((jobs[n] = jobs[k], to[n++] = to[k])) : deferred_.push_back(jobs[k]);
    }
    jobs.resize(n), to.resize(n);
  }
  round.answer.moves_deferred = static_cast<Index>(deferred_.size());
}

// Indexes the moves of placed jobs again: the switching cost now applies to any class but the new one. The assignment
// stays optimal, but the lengths of the moves have changed.
void ChangeLog::update_index(std::span<const Job> jobs) {
  if (!pair_.index) return;
  KeyBuffer buffer;
  for (const Job job : jobs) {
    const Slot s = state_.assigned_class(job);
    if (s == kNone || !(state_.move_cost(job) > 0)) continue;
    pair_.index->unassign(job);
    const bool exact = state_.read_row(job, buffer);
    ++pair_.counts.rows_read;
    pair_.index->assign(job, s, exact, buffer.keys.data());
  }
}

void ChangeLog::commit_stopped(RoundContext& round, std::span<const Job> live, std::span<const Slot> assigned) {
  const Slot unplaced = state_.unplaced_class();
  const Capacities& capacity = pair_.capacity;
  const bool proved = pair_.index && pair_.queue.empty() && pair_.changed.empty();
  const double bound = proved ? pair_.lower_bound_of(pair_.dual_value()) : -kInf;
  std::vector<Job> changed;
  for (std::size_t k = live.size(); k-- > 0;) {
    const Job job = live[k];
    const Slot from = state_.placed_class(job);
    const bool stays = placed_load_[at(from)] <= capacity[from] && !std::isinf(charge_[at(job)]);
    if (from == unplaced || state_.is_pinned(job) || stays) continue;
    const Slot to = assigned[k];
    const bool free = to != kNone && to != from && placed_load_[at(to)] < capacity[to];
    if (!free && std::isinf(state_.unplaced_cost(job))) continue;
    const Slot now = free ? to : unplaced;
    place(round, {&job, 1}, {&now, 1});
    changed.push_back(job);
  }
  for (std::size_t k = 0; k < live.size(); ++k) {
    const Slot to = assigned[k];
    if (state_.placed_class(live[k]) != unplaced || to == kNone || to == unplaced) continue;
    if (placed_load_[at(to)] >= capacity[to] || !(state_.cost(live[k], to) < kInf)) continue;
    place(round, live.subspan(k, 1), assigned.subspan(k, 1));
    changed.push_back(live[k]);
  }
  // Their placed class is not the assigned one, or their switching cost has changed: the next round assigns them again.
  for (const Job job : changed) pair_.enqueue(job);
  // A job that left a class and entered another, or the same, has moved once, or not at all.
  round.answer.changes = composed(std::move(round.answer.changes));
  round.move_cost = {};
  for (const ReportedChange& change : round.answer.changes)
    if (change.from != kNone) round.move_cost.add(state_.move_cost(change.job), 1);
  conclude(round, {false, false, 0, bound});
  for (Slot s = 0; s < unplaced; ++s) {  // beyond capacity: jobs that must be placed have found no class
    if (placed_load_[at(s)] > capacity[s]) round.answer.objective = kInf;
  }
  round.answer.status =
      round.stop.why() == Stop::Why::time_limit ? transport::Status::time_limit : transport::Status::stopped;
}

// Writes objective, bound, exactness and status.
void ChangeLog::conclude(RoundContext& round, const RoundProof& proof) {
  RoundAnswer& answer = round.answer;
  const bool whole = answer.moves_deferred == 0 && sum_.forbidden == 0;
  ExactTotal total = sum_.total;
  total.add(round.move_cost);
  answer.move_cost = round.move_cost.nearest();
  answer.objective = sum_.forbidden > 0 ? kInf : total.nearest();
  answer.bound = proof.bound;
  // The sum of the costs has to agree with that of their keys, but for how each was rounded to a double.
  const bool same = std::fabs(proof.value - answer.objective) <= 0x1p-50 * std::fabs(answer.objective);
  answer.exact = whole && proof.exact && same;
  if (answer.exact) answer.objective = answer.bound = proof.value;
  // As in transport: an optimum of rounded costs is called optimal only if rounding explains the whole gap.
  const double gap = answer.objective - answer.bound;
  const bool close = answer.exact || gap <= kRounding * std::fabs(answer.objective) ||
                     (answer.objective == 0 && gap <= kRounding * pair_.max_abs_cost);
  answer.status = whole && proof.optimal && close ? transport::Status::optimal : transport::Status::feasible;
}

// ---------------------------------------------------------------- deferred and unacknowledged

void ChangeLog::defer(std::span<const Job> jobs) {
  deferred_.insert(deferred_.end(), jobs.begin(), jobs.end());
  if (static_cast<Index>(deferred_.size()) <= 2 * state_.n_live()) return;
  std::sort(deferred_.begin(), deferred_.end());
  deferred_.erase(std::unique(deferred_.begin(), deferred_.end()), deferred_.end());
}

void ChangeLog::merge_unacknowledged(RoundAnswer& answer) {
  if (!unacknowledged_.empty()) {
    unacknowledged_.insert(unacknowledged_.end(), answer.changes.begin(), answer.changes.end());
    answer.changes = composed(std::move(unacknowledged_));
  }
  unacknowledged_ = answer.changes;
}

bool ChangeLog::holds() const {
  std::vector<Cost> loads(placed_load_.size(), 0);
  ChargeSum all;
  for (const Job job : state_.live_jobs()) {
    ++loads[at(state_.placed_class(job))];
    all.add(charge_[at(job)], 1);
  }
  return loads == placed_load_ && all == sum_;
}

namespace {

// A path or a cycle of arcs, with its moves and its savings.
struct ArcSet {
  std::vector<std::size_t> arcs;
  Slot start = kNone;  // the class that ends with one job fewer; kNone: a cycle
  Index moves = 0;
  Wide savings = 0;
  bool mandatory = false;
};

// Decomposes the arcs into paths and cycles.
class ArcDecomposition {
 public:
  ArcDecomposition(const MatcherState& state, std::span<const Job> jobs, std::span<const Slot> to)
      : state_(state), jobs_(jobs), to_(to), outgoing_(at(state.n_classes())) {
    std::vector<Index> balance(outgoing_.size(), 0);
    for (std::size_t k = jobs.size(); k-- > 0;) {
      outgoing_[at(state.placed_class(jobs[k]))].push_back(k);  // used from the back, the lowest first
      --balance[at(state.placed_class(jobs[k]))];
      ++balance[at(to[k])];
    }
    const Slot out = state.unplaced_class();
    for (Slot s = 0; s < out; ++s) {
      for (; balance[at(s)] < 0; ++balance[at(s)]) follow(s, s);
    }
    while (!outgoing_[at(out)].empty()) follow(out, out);
    for (Slot s = 0; s < out; ++s) {
      while (!outgoing_[at(s)].empty()) follow(s, kNone);
    }
  }
  std::vector<ArcSet> sets;

 private:
  // Follows unused arcs from class s until there is none or the class of unplaced jobs is reached; cycles met on the
  // way become sets of their own.
  void follow(Slot s, Slot start) {
    std::vector<std::size_t> trail;
    std::vector<Slot> nodes{s};
    while (!outgoing_[at(s)].empty()) {
      const std::size_t k = outgoing_[at(s)].back();
      outgoing_[at(s)].pop_back();
      trail.push_back(k);
      s = to_[k];
      if (s == state_.unplaced_class()) break;
      const auto before = std::find(nodes.begin(), nodes.end(), s);
      if (before != nodes.end()) {
        const auto length = before - nodes.begin();
        add({trail.begin() + length, trail.end()}, kNone);
        trail.resize(at(length));
        nodes.erase(before + 1, nodes.end());
        continue;
      }
      nodes.push_back(s);
    }
    if (!trail.empty()) add(std::move(trail), start);
  }

  // Adds a set of arcs with its moves and savings; it is mandatory if a job is forbidden in its placed class.
  void add(std::vector<std::size_t> arcs, Slot start) {
    ArcSet set;
    set.start = start;
    for (const std::size_t k : arcs) {
      const Slot placed = state_.placed_class(jobs_[k]);
      const Cost there = state_.read_key(jobs_[k], placed);
      if (placed != state_.unplaced_class()) ++set.moves;
      there >= kForbidden ? void(set.mandatory = true) : void(set.savings += there - state_.read_key(jobs_[k], to_[k]));
    }
    set.arcs = std::move(arcs);
    sets.push_back(std::move(set));
  }

  const MatcherState& state_;
  std::span<const Job> jobs_;
  std::span<const Slot> to_;
  std::vector<std::vector<std::size_t>> outgoing_;
};

// Orders mandatory sets first, then sets without a move, then by savings per move, the largest first.
bool precedes(const ArcSet& a, const ArcSet& b) {
  if (a.mandatory != b.mandatory) return a.mandatory;
  if ((a.moves == 0) != (b.moves == 0)) return a.moves == 0;
  return a.savings * std::max<Index>(b.moves, 1) > b.savings * std::max<Index>(a.moves, 1);
}

}  // namespace

std::vector<bool> select_changes(const MatcherState& state, std::span<const Job> jobs, std::span<const Slot> to,
                                 const std::vector<Cost>& placed_load, const std::vector<Cost>& capacity,
                                 Index max_moves) {
  std::vector<ArcSet> sets = ArcDecomposition(state, jobs, to).sets;
  std::stable_sort(sets.begin(), sets.end(), precedes);
  std::vector<Cost> over(placed_load.size());
  for (std::size_t s = 0; s < over.size(); ++s) over[s] = placed_load[s] - capacity[s];
  for (ArcSet& set : sets) {
    if (set.start == kNone || over[at(set.start)] <= 0) continue;
    --over[at(set.start)];
    set.mandatory = true;
  }
  std::stable_sort(sets.begin(), sets.end(), precedes);
  std::vector<bool> selected(jobs.size(), false);
  Index moves = 0;
  for (const ArcSet& set : sets) {
    if (!set.mandatory && moves + set.moves > max_moves) continue;
    moves += set.moves;
    for (const std::size_t k : set.arcs) selected[k] = true;
  }
  return selected;
}

namespace {

// Finds null moves that can be reverted together.
class NullMoveFinder {
 public:
  NullMoveFinder(const MatcherState& state, std::span<const Job> jobs, std::span<Slot> slots,
                 const std::vector<Cost>& prices, const std::vector<Cost>& capacity)
      : state_(state),
        jobs_(jobs),
        slots_(slots),
        prices_(prices),
        free_capacity_(capacity),
        outgoing_(capacity.size()) {
    for (std::size_t k = jobs.size(); k-- > 0;) {
      --free_capacity_[at(slots[k])];
      if (is_null_move(k)) outgoing_[at(slots[k])].push_back(k);  // used from the back, the lowest first
    }
    trail_position_.assign(capacity.size(), kNone);
  }

  void follow_all() {
    for (const bool free : {true, false}) {
      for (Slot s = 0; s < state_.n_classes(); ++s) {
        while (!outgoing_[at(s)].empty() && (!free || prices_[at(s)] == 0)) follow(s, free);
      }
    }
  }

  // Writes the result only at the end, because following arcs reads the classes of x.
  void write() {
    for (const std::size_t k : reverted_) slots_[k] = state_.placed_class(jobs_[k]);
  }

 private:
  [[nodiscard]] bool is_null_move(std::size_t k) const {
    const Slot placed = state_.placed_class(jobs_[k]);
    if (placed == slots_[k] || placed == state_.unplaced_class()) return false;
    const Cost there = state_.read_key(jobs_[k], placed);
    return there < kForbidden &&
           there + prices_[at(placed)] == state_.read_key(jobs_[k], slots_[k]) + prices_[at(slots_[k])];
  }

  // Follows arcs from class s until they are used up or a path has ended. `free`: s may end with one job fewer.
  void follow(const Slot s, bool free) {
    trail_.clear();
    Slot here = s;
    trail_position_[at(s)] = 0;
    while (true) {
      auto& arcs = outgoing_[at(here)];
      if (arcs.empty()) {  // the last arc leads no farther
        trail_position_[at(here)] = kNone;
        if (trail_.empty()) return;
        here = slots_[trail_.back()];
        trail_.pop_back();
        continue;
      }
      const std::size_t k = arcs.back();
      arcs.pop_back();
      trail_.push_back(k);
      here = state_.placed_class(jobs_[k]);
      if (trail_position_[at(here)] != kNone) {
        revert(at(trail_position_[at(here)]));
      } else if (free && prices_[at(here)] == 0 && free_capacity_[at(here)] > 0) {
        ++free_capacity_[at(s)];
        --free_capacity_[at(here)];
        revert(0);
        trail_position_[at(s)] = kNone;
        return;
      } else {
        trail_position_[at(here)] = static_cast<Slot>(trail_.size());
      }
    }
  }

  // Reverts the arcs of the trail from `first` on, and removes their classes except the first from the trail.
  void revert(std::size_t first) {
    for (std::size_t j = first; j < trail_.size(); ++j) {
      const std::size_t k = trail_[j];
      if (j > first) trail_position_[at(slots_[k])] = kNone;
      reverted_.push_back(k);
    }
    trail_.resize(first);
  }

  const MatcherState& state_;
  std::span<const Job> jobs_;
  std::span<Slot> slots_;
  const std::vector<Cost>& prices_;
  std::vector<Cost> free_capacity_;
  std::vector<std::vector<std::size_t>> outgoing_;  // by class of x: jobs that may go placed from there
  std::vector<Slot> trail_position_;                // by class: arcs of the trail before it; kNone: not on the trail
  std::vector<std::size_t> trail_, reverted_;
};

}  // namespace

void undo_null_moves(const MatcherState& state, std::span<const Job> jobs, std::span<Slot> slots,
                     const std::vector<Cost>& prices, const std::vector<Cost>& capacity) {
  NullMoveFinder walker(state, jobs, slots, prices, capacity);
  walker.follow_all();
  walker.write();
}

}  // namespace gridcompute::live
