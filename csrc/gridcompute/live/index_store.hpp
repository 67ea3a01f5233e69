// Owns the move index of a matcher, if there is one, and the memory of its lists.
//
// Blocks of lists are kept from index to index, so that later indexes of a matcher reuse the memory of the first. They
// are freed when the matcher has shrunk to half, or when the lists have another capacity.
//
// An index that was changed cannot be changed back: rollback() then leaves it *lost*. The next round builds another one
// from the same assignment and prices, and takes the same decisions as if it had not been lost.
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
  // Discards the index.
  void reset() noexcept;
  // Returns whether the index was lost by a change that was undone.
  [[nodiscard]] bool lost() const noexcept { return lost_; }
  // Keeps all changes since the last commit(), or undoes them; false: the index is lost.
  void commit() noexcept;
  bool rollback() noexcept;

  // Builds the index, which must not exist; as MoveIndex::build(). False: stopped, and there is still no index.
  bool build(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, Pool& pool, Stop& stop,
             std::vector<Job>& misplaced);
  // Adds classes to the index, up to `classes`.
  void add_classes(Slot classes);

 private:
  [[nodiscard]] std::shared_ptr<BlockPool> new_memory() const;

  const LiveTuning& tuning_;
  std::shared_ptr<BlockPool> memory_;
  Index most_live_ = 0;      // the largest number of live jobs that it has served
  Index list_capacity_ = 0;  // of the indexes that it has served
  std::unique_ptr<MoveIndex> index_;
  std::unique_ptr<MoveIndex> discarded_;  // since the last commit(), unchanged: rollback() brings it back
  const MoveIndex* at_commit_ = nullptr;  // the index then
  bool lost_ = false, lost_at_commit_ = false;
};

}  // namespace gridcompute::live
