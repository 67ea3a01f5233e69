// A cache of large memory blocks: a block that one solve frees is used again by the next one.
//
// Why. The first write to new memory is a page fault for each 4 KB: on a guest of a virtual machine up to ten
// microseconds each. A warm start of one millisecond would spend more time on page faults than on its answer.
//
// Bounded: kMaxTotal bytes in all, then blocks return to the system (pages.hpp), the oldest of those on huge pages
// first, which take few faults to allocate again. Safe across threads, and across fork: a thread that finds the cache
// locked goes to the system instead of waiting.
//
// Sanitizers see every block as allocated and freed; there the cache stays empty.
#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <mutex>

namespace gridcompute {

class LargeBlockCache {
 public:
  static constexpr std::size_t kMinBlock = std::size_t{1} << 15, kMaxBlock = std::size_t{1} << 24;  // bytes of a block
  static constexpr std::size_t kMaxTotal = std::size_t{1} << 26;  // bytes kept by a process, solving or not

  // Returns a cached block of exactly `bytes`, or null. Its contents are undefined.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
  // Adds a block to the cache. Returns false if it was not added: the caller still owns it.
  [[nodiscard]] bool release(void* memory, std::size_t bytes) noexcept;
  // Returns all blocks to the system and caches none from now on, since memory is short.
  void disable() noexcept;

 private:
  struct CachedBlock {
    void* memory;
    std::size_t bytes;
  };
  CachedBlock remove(std::size_t k) noexcept;
  void evict_one() noexcept;

  std::mutex mutex_;
  std::array<CachedBlock, 256> blocks_{};  // oldest first
  std::size_t count_ = 0, total_ = 0;
  bool disabled_ = false;
};

// Allocates memory for arrays, aligned to a cache line at least; large blocks from the cache, or in pages of their own.
// Throws std::bad_alloc. To be freed with the same number of bytes.
[[nodiscard]] void* allocate_array(std::size_t bytes);
void free_array(void* memory, std::size_t bytes) noexcept;

// The same as a memory resource, for pools, which allocate large blocks.
class ArrayMemory final : public std::pmr::memory_resource {
 public:
  [[nodiscard]] static ArrayMemory& instance() noexcept;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace gridcompute
