#include "gridcompute/base/shelf.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

namespace {

constexpr std::size_t kLine = 64, kSmallPage = std::size_t{1} << 12, kPage = std::size_t{1} << 21,
                      kHuge = std::size_t{1} << 22;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kShelved = false;
#else
constexpr bool kShelved = true;
#endif

bool shelved(std::size_t bytes) noexcept { return kShelved && bytes >= Shelf::kLeast && bytes <= Shelf::kLargest; }

// Pieces come in four sizes an octave: what a piece really has follows from the bytes asked for, whoever had it before.
std::size_t piece_of(std::size_t bytes) noexcept {
  const std::size_t step = std::bit_floor(bytes) / 4;
  return (bytes + step - 1) / step * step;
}

// New memory that is about to be written: all its pages in one call, less than half the time of a fault for each. A
// wish too. Above the size, huge pages make faults rare.
void touch([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_POPULATE_WRITE)
  const auto first = (reinterpret_cast<std::uintptr_t>(memory) + kSmallPage - 1) / kSmallPage * kSmallPage;
  const auto last = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / kSmallPage * kSmallPage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#endif
}

Shelf& shelf() {
  static auto* const only = new Shelf;  // arrays may be freed until the very end
  return *only;
}

}  // namespace

void* Shelf::take(std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return nullptr;
  std::size_t k = 0;
  while (k < count_ && pieces_[k].bytes != bytes) ++k;
  if (k == count_) return nullptr;
  void* const found = pieces_[k].memory;
  drop(k);
  return found;
}

bool Shelf::give(void* memory, std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return false;
  while (count_ == pieces_.size() || total_ + bytes > kMost) {
    std::free(pieces_[0].memory);
    drop(0);
  }
  pieces_[count_++] = {memory, bytes};
  total_ += bytes;
  return true;
}

void Shelf::drop(std::size_t k) noexcept {
  total_ -= pieces_[k].bytes;
  std::move(pieces_.begin() + static_cast<std::ptrdiff_t>(k) + 1, pieces_.begin() + static_cast<std::ptrdiff_t>(count_),
            pieces_.begin() + static_cast<std::ptrdiff_t>(k));
  --count_;
}

void* allocate_array(std::size_t bytes) {
  const std::size_t wanted = shelved(bytes) ? piece_of(bytes) : bytes;
  if (shelved(bytes))
    if (void* const kept = shelf().take(wanted); kept != nullptr) return kept;
  const std::size_t step = wanted >= kHuge ? kPage : kLine;
  const std::size_t whole = std::max(step, (wanted + step - 1) / step * step);
  void* const memory = std::aligned_alloc(step, whole);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (wanted >= kHuge) ::madvise(memory, whole, MADV_HUGEPAGE);  // a wish: small pages serve too
#endif
  if (shelved(bytes) && wanted < kHuge) touch(memory, bytes);
  return memory;
}

void free_array(void* memory, std::size_t bytes) noexcept {
  if (memory != nullptr && !(shelved(bytes) && shelf().give(memory, piece_of(bytes)))) std::free(memory);
}

}  // namespace gridcompute
