#include "gridcompute/base/hash.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace gridcompute {

std::vector<Slot> lowest_equal(std::span<const std::uint64_t> hashes) {
  std::vector<Slot> order(hashes.size()), of(hashes.size());
  std::iota(order.begin(), order.end(), Slot{0});
  std::iota(of.begin(), of.end(), Slot{0});
  std::sort(order.begin(), order.end(),
            [&](Slot a, Slot b) { return hashes[a] != hashes[b] ? hashes[a] < hashes[b] : a < b; });
  for (std::size_t k = 1; k < order.size(); ++k)
    if (hashes[order[k]] == hashes[order[k - 1]]) of[order[k]] = of[order[k - 1]];
  return of;
}

bool more_differ(std::span<const std::uint64_t> hashes, Index most) {
  constexpr std::size_t kBits = 16;  // per hash: few hashes then share a bit, and sorting is seldom needed
  const std::size_t bits = std::bit_ceil(kBits * hashes.size() + 64);
  const int shift = 64 - std::countr_zero(bits);
  std::vector<std::uint64_t> met(bits / 64, 0);
  Index at_least = 0;
  for (const std::uint64_t h : hashes) {
    const std::uint64_t at = h * kHashSeed >> shift, bit = std::uint64_t{1} << (at % 64);
    at_least += (met[at / 64] & bit) == 0 ? 1 : 0;
    met[at / 64] |= bit;
  }
  if (at_least > most) return true;
  std::vector<std::uint64_t> sorted(hashes.begin(), hashes.end());
  std::sort(sorted.begin(), sorted.end());
  return std::unique(sorted.begin(), sorted.end()) - sorted.begin() > most;
}

}  // namespace gridcompute
