// Owns the move index of a matcher, if there is one, and the memory of its lists, which outlives it.
//
// Blocks of lists are kept from index to index, so that later indexes of a matcher reuse the memory of the first. They
// are freed when the matcher has shrunk to half, or when the lists have another capacity.
#pragma once

#include <memory>

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::live {

class IndexStore {
 public:
  explicit IndexStore(const LiveTuning& tuning) : tuning_(tuning) {}

  [[nodiscard]] explicit operator bool() const noexcept { return index_ != nullptr; }
  [[nodiscard]] MoveIndex* operator->() const noexcept { return index_.get(); }
  [[nodiscard]] MoveIndex& operator*() const noexcept { return *index_; }
  void reset() noexcept { index_.reset(); }

  // Builds the index, which must not exist; as MoveIndex::build(). False: stopped, and there is still no index.
  bool build(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, Pool& pool, Stop& stop,
             std::vector<Job>& misplaced);
  // Adds classes to the index, up to `classes`; if that throws, the index is lost.
  void add_classes(Slot classes);

 private:
  using Memory = std::pmr::unsynchronized_pool_resource;
  [[nodiscard]] std::unique_ptr<Memory> new_memory() const;

  const LiveTuning& tuning_;
  std::unique_ptr<Memory> memory_;  // declared before the index, so destroyed after it
  Index most_live_ = 0;             // the largest number of live jobs that it has served
  Index list_capacity_ = 0;         // of the indexes that it has served
  std::unique_ptr<MoveIndex> index_;
};

}  // namespace gridcompute::live
