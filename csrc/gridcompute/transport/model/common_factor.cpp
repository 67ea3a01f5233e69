#include "gridcompute/transport/model/common_factor.hpp"

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

GRIDCOMPUTE_CLONES std::uint64_t bits_of(const Cost* keys, Index n) {
  std::uint64_t bits = 0;
  for (Index k = 0; k < n; ++k) bits |= keys[k] < kForbidden ? static_cast<std::uint64_t>(keys[k]) : 0;
  return bits;
}

// The bits shifted out of the upper half are copies of the sign.
GRIDCOMPUTE_CLONES void divide_keys(const Cost* from, Index n, int shift, std::int32_t* GRIDCOMPUTE_RESTRICT to) {
  for (Index k = 0; k < n; ++k) {
    const auto key = static_cast<std::int32_t>(static_cast<std::uint64_t>(from[k]) >> shift);
    to[k] = from[k] < kForbidden ? key : KeyRange<std::int32_t>::kForbid;
  }
}

GRIDCOMPUTE_CLONES void divide_keys(const Cost* from, Index n, int, Cost* GRIDCOMPUTE_RESTRICT to) {
  for (Index k = 0; k < n; ++k) to[k] = from[k] < kForbidden ? from[k] : KeyRange<Cost>::kForbid;
}

}  // namespace gridcompute::transport
