#include "gridcompute/live/index_store.hpp"

namespace gridcompute::live {

// The pool requests few blocks from the system at a time: an index that needs a little more than the last one allocates
// little more.
std::shared_ptr<BlockPool> IndexStore::new_memory() const {
  return std::make_shared<BlockPool>(static_cast<std::size_t>(tuning_.pool_blocks));
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

bool IndexStore::build(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, Pool& pool, Stop& stop,
                       std::vector<Job>& misplaced) {
  const Index capacity = MoveIndex::list_capacity(state.n_classes(), tuning_);
  if (!memory_ || tuning_.memory_shrink * state.n_live() < most_live_ || capacity != list_capacity_) {
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

}  // namespace gridcompute::live
