// A round: what waits is placed, what is out of balance repaired; or, where little is left of the last round, all anew.
#include <algorithm>
#include <cmath>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/matcher/listing.hpp"
#include "gridcompute/matcher/matcher.hpp"

namespace gridcompute::matcher {

namespace {

constexpr std::size_t kPlaceBlock = 64;                // rows read by one thread at once
constexpr std::size_t kPlaceChunk = 16 * kPlaceBlock;  // jobs placed between two looks at the stop
constexpr Index kMuch = 4;         // a quarter of all jobs waiting: little is left of the last round
constexpr Index kFewJobs = 1000;   // fewer are never too many
constexpr Index kMuchColumns = 2;  // half of all classes changed: likewise

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

Answer Matcher::match(const Options& options, Stop& stop) {
  Round round{options, stop, Pool(thread_count(options.threads)), {}, {}};
  counts_ = {};
  charge_anew();
  End end;
  try {
    end = solve(round);
  } catch (...) {
    board_.reset();  // homes are as they were; all else is read anew
    rebuild_ = false;
    why_cold_ = "the last round failed";
    throw;
  }
  const bool interrupted = stop.why() == Stop::Why::interrupted;
  if ((end != End::balanced || interrupted) && board_) hold(round.looked_at);
  if (interrupted) return std::move(round.answer);
  if (end == End::balanced) tell(round);
  if (end == End::stopped && board_) {
    const std::vector<Job> live = world_.list();
    std::vector<Slot> wanted;
    for (const Job job : live) wanted.push_back(world_.slot(job));
    tell_stopped(round, live, wanted);
  }
  if (end == End::infeasible) {
    round.answer.status = transport::Status::infeasible;
    round.answer.objective = round.answer.bound = std::numeric_limits<double>::infinity();
  }
  round.answer.counts = counts_;
  for (Slot s = 0; s < world_.out(); ++s) {
    round.answer.prices.push_back(price(s));
    round.answer.load.push_back(home_load_[at(s)]);
  }
  not_told_yet(round.answer);
  if (round.answer.built) give_back_memory();
  return std::move(round.answer);
}

// Warm if it can be, from homes and prices if the lists are lost, cold else.
Matcher::End Matcher::solve(Round& round) {
  round.answer.waiting = static_cast<Index>(waiting_.size());
  const Index columns = static_cast<Index>(dirty_.size()) * (world_.slab().cost->singles() ? 1 : world_.out());
  if ((board_ || rebuild_) && round.answer.waiting > std::max(kFewJobs, world_.live() / kMuch)) {
    board_.reset();
    rebuild_ = false;
    why_cold_ = "most jobs changed";
  } else if (board_ && columns > world_.out() / kMuchColumns) {
    board_.reset();
    why_cold_ = "costs of many classes changed";
  }
  if (board_ || rebuild_) {
    if (!board_) round.answer.why = why_cold_;
    const End end = board_ ? warm(round) : rebuild(round);
    if (end != End::too_much) return end;
    why_cold_ = "repair would cost more";
  }
  board_.reset();
  round.answer.why = why_cold_;
  round.answer.cold = true;
  return cold(round);
}

// What jobs pay at home, where that has changed for many at once.
void Matcher::charge_anew() {
  if (recharge_) {
    total_ = homeless_ = 0;
    for (const Job job : world_.list()) charge(job);
  } else if (!dirty_.empty()) {
    std::vector<bool> changed(at(world_.classes()), false);
    for (const Slot s : dirty_) changed[at(s)] = true;
    for (const Job job : world_.list()) {
      if (changed[at(world_.home(job))]) discharge(job), charge(job);
    }
  }
  recharge_ = false;
}

// ---------------------------------------------------------------- warm

void Matcher::place(Job job, const Cost* row, Cost least, bool exact) {
  const Slot classes = world_.classes(), home = world_.home(job);
  Slot best = world_.out();
  // Of the cheapest: home, else one with room, else the lowest.
  if (least < kForbidden && row[home] + prices_[at(home)] != least) {
    best = kNone;
    for (Slot s = 0; s < classes; ++s) {
      if (row[s] + prices_[at(s)] != least) continue;
      if (best == kNone) best = s;
      if (world_.load(s) < capacity_[at(s)]) {
        best = s;
        break;
      }
    }
  } else if (least < kForbidden) {
    best = home;
  }
  board_->enter(job, best, exact, row);
}

// Rows are read by all threads, jobs placed one after another.
bool Matcher::place_waiting(Round& round) {
  struct Block {
    Scratch scratch;
    std::vector<Cost> least;
  };
  std::vector<Block> blocks(kPlaceChunk / kPlaceBlock);
  std::vector<Job> jobs;
  const auto classes = at(world_.classes());
  std::size_t done = 0;
  while (done < waiting_.size() && !round.stop.poll()) {
    jobs.clear();
    for (; done < waiting_.size() && jobs.size() < kPlaceChunk; ++done) {
      const Job job = waiting_[done];
      if (!world_.is_live(job) || !world_.queued(job)) continue;  // gone since; or here twice
      world_.queue(job, false);
      jobs.push_back(job);
    }
    const std::span<const Job> all = jobs;
    round.pool.for_chunks(static_cast<Index>(jobs.size()), kPlaceBlock, [&](Index chunk, Index begin, Index end) {
      Block& block = blocks[at(chunk)];
      world_.read_many(all.subspan(at(begin), at(end - begin)), block.scratch);
      block.least.clear();
      for (Index k = 0; k < end - begin; ++k)
        block.least.push_back(
            listing::least(block.scratch.row.data() + at(k) * classes, prices_.data(), world_.classes()));
    });
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      const Block& block = blocks[k / kPlaceBlock];
      const std::size_t in = k % kPlaceBlock;
      place(jobs[k], block.scratch.row.data() + in * classes, block.least[in], block.scratch.exact[in] != 0);
    }
    counts_.rows += static_cast<Index>(jobs.size());
    round.looked_at.insert(round.looked_at.end(), jobs.begin(), jobs.end());
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done));
  return waiting_.empty();
}

Matcher::End Matcher::warm(Round& round) {
  if (!refresh(round) || !place_waiting(round)) return End::stopped;
  const Index whole = world_.live() * world_.classes();
  return repair(round, 4 * whole + (Index{1} << 24));
}

// Classes whose costs have changed: their jobs wait, and so does whoever would now rather be there.
bool Matcher::refresh(Round& round) {
  if (dirty_.empty()) return true;
  std::vector<std::vector<Job>> members;
  for (const Slot s : dirty_) members.emplace_back(world_.members(s).begin(), world_.members(s).end());
  for (const auto& jobs : members) {
    for (const Job job : jobs) wait(job);
  }
  std::vector<Cost> apart;
  for (; !dirty_.empty() && !round.stop.poll(); dirty_.pop_back(), members.pop_back()) {
    draw(dirty_.back(), members.back(), apart, round.pool);
    ++counts_.columns;
  }
  return dirty_.empty();
}

// The price of class s is set where as many jobs as it has slots would come at the other prices: a job would pay as
// much as it is dearer elsewhere.
void Matcher::draw(Slot s, const std::vector<Job>& members, std::vector<Cost>& apart, Pool& pool) {
  board_->look_at(s, apart, pool);
  Cost room = capacity_[at(s)];
  std::vector<Cost> pays;
  const auto ask = [&](Cost pay) {
    if (pay >= kForbidden / 2) --room;  // whatever it costs
    if (pay > 0 && pay < kForbidden / 2) pays.push_back(pay);
  };
  const auto pay_of = [&](Job job) {
    const Slot a = world_.slot(job);
    return a == kNone || apart[at(job)] >= kForbidden ? -1 : prices_[at(a)] - apart[at(job)];
  };
  const auto n = static_cast<Job>(world_.size());
  for (Job job = 0; job < n; ++job) ask(pay_of(job));
  Scratch scratch;
  for (const Job job : members) {
    world_.read(job, scratch);
    ++counts_.rows;
    const Cost here = scratch.row[at(s)];
    scratch.row[at(s)] = kForbidden;
    const Cost elsewhere = listing::least(scratch.row.data(), prices_.data(), world_.classes());
    if (here < kForbidden) ask(elsewhere - here);
  }
  Cost& price = prices_[at(s)];
  price = 0;
  room = std::max<Cost>(room, 0);
  if (static_cast<Cost>(pays.size()) > room) {
    std::nth_element(pays.begin(), pays.begin() + room, pays.end(), std::greater<>());
    price = pays[at(room)];
  }
  for (Job job = 0; job < n; ++job) {
    if (pay_of(job) > price) wait(job);
  }
  board_->recolumn(s, apart, pool);
}

// Limit: of costs read and pairs looked at.
Matcher::End Matcher::repair(Round& round, Index limit) {
  Search search(world_, *board_, prices_, capacity_, counts_, round.pool, round.stop);
  if (world_.hopeless() > 0) {
    for (const Job job : world_.members(world_.out())) {
      if (world_.key(job) < kForbidden) continue;
      const std::vector<Job> live = world_.list();
      round.answer.witness_jobs.assign(1, std::lower_bound(live.begin(), live.end(), job) - live.begin());
      return End::infeasible;
    }
  }
  for (const bool outward : {true, false}) {
    for (Slot s = 0; s < world_.out(); ++s) {
      while (outward ? world_.load(s) > capacity_[at(s)] : world_.load(s) < capacity_[at(s)] && prices_[at(s)] > 0) {
        if (!outward && good_enough(round)) return End::balanced;
        const auto found = outward ? search.outward(s, round.looked_at) : search.inward(s, round.looked_at);
        if (found == Search::Found::stopped) return End::stopped;
        if (found == Search::Found::lost) return End::too_much;  // nothing is built on such lists
        if (found == Search::Found::nowhere) {
          witness(round, search.reached());
          return End::infeasible;
        }
        if (counts_.steps + counts_.rows * world_.classes() > limit) return End::too_much;
      }
    }
  }
  return End::balanced;
}

// All is within capacity: what slots that stand empty cost at their prices is all that lies between the sum and the
// bound.
bool Matcher::good_enough(Round& round) {
  if (!(round.options.gap > 0)) return false;
  const auto left = static_cast<double>(world_.keys() - dual()) + static_cast<double>(world_.rounded()) + 1;
  round.answer.near = left <= round.options.gap * (1 - 1e-9) * std::fabs(static_cast<double>(world_.keys()));
  return round.answer.near;
}

// ---------------------------------------------------------------- anew

// Everybody where they are to stand, then the lists: all rows are read once. Whoever does not belong there waits.
bool Matcher::stand(Round& round, const std::vector<Job>& jobs, const std::vector<Slot>& slots) {
  world_.clear();
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    if (slots[k] != kNone) world_.enter(jobs[k], slots[k], 0, true);
  }
  dirty_.clear();
  auto board = std::make_unique<Board>(world_, prices_, counts_);
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
  rebuild_ = false;
  if (static_cast<Index>(waiting_.size()) > std::max(kFewJobs, world_.live() / kMuch)) return End::too_much;
  for (std::size_t k = 0; k < live.size(); ++k) {
    if (slots[k] != kNone && slots[k] != world_.home(live[k])) round.looked_at.push_back(live[k]);
  }
  return warm(round);
}

Matcher::End Matcher::stay_home(Round& round, const std::vector<Job>& live, const std::vector<Slot>& wanted) {
  if (round.stop.why() != Stop::Why::interrupted) tell_stopped(round, live, wanted);
  return End::stopped;
}

// By transport, from the prices at hand.
Matcher::End Matcher::cold(Round& round) {
  const std::vector<Job> live = world_.list();
  for (const Job job : waiting_) world_.queue(job, false);
  waiting_.clear();  // whatever comes of this round, without a board the next one looks at all jobs
  world_.clear();
  round.looked_at.clear();
  dirty_.clear();
  rebuild_ = false;
  round.answer.built = true;
  std::vector<Stay> stay;
  stay.reserve(live.size());
  for (const Job job : live) stay.push_back(world_.stay(job));
  const LiveCost cost(world_.slab(), live, std::move(stay), reach_);
  const std::vector<double> unplaced = cost.unplaced();
  const std::vector<double> prices = [&] {
    std::vector<double> out;
    for (Slot s = 0; s < world_.out(); ++s) out.push_back(price(s));
    return out;
  }();
  transport::Problem problem{&cost, capacity_.data(), nullptr, unplaced.data(), 1};
  transport::Options options;
  options.resolution = world_.resolution();
  options.prices = priced_ ? prices.data() : nullptr;
  options.seed = round.options.seed;
  options.threads = round.options.threads;
  transport::Result found = transport::solve(problem, options, round.stop);
  round.answer.stats = found.stats;
  using transport::Status;
  if (found.status == Status::infeasible) {
    round.answer.witness_jobs = std::move(found.witness_jobs);
    round.answer.witness_slots = std::move(found.witness_slots);
    return End::infeasible;
  }
  std::vector<Slot> slots(live.size(), world_.out());
  for (std::size_t k = 0; k < live.size() && found.assignment.size() == live.size(); ++k) {
    if (found.assignment[k] >= 0) slots[k] = found.assignment[k];
  }
  const bool solved = found.status == Status::optimal || found.status == Status::feasible;
  if (solved) {
    for (Slot s = 0; s < world_.out(); ++s)
      prices_[at(s)] = static_cast<Cost>(std::nearbyint(found.prices[at(s)] * world_.resolution()));
    priced_ = true;
  }
  if (!solved || !stand(round, live, slots)) {
    board_.reset();
    world_.clear();
    const End end = stay_home(round, live, slots);
    round.answer.bound = found.bound;
    return end;
  }
  place_waiting(round);
  round.looked_at = live;
  return waiting_.empty() ? repair(round, std::numeric_limits<Index>::max()) : End::stopped;
}

}  // namespace gridcompute::matcher
