// Vectors for the few loops over rows that compilers do not vectorise, as wide as the machine's: see
// GRIDCOMPUTE_VERSIONS. They are passed by reference: by value the ABI would depend on the instruction set.
#pragma once

#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <vector>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute {

template <class T, Index kBytes>
struct Lanes {
  static constexpr Index kCount = kBytes / static_cast<Index>(sizeof(T));
  using U = std::make_unsigned_t<T>;
  typedef T Signed __attribute__((vector_size(kBytes)));
  typedef U Unsigned __attribute__((vector_size(kBytes)));
};

template <class T, Index kBytes>
  requires std::is_floating_point_v<T>
struct Lanes<T, kBytes> {
  static constexpr Index kCount = kBytes / static_cast<Index>(sizeof(T));
  typedef T Signed __attribute__((vector_size(kBytes)));
};

// Allocates arrays on cache lines: a vector that crosses two of them takes twice as long to load.
template <class T>
struct CacheAlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kTo{64};  // bytes of a cache line, and of the widest vector

  CacheAlignedAllocator() = default;
  template <class U>
  explicit CacheAlignedAllocator(const CacheAlignedAllocator<U>&) noexcept {}
  [[nodiscard]] T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kTo)); }
  void deallocate(T* from, std::size_t) noexcept { ::operator delete(from, kTo); }
  bool operator==(const CacheAlignedAllocator&) const noexcept { return true; }
};
template <class T>
using AlignedVector = std::vector<T, CacheAlignedAllocator<T>>;

template <class V, class T>
GRIDCOMPUTE_INLINE void load(const T* from, V& out) {
  std::memcpy(&out, from, sizeof out);
}

template <class V, class T>
GRIDCOMPUTE_INLINE void store(const V& v, T* to) {
  std::memcpy(to, &v, sizeof v);
}

// Adds the lanes of two rows. Sums wrap: the caller detects overflow by other means.
template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void sum_at(const T* row, const T* other, typename Lanes<T, kBytes>::Signed& out) {
  typename Lanes<T, kBytes>::Unsigned a, b;
  load(row, a);
  load(other, b);
  out = (typename Lanes<T, kBytes>::Signed)(a + b);
}

// Reduces the lanes by `join`: by halves down to 16 bytes, then within these.
template <class V, class Join>
GRIDCOMPUTE_INLINE auto fold(const V& v, const Join& join) {
  using T = std::remove_cvref_t<decltype(v[0])>;
  if constexpr (sizeof(V) > 16) {
    typedef T Half __attribute__((vector_size(sizeof(V) / 2)));
    Half low, high;
    std::memcpy(&low, &v, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
    join(low, high);
    return fold(low, join);
  } else {
    V joined = v, turned;
    if constexpr (sizeof(T) == 4) {
      turned = __builtin_shufflevector(joined, joined, 2, 3, 0, 1);
      join(joined, turned);
      turned = __builtin_shufflevector(joined, joined, 1, 0, 3, 2);
    } else {
      static_assert(sizeof(T) == 8);
      turned = __builtin_shufflevector(joined, joined, 1, 0);
    }
    join(joined, turned);
    return joined[0];
  }
}

struct Least {
  template <class V>
  GRIDCOMPUTE_INLINE void operator()(V& a, const V& b) const {
    a = b < a ? b : a;
  }
};

struct Sum {
  template <class V>
  GRIDCOMPUTE_INLINE void operator()(V& a, const V& b) const {
    a += b;
  }
};

template <class T>
struct LeastAt {
  T value;
  T at;  // the lowest position of equal ones
};

// Returns the least of what visit(position, out) writes for each vector of n values, and its lowest position; n is a
// positive multiple of the lanes.
template <Index kBytes, class T, class Visit>
GRIDCOMPUTE_INLINE LeastAt<T> least_of(Index n, const Visit& visit) {
  using Signed = typename Lanes<T, kBytes>::Signed;
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  Signed best, v, at, where;
  for (Index k = 0; k < lanes; ++k) at[k] = static_cast<T>(k);
  where = at;
  visit(Index{0}, best);
  for (Index b = lanes; b < n; b += lanes) {
    at += static_cast<T>(lanes);
    visit(b, v);
    where = v < best ? at : where;
    best = v < best ? v : best;
  }
  const T value = fold(best, Least{});
  best -= value;
  where = best == 0 ? where : std::numeric_limits<T>::max();
  return {value, fold(where, Least{})};
}

}  // namespace gridcompute
