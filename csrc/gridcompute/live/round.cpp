// A round: what waits is placed, what is out of balance repaired; or, where that would take longer, all anew
// (cold_start.cpp).
#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/base/malloc_trim.hpp"
#include "gridcompute/live/kernels.hpp"
#include "gridcompute/live/matcher.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Index kReturn = 8;                           // cold rounds' worth of work between two returns of memory
constexpr Index kCalm = 8;                             // rounds after a large one before its memory is given back
constexpr Index kCharged = Index{1} << 14;             // jobs charged by one thread at once
constexpr std::size_t kPlaceBlock = 64;                // rows read by one thread at once
constexpr std::size_t kPlaceChunk = 16 * kPlaceBlock;  // jobs placed between two looks at the stop

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

Answer Matcher::match(const Options& options, Stop& stop) {
  Round round{options, stop, Pool(thread_count(options.threads)), {}, {}, {}, stop.seconds()};
  counts_ = {};
  charge_anew(round.pool);
  timed(round, "charge");
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
  if (end == End::balanced && !round.answer.cold) tell(round);
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
    round.answer.over += capacity_[at(s)] - set_capacity_[at(s)];
    round.answer.load.push_back(home_load_[at(s)]);
  }
  not_told_yet(round.answer);
  // Not at once after a large round: the next may be large too, and would ask for it all again.
  const bool large = round.answer.built || round.answer.cold;
  unreturned_ += effort().of(counts_);
  calm_ = large ? kCalm : std::max<Index>(calm_ - 1, -1);
  if (calm_ == 0 || (!large && unreturned_ > kReturn * effort().cold())) {
    trim_heap();
    unreturned_ = 0;
    calm_ = -1;
  }
  timed(round, "tell");
  return std::move(round.answer);
}

// Warm if it can be, from homes and prices if there are no lists, cold else.
Matcher::End Matcher::solve(Round& round) {
  round.answer.waiting = static_cast<Index>(waiting_.size());
  const char* why = better_cold();
  if (why == nullptr) {
    if (!board_) round.answer.why = why_cold_;
    const End end = board_ ? warm(round) : rebuild(round);
    if (end != End::too_much) return end;
    why = "repair would cost more";
  }
  round.answer.why = why;
  round.answer.cold = true;
  return cold(round);
}

Effort Matcher::effort() const { return {world_.live(), world_.classes(), world_.slab().cost->singles()}; }

// Why the round is to be cold, before anything is looked at; null: it is not, as far as can be told.
const char* Matcher::better_cold() const {
  if (!board_ && !rebuild_) return why_cold_;
  const Effort effort = this->effort();
  const Index waiting = static_cast<Index>(waiting_.size()) * effort.row();
  Index members = 0;  // whose costs have changed, or who may come for that
  for (const Slot s : dirty_)
    members += board_ ? world_.load(s) : std::max(home_load_[at(s)], std::min<Cost>(capacity_[at(s)], world_.live()));
  Index columns = 2 * members * effort.row();
  if (board_) {
    columns += static_cast<Index>(dirty_.size()) * effort.column();
    if (waiting > effort.cold() / 2) return "many jobs changed";
    return waiting + columns > effort.cold() / 2 ? "costs of many classes changed" : nullptr;
  }
  // Lists are worth their price where little else is to be done.
  const Index rest = waiting + columns + Effort::units(excess(home_load_));
  return rest > effort.cold() / 8 ? "much changed since the last cold round" : nullptr;
}

// How many units are out of balance: too many in a class, or too few in one that has a price.
Index Matcher::excess(std::span<const Cost> loads) const {
  Index units = 0;
  Index empty = -static_cast<Index>(waiting_.size());  // who waits will fill some
  for (Slot s = 0; s < world_.out(); ++s) {
    const Cost over = loads[at(s)] - capacity_[at(s)];
    if (over > 0) units += over;
    if (over < 0 && prices_[at(s)] > 0) empty += std::min<Cost>(-over, world_.live());
  }
  return units + std::max<Index>(empty, 0);
}

Index Matcher::excess() const {
  std::vector<Cost> loads;
  for (Slot s = 0; s < world_.out(); ++s) loads.push_back(world_.load(s));
  return excess(loads);
}

void Matcher::timed(Round& round, const char* stage) {
  const double now = round.stop.seconds();
  round.answer.stats.add(stage, now - std::exchange(round.since, now));
}

// What jobs pay at home, where that has changed for many at once.
void Matcher::charge_anew(Pool& pool) {
  if (dirty_.empty()) return;
  std::vector<bool> changed(at(world_.classes()), false);
  for (const Slot s : dirty_) changed[at(s)] = true;
  const Index n = world_.size();
  std::vector<Paid> parts(at(Pool::chunks(n, kCharged)));
  pool.for_chunks(n, kCharged, [&](Index chunk, Index begin, Index end) {
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      if (!world_.is_live(job) || !changed[at(world_.home(job))]) continue;
      pay(parts[at(chunk)], paid_[at(job)], -1);
      paid_[at(job)] = world_.cost_at(job, world_.home(job));
      pay(parts[at(chunk)], paid_[at(job)], 1);
    }
  });
  for (const Paid& part : parts) paid_all_.add(part);
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
  timed(round, "place");
  return waiting_.empty();
}

Matcher::End Matcher::warm(Round& round) {
  if (!refresh(round) || !place_waiting(round)) return End::stopped;
  if (Effort::units(excess()) > effort().cold() * 3 / 5) return End::too_much;
  return repair(round);
}

// Looks at how far a repair has come, now and then: is what is left likely to take longer than a cold solve?
class Matcher::Watch {
 public:
  explicit Watch(const Matcher& live)
      : live_(live), before_(live.counts_), cold_(live.effort().cold()), units_(live.excess()) {}

  [[nodiscard]] bool hopeless() {
    const Effort effort = live_.effort();
    const Index spent = effort.of(live_.counts_) - effort.of(before_);
    if (spent < next_) return false;
    next_ = spent + cold_ / 16;
    const Index left = live_.excess(), done = units_ - left;
    // Lists are an investment: later searches need fewer.
    Counts listing;
    listing.rows = live_.counts_.listed - before_.listed;
    listing.singles = live_.counts_.singles - before_.singles;
    listing.scattered = live_.counts_.scattered - before_.scattered;
    const auto lists = static_cast<double>(effort.of(listing));
    const double a_unit = (static_cast<double>(spent) - lists) / static_cast<double>(std::max<Index>(done, 1));
    // Little is lost early on; later only what is still to come counts.
    const double most = spent < cold_ / 4 ? 0.5 : 0.9;
    return a_unit * static_cast<double>(left) + lists > most * static_cast<double>(cold_);
  }

 private:
  const Matcher& live_;
  const Counts before_;
  const Index cold_, units_;
  Index next_ = cold_ / 20;
};

Matcher::End Matcher::repair(Round& round) {
  Search search(world_, *board_, prices_, capacity_, counts_, round.pool, round.stop);
  if (world_.hopeless() > 0) {
    for (const Job job : world_.members(world_.out())) {
      if (world_.key(job) < kForbidden) continue;
      const std::vector<Job> live = world_.list();
      round.answer.witness_jobs.assign(1, std::lower_bound(live.begin(), live.end(), job) - live.begin());
      return End::infeasible;
    }
  }
  Watch watch(*this);
  for (const bool outward : {true, false}) {
    for (Slot s = 0; s < world_.out(); ++s) {
      while (outward ? world_.load(s) > capacity_[at(s)] : world_.load(s) < capacity_[at(s)] && prices_[at(s)] > 0) {
        if (!outward && good_enough(round)) return End::balanced;
        const auto found = outward ? search.outward(s, round.looked_at) : search.inward(s, round.looked_at);
        if (found == Search::Found::stopped) return End::stopped;
        if (found == Search::Found::nowhere) {
          witness(round, search.reached());
          return End::infeasible;
        }
        if (found == Search::Found::lost) {  // nothing is built on such lists
          board_.reset();
          return End::too_much;
        }
        if (watch.hopeless()) return End::too_much;
      }
    }
  }
  timed(round, "paths");
  return End::balanced;
}

// All is within capacity: what slots that stand empty cost at their prices is all that lies between the sum and the
// bound.
bool Matcher::good_enough(Round& round) {
  if (!(round.options.gap > 0)) return false;
  const auto objective = static_cast<double>(world_.keys());
  const auto left = static_cast<double>(world_.keys() - dual()) + static_cast<double>(world_.rounded()) + 1;
  const double size = std::max(std::fabs(objective), std::fabs(objective - left));
  round.answer.near = left <= round.options.gap * (1 - 1e-9) * size;
  return round.answer.near;
}

}  // namespace gridcompute::matcher
