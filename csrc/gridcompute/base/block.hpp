// Arrays that are made, copied and freed together, in one piece of memory: a copy is one memcpy, and where the system
// lends huge pages the first touch costs a fault for each 2 MB, not for each 4 KB (a hundred times less time).
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

class Block {
 public:
  Block() = default;
  explicit Block(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    const std::size_t huge = (bytes + kPage / 2) / kPage * kPage;  // what is worth a huge page
    const std::size_t step = huge > 0 ? kPage : kLine;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(step, (bytes + step - 1) / step * step)));
    if (memory_ == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (huge > 0) ::madvise(memory_.get(), huge, MADV_HUGEPAGE);  // a wish: small pages serve too
#endif
  }
  Block(const Block& other) : Block(other.bytes_) {
    if (bytes_ > 0) std::memcpy(memory_.get(), other.memory_.get(), bytes_);
  }
  Block(Block&& other) noexcept = default;
  Block& operator=(Block other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  [[nodiscard]] bool empty() const noexcept { return memory_ == nullptr; }

  // The arrays inside, in the order of the calls, each on a cache line of its own. What they held stays.
  class Carver {
   public:
    explicit Carver(const Block* block) noexcept : block_(block) {}
    template <class T>
    void operator()(std::span<T>& array, std::size_t count) noexcept {
      static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= kLine);
      if (block_ != nullptr) array = {reinterpret_cast<T*>(block_->memory_.get() + bytes_), count};
      bytes_ += (count * sizeof(T) + kLine - 1) / kLine * kLine;
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

   private:
    const Block* block_;  // none: only counts
    std::size_t bytes_ = 0;
  };

 private:
  static constexpr std::size_t kPage = std::size_t{1} << 21, kLine = 64;
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };

  std::unique_ptr<std::byte, Free> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace gridcompute
