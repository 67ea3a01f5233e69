// The two least of many reduced costs and the position of the first: what a bid is computed from.
#pragma once

#include <cstring>
#include <limits>

#include "gridcompute/assignment/input/int_range.hpp"
#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::assignment {

template <class V>
struct LeastTwo {
  V u1, u2;
  Index at;  // position of u1, the lowest if several are equal
};

// Vectors of kCount lanes. Compilers do not vectorise a search for a minimum together with its position and the second
// least element, so the lanes are written out.
template <class V, Index kCount>
using SomeLanes __attribute__((vector_size(kCount * sizeof(V)))) = V;

// Extracts the lower or upper half of the lanes.
template <class V, Index kCount, bool upper>
GRIDCOMPUTE_INLINE void half_of(const SomeLanes<V, kCount>& x, SomeLanes<V, kCount / 2>& half) {
#if __has_builtin(__builtin_shufflevector)
  constexpr int o = upper ? static_cast<int>(kCount / 2) : 0;
  if constexpr (kCount == 16)
    half = __builtin_shufflevector(x, x, o, o + 1, o + 2, o + 3, o + 4, o + 5, o + 6, o + 7);
  else if constexpr (kCount == 8)
    half = __builtin_shufflevector(x, x, o, o + 1, o + 2, o + 3);
  else if constexpr (kCount == 4)
    half = __builtin_shufflevector(x, x, o, o + 1);
  else
    half = SomeLanes<V, 1>{x[o]};
#else
  std::memcpy(&half, reinterpret_cast<const char*>(&x) + (upper ? sizeof half : 0), sizeof half);
#endif
}

// Reduces the lanes by halves to the least, its lowest position, and the least of the rest. GCC 12 splits vectors into
// lanes where a comparison is more than the condition of one choice: hence two choices for ties.
template <class V, Index kCount>
GRIDCOMPUTE_INLINE LeastTwo<V> across(const SomeLanes<V, kCount>& first, const SomeLanes<V, kCount>& second,
                                      const SomeLanes<V, kCount>& place) {
  using Half = SomeLanes<V, kCount / 2>;
  Half a, b, at, bt, a2, b2;
  half_of<V, kCount, false>(first, a), half_of<V, kCount, true>(first, b);
  half_of<V, kCount, false>(place, at), half_of<V, kCount, true>(place, bt);
  half_of<V, kCount, false>(second, a2), half_of<V, kCount, true>(second, b2);
  const Half least = b < a ? b : a, loser = b < a ? a : b, lower = bt < at ? bt : at;
  Half where = b < a ? bt : at, after = a2 < b2 ? a2 : b2;
  where = a == b ? lower : where;
  after = loser < after ? loser : after;
  if constexpr (kCount == 2)
    return {least[0], after[0], static_cast<Index>(where[0])};
  else
    return across<V, kCount / 2>(least, after, where);
}

// Returns the two least of `size` reduced costs: at(k, lanes) gives a vector of them from k on, one(k) a single one
// behind the last whole vector.
template <Index kBytes, class V, class At, class One>
GRIDCOMPUTE_INLINE LeastTwo<V> two_least(Index size, const At& at, const One& one,
                                         V none = IntRange<V>::kForbiddenReduced) {
  using Vector = typename Lanes<V, kBytes>::Signed;
  constexpr Index kLanes = Lanes<V, kBytes>::kCount;
  Vector first = Vector{} + none, second = first, place = {}, here = {};
  for (Index l = 0; l < kLanes; ++l) here[l] = static_cast<V>(l);
  Index k = 0;
  for (; k + kLanes <= size; k += kLanes, here += static_cast<V>(kLanes)) {
    Vector r;
    at(k, r);
    const Vector loser = r < first ? first : r;
    place = r < first ? here : place;
    first = r < first ? r : first;
    second = loser < second ? loser : second;
  }
  LeastTwo<V> two = across<V, kLanes>(first, second, place);
  for (; k < size; ++k) {
    const V r = one(k);
    if (r < two.u1) {
      two = {r, two.u1, k};
    } else if (r < two.u2) {
      two.u2 = r;
    }
  }
  return two;
}

template <class V>
struct TaggedLeast {
  V value, tag;
};

// Reduces the lanes by halves to the least value, with the least tag of equal ones.
template <class V, Index kCount>
GRIDCOMPUTE_INLINE TaggedLeast<V> least_tagged(const SomeLanes<V, kCount>& value, const SomeLanes<V, kCount>& tag) {
  using Half = SomeLanes<V, kCount / 2>;
  Half a, b, at, bt;
  half_of<V, kCount, false>(value, a), half_of<V, kCount, true>(value, b);
  half_of<V, kCount, false>(tag, at), half_of<V, kCount, true>(tag, bt);
  const Half least = b < a ? b : a, lower = bt < at ? bt : at;
  Half which = b < a ? bt : at;
  which = a == b ? lower : which;
  if constexpr (kCount == 2)
    return {least[0], which[0]};
  else
    return least_tagged<V, kCount / 2>(least, which);
}

}  // namespace gridcompute::assignment
