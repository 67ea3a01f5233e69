// Costs as keys: integers in the order of the costs, which vectors compare and choose among.
//
// Why. Floating-point costs that one look at a matrix nearly decides are matched as they are, without a copy; but
// GCC 12 takes comparisons of doubles in 64 bytes apart, and a label that rounding lowers must not reopen a column.
// The bits of a double, as an integer, are in the order of doubles from 0 on, and so are those below with all bits but
// the sign turned.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::assignment {

// Of an integer itself.
template <class V>
using Key = std::conditional_t<std::is_floating_point_v<V>, std::int64_t, V>;

// Any key of an allowed pair lies below; those of forbidden pairs do not.
template <class V>
inline constexpr V kMostLabel = V{1} << (sizeof(V) * 8 - 3);
template <>
inline constexpr std::int64_t kMostLabel<double> = std::bit_cast<std::int64_t>(0x1p1000);

// Of columns that are none: any cost of an allowed pair less it is that of a forbidden one.
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

// Reduced costs, of the costs and prices from these places on.
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
