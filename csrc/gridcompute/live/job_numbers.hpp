// The positions of jobs whose ids are integers: a hash table with open addressing.
//
// Definitions. An id is a 64-bit integer that the caller chose; its position is a small index, given from 0 on, and the
// position freed last is given next, so that ids never decide more than the order of calls does.
//
// Why no dictionary of Python's: a thousandth of a million ids that are looked up lie all over memory, and a table that
// knows its own slots can ask for all of them before it reads the first.
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
  explicit JobNumbers(const Tuning& tuning = kDefaultTuning);

  // Writes the position of each id, -1 where it has none.
  void lookup(std::span<const std::int64_t> ids, std::span<std::int32_t> out) const;
  // Gives each id a position; an id that has one, or is there twice, is an Error, and nothing has changed.
  void add(std::span<const std::int64_t> ids, std::span<std::int32_t> out);
  // Frees positions that are given, each once.
  void release(std::span<const std::int32_t> positions);
  // Returns the first index whose position occurred before, -1: each is there once. All are given.
  [[nodiscard]] Index repeated(std::span<const std::int32_t> positions);

  [[nodiscard]] bool is_given(std::int32_t position) const noexcept {
    return position >= 0 && position < size() && given_[at(position)] != 0;
  }
  [[nodiscard]] std::int64_t id(std::int32_t position) const noexcept { return id_[at(position)]; }
  [[nodiscard]] Index count() const noexcept { return count_; }
  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(id_.size()); }  // positions ever given

 private:
  [[nodiscard]] std::size_t home(std::int64_t id) const noexcept;
  [[nodiscard]] std::size_t find(std::int64_t id) const noexcept;  // its slot, or the empty one where it would be
  void prefetch(std::int64_t id) const noexcept;
  void reserve(Index more);
  [[noreturn]] void refuse(std::span<const std::int64_t> ids, std::span<const std::int32_t> out, std::size_t k);
  void erase(std::int64_t id) noexcept;

  std::size_t ahead_;  // ids whose slots are asked for before they are read
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
