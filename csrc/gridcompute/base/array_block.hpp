// Arrays that are allocated, copied and freed together, in one block of memory (block_cache.hpp): a copy is one memcpy.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "gridcompute/base/block_cache.hpp"

namespace gridcompute {

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

}  // namespace gridcompute
