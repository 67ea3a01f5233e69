// A memory resource for lists that grow and shrink: freed blocks are kept, by size, for the next list.
//
// Why not a pool of the standard library: libstdc++ (up to 15 at least) allocates a chunk before it has room to record
// it, goes on where that throws, and then reads outside of its record. Here a chunk carries its own record, so that an
// allocation that fails leaves the pool as it was.
//
// Blocks are powers of two; those of one size are cut from chunks that double up to `most` blocks. Blocks beyond
// kLargest come from ArrayMemory one by one and return to it at once. Safe across threads. All chunks return with the
// pool, whether or not their blocks were freed.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <memory_resource>
#include <mutex>
#include <new>
#include <utility>

#include "gridcompute/base/block_cache.hpp"

namespace gridcompute {

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

}  // namespace gridcompute
