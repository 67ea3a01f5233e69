// The two least of many reduced costs, and where the least lies: what a bid is made of.
#pragma once

#include <cstring>
#include <limits>

#include "gridcompute/assignment/lists.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

template <class V>
struct Two {
  V u1, u2;
  Index at;  // of u1: the lowest such position
};

// The compiler does not vectorise a search for a least element together with its place and its runner-up, so the
// lanes are written out: one of its generic vectors, split as the machine needs.
template <class V>
using Lanes __attribute__((vector_size(64))) = V;

// The two least of `size` reduced costs: at(k, lanes) gives those from k on, one(k) those behind the last whole lanes.
template <class V, class At, class One>
GRIDCOMPUTE_INLINE Two<V> two_least(Index size, const At& at, const One& one) {
  constexpr Index kLanes = Lists<V>::kLanes;
  Lanes<V> first = Lanes<V>{} + Range<V>::kHopeless, second = first, place = {}, here = {};
  for (Index l = 0; l < kLanes; ++l) here[l] = static_cast<V>(l);
  Index k = 0;
  for (; k + kLanes <= size; k += kLanes, here += static_cast<V>(kLanes)) {
    Lanes<V> r;
    at(k, r);
    const Lanes<V> loser = r < first ? first : r;
    place = r < first ? here : place;
    first = r < first ? r : first;
    second = loser < second ? loser : second;
  }
  Two<V> two{Range<V>::kHopeless, Range<V>::kHopeless, 0};
  const auto meet = [&two](V r, Index where) {
    if (r < two.u1 || (r == two.u1 && where < two.at)) {
      two.u2 = two.u1;
      two.u1 = r;
      two.at = where;
    } else if (r < two.u2) {
      two.u2 = r;
    }
  };
  // Across the lanes in loops that the compiler does vectorise: the least, its lowest place, the least of the rest.
  V least[kLanes], where[kLanes], after[kLanes];
  std::memcpy(least, &first, sizeof first);
  std::memcpy(where, &place, sizeof place);
  std::memcpy(after, &second, sizeof second);
  for (Index l = 0; l < kLanes; ++l) two.u1 = least[l] < two.u1 ? least[l] : two.u1;
  V lowest = std::numeric_limits<V>::max();
  for (Index l = 0; l < kLanes; ++l) {
    const V here_at = least[l] == two.u1 ? where[l] : std::numeric_limits<V>::max();
    lowest = here_at < lowest ? here_at : lowest;
  }
  for (Index l = 0; l < kLanes; ++l) {
    const V rest = least[l] == two.u1 && where[l] == lowest ? after[l] : least[l];
    two.u2 = rest < two.u2 ? rest : two.u2;
  }
  two.at = static_cast<Index>(lowest);
  for (; k < size; ++k) meet(one(k), k);
  return two;
}

}  // namespace gridcompute::assignment
