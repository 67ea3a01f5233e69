#include "gridcompute/matcher/matcher.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"
#include "gridcompute/matcher/choose.hpp"
#include "gridcompute/matcher/listing.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Cost kRoomForAll = kForbidden;
constexpr Index kPlaceChunk = 64;  // jobs placed between two looks at the stop
constexpr Index kMuch = 4;         // a quarter of all jobs waiting: little is left of the last round
constexpr Index kFewJobs = 1000;   // fewer are never too many
constexpr double kUnit = 0x1p40;   // of the objective's sum, in 1 / resolution

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

Matcher::Matcher(Slot n_slots)
    : world_(n_slots), prices_(at(n_slots) + 1, 0), capacity_(at(n_slots) + 1, 0), home_load_(at(n_slots) + 1, 0) {
  capacity_[at(n_slots)] = kRoomForAll;
}

// ---------------------------------------------------------------- changes

void Matcher::set_slab(const Slab& slab, double reach, bool changed) {
  const std::optional<double> resolution = world_.new_resolution(reach);  // if that throws, all is as it was
  world_.set_slab(slab);
  reach_ = reach;
  paid_.resize(at(world_.size()), 0);
  const char* why = changed ? "costs of all jobs changed" : nullptr;
  if (resolution) {
    world_.set_resolution(*resolution);
    why = "costs outgrew the resolution";
  }
  recharge_ = recharge_ || (why != nullptr && world_.live() > 0);
  if (why == nullptr || !board_) return;
  board_.reset();
  why_cold_ = why;
}

void Matcher::set_capacity(Slot slot, Cost capacity) { capacity_[at(slot)] = capacity; }

void Matcher::wait(Job job) {
  board_ ? board_->leave(job) : world_.leave(job);
  if (world_.queued(job)) return;
  world_.queue(job, true);
  waiting_.push_back(job);
}

void Matcher::add(std::span<const Job> jobs) {
  for (const Job job : jobs) {
    world_.add(job, world_.out());
    ++home_load_[at(world_.out())];
    wait(job);
    charge(job);
  }
}

void Matcher::remove(std::span<const Job> jobs) {
  for (const Job job : jobs) {
    board_ ? board_->leave(job) : world_.leave(job);
    discharge(job);
    --home_load_[at(world_.home(job))];
    world_.remove(job);
  }
}

void Matcher::update(std::span<const Job> jobs) {
  for (const Job job : jobs) {
    wait(job);
    discharge(job);
    charge(job);
  }
}

void Matcher::pin(std::span<const Job> jobs, bool pinned) {
  for (const Job job : jobs) {
    if (world_.pinned(job) == pinned) continue;
    wait(job);
    world_.pin(job, pinned);
  }
}

void Matcher::restore(std::span<const Job> jobs, std::span<const Slot> homes, std::span<const double> prices,
                      double resolution) {
  if (resolution > 0) world_.set_resolution(resolution);
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    const Slot home = homes[k] == kNone ? world_.out() : homes[k];
    world_.add(jobs[k], home);
    ++home_load_[at(home)];
    charge(jobs[k]);
  }
  for (std::size_t s = 0; s < prices.size(); ++s)
    prices_[s] = static_cast<Cost>(std::nearbyint(prices[s] * world_.resolution()));
  priced_ = true;
  why_cold_ = "restored";
}

// ---------------------------------------------------------------- what is paid

Wide Matcher::fixed(double cost) const { return static_cast<Wide>(std::nearbyint(cost * world_.resolution() * kUnit)); }

void Matcher::charge(Job job) {
  const double cost = world_.cost_at(job, world_.home(job));
  paid_[at(job)] = cost;
  cost < std::numeric_limits<double>::infinity() ? void(total_ += fixed(cost)) : void(++homeless_);
}

void Matcher::discharge(Job job) {
  const double cost = paid_[at(job)];
  cost < std::numeric_limits<double>::infinity() ? void(total_ -= fixed(cost)) : void(--homeless_);
}

Wide Matcher::dual() const {
  Wide value = world_.keys();
  for (Slot s = 0; s < world_.out(); ++s)
    value += static_cast<Wide>(world_.load(s) - capacity_[at(s)]) * prices_[at(s)];
  return value;
}

double Matcher::in_cost(Wide keys, bool down) const {
  auto value = static_cast<double>(keys);
  if (down) {
    const double half = 0.5 * static_cast<double>(world_.rounded());
    if (half > 0) {
      value -= half;
      value -= std::fabs(value) * 0x1p-51;
    } else if (static_cast<Wide>(value) > keys) {
      value = std::nextafter(value, -std::numeric_limits<double>::infinity());
    }
  }
  return value / world_.resolution();
}

double Matcher::price(Slot slot) const noexcept { return static_cast<double>(prices_[at(slot)]) / world_.resolution(); }

// ---------------------------------------------------------------- a round

Answer Matcher::match(const Options& options, Stop& stop) {
  Round round{options, stop, Pool(thread_count(options.threads)), {}, {}};
  counts_ = {};
  if (recharge_) {
    total_ = homeless_ = 0;
    for (const Job job : world_.list()) charge(job);
    recharge_ = false;
  }
  round.answer.waiting = static_cast<Index>(waiting_.size());
  if (board_ && round.answer.waiting > kFewJobs && round.answer.waiting > world_.live() / kMuch) {
    board_.reset();
    why_cold_ = "most jobs changed";
  }
  End end = board_ ? warm(round) : End::too_much;
  if (end == End::too_much) {
    if (board_) why_cold_ = "repair would cost more";
    board_.reset();
    round.answer.why_cold = why_cold_;
    end = cold(round);
  }
  if (end != End::balanced && board_) hold(round.looked_at);
  if (stop.why() == Stop::Why::interrupted) return std::move(round.answer);
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
  return std::move(round.answer);
}

void Matcher::place(Job job, Scratch& scratch) {
  const bool exact = world_.read(job, scratch);
  ++counts_.rows;
  const Cost* row = scratch.row.data();
  const Slot classes = world_.classes(), home = world_.home(job);
  const Cost least = listing::least(row, prices_.data(), classes);
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
  board_->enter(job, best, exact, scratch);
}

Matcher::End Matcher::warm(Round& round) {
  Scratch scratch;
  std::size_t done = 0;
  for (; done < waiting_.size(); ++done) {
    if (done % kPlaceChunk == 0 && round.stop.poll()) break;
    const Job job = waiting_[done];
    if (!world_.is_live(job) || !world_.queued(job)) continue;  // gone since; or here twice
    world_.queue(job, false);
    place(job, scratch);
    round.looked_at.push_back(job);
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done));
  if (!waiting_.empty()) return End::stopped;
  const Index whole = world_.live() * world_.classes();
  return repair(round, 4 * whole + (Index{1} << 24));
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
        const auto found = outward ? search.outward(s, round.looked_at) : search.inward(s, round.looked_at);
        if (found == Search::Found::stopped) return End::stopped;
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

// ---------------------------------------------------------------- cold

Matcher::End Matcher::cold(Round& round) {
  const std::vector<Job> live = world_.list();
  for (const Job job : waiting_) world_.queue(job, false);
  waiting_.clear();  // whatever comes of this round, without a board the next one looks at all jobs
  world_.clear();
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
  round.answer.cold = found.stats;
  using transport::Status;
  if (found.status == Status::infeasible) {
    round.answer.witness_jobs = std::move(found.witness_jobs);
    round.answer.witness_slots = std::move(found.witness_slots);
    return End::infeasible;
  }
  const bool solved = found.status == Status::optimal || found.status == Status::feasible;
  if (solved) {
    for (Slot s = 0; s < world_.out(); ++s)
      prices_[at(s)] = static_cast<Cost>(std::nearbyint(found.prices[at(s)] * world_.resolution()));
    priced_ = true;
  }
  if (!solved || !adopt(round, found, live)) {
    board_.reset();
    world_.clear();
    if (round.stop.why() == Stop::Why::interrupted) return End::stopped;
    std::vector<Slot> wanted(live.size());
    for (std::size_t k = 0; k < live.size(); ++k)
      wanted[k] =
          found.assignment.size() == live.size() && found.assignment[k] >= 0 ? found.assignment[k] : world_.out();
    tell_stopped(round, live, wanted);
    round.answer.bound = found.bound;
    return End::stopped;
  }
  round.looked_at = live;
  return repair(round, std::numeric_limits<Index>::max());
}

// Everybody where the cold solve has them, if that is cheapest at its prices, and the board anew. False if stopped.
bool Matcher::adopt(Round& round, const transport::Result& found, const std::vector<Job>& live) {
  constexpr Index kChunk = 1024;
  struct Where {
    Slot slot;
    bool exact;
    Cost key;
  };
  std::vector<Where> where(live.size());
  const auto n = static_cast<Index>(live.size());
  const bool whole = round.pool.for_chunks(
      n, kChunk,
      [&](Index, Index begin, Index end) {
        Scratch scratch;
        for (Index k = begin; k < end; ++k) {
          const Job job = live[at(k)];
          const bool exact = world_.read(job, scratch);
          const Cost* row = scratch.row.data();
          Slot slot = found.assignment[at(k)] < 0 ? world_.out() : found.assignment[at(k)];
          const Cost least = listing::least(row, prices_.data(), world_.classes());
          if (least >= kForbidden) slot = world_.out();
          for (Slot s = 0; least < kForbidden && row[slot] + prices_[at(slot)] != least; ++s) slot = s;
          where[at(k)] = {slot, exact, row[slot]};
        }
      },
      &round.stop);
  counts_.rows += n;
  if (!whole) return false;
  for (Index k = 0; k < n; ++k) world_.enter(live[at(k)], where[at(k)].slot, where[at(k)].key, where[at(k)].exact);
  board_ = std::make_unique<Board>(world_, prices_, counts_);
  return board_->build(round.pool, round.stop);
}

// ---------------------------------------------------------------- telling

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
    board_->enter(job, slot, exact, scratch);
  }
}

// Nobody moves but for lost room; new jobs where there is some.
void Matcher::tell_stopped(Round& round, std::span<const Job> live, std::span<const Slot> wanted) {
  const Slot out = world_.out();
  const double bound = board_ && waiting_.empty() ? in_cost(dual(), true) : -std::numeric_limits<double>::infinity();
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
  const bool whole = balanced && answer.held == 0 && homeless_ == 0;
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

// ---------------------------------------------------------------- looking without touching

void Matcher::quote(const Slab& jobs, std::span<Slot> slots, std::span<double> costs) const {
  // Keys as doubles: whole numbers in the world's range, and no error for a job that costs more than any in it.
  const auto key = [&](double cost) { return std::nearbyint(cost * world_.resolution()); };
  std::vector<double> row(at(world_.out()));
  for (Index k = 0; k < jobs.cost->n_jobs(); ++k) {
    jobs.cost->reals(Rows{nullptr, k, 1}, row.data());
    const double out = jobs.unplaced_of(static_cast<Job>(k));
    double best = key(out);
    slots[at(k)] = kNone;
    for (Slot s = 0; s < world_.out(); ++s) {
      const double whole = key(row[at(s)]) + static_cast<double>(prices_[at(s)]);
      if (!(whole < best)) continue;
      best = whole;
      slots[at(k)] = s;
    }
    costs[at(k)] = slots[at(k)] == kNone ? out : row[at(slots[at(k)])];
  }
}

bool Matcher::holds() const {
  std::vector<Cost> loads(home_load_.size(), 0);
  Wide total = 0;
  for (const Job job : world_.list()) {
    ++loads[at(world_.home(job))];
    total += std::isinf(paid_[at(job)]) ? 0 : fixed(paid_[at(job)]);
  }
  if (loads != home_load_ || total != total_ || !world_.holds()) return false;
  return !board_ || board_->holds();
}

}  // namespace gridcompute::matcher
