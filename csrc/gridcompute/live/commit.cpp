// The last step of a round: what differs from the homes, what it costs, and what proves it.
#include <algorithm>
#include <cmath>

#include "gridcompute/live/matcher.hpp"
#include "gridcompute/live/move_limit.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Index kTold = Index{1} << 14;  // jobs told of by one thread at once
constexpr double kRounding = 0x1p-30;    // of the objective: more than this is no rounding

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// Each job's changes, in the order given, as one from the first class to the last; none where these are the same.
std::vector<Change> in_one_step(std::vector<Change> all) {
  std::stable_sort(all.begin(), all.end(), [](const Change& x, const Change& y) { return x.job < y.job; });
  std::vector<Change> net;
  for (std::size_t k = 0; k < all.size();) {
    Change change = all[k];
    for (; k < all.size() && all[k].job == change.job; ++k) change.to = all[k].to;
    if (change.from != change.to) net.push_back(change);
  }
  return net;
}

}  // namespace

void Matcher::go_home(Round& round, std::span<const Job> jobs, std::span<const Slot> to) {
  const auto n = static_cast<Index>(jobs.size());
  const Slot out = world_.out();
  std::vector<Change>& changes = round.answer.changes;
  const std::size_t first = changes.size();
  changes.resize(first + jobs.size());
  std::vector<Paid> parts(at(Pool::chunks(n, kTold)));
  round.pool.for_chunks(n, kTold, [&](Index chunk, Index begin, Index end) {
    for (std::size_t k = at(begin); k < at(end); ++k) {
      const Job job = jobs[k];
      const Slot from = world_.home(job);
      changes[first + k] = {job, from == out ? kNone : from, to[k] == out ? kNone : to[k]};
      pay(parts[at(chunk)], paid_[at(job)], -1);
      paid_[at(job)] = world_.cost_at(job, to[k]);
      pay(parts[at(chunk)], paid_[at(job)], 1);
    }
  });
  for (const Paid& part : parts) paid_all_.add(part);
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    const Slot from = world_.home(jobs[k]);
    if (from != out) round.moved.add(world_.move(jobs[k]), 1);
    --home_load_[at(from)];
    ++home_load_[at(to[k])];
    world_.set_home(jobs[k], to[k]);
  }
}

void Matcher::tell(Round& round) {
  std::vector<Job> jobs = std::move(round.looked_at);
  jobs.insert(jobs.end(), held_.begin(), held_.end());
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  std::erase_if(jobs, [&](Job job) { return !world_.is_live(job) || world_.slot(job) == world_.home(job); });
  // Of the problem as it was posed: before homes change.
  const Wide value = dual();
  const bool exact = world_.rounded() == 0 && coarse() == 0 && !round.answer.near;
  const Proof proof{!round.answer.near, exact, objective_of(value), bound_of(value)};
  std::vector<Slot> to;
  for (const Job job : jobs) to.push_back(world_.slot(job));
  settle(round, jobs, to);
  judge(round, proof);
}

// Jobs that the next round that ends is to tell of: each once, when they have become many.
void Matcher::hold(std::span<const Job> jobs) {
  held_.insert(held_.end(), jobs.begin(), jobs.end());
  if (static_cast<Index>(held_.size()) <= 2 * world_.live()) return;
  std::sort(held_.begin(), held_.end());
  held_.erase(std::unique(held_.begin(), held_.end()), held_.end());
}

// Earlier changes that were not told are told together with the later ones.
void Matcher::not_told_yet(Answer& answer) {
  if (!untold_.empty()) {
    untold_.insert(untold_.end(), answer.changes.begin(), answer.changes.end());
    answer.changes = in_one_step(std::move(untold_));
  }
  untold_ = answer.changes;
}

// Jobs that are to go from their homes to their slots; as many as may.
void Matcher::settle(Round& round, std::vector<Job>& jobs, std::vector<Slot>& to) {
  held_.clear();
  const auto moves = std::count_if(jobs.begin(), jobs.end(), [&](Job job) { return world_.home(job) != world_.out(); });
  if (round.options.max_moves >= 0 && moves > round.options.max_moves) {
    const std::vector<bool> going = choose(world_, jobs, to, home_load_, capacity_, round.options.max_moves);
    std::size_t n = 0;
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      going[k] ? void((jobs[n] = jobs[k], to[n++] = to[k])) : held_.push_back(jobs[k]);
    }
    jobs.resize(n), to.resize(n);
  }
  round.answer.held = static_cast<Index>(held_.size());
  go_home(round, jobs, to);
  if (!board_) return;
  Scratch scratch;
  for (const Job job : jobs) {
    // Elsewhere costs the move now, here no more: cheapest still, but the lists must say so.
    const Slot slot = world_.slot(job);
    if (slot == kNone || !(world_.move(job) > 0)) continue;
    board_->leave(job);
    const bool exact = world_.read(job, scratch);
    ++counts_.rows;
    board_->enter(job, slot, exact, scratch.row.data());
  }
}

// Nobody moves but for lost room, or from a class now closed to the job; new jobs where there is some.
void Matcher::tell_stopped(Round& round, std::span<const Job> live, std::span<const Slot> wanted) {
  const Slot out = world_.out();
  const double bound =
      board_ && waiting_.empty() && dirty_.empty() ? bound_of(dual()) : -std::numeric_limits<double>::infinity();
  std::vector<Job> changed;
  for (std::size_t k = live.size(); k-- > 0;) {
    const Job job = live[k];
    const Slot home = world_.home(job);
    const bool stays = home_load_[at(home)] <= capacity_[at(home)] && !std::isinf(paid_[at(job)]);
    if (home == out || world_.pinned(job) || stays) continue;
    const Slot to = wanted[k];
    const bool room = to != kNone && to != home && home_load_[at(to)] < capacity_[at(to)];
    if (!room && std::isinf(world_.unplaced(job))) continue;
    const Slot now = room ? to : out;
    go_home(round, {&job, 1}, {&now, 1});
    changed.push_back(job);
  }
  for (std::size_t k = 0; k < live.size(); ++k) {
    const Slot to = wanted[k];
    if (world_.home(live[k]) != out || to == kNone || to == out) continue;
    if (home_load_[at(to)] >= capacity_[at(to)] ||
        !(world_.cost_at(live[k], to) < std::numeric_limits<double>::infinity()))
      continue;
    go_home(round, live.subspan(k, 1), wanted.subspan(k, 1));
    changed.push_back(live[k]);
  }
  // A home that is not where the search has the job, or a move that now costs: looked at again in the next round.
  for (const Job job : changed) wait(job);
  // Out of a class and into another, or back into it: one move, or none.
  round.answer.changes = in_one_step(std::move(round.answer.changes));
  round.moved = {};
  for (const Change& change : round.answer.changes)
    if (change.from != kNone) round.moved.add(world_.move(change.job), 1);
  judge(round, {false, false, 0, bound});
  for (Slot s = 0; s < out; ++s) {  // some that must be placed
    if (home_load_[at(s)] > capacity_[at(s)]) round.answer.objective = std::numeric_limits<double>::infinity();
  }
  round.answer.status =
      round.stop.why() == Stop::Why::time_limit ? transport::Status::time_limit : transport::Status::stopped;
}

void Matcher::judge(Round& round, const Proof& proof) {
  Answer& answer = round.answer;
  const bool whole = answer.held == 0 && paid_all_.forbidden == 0;
  ExactTotal total = paid_all_.total;
  total.add(round.moved);
  answer.moved = round.moved.nearest();
  answer.objective = paid_all_.forbidden > 0 ? std::numeric_limits<double>::infinity() : total.nearest();
  answer.bound = proof.bound;
  // The sum of the costs must say the same as that of their keys, but for how each was rounded to a double.
  const bool same = std::fabs(proof.value - answer.objective) <= 0x1p-50 * std::fabs(answer.objective);
  answer.exact = whole && proof.exact && same;
  if (answer.exact) answer.objective = answer.bound = proof.value;
  // As transport does: an optimum of rounded costs is called so only if that is all but one of the costs.
  const double apart = answer.objective - answer.bound;
  const bool close = answer.exact || apart <= kRounding * std::fabs(answer.objective) ||
                     (answer.objective == 0 && apart <= kRounding * reach_);
  answer.status = whole && proof.optimal && close ? transport::Status::optimal : transport::Status::feasible;
}

void Matcher::witness(Round& round, std::span<const Slot> classes) {
  const std::vector<Job> live = world_.list();
  std::vector<bool> inside(at(world_.classes()), false);
  for (const Slot s : classes) inside[at(s)] = true;
  for (std::size_t k = 0; k < live.size(); ++k) {
    const Slot s = world_.slot(live[k]);
    if (s != kNone && inside[at(s)]) round.answer.witness_jobs.push_back(static_cast<Index>(k));
  }
  round.answer.witness_slots.assign(classes.begin(), classes.end());
  std::sort(round.answer.witness_slots.begin(), round.answer.witness_slots.end());
}

}  // namespace gridcompute::matcher
