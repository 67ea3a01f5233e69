#include "gridcompute/base/shelf.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

namespace {

constexpr std::size_t kLine = 64, kPage = std::size_t{1} << 21, kHuge = std::size_t{1} << 22;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kShelved = false;
#else
constexpr bool kShelved = true;
#endif

bool shelved(std::size_t bytes) noexcept { return kShelved && bytes >= Shelf::kLeast && bytes <= Shelf::kLargest; }

Shelf& shelf() {
  static auto* const only = new Shelf;  // arrays may be freed until the very end
  return *only;
}

}  // namespace

void* Shelf::take(std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return nullptr;
  std::size_t best = count_;
  for (std::size_t k = 0; k < count_; ++k)
    if (pieces_[k].bytes >= bytes && pieces_[k].bytes / 2 <= bytes &&
        (best == count_ || pieces_[k].bytes < pieces_[best].bytes))
      best = k;
  if (best == count_) return nullptr;
  void* const found = pieces_[best].memory;
  drop(best);
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
  if (shelved(bytes))
    if (void* const kept = shelf().take(bytes); kept != nullptr) return kept;
  const std::size_t step = bytes >= kHuge ? kPage : kLine;
  const std::size_t whole = std::max(step, (bytes + step - 1) / step * step);
  void* const memory = std::aligned_alloc(step, whole);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (bytes >= kHuge) ::madvise(memory, whole, MADV_HUGEPAGE);  // a wish: small pages serve too
#endif
  return memory;
}

void free_array(void* memory, std::size_t bytes) noexcept {
  if (memory != nullptr && !(shelved(bytes) && shelf().give(memory, bytes))) std::free(memory);
}

}  // namespace gridcompute
