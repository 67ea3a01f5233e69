#include "gridcompute/base/pages.hpp"

#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

namespace {

constexpr std::size_t kPage = std::size_t{1} << 16;  // a multiple of the system's, whatever that is

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr bool kMapped = true;
#else
constexpr bool kMapped = false;
#endif

bool mapped(std::size_t bytes) noexcept { return kMapped && bytes >= Pages::kLeast; }

#if defined(__linux__)
std::size_t whole(std::size_t bytes) noexcept { return (bytes + kPage - 1) / kPage * kPage; }

// Pools ask for blocks aligned to their size: so much more is mapped, and what stands over on both sides given back.
void* map(std::size_t bytes, std::size_t alignment) {
  const std::size_t over = alignment > kPage ? alignment : 0, length = whole(bytes);
  void* const memory = ::mmap(nullptr, length + over, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (over == 0) return memory;
  auto* const begin = static_cast<std::byte*>(memory);
  const std::size_t before = (over - reinterpret_cast<std::uintptr_t>(begin) % over) % over;
  if (before > 0) ::munmap(begin, before);
  if (before < over) ::munmap(begin + before + length, over - before);
  return begin + before;
}
#endif

}  // namespace

Pages& Pages::instance() noexcept {
  static auto* const only = new Pages;  // what lies in it may be freed until the very end
  return *only;
}

void* Pages::do_allocate(std::size_t bytes, std::size_t alignment) {
#if defined(__linux__)
  if (mapped(bytes)) return map(bytes, alignment);
#endif
  return std::pmr::new_delete_resource()->allocate(bytes, alignment);
}

void Pages::do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) {
#if defined(__linux__)
  if (mapped(bytes)) {
    ::munmap(memory, whole(bytes));
    return;
  }
#endif
  std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
}

}  // namespace gridcompute
