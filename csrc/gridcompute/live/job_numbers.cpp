#include "gridcompute/live/job_numbers.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "gridcompute/base/error.hpp"

namespace gridcompute::live {

namespace {

constexpr int kLeastBits = 4;        // of a new table's size
constexpr std::int32_t kEmpty = -1;  // a cell without a job

}  // namespace

JobNumbers::JobNumbers(const LiveTuning& tuning)
    : ahead_(at(tuning.prefetch_ids)),
      slot_id_(1 << kLeastBits),
      slot_position_(1 << kLeastBits, kEmpty),
      bits_(kLeastBits) {}

std::size_t JobNumbers::home(std::int64_t id) const noexcept {
  auto mixed = static_cast<std::uint64_t>(id) * 0x9e3779b97f4a7c15;
  mixed ^= mixed >> 32;
  return static_cast<std::size_t>(mixed * 0xd6e8feb86659fd93 >> (64 - bits_));
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
    if (k + ahead_ < ids.size()) prefetch(ids[k + ahead_]);
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
    if (k + ahead_ < ids.size()) prefetch(ids[k + ahead_]);
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
    if (k + 2 * ahead_ < positions.size()) __builtin_prefetch(id_.data() + positions[k + 2 * ahead_]);
    if (k + ahead_ < positions.size()) prefetch(id(positions[k + ahead_]));
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
    if (end + ahead_ < positions.size()) __builtin_prefetch(seen_.data() + positions[end + ahead_]);
    if (seen_[at(positions[end])] != 0) found = static_cast<Index>(end);
    seen_[at(positions[end])] = 1;
  }
  for (std::size_t k = 0; k < end; ++k) seen_[at(positions[k])] = 0;
  return found;
}

}  // namespace gridcompute::live
