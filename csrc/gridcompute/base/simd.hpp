// Vector code comes from the compiler over plain loops; the few functions where the time goes are compiled once
// for each instruction set and chosen at load time. Elsewhere (other compilers, other machines: NEON) the plain loop.
// GRIDCOMPUTE_ISA=avx2 or sse2 when building leaves the wider sets out, to measure what such machines get.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(GRIDCOMPUTE_SSE2)
#define GRIDCOMPUTE_CLONES
#elif defined(GRIDCOMPUTE_AVX2)
#define GRIDCOMPUTE_CLONES __attribute__((target_clones("avx2", "default")))
#elif __GNUC__ >= 12
#define GRIDCOMPUTE_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define GRIDCOMPUTE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
// Loops that live on gathers: AVX-512 takes up to 1.4 times as long as AVX2 over them (measured on Sapphire Rapids).
#if defined(GRIDCOMPUTE_SSE2)
#define GRIDCOMPUTE_CLONES_FOR_GATHERS
#else
#define GRIDCOMPUTE_CLONES_FOR_GATHERS __attribute__((target_clones("avx2", "default")))
#endif
#else
#define GRIDCOMPUTE_CLONES
#define GRIDCOMPUTE_CLONES_FOR_GATHERS
#endif
#define GRIDCOMPUTE_INLINE inline __attribute__((always_inline))
#define GRIDCOMPUTE_FORCED __attribute__((always_inline))  // the same, behind a lambda's parameters
#define GRIDCOMPUTE_RESTRICT __restrict__
