// The positions of jobs whose ids are integers: a hash table with open addressing.
//
// Definitions. An id is a 64-bit integer that the caller chose; its position is a small index, assigned from 0 on. The
// position freed last is assigned next, so that positions depend on the order of calls only.
//
// Why not a Python dictionary: ids that are looked up, say a thousandth of a million, lie all over memory, and this
// table prefetches the slots of all of them before it reads the first.
//
// Method. Linear probing at a load of at most a half, from the high bits of id * an odd constant; a removal moves
// later entries of its run back, so that no mark of removed entries is ever needed.
//
// Complexity. Constant time for each id, expected; ids chosen to collide make it linear, as in any table without a
// secret. Memory: 12 bytes for each slot, two to four slots for each id, and 14 bytes for each position.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"
#include "gridcompute/live/tuning.hpp"

namespace gridcompute::live {

class JobNumbers {
 public:
  explicit JobNumbers(const LiveTuning& tuning = kDefaultTuning);

  // Writes the position of each id, -1 where it has none.
  void lookup(std::span<const std::int64_t> ids, std::span<std::int32_t> out) const;
  // Assigns each id a position; an id that has one, or is in the list twice, is an Error, and nothing has changed.
  void add(std::span<const std::int64_t> ids, std::span<std::int32_t> out);
  // Frees assigned positions, each once.
  void release(std::span<const std::int32_t> positions);
  // Returns the first index whose position occurred before, or -1. All positions are assigned.
  [[nodiscard]] Index repeated(std::span<const std::int32_t> positions);

  [[nodiscard]] bool is_given(std::int32_t position) const noexcept {
    return position >= 0 && position < size() && given_[at(position)] != 0;
  }
  [[nodiscard]] std::int64_t id(std::int32_t position) const noexcept { return id_[at(position)]; }
  [[nodiscard]] Index count() const noexcept { return count_; }
  [[nodiscard]] Index size() const noexcept {
    return static_cast<Index>(id_.size());
  }  // positions assigned at any time

 private:
  [[nodiscard]] std::size_t home(std::int64_t id) const noexcept;
  [[nodiscard]] std::size_t find(std::int64_t id) const noexcept;  // the slot of the id, or the empty slot for it
  void prefetch(std::int64_t id) const noexcept;
  void reserve(Index more);
  [[noreturn]] void refuse(std::span<const std::int64_t> ids, std::span<const std::int32_t> out, std::size_t k);
  void erase(std::int64_t id) noexcept;

  std::size_t ahead_;  // ids whose slots are prefetched before they are read
  std::vector<std::int64_t> slot_id_;
  std::vector<std::int32_t> slot_position_;  // -1: empty
  int bits_ = 0;                             // of the number of slots
  Index count_ = 0;
  std::vector<std::int64_t> id_;  // by position
  std::vector<std::uint8_t> given_;
  std::vector<std::uint8_t> seen_;  // by position; all 0 between calls
  std::vector<std::int32_t> free_;
};

}  // namespace gridcompute::live
