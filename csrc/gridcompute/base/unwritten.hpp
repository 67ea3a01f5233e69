// Arrays whose first values are written by their owner, for std::vector: no zeros beforehand, and huge pages for large
// ones where the system lends them. Filling 100 MB of small pages for the first time takes tens of milliseconds.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gridcompute {

template <class T>
struct Unwritten {
  using value_type = T;
  static constexpr std::size_t kPage = std::size_t{1} << 21, kLarge = std::size_t{1} << 22;  // bytes

  Unwritten() = default;
  template <class U>
  Unwritten(const Unwritten<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kLarge) return static_cast<T*>(::operator new(bytes, std::align_val_t{alignof(T)}));
    const std::size_t whole = (bytes + kPage - 1) / kPage * kPage;
    void* memory = std::aligned_alloc(kPage, whole);
    if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    ::madvise(memory, whole, MADV_HUGEPAGE);  // a wish: small pages serve too
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    if (count * sizeof(T) < kLarge)
      ::operator delete(memory, std::align_val_t{alignof(T)});
    else
      std::free(memory);
  }
  // Values left as they are.
  template <class U>
  void construct(U* at) noexcept {
    static_assert(std::is_trivially_default_constructible_v<U>);
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... A>
  void construct(U* at, A&&... a) {
    ::new (static_cast<void*>(at)) U(std::forward<A>(a)...);
  }
  friend bool operator==(const Unwritten&, const Unwritten&) noexcept { return true; }
};

template <class T>
using UnwrittenVector = std::vector<T, Unwritten<T>>;

}  // namespace gridcompute
