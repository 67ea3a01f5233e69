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

#include "gridcompute/base/sanitizers.hpp"

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
// Defines a function with explicit vectors (base/simd_lanes.hpp) once for each instruction set: name_of<bytes of a
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
