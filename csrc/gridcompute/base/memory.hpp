// A cache of large memory blocks: a block that one solve frees is used again by the next one.
//
// Why. The first write to new memory is a page fault for each 4 KB: on a guest of a virtual machine up to ten
// microseconds each. A warm start of one millisecond would spend more time on page faults than on its answer.
//
// Bounded: kMaxTotal bytes in all, then blocks return to the system, the oldest of those on huge pages
// first, which take few faults to allocate again. Safe across threads, and across fork: a thread that finds the cache
// locked goes to the system instead of waiting.
//
// Sanitizers see every block as allocated and freed; there the cache stays empty.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <mutex>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__GLIBC__)
extern "C" int malloc_trim(std::size_t pad) noexcept;
#endif

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

// Memory in whole pages from the system, returned to it as soon as it is freed.
//
// glibc keeps an arena for each thread that ever ran, and memory that was freed last in an arena stays resident: the
// resident size of a process that solves now and then would grow for months. Large blocks of a solve are mapped here
// instead.
//
// On other systems than Linux pages come from the allocator; under sanitizers too, which see every block.

inline constexpr std::size_t kHugePage = std::size_t{1} << 21;  // bytes, of the machine

// Maps `bytes`, aligned to `alignment`, a power of two, or to a page of the system. Throws std::bad_alloc. Blocks of
// kHugePage and more are on huge pages where the system has them.
[[nodiscard]] void* map_pages(std::size_t bytes, std::size_t alignment);
// Populates the pages of memory that is about to be written, in less than half the time of a fault for each. Best
// effort; failure is ignored.
void touch_pages(void* memory, std::size_t bytes) noexcept;
void unmap_pages(void* memory, std::size_t bytes) noexcept;  // bytes: as passed to map_pages

// A memory resource for lists that grow and shrink: freed blocks are kept, by size, for the next list.
//
// Why not a pool of the standard library: libstdc++ (up to 15 at least) allocates a chunk before it has room to record
// it, goes on where that throws, and then reads outside of its record. Here a chunk carries its own record, so that an
// allocation that fails leaves the pool as it was.
//
// Blocks are powers of two; those of one size are cut from chunks that double up to `most` blocks. Blocks beyond
// kLargest come from ArrayMemory one by one and return to it at once. Safe across threads. All chunks return with the
// pool, whether or not their blocks were freed.

class BlockPool final : public std::pmr::memory_resource {
 public:
  static constexpr std::size_t kLargest = std::size_t{1} << 17;  // bytes: longer lists are few, and soon outgrown

  explicit BlockPool(std::size_t most) : most_(most) {}
  ~BlockPool() override {
    for (Chunk* chunk = chunks_; chunk != nullptr;) {
      Chunk* const next = chunk->next;
      system_.deallocate(chunk, chunk->bytes, kLine);
      chunk = next;
    }
  }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

 private:
  static constexpr std::size_t kLine = 64;        // bytes before the blocks of a chunk, and their alignment at most
  static constexpr std::size_t kFirst = 1 << 10;  // bytes of the blocks of a first chunk, where they are small
  struct Free {
    Free* next;
  };
  struct Chunk {
    Chunk* next;
    std::size_t bytes;
  };
  struct Size {
    Free* free = nullptr;
    char *next = nullptr, *end = nullptr;  // of the last chunk: blocks that were never given, whose pages are untouched
    std::size_t blocks = 0;                // of the last chunk
  };

  [[nodiscard]] static std::size_t block(std::size_t bytes) noexcept {
    return std::bit_ceil(std::max(bytes, sizeof(Free) * 2));
  }
  [[nodiscard]] bool pooled(std::size_t bytes, std::size_t alignment) const noexcept {
    return bytes <= kLargest && alignment <= std::min(kLine, block(bytes));
  }

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (!pooled(bytes, alignment)) return system_.allocate(bytes, alignment);
    const std::scoped_lock lock(mutex_);
    const std::size_t each = block(bytes);
    Size& size = sizes_[static_cast<std::size_t>(std::countr_zero(each))];
    if (size.free != nullptr) return std::exchange(size.free, size.free->next);
    if (size.next == size.end) add_chunk(size, each);
    return std::exchange(size.next, size.next + each);
  }

  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    if (!pooled(bytes, alignment)) return system_.deallocate(memory, bytes, alignment);
    const std::scoped_lock lock(mutex_);
    Size& size = sizes_[static_cast<std::size_t>(std::countr_zero(block(bytes)))];
    size.free = ::new (memory) Free{size.free};
  }

  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  void add_chunk(Size& size, std::size_t each) {
    const std::size_t blocks = std::min(most_, std::max<std::size_t>({1, kFirst / each, 2 * size.blocks}));
    const std::size_t bytes = kLine + blocks * each;
    char* const memory = static_cast<char*>(system_.allocate(bytes, kLine));
    chunks_ = ::new (memory) Chunk{chunks_, bytes};
    size.blocks = blocks;
    size.next = memory + kLine, size.end = memory + bytes;
  }

  ArrayMemory& system_ = ArrayMemory::instance();
  const std::size_t most_;
  std::mutex mutex_;
  Chunk* chunks_ = nullptr;
  std::array<Size, 64> sizes_{};  // by the logarithm of a block's bytes
};

// Arrays that are allocated, copied and freed together, in one block of memory: a copy is one memcpy.

class Block {
 public:
  Block() = default;
  explicit Block(std::size_t bytes) : bytes_(bytes) {
    if (bytes > 0) memory_ = static_cast<std::byte*>(allocate_array(bytes));
  }
  Block(const Block& other) : Block(other.bytes_) {
    if (bytes_ > 0) std::memcpy(memory_, other.memory_, bytes_);
  }
  Block(Block&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Block& operator=(Block other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Block() { free_array(memory_, bytes_); }

  [[nodiscard]] bool empty() const noexcept { return memory_ == nullptr; }

  // Assigns memory to the arrays of a block, in the order of the calls, each aligned to a cache line. Leaves their
  // contents as they are.
  class Carver {
   public:
    explicit Carver(const Block* block) noexcept : block_(block) {}
    template <class T>
    void operator()(std::span<T>& array, std::size_t count) noexcept {
      static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= kLine);
      if (block_ != nullptr) array = {reinterpret_cast<T*>(block_->memory_ + bytes_), count};
      bytes_ += (count * sizeof(T) + kLine - 1) / kLine * kLine;
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

   private:
    const Block* block_;  // null: only counts bytes
    std::size_t bytes_ = 0;
  };

 private:
  static constexpr std::size_t kLine = 64;  // bytes of a cache line

  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

// An allocator for std::vector that leaves new elements uninitialised (default-initialised): for arrays whose owner
// writes every element. Large ones reuse memory of earlier solves.

template <class T>
struct DefaultInitAllocator {
  using value_type = T;

  DefaultInitAllocator() = default;
  template <class U>
  DefaultInitAllocator(const DefaultInitAllocator<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) { return static_cast<T*>(allocate_array(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { free_array(memory, count * sizeof(T)); }
  // Default-initialises: leaves the value undefined.
  template <class U>
  void construct(U* at) noexcept {
    static_assert(std::is_trivially_default_constructible_v<U>);
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... A>
  void construct(U* at, A&&... a) {
    ::new (static_cast<void*>(at)) U(std::forward<A>(a)...);
  }
  friend bool operator==(const DefaultInitAllocator&, const DefaultInitAllocator&) noexcept { return true; }
};

template <class T>
using DefaultInitVector = std::vector<T, DefaultInitAllocator<T>>;

// Returns freed memory to the system (glibc's malloc_trim).
//
// Why. Memory that a large solve frees lies between blocks still in use, so the allocator keeps it: the resident size
// of a process that solves now and then would grow for months. Takes some milliseconds for each 100 MB; a no-op without
// glibc.

inline void trim_heap() noexcept {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// Trims the heap at the end of a scope. Objects declared after this one are destroyed before that.
class ScopedMallocTrim {
 public:
  explicit ScopedMallocTrim(bool trim) noexcept : trim_(trim) {}
  ScopedMallocTrim(const ScopedMallocTrim&) = delete;
  ScopedMallocTrim& operator=(const ScopedMallocTrim&) = delete;
  ~ScopedMallocTrim() {
    if (trim_) trim_heap();
  }

 private:
  bool trim_;
};

}  // namespace gridcompute
