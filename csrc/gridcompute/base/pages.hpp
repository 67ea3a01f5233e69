// Memory in whole pages from the system, returned to it as soon as it is freed.
//
// glibc keeps an arena for each thread that ever ran, and memory that was freed last in an arena stays resident: the
// resident size of a process that solves now and then would grow for months. Large blocks of a solve are mapped here
// instead (block_cache.hpp).
//
// On other systems than Linux pages come from the allocator; under sanitizers too, which see every block.
#pragma once

#include <cstddef>

namespace gridcompute {

inline constexpr std::size_t kHugePage = std::size_t{1} << 21;  // bytes, of the machine

// Maps `bytes`, aligned to `alignment`, a power of two, or to a page of the system. Throws std::bad_alloc. Blocks of
// kHugePage and more are on huge pages where the system has them.
[[nodiscard]] void* map_pages(std::size_t bytes, std::size_t alignment);
// Populates the pages of memory that is about to be written, in less than half the time of a fault for each. Best
// effort; failure is ignored.
void touch_pages(void* memory, std::size_t bytes) noexcept;
void unmap_pages(void* memory, std::size_t bytes) noexcept;  // bytes: as passed to map_pages

}  // namespace gridcompute
