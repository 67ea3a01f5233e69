#include "gridcompute/base/pages.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "gridcompute/base/sanitizers.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

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
