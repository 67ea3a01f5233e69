#include "gridcompute/live/state.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/base/error.hpp"
#include "gridcompute/live/kernels.hpp"

namespace gridcompute::live {

namespace {

// Bound on the exponent of a resolution, which is a power of two: far from overflow and from subnormal results.
constexpr int kMaxExponent = 1000;

// The largest key of the range proof, and at most 2^50, which quantise() rounds exactly.
Cost largest_key(Slot n_slots) { return std::min<Cost>(largest_cost(n_slots + 2), Cost{1} << 50); }

}  // namespace

MatcherState::MatcherState(Slot n_slots, const LiveTuning& tuning)
    : tuning_(tuning), unplaced_(n_slots), members_(static_cast<std::size_t>(n_slots) + 1) {}

// Returns whether keys of this size are within range and not far coarser than the range allows.
bool MatcherState::fits(double key, Slot n_slots) const {
  const auto limit = static_cast<double>(largest_key(n_slots));
  return key <= limit && key * static_cast<double>(tuning_.cost_growth * tuning_.cost_shrink) > limit;
}

void MatcherState::set_columns(const StoreColumns& columns) {
  if (!basis_) basis_.emplace(columns_, resolution_, unplaced_);
  const auto n = static_cast<std::size_t>(columns.cost->n_jobs());
  if (n > assigned_.size()) {
    placed_.resize(n, unplaced_);
    member_position_.resize(n, 0);
    key_.resize(n, 0);
    flags_.resize(n, 0);
    assigned_.resize(n, kNone);  // last: its length is the number of positions
  }
  columns_ = columns;
  cost_.emplace(columns_, placed_, flags_, kPinned);
  set_resolution(resolution_);
}

void MatcherState::add_classes(Slot n_slots) {
  if (!basis_) basis_.emplace(columns_, resolution_, unplaced_);
  members_.reserve(static_cast<std::size_t>(n_slots) + 1);  // the only step that may throw
  for (Record& record : records_) record.assigned = record.assigned == unplaced_ ? n_slots : record.assigned;
  std::replace(assigned_.begin(), assigned_.end(), unplaced_, n_slots);
  std::replace(placed_.begin(), placed_.end(), unplaced_, n_slots);
  members_.insert(members_.end() - 1, static_cast<std::size_t>(n_slots - unplaced_), {});
  unplaced_ = n_slots;
}

std::optional<double> MatcherState::resolution_for(double max_abs_cost, Slot n_slots) const {
  if (!(max_abs_cost > 0) || (resolution_ > 0 && fits(max_abs_cost * resolution_, n_slots))) return std::nullopt;
  const auto growth = static_cast<double>(tuning_.cost_growth);
  transport::require_priceable(max_abs_cost * growth);
  const auto limit = static_cast<double>(largest_key(n_slots));
  const double best = transport::choose_resolution(max_abs_cost * growth, static_cast<Cost>(limit));
  return best == resolution_ ? std::nullopt : std::optional(best);
}

bool MatcherState::valid_resolution(double resolution) {
  int exponent = 0;
  return resolution > 0 && std::frexp(resolution, &exponent) == 0.5 && std::abs(exponent - 1) <= kMaxExponent;
}

bool MatcherState::keeps_resolution(double resolution, double max_abs_cost) const {
  return !(max_abs_cost > 0) || fits(max_abs_cost * resolution, unplaced_) ||
         (resolution == std::ldexp(1.0, kMaxExponent) &&
          max_abs_cost * resolution <= static_cast<double>(largest_key(unplaced_)));
}

void MatcherState::set_resolution(double resolution) {
  if (!basis_) basis_.emplace(columns_, resolution_, unplaced_);
  resolution_ = resolution;
  problem_ = {&*cost_, nullptr, nullptr, nullptr, 0};
  quantised_.emplace(problem_, this->resolution());
}

// ---------------------------------------------------------------- undo

void MatcherState::commit() noexcept {
  std::vector<Job>().swap(added_);
  std::vector<Record>().swap(records_);
  all_.reset(), basis_.reset();
}

void MatcherState::rollback() noexcept {
  if (all_) restore(*all_);
  for (; !records_.empty(); records_.pop_back()) restore(records_.back());
  for (const Job job : added_) flags_[at(job)] = 0;
  if (basis_) restore(*basis_);
  count();
  commit();
}

void MatcherState::restore(const Record& before) noexcept {
  const Job job = before.job;
  if (assigned_class(job) != before.assigned || member_position_[at(job)] != before.position) {
    leave_class(job);
    if (before.assigned != kNone) {
      enter_class(job, before.assigned);
      auto& list = members_[static_cast<std::size_t>(before.assigned)];
      const auto from = static_cast<std::size_t>(member_position_[at(job)]), to = at(before.position);
      std::swap(list[from], list[to]);  // back to its position, from which it was removed
      std::swap(member_position_[at(list[from])], member_position_[at(job)]);
    }
  }
  key_[at(job)] = before.key;
  flags_[at(job)] = before.flags;
}

// Allocates nothing: no list of members has become shorter than its capacity was.
void MatcherState::restore(const Assignment& before) noexcept {
  for (auto& list : members_) {
    for (const Job job : list) assigned_[at(job)] = kNone, set(job, kRounded, false);
    list.clear();
  }
  for (std::size_t k = 0; k < before.assigned.size(); ++k) {
    const auto job = static_cast<Job>(k);
    flags_[k] = before.flags[k], key_[k] = before.key[k];
    if (before.assigned[k] != kNone) enter_class(job, before.assigned[k]);
  }
}

void MatcherState::restore(const Basis& before) noexcept {
  if (before.unplaced < unplaced_) {
    std::replace(assigned_.begin(), assigned_.end(), unplaced_, before.unplaced);
    std::replace(placed_.begin(), placed_.end(), unplaced_, before.unplaced);
    members_.erase(members_.begin() + before.unplaced, members_.end() - 1);
    unplaced_ = before.unplaced;
  }
  columns_ = before.columns;
  resolution_ = before.resolution;
  quantised_.reset(), cost_.reset();
  if (columns_.cost == nullptr) return;
  cost_.emplace(columns_, placed_, flags_, kPinned);
  problem_ = {&*cost_, nullptr, nullptr, nullptr, 0};
  quantised_.emplace(problem_, this->resolution());
}

void MatcherState::count() noexcept {
  n_live_ = n_rounded_ = n_forbidden_ = 0;
  key_sum_ = 0;
  for (std::size_t k = 0; k < assigned_.size(); ++k) {
    n_live_ += (flags_[k] & kLive) != 0 ? 1 : 0;
    if (assigned_[k] == kNone) continue;
    n_rounded_ += (flags_[k] & kRounded) != 0 ? 1 : 0;
    key_[k] < kForbidden ? void(key_sum_ += key_[k]) : void(++n_forbidden_);
  }
}

void MatcherState::set_queue(std::span<const Job> jobs) noexcept {
  for (std::uint8_t& flags : flags_) flags = static_cast<std::uint8_t>(flags & ~kQueued);
  for (const Job job : jobs) set(job, kQueued, is_live(job));
}

// ---------------------------------------------------------------- jobs

void MatcherState::add(Job job, Slot placed) {
  records_.empty() ? added_.push_back(job) : record(job);
  flags_[at(job)] = kLive;
  placed_[at(job)] = placed;
  assigned_[at(job)] = kNone;
  ++n_live_;
}

void MatcherState::remove(Job job) {
  record(job);
  flags_[at(job)] = 0;
  --n_live_;
}

bool MatcherState::read_row(Job job, KeyBuffer& buffer) const {
  read_rows({&job, 1}, buffer);
  return buffer.exact[0] != 0;
}

void MatcherState::read_rows(std::span<const Job> jobs, KeyBuffer& buffer) const {
  const auto n = static_cast<Index>(jobs.size()), slots = Index{unplaced_}, wide = slots + 1;
  buffer.jobs.assign(jobs.begin(), jobs.end());
  buffer.costs.resize(static_cast<std::size_t>(std::max<Index>(n * slots, 1)));
  buffer.keys.resize(static_cast<std::size_t>(n * wide));
  buffer.exact.resize(jobs.size());
  cost_->reals(Rows{buffer.jobs.data(), 0, n}, buffer.costs.data());
  for (Index k = 0; k < n; ++k) {
    const Job job = jobs[static_cast<std::size_t>(k)];
    transport::CostRangeStats stats;
    Cost* row = buffer.keys.data() + k * wide;
    quantised_->convert(job, buffer.costs.data() + k * slots, row, stats);
    if (!quantised_->possible(stats))
      throw Error(ErrorKind::internal, "cost", job, "a cost is NaN or beyond the stated max_abs_cost");
    buffer.exact[static_cast<std::size_t>(k)] = read_unplaced(job, row[slots]) && !stats.inexact ? 1 : 0;
  }
}

bool MatcherState::read_unplaced(Job job, Cost& key) const {
  const double cost = unplaced_with_switching(columns_, job, placement(job));
  if (!(cost < std::numeric_limits<double>::infinity())) {
    key = kForbidden;
    return true;
  }
  key = static_cast<Cost>(std::nearbyint(cost * resolution()));
  return static_cast<double>(key) / resolution() == cost;  // a product that underflows to 0 is not exact
}

Cost MatcherState::read_key(Job job, Slot column) const {
  if (column < unplaced_) return quantised_->at(job, column);
  Cost key = 0;
  read_unplaced(job, key);
  return key;
}

Sketched MatcherState::sketch(Job job, float* out) const {
  const Sketched made = columns_.cost->sketch(job, resolution(), out);
  if (columns_.closed)
    for (const Slot s : *columns_.closed) out[s] = std::numeric_limits<float>::infinity();
  return made;
}

void MatcherState::read_column(std::span<const Job> jobs, Slot column, KeyBuffer& buffer) const {
  buffer.keys.resize(jobs.size());
  buffer.exact.resize(jobs.size());
  if (column == unplaced_) {
    for (std::size_t k = 0; k < jobs.size(); ++k) buffer.exact[k] = read_unplaced(jobs[k], buffer.keys[k]) ? 1 : 0;
    return;
  }
  buffer.jobs.assign(jobs.begin(), jobs.end());
  buffer.costs.resize(jobs.size());
  const auto n = static_cast<Index>(jobs.size());
  cost_->column(Rows{buffer.jobs.data(), 0, n}, column, buffer.costs.data());
  kernels::quantise(buffer.costs.data(), n, resolution(), buffer.keys.data(), buffer.exact.data());
}

void MatcherState::enter_class(Job job, Slot slot) noexcept {
  auto& list = members_[static_cast<std::size_t>(slot)];
  list.push_back(job);
  assigned_[at(job)] = slot;
  member_position_[at(job)] = static_cast<std::int32_t>(list.size()) - 1;
}

void MatcherState::leave_class(Job job) noexcept {
  if (assigned_class(job) == kNone) return;
  auto& list = members_[static_cast<std::size_t>(assigned_class(job))];
  const Job last = list.back();
  list[static_cast<std::size_t>(member_position_[at(job)])] = last;
  member_position_[at(last)] = member_position_[at(job)];
  list.pop_back();
  assigned_[at(job)] = kNone;
}

void MatcherState::assign(Job job, Slot slot, Cost key, bool exact) {
  record(job);
  auto& list = members_[static_cast<std::size_t>(slot)];
  if (list.size() == list.capacity()) list.reserve(2 * list.size() + 1);
  enter_class(job, slot);
  key_[at(job)] = key;
  key < kForbidden ? void(key_sum_ += key) : void(++n_forbidden_);
  n_rounded_ += exact ? 0 : 1;
  set(job, kRounded, !exact);
}

void MatcherState::unassign(Job job) {
  if (assigned_class(job) == kNone) return;
  record(job);
  leave_class(job);
  key(job) < kForbidden ? void(key_sum_ -= key(job)) : void(--n_forbidden_);
  n_rounded_ -= (flags_[at(job)] & kRounded) != 0 ? 1 : 0;
  set(job, kRounded, false);
}

void MatcherState::write_key(Job job, Cost key, bool exact, KeySums& sums) noexcept {
  key_[at(job)] = key;
  set(job, kRounded, !exact);
  key < kForbidden ? void(sums.keys += key) : void(++sums.forbidden);
  sums.rounded += exact ? 0 : 1;
}

void MatcherState::count_keys(const KeySums& sums) noexcept {
  key_sum_ += sums.keys;
  n_forbidden_ += sums.forbidden;
  n_rounded_ += sums.rounded;
}

void MatcherState::mark_rounded(Job job) {
  if ((flags_[at(job)] & kRounded) != 0) return;
  record(job);
  ++n_rounded_;
  set(job, kRounded, true);
}

void MatcherState::unassign_all() {
  if (!all_) {
    const bool none = std::all_of(members_.begin(), members_.end(), [](const auto& list) { return list.empty(); });
    none ? all_.emplace() : all_.emplace(assigned_, key_, flags_);
  }
  for (auto& list : members_) {
    for (const Job job : list) {
      assigned_[at(job)] = kNone;
      set(job, kRounded, false);
    }
    list.clear();
  }
  key_sum_ = 0;
  n_rounded_ = n_forbidden_ = 0;
}

double MatcherState::cost(Job job, Slot column) const {
  if (column == unplaced_) return unplaced_cost(job);
  if (columns_.closed && std::find(columns_.closed->begin(), columns_.closed->end(), column) != columns_.closed->end())
    return std::numeric_limits<double>::infinity();
  const double cost = columns_.cost->real_at(job, column);
  if (!(cost > -kInf)) throw Error(ErrorKind::internal, "cost", job, "a cost is NaN or -inf");
  return cost;
}

std::vector<Job> MatcherState::live_jobs() const {
  std::vector<Job> jobs;
  jobs.reserve(static_cast<std::size_t>(n_live_));
  for (Job job = 0; job < static_cast<Job>(n_positions()); ++job) {
    if (is_live(job)) jobs.push_back(job);
  }
  return jobs;
}

bool MatcherState::holds(const std::vector<bool>& changed) const {
  Wide total = 0;
  Index inside = 0;
  for (Slot s = 0; s < n_classes(); ++s) {
    for (std::size_t k = 0; k < members(s).size(); ++k) {
      const Job job = members(s)[k];
      if (!is_live(job) || assigned_class(job) != s || member_position_[at(job)] != static_cast<std::int32_t>(k))
        return false;
      if (!changed[at(s)] && key(job) < kForbidden && key(job) != read_key(job, s)) return false;
      total += key(job) < kForbidden ? key(job) : 0;
      ++inside;
    }
  }
  for (const Job job : live_jobs()) inside += assigned_class(job) == kNone ? 1 : 0;
  return total == key_sum_ && inside == n_live_;
}

}  // namespace gridcompute::live
