// Memory in whole pages straight from the system, which has it back as soon as it is freed.
//
// glibc keeps an arena for each thread that ever ran, and what was freed there last stays resident at the largest it
// ever was: a process that solves now and then for months would seem to grow. What threads leave behind for others, and
// what lives long, lies here instead, under a pool of blocks that asks for much at once.
//
// Small requests go to the allocator. Elsewhere than on Linux all do; under sanitizers too, which see every piece.
#pragma once

#include <memory_resource>

namespace gridcompute {

class Pages final : public std::pmr::memory_resource {
 public:
  static constexpr std::size_t kLeast = std::size_t{1} << 15;  // bytes of a request that is served by pages

  [[nodiscard]] static Pages& instance() noexcept;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace gridcompute
