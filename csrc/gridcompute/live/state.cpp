#include "gridcompute/live/state.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"
#include "gridcompute/live/kernels.hpp"

namespace gridcompute::matcher {

namespace {

constexpr double kRoom = 4;             // how far costs may grow before all keys change
constexpr double kCoarse = 16 * kRoom;  // and how far they may shrink
constexpr int kMostExponent = 1000;     // of a resolution, which is a power of two

Cost largest_key(Slot n_slots) { return std::min<Cost>(largest_cost(n_slots + 2), Cost{1} << 50); }

// Are keys up to this within range, and not far too coarse?
bool fits(double key, Slot n_slots) {
  const auto limit = static_cast<double>(largest_key(n_slots));
  return key <= limit && key * kCoarse > limit;
}

}  // namespace

World::World(Slot n_slots) : out_(n_slots), members_(static_cast<std::size_t>(n_slots) + 1) {}

void World::set_slab(const Slab& slab) {
  slab_ = slab;
  cost_.emplace(slab_, home_, flags_, kPinned);
  set_resolution(resolution_);
  const auto n = static_cast<std::size_t>(slab.cost->n_jobs());
  if (n <= slot_.size()) return;
  slot_.resize(n, kNone);
  home_.resize(n, out_);
  place_.resize(n, 0);
  key_.resize(n, 0);
  flags_.resize(n, 0);
}

void World::grow(Slot n_slots) {
  members_.reserve(static_cast<std::size_t>(n_slots) + 1);  // all that may throw
  std::replace(slot_.begin(), slot_.end(), out_, n_slots);
  std::replace(home_.begin(), home_.end(), out_, n_slots);
  members_.insert(members_.end() - 1, static_cast<std::size_t>(n_slots - out_), {});
  out_ = n_slots;
}

std::optional<double> World::new_resolution(double reach, Slot n_slots) const {
  if (!(reach > 0) || (resolution_ > 0 && fits(reach * resolution_, n_slots))) return std::nullopt;
  transport::require_priceable(reach * kRoom);
  const auto limit = static_cast<double>(largest_key(n_slots));
  const double best = transport::choose_resolution(reach * kRoom, static_cast<Cost>(limit));
  return best == resolution_ ? std::nullopt : std::optional(best);
}

bool World::possible(double resolution) {
  int exponent = 0;
  return resolution > 0 && std::frexp(resolution, &exponent) == 0.5 && std::abs(exponent - 1) <= kMostExponent;
}

bool World::suits(double resolution, double reach) const {
  return !(reach > 0) || fits(reach * resolution, out_) ||
         (resolution == std::ldexp(1.0, kMostExponent) && reach * resolution <= static_cast<double>(largest_key(out_)));
}

void World::set_resolution(double resolution) {
  resolution_ = resolution;
  problem_ = {&*cost_, nullptr, nullptr, nullptr, 0};
  read_.emplace(problem_, this->resolution());
}

void World::add(Job job, Slot home) {
  flags_[at(job)] = kLive;
  home_[at(job)] = home;
  slot_[at(job)] = kNone;
  ++live_;
}

void World::remove(Job job) {
  flags_[at(job)] = 0;
  --live_;
}

bool World::read(Job job, Scratch& scratch) const {
  read_many({&job, 1}, scratch);
  return scratch.exact[0] != 0;
}

void World::read_many(std::span<const Job> jobs, Scratch& scratch) const {
  const auto n = static_cast<Index>(jobs.size()), slots = Index{out_}, wide = slots + 1;
  scratch.list.assign(jobs.begin(), jobs.end());
  scratch.cost.resize(static_cast<std::size_t>(std::max<Index>(n * slots, 1)));
  scratch.row.resize(static_cast<std::size_t>(n * wide));
  scratch.exact.resize(jobs.size());
  cost_->reals(Rows{scratch.list.data(), 0, n}, scratch.cost.data());
  for (Index k = 0; k < n; ++k) {
    const Job job = jobs[static_cast<std::size_t>(k)];
    transport::CostRangeStats seen;
    Cost* row = scratch.row.data() + k * wide;
    read_->convert(job, scratch.cost.data() + k * slots, row, seen);
    if (!read_->possible(seen))
      throw Error(ErrorKind::internal, "cost", job, "a cost is NaN or out of the range that was told");
    scratch.exact[static_cast<std::size_t>(k)] = read_out(job, row[slots]) && !seen.inexact ? 1 : 0;
  }
}

bool World::read_out(Job job, Cost& key) const {
  const double cost = sticky_unplaced(slab_, job, stay(job));
  if (!(cost < std::numeric_limits<double>::infinity())) {
    key = kForbidden;
    return true;
  }
  key = static_cast<Cost>(std::nearbyint(cost * resolution()));
  return static_cast<double>(key) / resolution() == cost;  // a product that underflows to 0 is not exact
}

Cost World::read_one(Job job, Slot column) const {
  if (column < out_) return read_->at(job, column);
  Cost key = 0;
  read_out(job, key);
  return key;
}

void World::read_column(std::span<const Job> jobs, Slot column, Scratch& scratch) const {
  scratch.row.resize(jobs.size());
  scratch.exact.resize(jobs.size());
  if (column == out_) {
    for (std::size_t k = 0; k < jobs.size(); ++k) scratch.exact[k] = read_out(jobs[k], scratch.row[k]) ? 1 : 0;
    return;
  }
  scratch.list.assign(jobs.begin(), jobs.end());
  scratch.cost.resize(jobs.size());
  const auto n = static_cast<Index>(jobs.size());
  cost_->column(Rows{scratch.list.data(), 0, n}, column, scratch.cost.data());
  listing::keys_of(scratch.cost.data(), n, resolution(), scratch.row.data(), scratch.exact.data());
}

void World::enter(Job job, Slot slot, Cost key, bool exact) {
  auto& list = members_[static_cast<std::size_t>(slot)];
  slot_[at(job)] = slot;
  key_[at(job)] = key;
  place_[at(job)] = static_cast<std::int32_t>(list.size());
  list.push_back(job);
  key < kForbidden ? void(keys_ += key) : void(++hopeless_);
  rounded_ += exact ? 0 : 1;
  set(job, kRounded, !exact);
}

void World::leave(Job job) {
  if (slot(job) == kNone) return;
  auto& list = members_[static_cast<std::size_t>(slot(job))];
  const Job last = list.back();
  list[static_cast<std::size_t>(place_[at(job)])] = last;
  place_[at(last)] = place_[at(job)];
  list.pop_back();
  key(job) < kForbidden ? void(keys_ -= key(job)) : void(--hopeless_);
  rounded_ -= (flags_[at(job)] & kRounded) != 0 ? 1 : 0;
  set(job, kRounded, false);
  slot_[at(job)] = kNone;
}

void World::rekey(Job job, Cost key, bool exact) {
  key_[at(job)] < kForbidden ? void(keys_ -= key_[at(job)]) : void(--hopeless_);
  key_[at(job)] = key;
  key < kForbidden ? void(keys_ += key) : void(++hopeless_);
  rounded_ += (exact ? 0 : 1) - ((flags_[at(job)] & kRounded) != 0 ? 1 : 0);
  set(job, kRounded, !exact);
}

void World::note_rounded(Job job) {
  if ((flags_[at(job)] & kRounded) != 0) return;
  ++rounded_;
  set(job, kRounded, true);
}

void World::clear() {
  for (auto& list : members_) {
    for (const Job job : list) {
      slot_[at(job)] = kNone;
      set(job, kRounded, false);
    }
    list.clear();
  }
  keys_ = 0;
  rounded_ = hopeless_ = 0;
}

double World::cost_at(Job job, Slot column) const {
  if (column == out_) return unplaced(job);
  if (slab_.closed && std::find(slab_.closed->begin(), slab_.closed->end(), column) != slab_.closed->end())
    return std::numeric_limits<double>::infinity();
  return slab_.cost->real_at(job, column);
}

std::vector<Job> World::list() const {
  std::vector<Job> jobs;
  jobs.reserve(static_cast<std::size_t>(live_));
  for (Job job = 0; job < static_cast<Job>(size()); ++job) {
    if (is_live(job)) jobs.push_back(job);
  }
  return jobs;
}

bool World::holds() const {
  Wide total = 0;
  Index inside = 0;
  for (Slot s = 0; s < classes(); ++s) {
    for (std::size_t k = 0; k < members(s).size(); ++k) {
      const Job job = members(s)[k];
      if (!is_live(job) || slot(job) != s || place_[at(job)] != static_cast<std::int32_t>(k)) return false;
      if (key(job) < kForbidden && key(job) != read_one(job, s)) return false;
      total += key(job) < kForbidden ? key(job) : 0;
      ++inside;
    }
  }
  for (const Job job : list()) inside += slot(job) == kNone ? 1 : 0;
  return total == keys_ && inside == live_;
}

}  // namespace gridcompute::matcher
