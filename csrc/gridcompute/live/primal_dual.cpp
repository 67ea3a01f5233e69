#include "gridcompute/live/primal_dual.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::live {

// The pool requests few blocks from the system at a time: an index that needs a little more than the last one allocates
// little more.
std::shared_ptr<BlockPool> IndexStore::new_memory() const {
  return std::make_shared<BlockPool>(at(tuning_.pool_blocks));
}

void IndexStore::reset() noexcept {
  if (index_ && index_.get() == at_commit_ && !index_->changed()) discarded_ = std::move(index_);
  index_.reset();
  lost_ = false;
}

void IndexStore::commit() noexcept {
  discarded_.reset();
  at_commit_ = index_.get();
  lost_at_commit_ = lost_;
  if (index_) index_->commit();
}

bool IndexStore::rollback() noexcept {
  if (discarded_) index_ = std::move(discarded_);
  const bool kept = index_.get() == at_commit_ && (!index_ || !index_->changed());
  if (!kept) index_.reset();
  lost_ = lost_at_commit_ || (!kept && at_commit_ != nullptr);
  return !lost_;
}

// Ratio of the most jobs that the memory of the lists has served to those now, beyond which it is returned.
constexpr Index kMemoryShrink = 2;

bool IndexStore::build(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, Pool& pool, Stop& stop,
                       std::vector<Job>& misplaced) {
  const Index capacity = MoveIndex::list_capacity(state.n_classes(), tuning_);
  if (!memory_ || kMemoryShrink * state.n_live() < most_live_ || capacity != list_capacity_) {
    memory_ = new_memory();
    most_live_ = state.n_live();
    list_capacity_ = capacity;
  }
  most_live_ = std::max(most_live_, state.n_live());
  auto index = std::make_unique<MoveIndex>(state, prices, counts, tuning_, memory_);
  if (!index->build(pool, stop, misplaced)) return false;
  index_ = std::move(index);
  lost_ = false;
  return true;
}

void IndexStore::add_classes(Slot classes) {
  index_->add_classes(classes);
  const Index capacity = MoveIndex::list_capacity(classes, tuning_);
  if (capacity == list_capacity_) return;
  memory_ = new_memory();
  list_capacity_ = capacity;
  index_->relocate_lists(memory_);
}

PrimalDual::PrimalDual(Slot n_slots, const LiveTuning& given)
    : tuning(given), state(n_slots), prices(at(n_slots) + 1, 0), capacity(n_slots), index(given) {}

void PrimalDual::begin_change() {
  if (!before_) before_.emplace(prices, capacity, changed, queue.size(), can_rebuild, cold_reason, max_abs_cost);
}

void PrimalDual::begin_round() {
  begin_change();
  queue_before_ = queue;
}

void PrimalDual::commit() noexcept {
  state.commit();
  index.commit();
  before_.reset(), queue_before_.reset();
}

void PrimalDual::rollback() noexcept {
  state.rollback();
  if (before_) {
    prices.swap(before_->prices), changed.swap(before_->changed);
    capacity = std::move(before_->capacity);
    can_rebuild = before_->can_rebuild, cold_reason = before_->cold_reason;
    max_abs_cost = before_->max_abs_cost;
    if (queue_before_) queue.swap(*queue_before_);
    queue.resize(before_->n_queued);
  }
  state.set_queue(queue);
  if (!index.rollback()) cold_reason = "the last call failed";
  commit();
}

void PrimalDual::enqueue(Job job) {
  unassign(job);
  if (state.is_queued(job)) return;
  state.set_queued(job, true);
  queue.push_back(job);
}

void PrimalDual::mark_changed(std::span<const Slot> slots) {
  changed.insert(changed.end(), slots.begin(), slots.end());
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
}

void PrimalDual::discard_index(const char* reason) {
  if (!index && !index.lost()) return;
  index.reset();
  cold_reason = reason;
  can_rebuild = true;
}

void PrimalDual::discard_assignment() {
  index.reset();
  for (const Job job : queue) state.set_queued(job, false);
  queue.clear();
  state.unassign_all();
}

void PrimalDual::add_classes(Slot n_slots) {
  const std::size_t more = at(n_slots - state.unplaced_class());
  if (index && !index->can_grow_to(n_slots + 1)) discard_index("the move index cannot take that many classes");
  if (index) index.add_classes(n_slots + 1);
  state.add_classes(n_slots);
  prices.insert(prices.end() - 1, more, 0);
  capacity.add_classes(more);
}

double PrimalDual::price(Slot s) const noexcept { return static_cast<double>(prices[at(s)]) / state.resolution(); }

Wide PrimalDual::dual_value() const {
  Wide value = state.key_sum();
  for (Slot s = 0; s < state.unplaced_class(); ++s)
    value += static_cast<Wide>(state.load(s) - capacity[s]) * prices[at(s)];
  return value;
}

double PrimalDual::objective_of(Wide keys) const { return static_cast<double>(keys) / state.resolution(); }

// Each rounded key may be half a unit above the cost itself. The resolution is a power of two: the division is exact.
double PrimalDual::lower_bound_of(Wide keys) const {
  keys -= (state.n_rounded() + 1) / 2 + price_rounding();
  auto value = static_cast<double>(keys);
  if (static_cast<Wide>(value) > keys) value = std::nextafter(value, -std::numeric_limits<double>::infinity());
  return value / state.resolution();
}

// A price beyond 2^53 is reported as the nearest double.
Wide PrimalDual::price_rounding() const {
  Wide most = 0, slots = 0;
  for (Slot s = 0; s < state.unplaced_class(); ++s) {
    const Wide off = static_cast<Wide>(static_cast<double>(prices[at(s)])) - prices[at(s)];
    if (off == 0) continue;
    most = std::max(most, off < 0 ? -off : off);
    slots += std::min<Wide>(capacity[s], state.n_live());
  }
  return most == 0 ? 0 : most * (state.n_live() + slots);
}

Index PrimalDual::excess(std::span<const Cost> loads) const {
  Index units = 0;
  Index deficit = -static_cast<Index>(queue.size());
  for (Slot s = 0; s < state.unplaced_class(); ++s) {
    const Cost over = loads[at(s)] - capacity[s];
    if (over > 0) units += over;
    if (over < 0 && prices[at(s)] > 0) deficit += std::min<Cost>(-over, state.n_live());
  }
  return units + std::max<Index>(deficit, 0);
}

Index PrimalDual::excess() const {
  std::vector<Cost> loads;
  for (Slot s = 0; s < state.unplaced_class(); ++s) loads.push_back(state.load(s));
  return excess(loads);
}

}  // namespace gridcompute::live
