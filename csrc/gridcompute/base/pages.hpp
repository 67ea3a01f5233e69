// Memory in whole pages straight from the system, which has it back as soon as it is freed.
//
// glibc keeps an arena for each thread that ever ran, and what was freed there last stays resident at the largest it
// ever was: a process that solves now and then for months would seem to grow. What a solve allocates in large pieces
// lies here instead (block_cache.hpp).
//
// Elsewhere than on Linux pages come from the allocator; under sanitizers too, which see every piece.
#pragma once

#include <cstddef>

namespace gridcompute {

inline constexpr std::size_t kHugePage = std::size_t{1} << 21;

// Aligned to `alignment`, a power of two, or to a page of the system. Throws std::bad_alloc. kHugePage and more lie on
// huge pages where the system lends them.
[[nodiscard]] void* map_pages(std::size_t bytes, std::size_t alignment);
// Memory that is about to be written: all its pages in one call, less than half the time of a fault for each. A wish.
void touch_pages(void* memory, std::size_t bytes) noexcept;
void unmap_pages(void* memory, std::size_t bytes) noexcept;  // as many as were asked for

}  // namespace gridcompute
