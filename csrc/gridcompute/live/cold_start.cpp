// Rounds that begin without lists: built from homes and prices, or all solved by transport.
#include <algorithm>
#include <cmath>

#include "gridcompute/base/block_cache.hpp"
#include "gridcompute/live/matcher.hpp"
#include "gridcompute/live/undo_null_moves.hpp"

namespace gridcompute::matcher {

namespace {

constexpr std::size_t kBlocks = 128;  // of one size, taken from the system at once

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

// Its memory is asked for little by little: a board that needs some more than the last takes no more than that.
std::unique_ptr<std::pmr::unsynchronized_pool_resource> Matcher::pool_of_lists() {
  return std::make_unique<std::pmr::unsynchronized_pool_resource>(std::pmr::pool_options{kBlocks, 0},
                                                                  &ArrayMemory::instance());
}

// Everybody where they are to stand, then the lists: all rows are read once. Whoever does not belong there waits.
bool Matcher::stand(Round& round, const std::vector<Job>& jobs, const std::vector<Slot>& slots) {
  world_.clear();
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    if (slots[k] != kNone) world_.enter(jobs[k], slots[k], 0, true);
  }
  dirty_.clear();
  const Index room = Board::room_of_list(world_.classes());
  if (!lists_ || 2 * world_.live() < lists_for_ || room != lists_room_) {  // made for a world of another size
    lists_ = pool_of_lists();
    lists_for_ = world_.live();
    lists_room_ = room;
  }
  lists_for_ = std::max(lists_for_, world_.live());
  auto board = std::make_unique<Board>(world_, prices_, counts_, *lists_);
  std::vector<Job> misplaced;
  if (!board->build(round.pool, round.stop, misplaced)) return false;
  board_ = std::move(board);
  for (const Job job : misplaced) wait(job);
  return true;
}

// At the prices at hand, from where jobs stand or are at home.
Matcher::End Matcher::rebuild(Round& round) {
  round.answer.built = true;
  const std::vector<Job> live = world_.list();
  std::vector<Slot> slots;
  for (const Job job : live)
    slots.push_back(world_.queued(job) ? kNone : world_.slot(job) != kNone ? world_.slot(job) : world_.home(job));
  if (!stand(round, live, slots)) {
    world_.clear();  // homes and prices are all that is needed
    return stay_home(round, live, slots);
  }
  timed(round, "lists");
  rebuild_ = false;
  if (better_cold() != nullptr) return End::too_much;
  for (std::size_t k = 0; k < live.size(); ++k) {
    if (slots[k] != kNone && slots[k] != world_.home(live[k])) round.looked_at.push_back(live[k]);
  }
  return warm(round);
}

Matcher::End Matcher::stay_home(Round& round, const std::vector<Job>& live, const std::vector<Slot>& wanted) {
  if (round.stop.why() != Stop::Why::interrupted) tell_stopped(round, live, wanted);
  return End::stopped;
}

// Whatever comes of this round, without a board the next one looks at all jobs.
void Matcher::drop_board() {
  board_.reset();
  for (const Job job : waiting_) world_.queue(job, false);
  waiting_.clear();
  world_.clear();
}

// By transport. Start prices would not help: its samples find as good ones in less time than stale ones cost it.
Matcher::End Matcher::cold(Round& round) {
  if (board_ && !(board_->all_complete() && dirty_.empty())) board_.reset();
  if (!board_) drop_board();
  dirty_.clear();
  round.looked_at.clear();
  rebuild_ = false;
  why_cold_ = "the last round did not end";
  const std::vector<Job> live = world_.list();
  std::vector<Stay> stay;
  stay.reserve(live.size());
  for (const Job job : live) stay.push_back(world_.stay(job));
  const LiveCost cost(world_.slab(), live, std::move(stay), reach_);
  const Slab& slab = world_.slab();
  const bool alike = slab.unplaced_stride == 0 && !cost.moves();  // all pay the same for being left out
  const std::vector<double> each = alike ? std::vector<double>() : cost.unplaced();
  const transport::Problem problem{&cost, capacity_.data(), nullptr, alike ? slab.unplaced : each.data(),
                                   alike ? 0 : 1};
  transport::Options options;
  options.resolution = world_.resolution();
  options.seed = round.options.seed;
  options.threads = round.options.threads;
  timed(round, "pose");
  transport::Result found = transport::solve(problem, options, round.stop);
  found.stats.stages.insert(found.stats.stages.begin(), round.answer.stats.stages.begin(),
                            round.answer.stats.stages.end());
  round.answer.stats = found.stats;
  round.since = round.stop.seconds();
  using transport::Status;
  if (found.status == Status::infeasible) {
    drop_board();
    round.answer.witness_jobs = std::move(found.witness_jobs);
    round.answer.witness_slots = std::move(found.witness_slots);
    return End::infeasible;
  }
  std::vector<Slot> slots(live.size(), world_.out());
  for (std::size_t k = 0; k < live.size() && found.assignment.size() == live.size(); ++k) {
    if (found.assignment[k] >= 0) slots[k] = found.assignment[k];
  }
  const bool solved = found.status == Status::optimal || found.status == Status::feasible;
  const bool interrupted = round.stop.why() == Stop::Why::interrupted;
  if (!solved || interrupted) drop_board();
  // Also of a solve that was stopped: they prove its bound.
  for (Slot s = 0; s < world_.out() && !interrupted; ++s)
    prices_[at(s)] = static_cast<Cost>(std::nearbyint(found.prices[at(s)] * world_.resolution()));
  if (!solved || interrupted) {
    const End end = stay_home(round, live, slots);
    round.answer.bound = found.bound;
    return end;
  }
  stay_where_equal(world_, live, slots, prices_, capacity_);
  go_where_told(round, live, slots, found);
  return End::balanced;
}

void Matcher::go_where_told(Round& round, const std::vector<Job>& live, const std::vector<Slot>& slots,
                            const transport::Result& found) {
  std::vector<Job> jobs;
  std::vector<Slot> to;
  jobs.reserve(live.size()), to.reserve(live.size());
  for (std::size_t k = 0; k < live.size(); ++k) {
    if (slots[k] != world_.home(live[k])) jobs.push_back(live[k]), to.push_back(slots[k]);
  }
  settle(round, jobs, to);
  judge(round, {found.status == transport::Status::optimal, found.exact, found.objective, found.bound});
  // Few who are elsewhere than in the lists are put there by the next round; else it builds them anew.
  // So is who was held back at home: at these prices it belongs elsewhere.
  if (board_) {
    for (const Job job : live) {
      if (world_.slot(job) != world_.home(job)) wait(job);
    }
    for (const Job job : held_) wait(job);
    if (static_cast<Index>(waiting_.size()) * effort().row() > effort().cold() / 4) drop_board();
  }
  if (board_) return;
  rebuild_ = true;
  why_cold_ = "no lists since the last cold round";
}

}  // namespace gridcompute::matcher
