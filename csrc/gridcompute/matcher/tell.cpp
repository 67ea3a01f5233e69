// The last step of a round: what differs from the homes, what it costs, and what proves it.
#include <algorithm>
#include <cmath>

#include "gridcompute/matcher/choose.hpp"
#include "gridcompute/matcher/matcher.hpp"

namespace gridcompute::matcher {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

void Matcher::go_home(Round& round, Job job, Slot to) {
  const Slot from = world_.home(job), out = world_.out();
  if (from != out) round.answer.moved += world_.move(job);
  round.answer.changes.push_back({job, from == out ? kNone : from, to == out ? kNone : to});
  --home_load_[at(from)];
  ++home_load_[at(to)];
  discharge(job);
  world_.set_home(job, to);
  charge(job);
}

void Matcher::tell(Round& round) {
  std::vector<Job> jobs = std::move(round.looked_at);
  jobs.insert(jobs.end(), held_.begin(), held_.end());
  std::sort(jobs.begin(), jobs.end());
  jobs.erase(std::unique(jobs.begin(), jobs.end()), jobs.end());
  std::erase_if(jobs, [&](Job job) { return !world_.is_live(job) || world_.slot(job) == world_.home(job); });
  const Wide value = dual();  // of the problem as it was posed: before homes change
  const double bound = in_cost(value, true);
  settle(round, jobs);
  judge(round, true, value, bound);
}

// Jobs that the next round that ends is to tell of: each once, when they have become many.
void Matcher::hold(std::span<const Job> jobs) {
  held_.insert(held_.end(), jobs.begin(), jobs.end());
  if (static_cast<Index>(held_.size()) <= 2 * world_.live()) return;
  std::sort(held_.begin(), held_.end());
  held_.erase(std::unique(held_.begin(), held_.end()), held_.end());
}

// Jobs that are to go from their homes to their slots; as many as may.
// Earlier changes that were not told are told together with the later ones, as one step.
void Matcher::not_told_yet(Answer& answer) {
  std::vector<Change> all = std::move(untold_);
  untold_.clear();
  if (!all.empty()) {
    all.insert(all.end(), answer.changes.begin(), answer.changes.end());
    std::stable_sort(all.begin(), all.end(), [](const Change& x, const Change& y) { return x.job < y.job; });
    answer.changes.clear();
    for (std::size_t k = 0; k < all.size();) {
      Change change = all[k];
      for (; k < all.size() && all[k].job == change.job; ++k) change.to = all[k].to;
      if (change.from != change.to) answer.changes.push_back(change);
    }
  }
  untold_ = answer.changes;
}

void Matcher::settle(Round& round, const std::vector<Job>& jobs) {
  const std::vector<Job> going =
      round.options.max_moves < 0 ? jobs : choose(world_, jobs, home_load_, capacity_, round.options.max_moves);
  held_.clear();
  std::set_difference(jobs.begin(), jobs.end(), going.begin(), going.end(), std::back_inserter(held_));
  round.answer.held = static_cast<Index>(held_.size());
  Scratch scratch;
  for (const Job job : going) {
    go_home(round, job, world_.slot(job));
    if (!(world_.move(job) > 0)) continue;
    // Elsewhere costs the move now, here no more: cheapest still, but the lists must say so.
    const Slot slot = world_.slot(job);
    board_->leave(job);
    const bool exact = world_.read(job, scratch);
    ++counts_.rows;
    board_->enter(job, slot, exact, scratch.row.data());
  }
}

// Nobody moves but for lost room; new jobs where there is some.
void Matcher::tell_stopped(Round& round, std::span<const Job> live, std::span<const Slot> wanted) {
  const Slot out = world_.out();
  const double bound =
      board_ && waiting_.empty() && dirty_.empty() ? in_cost(dual(), true) : -std::numeric_limits<double>::infinity();
  std::vector<Job> changed;
  for (std::size_t k = live.size(); k-- > 0;) {
    const Job job = live[k];
    const Slot home = world_.home(job);
    if (home == out || world_.pinned(job) || home_load_[at(home)] <= capacity_[at(home)]) continue;
    const Slot to = wanted[k];
    const bool room = to != kNone && to != home && home_load_[at(to)] < capacity_[at(to)];
    if (!room && std::isinf(world_.unplaced(job))) continue;
    go_home(round, job, room ? to : out);
    changed.push_back(job);
  }
  for (std::size_t k = 0; k < live.size(); ++k) {
    const Slot to = wanted[k];
    if (world_.home(live[k]) != out || to == kNone || to == out) continue;
    if (home_load_[at(to)] >= capacity_[at(to)] ||
        !(world_.cost_at(live[k], to) < std::numeric_limits<double>::infinity()))
      continue;
    go_home(round, live[k], to);
    changed.push_back(live[k]);
  }
  // A home that is not where the search has the job, or a move that now costs: looked at again in the next round.
  for (const Job job : changed) wait(job);
  judge(round, false, 0, bound);
}

void Matcher::judge(Round& round, bool balanced, Wide value, double bound) {
  Answer& answer = round.answer;
  using transport::Status;
  const bool whole = balanced && answer.held == 0 && homeless_ == 0 && !answer.near;
  answer.objective = homeless_ > 0 ? std::numeric_limits<double>::infinity()
                                   : static_cast<double>(total_) / kUnit / world_.resolution() + answer.moved;
  answer.bound = bound;
  answer.exact = whole && world_.rounded() == 0;
  if (answer.exact) answer.objective = answer.bound = in_cost(value, false);
  answer.status = whole                                       ? Status::optimal
                  : balanced                                  ? Status::feasible
                  : round.stop.why() == Stop::Why::time_limit ? Status::time_limit
                                                              : Status::stopped;
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
