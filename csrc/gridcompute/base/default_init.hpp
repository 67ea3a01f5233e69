// Arrays whose first values are written by their owner, for std::vector: no zeros beforehand, and memory that an
// earlier solve has touched already, where there is some (block_cache.hpp).
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "gridcompute/base/block_cache.hpp"

namespace gridcompute {

template <class T>
struct Unwritten {
  using value_type = T;

  Unwritten() = default;
  template <class U>
  Unwritten(const Unwritten<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) { return static_cast<T*>(allocate_array(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { free_array(memory, count * sizeof(T)); }
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
