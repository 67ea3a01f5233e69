#include "gridcompute/base/memory.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "gridcompute/base/simd.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

namespace {

constexpr std::size_t kLine = 64;                       // bytes of a cache line
constexpr std::size_t kAligned = std::size_t{1} << 17;  // of every block: the largest alignment that pools ask for

#if defined(GRIDCOMPUTE_SANITIZED)
constexpr bool kCached = false;
#else
constexpr bool kCached = true;
#endif

bool in_pages(std::size_t bytes) noexcept { return kCached && bytes >= LargeBlockCache::kMinBlock; }

// Rounds a size up to one of eight per octave, so that the true size of a block follows from the bytes asked for.
// Larger blocks are not cached, and exactly as large as asked for.
std::size_t block_size(std::size_t bytes) noexcept {
  if (bytes > LargeBlockCache::kMaxBlock) return bytes;
  const std::size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

LargeBlockCache& block_cache() {
  static auto* const only = new LargeBlockCache;  // never destroyed: arrays may be freed during exit
  return *only;
}

void* mapped(std::size_t bytes, std::size_t alignment) {
  try {
    return map_pages(bytes, alignment);
  } catch (const std::bad_alloc&) {
    block_cache().disable();
    return map_pages(bytes, alignment);
  }
}

}  // namespace

void* LargeBlockCache::allocate(std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return nullptr;
  std::size_t k = 0;
  while (k < count_ && blocks_[k].bytes != bytes) ++k;
  return k < count_ ? remove(k).memory : nullptr;
}

bool LargeBlockCache::release(void* memory, std::size_t bytes) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || disabled_ || bytes > kMaxBlock) return false;
  while (count_ == blocks_.size() || total_ + bytes > kMaxTotal) evict_one();
  blocks_[count_++] = {memory, bytes};
  total_ += bytes;
  return true;
}

void LargeBlockCache::disable() noexcept {
  const std::scoped_lock lock(mutex_);
  disabled_ = true;
  while (count_ > 0) evict_one();
}

void LargeBlockCache::evict_one() noexcept {
  std::size_t k = 0;
  while (k < count_ && blocks_[k].bytes < kHugePage) ++k;
  const CachedBlock block = remove(k < count_ ? k : 0);
  unmap_pages(block.memory, block.bytes);
}

LargeBlockCache::CachedBlock LargeBlockCache::remove(std::size_t k) noexcept {
  const CachedBlock block = blocks_[k];
  total_ -= block.bytes;
  std::move(blocks_.begin() + static_cast<std::ptrdiff_t>(k) + 1, blocks_.begin() + static_cast<std::ptrdiff_t>(count_),
            blocks_.begin() + static_cast<std::ptrdiff_t>(k));
  --count_;
  return block;
}

void* allocate_array(std::size_t bytes) {
  if (in_pages(bytes)) {
    if (void* const kept = block_cache().allocate(block_size(bytes)); kept != nullptr) return kept;
    void* const memory = mapped(block_size(bytes), kAligned);
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
  } else if (!block_cache().release(memory, block_size(bytes))) {
    unmap_pages(memory, block_size(bytes));
  }
}

ArrayMemory& ArrayMemory::instance() noexcept {
  static auto* const only = new ArrayMemory;  // never destroyed: its blocks may be freed during exit
  return *only;
}

void* ArrayMemory::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (!in_pages(bytes)) return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  if (alignment > kAligned) return mapped(bytes, alignment);
  void* const kept = block_cache().allocate(block_size(bytes));
  return kept != nullptr ? kept : mapped(block_size(bytes), kAligned);
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

namespace {

constexpr std::size_t kPage = std::size_t{1} << 16;  // bytes, a multiple of the page size of every supported system

std::size_t whole(std::size_t bytes, std::size_t page) noexcept { return (bytes + page - 1) / page * page; }

}  // namespace

#if defined(__linux__) && !defined(GRIDCOMPUTE_SANITIZED)

// For a larger alignment than a page, maps that much more and unmaps what exceeds the block on both sides.
void* map_pages(std::size_t bytes, std::size_t alignment) {
  if (bytes >= kHugePage) alignment = std::max(alignment, kHugePage);
  const std::size_t over = alignment > kPage ? alignment : 0, length = whole(bytes, kPage);
  void* const memory = ::mmap(nullptr, length + over, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(memory);
  if (over > 0) {
    const std::size_t before = (over - reinterpret_cast<std::uintptr_t>(begin) % over) % over;
    if (before > 0) ::munmap(begin, before);
    begin += before;
    if (before < over) ::munmap(begin + length, over - before);
  }
#if defined(MADV_HUGEPAGE)
  if (bytes >= kHugePage) ::madvise(begin, length, MADV_HUGEPAGE);  // best effort: small pages do as well
#endif
  return begin;
}

void touch_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_POPULATE_WRITE)
  ::madvise(memory, bytes, MADV_POPULATE_WRITE);
#endif
}

void unmap_pages(void* memory, std::size_t bytes) noexcept { ::munmap(memory, whole(bytes, kPage)); }

#else

void* map_pages(std::size_t bytes, std::size_t alignment) {
  alignment = std::max(alignment, kPage);
  void* const memory = std::aligned_alloc(alignment, whole(bytes, alignment));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void touch_pages(void*, std::size_t) noexcept {}

void unmap_pages(void* memory, std::size_t) noexcept { std::free(memory); }

#endif

}  // namespace gridcompute
