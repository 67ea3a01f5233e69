#include "gridcompute/matcher/matcher.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Cost kRoomForAll = kForbidden;

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

Matcher::Matcher(Slot n_slots)
    : world_(n_slots), prices_(at(n_slots) + 1, 0), capacity_(at(n_slots) + 1, 0), home_load_(at(n_slots) + 1, 0) {
  capacity_[at(n_slots)] = kRoomForAll;
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
  recharge_ = true;
  lose_lists(finer ? "costs allow a finer resolution" : "costs outgrew the resolution");
}

void Matcher::grow(Slot n_slots) {
  const std::size_t more = at(n_slots - world_.out());
  for (std::vector<Cost>* list : {&prices_, &capacity_, &home_load_}) list->insert(list->end() - 1, more, 0);
  if (board_ && !board_->fits(n_slots + 1)) lose_lists("more classes than the lists were made for");
  if (board_) board_->grow(n_slots + 1);
  world_.grow(n_slots);
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
  rebuild_ = true;
  why_cold_ = "restored";
}

// ---------------------------------------------------------------- what is paid

// To the nearest, in parts that fit 64 bits: |cost| * resolution is below 2^51, and what a part leaves is exact.
void Matcher::pay(Paid& sum, double cost, int sign) const {
  if (!(cost < std::numeric_limits<double>::infinity())) return void(sum.homeless += sign);
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: added, it leaves whole numbers
  const double key = cost * world_.resolution();
  const auto whole = static_cast<std::int64_t>(key);
  const double rest = (key - static_cast<double>(whole)) * kUnit, units = (rest + kRound) - kRound;
  const double fine = ((rest - units) * kFine + kRound) - kRound;
  const Wide total = static_cast<Wide>(whole) * static_cast<std::int64_t>(kUnit) + static_cast<std::int64_t>(units);
  sum.total += sign * total;
  sum.fine += sign * static_cast<std::int64_t>(fine);
}

void Matcher::charge(Job job) { pay(paid_all_, paid_[at(job)] = world_.cost_at(job, world_.home(job)), 1); }

void Matcher::discharge(Job job) { pay(paid_all_, paid_[at(job)], -1); }

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

// ---------------------------------------------------------------- looking without touching

void Matcher::quote(const Slab& jobs, std::span<Slot> slots, std::span<double> costs) const {
  // Keys as doubles: whole numbers in the world's range, and no error for a job that costs more than any in it.
  const auto key = [&](double cost) { return std::nearbyint(cost * world_.resolution()); };
  std::vector<double> row(at(world_.out()));
  for (Index k = 0; k < jobs.cost->n_jobs(); ++k) {
    jobs.cost->reals(Rows{nullptr, k, 1}, row.data());
    forbid_closed(world_.slab(), row.data());
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
  Paid all;
  for (const Job job : world_.list()) {
    ++loads[at(world_.home(job))];
    pay(all, paid_[at(job)], 1);
  }
  if (loads != home_load_ || all.total != paid_all_.total || all.fine != paid_all_.fine || !world_.holds())
    return false;
  return !board_ || board_->holds();
}

}  // namespace gridcompute::matcher
