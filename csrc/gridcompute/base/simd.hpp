// Vector code comes from the compiler over plain loops; the few functions that take most of the time are compiled once
// for each instruction set and chosen at load time. Elsewhere (other compilers, other machines: NEON) they are compiled
// once, for the target of the build. GRIDCOMPUTE_ISA=avx2 or sse2 when building leaves the wider sets out, to measure
// the speed of such machines.
//
// Where the build names a CPU (-march=haswell, native; recognised by instruction sets beyond SSE2), there is one
// version of each function, with vectors as wide as that CPU's: versions for other CPUs could not inline functions
// compiled for the named one. There is one version under the address and thread sanitizers as well, whose runtime is
// not initialised yet when a version is chosen: to check the wide vectors under them, name a CPU.
#pragma once

#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <vector>

#include "gridcompute/base/types.hpp"

// Defines GRIDCOMPUTE_SANITIZED under the address or thread sanitizer, which gcc and clang announce differently.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRIDCOMPUTE_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GRIDCOMPUTE_SANITIZED
#endif
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && \
    !defined(GRIDCOMPUTE_SANITIZED) && !defined(__SSE3__)
#if defined(GRIDCOMPUTE_SSE2)
#define GRIDCOMPUTE_CLONES
#define GRIDCOMPUTE_PLAIN_BYTES 16
#elif defined(GRIDCOMPUTE_AVX2)
#define GRIDCOMPUTE_CLONES __attribute__((target_clones("avx2", "default")))
#define GRIDCOMPUTE_WIDEST_VERSION(...)
#else
#if __GNUC__ >= 12
#define GRIDCOMPUTE_WIDEST "arch=x86-64-v4"
#else
#define GRIDCOMPUTE_WIDEST "avx512f"
#endif
#define GRIDCOMPUTE_CLONES __attribute__((target_clones(GRIDCOMPUTE_WIDEST, "avx2", "default")))
#define GRIDCOMPUTE_WIDEST_VERSION(...) GRIDCOMPUTE_VERSION(GRIDCOMPUTE_WIDEST, 64, __VA_ARGS__)
#endif
// For loops dominated by gathers: AVX-512 takes up to 1.4 times as long as AVX2 there (measured on Sapphire Rapids).
#if defined(GRIDCOMPUTE_SSE2)
#define GRIDCOMPUTE_CLONES_FOR_GATHERS
#else
#define GRIDCOMPUTE_CLONES_FOR_GATHERS __attribute__((target_clones("avx2", "default")))
#endif
#else
#define GRIDCOMPUTE_CLONES
#define GRIDCOMPUTE_CLONES_FOR_GATHERS
#if defined(GRIDCOMPUTE_SSE2)
#define GRIDCOMPUTE_PLAIN_BYTES 16
#elif defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define GRIDCOMPUTE_PLAIN_BYTES 64
#elif defined(__AVX2__)
#define GRIDCOMPUTE_PLAIN_BYTES 32
#elif defined(GRIDCOMPUTE_SANITIZED)
#define GRIDCOMPUTE_PLAIN_BYTES 64  // the widest vectors read the furthest beyond an array
#else
#define GRIDCOMPUTE_PLAIN_BYTES 16
#endif
#endif
// Defines a function with explicit vectors once for each instruction set: name_of<bytes of a
// vector>. The compiler would split vectors wider than the machine's lane by lane wherever they are compared.
#if defined(GRIDCOMPUTE_PLAIN_BYTES)
#define GRIDCOMPUTE_VERSIONS(result, name, parameters, arguments) \
  result name parameters { return name##_of<GRIDCOMPUTE_PLAIN_BYTES> arguments; }
#else
#define GRIDCOMPUTE_VERSION(isa, bytes, result, name, parameters, arguments) \
  __attribute__((target(isa))) static result name parameters { return name##_of<bytes> arguments; }
// clang-format off
#define GRIDCOMPUTE_VERSIONS(result, name, parameters, arguments)           \
  namespace versions_of_##name {                                            \
  GRIDCOMPUTE_WIDEST_VERSION(result, name, parameters, arguments)           \
  GRIDCOMPUTE_VERSION("avx2", 32, result, name, parameters, arguments)      \
  GRIDCOMPUTE_VERSION("default", 16, result, name, parameters, arguments)   \
  }                                                                         \
  result name parameters { return versions_of_##name::name arguments; }
// clang-format on
#endif
#define GRIDCOMPUTE_INLINE inline __attribute__((always_inline))
#define GRIDCOMPUTE_FORCED __attribute__((always_inline))  // for lambdas: goes after the parameters
#define GRIDCOMPUTE_RESTRICT __restrict__

namespace gridcompute {

// Vectors for the few loops over rows that compilers do not vectorise, as wide as the machine's: see
// GRIDCOMPUTE_VERSIONS. They are passed by reference: by value the ABI would depend on the instruction set.

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
