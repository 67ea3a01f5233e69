#include "gridcompute/live/index_store.hpp"

#include "gridcompute/base/block_cache.hpp"

namespace gridcompute::live {

// The pool requests few blocks from the system at a time: an index that needs a little more than the last one allocates
// little more.
std::unique_ptr<IndexStore::Memory> IndexStore::new_memory() const {
  return std::make_unique<Memory>(std::pmr::pool_options{static_cast<std::size_t>(tuning_.pool_blocks), 0},
                                  &ArrayMemory::instance());
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
  auto index = std::make_unique<MoveIndex>(state, prices, counts, tuning_, *memory_);
  if (!index->build(pool, stop, misplaced)) return false;
  index_ = std::move(index);
  return true;
}

void IndexStore::add_classes(Slot classes) {
  std::unique_ptr<Memory> other;  // outlives the index, whose lists may be in both when an exception is thrown
  try {
    index_->add_classes(classes);
    const Index capacity = MoveIndex::list_capacity(classes, tuning_);
    if (capacity == list_capacity_) return;
    other = new_memory();
    index_->relocate_lists(*other);
    memory_.swap(other);
    list_capacity_ = capacity;
  } catch (...) {
    reset();
    throw;
  }
}

}  // namespace gridcompute::live
