// Hashes: of sequences of integers, sets of equal ones by their hashes, and the mixing function of splitmix64.
//
// Equal hashes only suggest equal values: callers compare in full, or accept that one unequal pair in 2^64 is taken for
// equal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute {

// 2^64 over the golden ratio: the increment of splitmix64, and the start of hashes.
inline constexpr std::uint64_t kHashSeed = 0x9E3779B97F4A7C15ULL;

// Returns `hash` extended by one more value.
[[nodiscard]] constexpr std::uint64_t hashed(std::uint64_t hash, std::uint64_t value) noexcept {
  return (hash ^ value) * 0xFF51AFD7ED558CCDULL + (hash >> 29);
}

// Returns a bijection of `z` that looks random: one output of splitmix64 (Steele, Lea and Flood 2014), the same on
// every machine.
[[nodiscard]] constexpr std::uint64_t mixed_bits(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// Returns for each hash the position of the first one equal to it.
[[nodiscard]] std::vector<Slot> lowest_equal(std::span<const std::uint64_t> hashes);

// Returns whether there are more than `most` distinct hashes.
[[nodiscard]] bool more_differ(std::span<const std::uint64_t> hashes, Index most);

}  // namespace gridcompute
