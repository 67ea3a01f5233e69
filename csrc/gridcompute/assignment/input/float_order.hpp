// Order keys: integers in the order of the costs, which vector code compares and selects.
//
// Why. Floating-point costs that a precheck finds easy are matched in place, without a copy; but GCC 12 splits
// comparisons of doubles in 64-byte vectors into single lanes, and a label that rounding lowers must not reopen a
// column. The bits of a non-negative double, read as an integer, are in the order of the doubles; so are those of a
// negative double with all bits but the sign inverted.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::assignment {

// The key of an integer is the integer itself.
template <class V>
using Key = std::conditional_t<std::is_floating_point_v<V>, std::int64_t, V>;

// Keys of allowed pairs lie below this, keys of forbidden pairs do not; sums of two keys fit V.
template <class V>
inline constexpr V kMaxLabel = V{1} << (sizeof(V) * 8 - 3);
template <>
inline constexpr std::int64_t kMaxLabel<double> = std::bit_cast<std::int64_t>(0x1p1000);

// The price of padding columns: any cost of an allowed pair less this is the cost of a forbidden one.
template <class V>
inline constexpr V kPaddingPrice = -(V{1} << (sizeof(V) * 8 - 2));
template <>
inline constexpr double kPaddingPrice<double> = -std::numeric_limits<double>::infinity();

template <class V>
GRIDCOMPUTE_INLINE Key<V> key_of(V x) {
  if constexpr (std::is_floating_point_v<V>) {
    const auto bits = std::bit_cast<std::int64_t>(x);
    return bits < 0 ? bits ^ std::numeric_limits<std::int64_t>::max() : bits;
  } else {
    return x;
  }
}

template <class V>
GRIDCOMPUTE_INLINE V value_of(Key<V> key) {
  if constexpr (std::is_floating_point_v<V>)
    return std::bit_cast<double>(key < 0 ? key ^ std::numeric_limits<std::int64_t>::max() : key);
  else
    return key;
}

template <Index kBytes, class V>
using KeyLanes = typename Lanes<Key<V>, kBytes>::Signed;

// Computes the keys of the reduced costs row[k] - v[k] for the lanes of a vector.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void reduced(const V* row, const V* v, KeyLanes<kBytes, V>& keys) {
  typename Lanes<V, kBytes>::Signed c, price;
  load(row, c);
  load(v, price);
  c -= price;
  if constexpr (std::is_floating_point_v<V>) {
    keys = (KeyLanes<kBytes, V>)c;
    const KeyLanes<kBytes, V> turned = keys ^ std::numeric_limits<std::int64_t>::max();
    keys = keys < 0 ? turned : keys;
  } else {
    keys = c;
  }
}

}  // namespace gridcompute::assignment
