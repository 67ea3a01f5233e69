#include "gridcompute/live/state.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::live {

namespace {

// Bound on the exponent of a resolution, which is a power of two: far from overflow and from subnormal results.
constexpr int kMaxExponent = 1000;

// The largest key of the range proof, and at most 2^50, which quantise() rounds exactly.
Cost largest_key(Slot n_slots) { return std::min<Cost>(largest_cost(n_slots + 2), Cost{1} << 50); }

}  // namespace

MatcherState::MatcherState(Slot n_slots) : unplaced_(n_slots), members_(at(n_slots) + 1) {}

// How far the largest cost may grow before the resolution, and with it every key, changes (factor).
constexpr Index kCostGrowth = 4;
// Factor below that growth by which the largest cost may shrink before the resolution becomes finer.
constexpr Index kCostShrink = 16;

// Returns whether keys of this size are within range and not far coarser than the range allows.
bool MatcherState::fits(double key, Slot n_slots) const {
  const auto limit = static_cast<double>(largest_key(n_slots));
  return key <= limit && key * static_cast<double>(kCostGrowth * kCostShrink) > limit;
}

void MatcherState::set_columns(const StoreColumns& columns) {
  if (!basis_) basis_.emplace(columns_, resolution_, unplaced_);
  const auto n = at(columns.cost->n_jobs());
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
  members_.reserve(at(n_slots) + 1);  // the only step that may throw
  for (Record& record : records_) record.assigned = record.assigned == unplaced_ ? n_slots : record.assigned;
  std::replace(assigned_.begin(), assigned_.end(), unplaced_, n_slots);
  std::replace(placed_.begin(), placed_.end(), unplaced_, n_slots);
  members_.insert(members_.end() - 1, at(n_slots - unplaced_), {});
  unplaced_ = n_slots;
}

std::optional<double> MatcherState::resolution_for(double max_abs_cost, Slot n_slots) const {
  if (!(max_abs_cost > 0) || (resolution_ > 0 && fits(max_abs_cost * resolution_, n_slots))) return std::nullopt;
  const auto growth = static_cast<double>(kCostGrowth);
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
      auto& list = members_[at(before.assigned)];
      const auto from = at(member_position_[at(job)]), to = at(before.position);
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
  buffer.costs.resize(at(std::max<Index>(n * slots, 1)));
  buffer.keys.resize(at(n * wide));
  buffer.exact.resize(jobs.size());
  cost_->reals(Rows{buffer.jobs.data(), 0, n}, buffer.costs.data());
  for (Index k = 0; k < n; ++k) {
    const Job job = jobs[at(k)];
    transport::CostRangeStats stats;
    Cost* row = buffer.keys.data() + k * wide;
    quantised_->convert(job, buffer.costs.data() + k * slots, row, stats);
    if (!quantised_->possible(stats))
      throw Error(ErrorKind::internal, "cost", job, "a cost is NaN or beyond the stated max_abs_cost");
    buffer.exact[at(k)] = read_unplaced(job, row[slots]) && !stats.inexact ? 1 : 0;
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
  auto& list = members_[at(slot)];
  list.push_back(job);
  assigned_[at(job)] = slot;
  member_position_[at(job)] = static_cast<std::int32_t>(list.size()) - 1;
}

void MatcherState::leave_class(Job job) noexcept {
  if (assigned_class(job) == kNone) return;
  auto& list = members_[at(assigned_class(job))];
  const Job last = list.back();
  list[at(member_position_[at(job)])] = last;
  member_position_[at(last)] = member_position_[at(job)];
  list.pop_back();
  assigned_[at(job)] = kNone;
}

void MatcherState::assign(Job job, Slot slot, Cost key, bool exact) {
  record(job);
  auto& list = members_[at(slot)];
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
  jobs.reserve(at(n_live_));
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

namespace {

constexpr int kLeastBits = 4;        // of a new table's size
constexpr std::int32_t kEmpty = -1;  // a cell without a job

}  // namespace

// Ids by which cells of the table of ids are prefetched ahead.
constexpr std::size_t kPrefetchIds = 16;

JobNumbers::JobNumbers() : slot_id_(1 << kLeastBits), slot_position_(1 << kLeastBits, kEmpty), bits_(kLeastBits) {}

std::size_t JobNumbers::home(std::int64_t id) const noexcept {
  auto mixed = static_cast<std::uint64_t>(id) * 0x9e3779b97f4a7c15;
  mixed ^= mixed >> 32;
  return at(mixed * 0xd6e8feb86659fd93 >> (64 - bits_));
}

std::size_t JobNumbers::find(std::int64_t id) const noexcept {
  const std::size_t mask = slot_id_.size() - 1;
  std::size_t slot = home(id);
  while (slot_position_[slot] != kEmpty && slot_id_[slot] != id) slot = (slot + 1) & mask;
  return slot;
}

void JobNumbers::prefetch(std::int64_t id) const noexcept {
  const std::size_t slot = home(id);
  __builtin_prefetch(slot_id_.data() + slot);
  __builtin_prefetch(slot_position_.data() + slot);
}

void JobNumbers::lookup(std::span<const std::int64_t> ids, std::span<std::int32_t> out) const {
  for (std::size_t k = 0; k < ids.size(); ++k) {
    if (k + kPrefetchIds < ids.size()) prefetch(ids[k + kPrefetchIds]);
    out[k] = slot_position_[find(ids[k])];
  }
}

// Makes room for this many more ids: the only step of add() that may be short of memory.
void JobNumbers::reserve(Index more) {
  const std::size_t positions = at(size() + more);
  if (positions > id_.capacity() || positions > seen_.capacity()) {
    const std::size_t wanted = std::max(positions, 2 * id_.size());
    seen_.reserve(wanted), given_.reserve(wanted), free_.reserve(wanted), id_.reserve(wanted);
  }
  const std::size_t wanted = std::bit_ceil(2 * at(count_ + more));
  if (wanted <= slot_id_.size()) return;
  std::vector<std::int64_t> ids(wanted);
  std::vector<std::int32_t> positions_of(wanted, kEmpty);
  ids.swap(slot_id_), positions_of.swap(slot_position_);
  bits_ = std::countr_zero(wanted);
  for (std::size_t k = 0; k < positions_of.size(); ++k) {
    if (positions_of[k] == kEmpty) continue;
    const std::size_t slot = find(ids[k]);
    slot_id_[slot] = ids[k], slot_position_[slot] = positions_of[k];
  }
}

void JobNumbers::add(std::span<const std::int64_t> ids, std::span<std::int32_t> out) {
  const Index most = std::numeric_limits<std::int32_t>::max(), more = static_cast<Index>(ids.size());
  if (count_ + more > most)
    throw Error(ErrorKind::invalid_problem, "ids", -1,
                "ids: found " + std::to_string(more) + " beside " + std::to_string(count_) + ", needed at most " +
                    std::to_string(most) + " in all");
  reserve(static_cast<Index>(ids.size()));
  for (std::size_t k = 0; k < ids.size(); ++k) {
    if (k + kPrefetchIds < ids.size()) prefetch(ids[k + kPrefetchIds]);
    const std::size_t slot = find(ids[k]);
    if (slot_position_[slot] != kEmpty) refuse(ids, out, k);
    if (free_.empty()) {
      out[k] = static_cast<std::int32_t>(size());
      id_.push_back(0), given_.push_back(0), seen_.push_back(0);
    } else {
      out[k] = free_.back();
      free_.pop_back();
    }
    id_[at(out[k])] = ids[k];
    given_[at(out[k])] = 1;
    slot_id_[slot] = ids[k], slot_position_[slot] = out[k];
    ++count_;
  }
}

// Undoes the first k ids and throws the error of the next one.
void JobNumbers::refuse(std::span<const std::int64_t> ids, std::span<const std::int32_t> out, std::size_t k) {
  for (std::size_t j = k; j > 0; --j) release(out.subspan(j - 1, 1));  // the position given last is freed first
  const auto before = ids.first(k);
  const bool twice = std::find(before.begin(), before.end(), ids[k]) != before.end();
  throw Error(ErrorKind::invalid_problem, "ids", static_cast<Index>(k),
              "ids[" + std::to_string(k) + "]: " + std::to_string(ids[k]) +
                  (twice ? " is given twice" : " is in the Matcher already"));
}

void JobNumbers::release(std::span<const std::int32_t> positions) {
  for (std::size_t k = 0; k < positions.size(); ++k) {
    if (k + 2 * kPrefetchIds < positions.size()) __builtin_prefetch(id_.data() + positions[k + 2 * kPrefetchIds]);
    if (k + kPrefetchIds < positions.size()) prefetch(id(positions[k + kPrefetchIds]));
    const std::int32_t position = positions[k];
    erase(id(position));
    given_[at(position)] = 0;
    free_.push_back(position);
    --count_;
  }
}

// Empties the slot of an id, and moves later entries of its run back that could not be found behind the hole.
void JobNumbers::erase(std::int64_t id) noexcept {
  const std::size_t mask = slot_id_.size() - 1;
  std::size_t hole = find(id);
  for (std::size_t slot = (hole + 1) & mask; slot_position_[slot] != kEmpty; slot = (slot + 1) & mask) {
    if (((slot - home(slot_id_[slot])) & mask) < ((slot - hole) & mask)) continue;  // its home lies behind the hole
    slot_id_[hole] = slot_id_[slot], slot_position_[hole] = slot_position_[slot];
    hole = slot;
  }
  slot_position_[hole] = kEmpty;
}

Index JobNumbers::repeated(std::span<const std::int32_t> positions) {
  Index found = -1;
  std::size_t end = 0;
  for (; end < positions.size() && found < 0; ++end) {
    if (end + kPrefetchIds < positions.size()) __builtin_prefetch(seen_.data() + positions[end + kPrefetchIds]);
    if (seen_[at(positions[end])] != 0) found = static_cast<Index>(end);
    seen_[at(positions[end])] = 1;
  }
  for (std::size_t k = 0; k < end; ++k) seen_[at(positions[k])] = 0;
  return found;
}

}  // namespace gridcompute::live

namespace gridcompute::live::kernels {

namespace {

constexpr Index kBlock = 32;  // keys compared together: four to eight vectors, whose results are combined once

}  // namespace

GRIDCOMPUTE_CLONES Index classes_within(const Cost* row, const Cost* base, Index n, Cost limit, bool all, Slot* out) {
  Index count = 0;
  if (all) {
    for (Index s = 0; s < n; ++s) out[s] = static_cast<Slot>(s);
    return n;
  }
  for (Index from = 0; from < n; from += kBlock) {
    const Index to = std::min(n, from + kBlock);
    std::int64_t any = 0;
    for (Index s = from; s < to; ++s) any |= static_cast<std::int64_t>(row[s] + base[s] <= limit);
    if (any == 0) continue;
    for (Index s = from; s < to; ++s) {
      if (row[s] + base[s] <= limit) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Index classes_below(const Cost* row, const Cost* threshold, Index n, Cost here, Slot* out) {
  Index count = 0;
  for (Index from = 0; from < n; from += kBlock) {
    const Index to = std::min(n, from + kBlock);
    std::int64_t any = 0;
    for (Index s = from; s < to; ++s) any |= static_cast<std::int64_t>(row[s] - here <= threshold[s]);
    if (any == 0) continue;
    for (Index s = from; s < to; ++s) {
      if (row[s] - here <= threshold[s]) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Index classes_near(const float* sketch, const float* limit, Index n, float here, Slot* out) {
  Index count = 0;
  for (Index from = 0; from < n; from += kBlock) {
    const Index to = std::min(n, from + kBlock);
    std::int32_t any = 0;
    for (Index s = from; s < to; ++s) any |= static_cast<std::int32_t>(sketch[s] <= here + limit[s]);
    if (any == 0) continue;
    for (Index s = from; s < to; ++s) {
      if (sketch[s] <= here + limit[s]) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Cost least_reduced(const Cost* row, const Cost* price, Index n) {
  Cost low = kForbidden;
  for (Index s = 0; s < n; ++s) low = row[s] + price[s] < low ? row[s] + price[s] : low;
  return low;
}

namespace {

template <bool kMinus>
GRIDCOMPUTE_INLINE bool relax(const Cost* GRIDCOMPUTE_RESTRICT length, const Cost* GRIDCOMPUTE_RESTRICT price, Index n,
                              Cost base, Cost least, Cost from, Cost* GRIDCOMPUTE_RESTRICT distance,
                              Cost* GRIDCOMPUTE_RESTRICT open, Cost* GRIDCOMPUTE_RESTRICT predecessor) {
  std::int64_t below = 0;
  for (Index s = 0; s < n; ++s) {
    const Cost there = base + length[s] + (kMinus ? -price[s] : price[s]);
    const bool arc = length[s] < kForbidden;
    const bool nearer = arc & (there < distance[s]);
    below |= static_cast<std::int64_t>(arc & (there < least));
    distance[s] = nearer ? there : distance[s];
    open[s] = nearer ? there : open[s];
    predecessor[s] = nearer ? from : predecessor[s];
  }
  return below != 0;
}

}  // namespace

GRIDCOMPUTE_CLONES bool relax_all(const Cost* length, const Cost* price, bool minus, Index n, Cost base, Cost least,
                                  Cost from, Cost* distance, Cost* open, Cost* predecessor) {
  return minus ? relax<true>(length, price, n, base, least, from, distance, open, predecessor)
               : relax<false>(length, price, n, base, least, from, distance, open, predecessor);
}

GRIDCOMPUTE_CLONES Index nearest(const Cost* open, Index n) {
  Cost low = kForbidden;
  for (Index s = 0; s < n; ++s) low = open[s] < low ? open[s] : low;
  if (low >= kForbidden) return -1;
  Index first = 0;
  while (open[first] != low) ++first;
  return first;
}

GRIDCOMPUTE_CLONES void quantise(const double* cost, Index n, double resolution, Cost* GRIDCOMPUTE_RESTRICT out,
                                 std::uint8_t* GRIDCOMPUTE_RESTRICT exact) {
  // Adding 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits: exact for |x| < 2^51.
  constexpr double kRound = 6755399441055744.0;
  const double unit = 1 / resolution;
  for (Index k = 0; k < n; ++k) {
    const double shifted = cost[k] * resolution + kRound;
    const Cost key = std::bit_cast<Cost>(shifted) - std::bit_cast<Cost>(kRound);
    const bool allowed = std::fabs(cost[k]) < std::numeric_limits<double>::infinity();
    out[k] = allowed ? key : kForbidden;
    exact[k] = static_cast<std::uint8_t>(!allowed || (shifted - kRound) * unit == cost[k]);
  }
}

}  // namespace gridcompute::live::kernels
