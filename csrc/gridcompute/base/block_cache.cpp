#include "gridcompute/base/block_cache.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

#include "gridcompute/base/pages.hpp"
#include "gridcompute/base/sanitizers.hpp"

namespace gridcompute {

namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kAligned = std::size_t{1} << 17;  // every piece: what pools ask for at most

#if defined(GRIDCOMPUTE_SANITIZED)
constexpr bool kShelved = false;
#else
constexpr bool kShelved = true;
#endif

bool in_pages(std::size_t bytes) noexcept { return kShelved && bytes >= Shelf::kLeast; }

// Pieces come in eight sizes an octave: what a piece really has follows from the bytes asked for, whoever had it
// before. Larger ones are not kept, and just as large as asked for.
std::size_t piece_of(std::size_t bytes) noexcept {
  if (bytes > Shelf::kLargest) return bytes;
  const std::size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

Shelf& shelf() {
  static auto* const only = new Shelf;  // arrays may be freed until the very end
  return *only;
}

void* mapped(std::size_t bytes, std::size_t alignment) {
  try {
    return map_pages(bytes, alignment);
  } catch (const std::bad_alloc&) {
    shelf().close();
    return map_pages(bytes, alignment);
  }
}

}  // namespace

void* Shelf::take(std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return nullptr;
  std::size_t k = 0;
  while (k < count_ && pieces_[k].bytes != bytes) ++k;
  return k < count_ ? drop(k).memory : nullptr;
}

bool Shelf::give(void* memory, std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || closed_ || bytes > kLargest) return false;
  while (count_ == pieces_.size() || total_ + bytes > kMost) release_one();
  pieces_[count_++] = {memory, bytes};
  total_ += bytes;
  return true;
}

void Shelf::close() noexcept {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  while (count_ > 0) release_one();
}

void Shelf::release_one() noexcept {
  std::size_t k = 0;
  while (k < count_ && pieces_[k].bytes < kHugePage) ++k;
  const Piece piece = drop(k < count_ ? k : 0);
  unmap_pages(piece.memory, piece.bytes);
}

Shelf::Piece Shelf::drop(std::size_t k) noexcept {
  const Piece piece = pieces_[k];
  total_ -= piece.bytes;
  std::move(pieces_.begin() + static_cast<std::ptrdiff_t>(k) + 1, pieces_.begin() + static_cast<std::ptrdiff_t>(count_),
            pieces_.begin() + static_cast<std::ptrdiff_t>(k));
  --count_;
  return piece;
}

void* allocate_array(std::size_t bytes) {
  if (in_pages(bytes)) {
    if (void* const kept = shelf().take(piece_of(bytes)); kept != nullptr) return kept;
    void* const memory = mapped(piece_of(bytes), kAligned);
    if (bytes < kHugePage) touch_pages(memory, bytes);
    return memory;
  }
  void* const memory = std::aligned_alloc(kLine, std::max(kLine, (bytes + kLine - 1) / kLine * kLine));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void free_array(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  if (!in_pages(bytes)) {
    std::free(memory);
  } else if (!shelf().give(memory, piece_of(bytes))) {
    unmap_pages(memory, piece_of(bytes));
  }
}

ArrayMemory& ArrayMemory::instance() noexcept {
  static auto* const only = new ArrayMemory;  // what lies in it may be freed until the very end
  return *only;
}

void* ArrayMemory::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (!in_pages(bytes)) return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  if (alignment > kAligned) return mapped(bytes, alignment);
  void* const kept = shelf().take(piece_of(bytes));
  return kept != nullptr ? kept : mapped(piece_of(bytes), kAligned);
}

void ArrayMemory::do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) {
  if (!in_pages(bytes)) {
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  } else if (alignment <= kAligned) {
    free_array(memory, bytes);
  } else {
    unmap_pages(memory, bytes);
  }
}

}  // namespace gridcompute
