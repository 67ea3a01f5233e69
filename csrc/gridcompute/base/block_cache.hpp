// Large pieces of memory that were freed, kept a while for the next who needs as much.
//
// The first touch of new memory is a page fault for each 4 KB: on a guest of a virtual machine up to ten microseconds
// each, and a warm start that works for a millisecond would wait longer for its memory than for its answer. So what a
// solve frees, the next solve takes. Bounded: kMost bytes in all, then pieces go back to the system
// (pages.hpp), the oldest of those on huge pages first, which take few faults to come by anew. Safe across threads, and
// across fork: who finds the shelf in use goes to the system instead of waiting.
//
// Sanitizers see every piece as allocated and freed; there the shelf stays empty.
#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <mutex>

namespace gridcompute {

class Shelf {
 public:
  static constexpr std::size_t kLeast = std::size_t{1} << 15, kLargest = std::size_t{1} << 24;  // bytes of a piece
  static constexpr std::size_t kMost = std::size_t{1} << 26;

  // A piece of just so many bytes, or null. What it holds is anything.
  [[nodiscard]] void* take(std::size_t bytes) noexcept;
  // False: keep it.
  [[nodiscard]] bool give(void* memory, std::size_t bytes) noexcept;
  // Memory is short: all goes back, and nothing is kept from here on.
  void close() noexcept;

 private:
  struct Piece {
    void* memory;
    std::size_t bytes;
  };
  Piece drop(std::size_t k) noexcept;
  void release_one() noexcept;

  std::mutex mutex_;
  std::array<Piece, 256> pieces_{};  // by age
  std::size_t count_ = 0, total_ = 0;
  bool closed_ = false;
};

// Memory for arrays, on a cache line at least; large ones from the shelf, or in pages of their own. Throws
// std::bad_alloc. To be freed with the same number of bytes.
[[nodiscard]] void* allocate_array(std::size_t bytes);
void free_array(void* memory, std::size_t bytes) noexcept;

// The same for pools, which ask for much at once.
class ArrayMemory final : public std::pmr::memory_resource {
 public:
  [[nodiscard]] static ArrayMemory& instance() noexcept;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace gridcompute
