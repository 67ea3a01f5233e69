#include "gridcompute/live/matcher.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Cost kRoomForAll = kForbidden;

constexpr double kLargestStart = static_cast<double>(kCostLimit / 2);  // a price that leaves room to rise

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

[[noreturn]] void refuse(const char* field, std::size_t index, const std::string& found, const std::string& needed) {
  throw Error(ErrorKind::invalid_problem, field, static_cast<Index>(index),
              std::string(field) + "[" + std::to_string(index) + "]: found " + found + ", needed " + needed);
}

}  // namespace

Matcher::Matcher(Slot n_slots)
    : world_(n_slots),
      prices_(at(n_slots) + 1, 0),
      set_capacity_(at(n_slots) + 1, 0),
      pinned_load_(at(n_slots) + 1, 0),
      capacity_(at(n_slots) + 1, 0),
      home_load_(at(n_slots) + 1, 0) {
  set_capacity_[at(n_slots)] = capacity_[at(n_slots)] = kRoomForAll;
}

// ---------------------------------------------------------------- changes

void Matcher::set_slab(const Slab& slab, double reach) {
  const auto n_slots = static_cast<Slot>(slab.cost->n_slots());
  const std::optional<double> resolution = world_.new_resolution(reach, n_slots);  // if that throws, all is as it was
  if (n_slots > world_.out()) grow(n_slots);
  world_.set_slab(slab);
  reach_ = reach;
  paid_.resize(at(world_.size()), 0);
  if (!resolution) return;
  const auto most = static_cast<double>(largest_cost(n_slots + 2));  // of costs that are gone, prices may be larger
  for (Cost& price : prices_)
    price = static_cast<Cost>(
        std::nearbyint(std::min(most, static_cast<double>(price) / world_.resolution() * *resolution)));
  const bool finer = *resolution > world_.resolution();
  world_.set_resolution(*resolution);
  lose_lists(finer ? "costs allow a finer resolution" : "costs outgrew the resolution");
}

// If memory is short, nothing has changed but that the lists may be lost.
void Matcher::grow(Slot n_slots) {
  const std::size_t more = at(n_slots - world_.out());
  const auto by_class = {&prices_, &set_capacity_, &pinned_load_, &capacity_, &home_load_};
  for (std::vector<Cost>* list : by_class) list->reserve(list->size() + more);
  if (board_ && !board_->fits(n_slots + 1)) lose_lists("more classes than the lists were made for");
  std::unique_ptr<std::pmr::unsynchronized_pool_resource> lists;
  try {
    if (board_) board_->grow(n_slots + 1);
    if (board_ && Board::room_of_list(n_slots + 1) != lists_room_) {
      lists = pool_of_lists();
      board_->move_lists(*lists);
      lists_.swap(lists);
      lists_room_ = Board::room_of_list(n_slots + 1);
    }
    world_.grow(n_slots);
  } catch (...) {
    lose_lists("memory was short");
    throw;
  }
  for (std::vector<Cost>* list : by_class) list->insert(list->end() - 1, more, 0);
}

// Where jobs stand and the prices are kept, and are looked at anew in the next round.
void Matcher::lose_lists(const char* why) {
  if (!board_) return;
  board_.reset();
  why_cold_ = why;
  rebuild_ = true;
}

void Matcher::costs_changed(std::span<const Slot> slots) {
  dirty_.insert(dirty_.end(), slots.begin(), slots.end());
  std::sort(dirty_.begin(), dirty_.end());
  dirty_.erase(std::unique(dirty_.begin(), dirty_.end()), dirty_.end());
}

void Matcher::set_capacity(Slot slot, Cost capacity) {
  set_capacity_[at(slot)] = capacity;
  count_pin(slot, 0);
}

void Matcher::count_pin(Slot home, int by) {
  pinned_load_[at(home)] += by;
  capacity_[at(home)] = std::max(set_capacity_[at(home)], pinned_load_[at(home)]);
}

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
    if (world_.pinned(job)) count_pin(world_.home(job), -1);
    world_.remove(job);
  }
  if (!untold_.empty()) std::erase_if(untold_, [&](const Change& change) { return !world_.is_live(change.job); });
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
    count_pin(world_.home(job), pinned ? 1 : -1);
  }
}

std::vector<Job> Matcher::pinned_at(std::span<const Slot> slots) const {
  std::vector<bool> asked(at(world_.classes()), false);
  Cost left = 0;
  for (const Slot s : slots) {
    if (!asked[at(s)]) left += pinned_load_[at(s)];
    asked[at(s)] = true;
  }
  std::vector<Job> jobs;
  for (Job job = 0; left > 0 && job < static_cast<Job>(world_.size()); ++job) {
    if (!world_.is_live(job) || !world_.pinned(job) || !asked[at(world_.home(job))]) continue;
    jobs.push_back(job);
    --left;
  }
  return jobs;
}

void Matcher::check_restored(std::span<const Job> jobs, std::span<const Slot> homes, std::span<const double> prices,
                             double resolution) const {
  const auto invalid = [](const char* field, const std::string& what) {
    throw Error(ErrorKind::invalid_problem, field, -1, what);
  };
  if (homes.size() != jobs.size())
    invalid("homes", "homes: found " + std::to_string(homes.size()) + ", needed one for each of " +
                         std::to_string(jobs.size()) + " jobs");
  if (prices.size() != at(world_.out()))
    invalid("prices", "prices: found " + std::to_string(prices.size()) + ", needed one for each of " +
                          std::to_string(world_.out()) + " classes");
  std::vector<bool> seen(at(world_.size()), false);
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    const bool inside = jobs[k] >= 0 && jobs[k] < static_cast<Job>(world_.size());
    if (!inside || world_.is_live(jobs[k]) || seen[at(jobs[k])])
      refuse("jobs", k, std::to_string(jobs[k]), "a free position below " + std::to_string(world_.size()) + ", once");
    seen[at(jobs[k])] = true;
    if (homes[k] < kNone || homes[k] >= world_.out())
      refuse("homes", k, std::to_string(homes[k]), "a class below " + std::to_string(world_.out()) + ", or -1");
  }
  for (std::size_t s = 0; s < prices.size(); ++s)
    if (!(prices[s] >= 0 && prices[s] < std::numeric_limits<double>::infinity()))
      refuse("prices", s, shown(prices[s]), "a finite number, 0 or more");
  if (resolution != 0 && !World::possible(resolution))
    invalid("resolution", "resolution: found " + shown(resolution) + ", needed a power of two from 2^-1000 to 2^1000");
}

void Matcher::restore(std::span<const Job> jobs, std::span<const Slot> homes, std::span<const double> prices,
                      double resolution) {
  check_restored(jobs, homes, prices, resolution);
  if (resolution > 0 && world_.suits(resolution, reach_)) world_.set_resolution(resolution);
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    const Slot home = homes[k] == kNone ? world_.out() : homes[k];
    world_.add(jobs[k], home);
    ++home_load_[at(home)];
    charge(jobs[k]);
  }
  for (std::size_t s = 0; s < prices.size(); ++s)  // any prices will do; far beyond all costs, they only cost time
    prices_[s] = static_cast<Cost>(std::nearbyint(std::min(prices[s] * world_.resolution(), kLargestStart)));
  rebuild_ = true;
  why_cold_ = "restored";
}

// ---------------------------------------------------------------- what is paid

void Matcher::pay(Paid& sum, double cost, int sign) {
  cost < std::numeric_limits<double>::infinity() ? sum.total.add(cost, sign) : void(sum.forbidden += sign);
}

void Matcher::charge(Job job) { pay(paid_all_, paid_[at(job)] = world_.cost_at(job, world_.home(job)), 1); }

void Matcher::discharge(Job job) { pay(paid_all_, paid_[at(job)], -1); }

Wide Matcher::dual() const {
  Wide value = world_.keys();
  for (Slot s = 0; s < world_.out(); ++s)
    value += static_cast<Wide>(world_.load(s) - capacity_[at(s)]) * prices_[at(s)];
  return value;
}

double Matcher::objective_of(Wide keys) const { return static_cast<double>(keys) / world_.resolution(); }

// Each rounded cost may be half a unit above the cost itself. The resolution is a power of two: dividing is exact.
double Matcher::bound_of(Wide keys) const {
  keys -= (world_.rounded() + 1) / 2 + coarse();
  auto value = static_cast<double>(keys);
  if (static_cast<Wide>(value) > keys) value = std::nextafter(value, -std::numeric_limits<double>::infinity());
  return value / world_.resolution();
}

// How much less than dual() the prices as doubles may prove: one beyond 2^53 is told to the nearest double.
Wide Matcher::coarse() const {
  Wide most = 0, slots = 0;
  for (Slot s = 0; s < world_.out(); ++s) {
    const Wide off = static_cast<Wide>(static_cast<double>(prices_[at(s)])) - prices_[at(s)];
    if (off == 0) continue;
    most = std::max(most, off < 0 ? -off : off);
    slots += std::min<Wide>(capacity_[at(s)], world_.live());
  }
  return most == 0 ? 0 : most * (world_.live() + slots);
}

double Matcher::price(Slot slot) const noexcept { return static_cast<double>(prices_[at(slot)]) / world_.resolution(); }

// ---------------------------------------------------------------- looking without touching

void Matcher::quote(const Slab& jobs, std::span<Slot> slots, std::span<double> costs) const {
  // As the world rounds them, but in units of cost: a job may cost far more than any in the world.
  const auto rounded = [&](double cost) {
    const double key = cost * world_.resolution();
    return std::fabs(key) < 0x1p52 ? std::nearbyint(key) / world_.resolution() : cost;
  };
  std::vector<double> row(at(world_.out()));
  for (Index k = 0; k < jobs.cost->n_jobs(); ++k) {
    jobs.cost->reals(Rows{nullptr, k, 1}, row.data());
    forbid_closed(world_.slab(), row.data());
    const double out = jobs.unplaced_of(static_cast<Job>(k));
    double best = rounded(out);
    slots[at(k)] = kNone;
    for (Slot s = 0; s < world_.out(); ++s) {
      const double here = rounded(row[at(s)]) + price(s);
      if (!(here < best)) continue;
      best = here;
      slots[at(k)] = s;
    }
    costs[at(k)] = slots[at(k)] == kNone ? out : row[at(slots[at(k)])];
  }
}

bool Matcher::holds() const {
  std::vector<Cost> loads(home_load_.size(), 0);
  Paid all;
  std::vector<Cost> pinned(home_load_.size(), 0);
  for (const Job job : world_.list()) {
    ++loads[at(world_.home(job))];
    if (world_.pinned(job)) ++pinned[at(world_.home(job))];
    pay(all, paid_[at(job)], 1);
  }
  if (loads != home_load_ || pinned != pinned_load_ || all != paid_all_ || !world_.holds()) return false;
  for (std::size_t s = 0; s < pinned.size(); ++s)
    if (capacity_[s] != std::max(set_capacity_[s], pinned[s])) return false;
  return !board_ || board_->holds();
}

}  // namespace gridcompute::matcher
