// Shortest augmenting paths over whole rows, vectorised: what small matrices are solved by, and large ones where lists
// of candidates do not help (ties, blocks of equal costs, prices that must move far in rectangular matrices).
//
// Definitions. The label of a column is the length of the shortest alternating path to it from the free row, in
// reduced costs; columns at the least open label are collected together and settled one by one.
//
// Invariants. (M1)-(M4) of matching.hpp before and after each search. label | closed is the label of an open column and
// the largest integer for a closed one: settled labels stay as they are, since no offer beats them.
//
// Steps. Settling a column, its mate's row offers to all columns in one pass, which keeps the least open label of each
// of kGroups interleaved groups of columns (one a vector lane, so nothing is reduced inside the loop). Only groups at
// the least label are then opened. With many ties one collection serves many rows.
//
// Complexity. O(m) vectorised a settled column; O(n^2 m) worst case. No queue.
//
// Range proof. See small.hpp for small matrices. For large ones costs, |prices| and levels stay within P = U / 2 (a
// level beyond ends the search with `range`): row duals lie within -P..2P, labels of allowed pairs up to 4P <
// kHopeless, labels of forbidden ones at least 4U - 3P > kHopeless and at most 4U + 3P < 2^(b-1).
//
// Source. Jonker and Volgenant, Computing 38 (1987) 325; Crouse, IEEE TAES 52 (2016) 1679, section II.
#pragma once

#include <cstring>
#include <limits>

#include "gridcompute/assignment/matching.hpp"
#include "gridcompute/assignment/paths.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

// Any label of an allowed pair lies below; those of forbidden pairs do not.
template <class V>
inline constexpr V kMostLabel = V{1} << (sizeof(V) * 8 - 3);

// Square or wide, row-major. Row duals are implied by the matched pairs: u_i = c_ij - v_j. Arrays of m entries but for
// col_of.
template <class V>
struct Whole {
  const V* GRIDCOMPUTE_RESTRICT cost;
  std::int32_t n, m;
  V *GRIDCOMPUTE_RESTRICT v, *GRIDCOMPUTE_RESTRICT label;
  V* GRIDCOMPUTE_RESTRICT closed;  // 0, or all bits but the sign
  V* GRIDCOMPUTE_RESTRICT from;    // the row that gave the label
  std::int32_t *GRIDCOMPUTE_RESTRICT mate_of, *GRIDCOMPUTE_RESTRICT settled, *GRIDCOMPUTE_RESTRICT col_of;
  V limit = kMostLabel<V>;     // of levels
  std::int32_t collected = 0;  // columns in `settled`: those of the last search, closed or about to be

  [[nodiscard]] const V* row(std::int32_t i) const { return cost + Index{i} * m; }
  void match(std::int32_t i, std::int32_t j) {
    mate_of[j] = i;
    col_of[i] = j;
  }
};

enum class Augmented { yes, none, range };

// The least open labels, by groups of columns: column j belongs to group j % kGroups.
template <class V>
struct Least {
  static constexpr int kLanes = 64 / sizeof(V), kGroups = 4 * kLanes;
  using Lanes __attribute__((vector_size(64))) = V;
  alignas(64) V group[kGroups];

  [[nodiscard]] GRIDCOMPUTE_INLINE V all() const {
    V least = group[0];
    for (int g = 1; g < kGroups; ++g) least = group[g] < least ? group[g] : least;
    return least;
  }
};

// Row i offers base + its reduced costs to all columns.
template <class V>
GRIDCOMPUTE_INLINE V relax(Whole<V>& s, std::int32_t i, V base, Least<V>& least) {
  using Lanes = typename Least<V>::Lanes;
  constexpr int kLanes = Least<V>::kLanes, kGroups = Least<V>::kGroups;
  const V *GRIDCOMPUTE_RESTRICT row = s.row(i), *GRIDCOMPUTE_RESTRICT v = s.v, *GRIDCOMPUTE_RESTRICT closed = s.closed;
  V *GRIDCOMPUTE_RESTRICT label = s.label, *GRIDCOMPUTE_RESTRICT from = s.from;
  Lanes best[4];
  for (Lanes& b : best) b = Lanes{} + std::numeric_limits<V>::max();
  std::int32_t j = 0;
  const Lanes source = Lanes{} + static_cast<V>(i);
  for (; j + kGroups <= s.m; j += kGroups) {
    for (int k = 0; k < 4; ++k) {
      const std::int32_t a = j + k * kLanes;
      Lanes c, price, l, f, shut;
      std::memcpy(&c, row + a, sizeof c);
      std::memcpy(&price, v + a, sizeof price);
      std::memcpy(&l, label + a, sizeof l);
      std::memcpy(&f, from + a, sizeof f);
      std::memcpy(&shut, closed + a, sizeof shut);
      const Lanes h = c - price + base;
      f = h < l ? source : f;
      l = h < l ? h : l;
      std::memcpy(label + a, &l, sizeof l);
      std::memcpy(from + a, &f, sizeof f);
      const Lanes key = l | shut;
      best[k] = key < best[k] ? key : best[k];
    }
  }
  for (int k = 0; k < 4; ++k) std::memcpy(least.group + k * kLanes, &best[k], sizeof best[k]);
  for (int g = 0; j < s.m; ++j, ++g) {
    const V h = static_cast<V>(row[j] - v[j] + base);
    from[j] = h < label[j] ? static_cast<V>(i) : from[j];
    label[j] = h < label[j] ? h : label[j];
    const V key = label[j] | closed[j];
    least.group[g] = key < least.group[g] ? key : least.group[g];
  }
  return least.all();
}

// Closes the open columns at `level` and appends them to `settled`; a free one is returned at once.
template <class V>
GRIDCOMPUTE_INLINE std::int32_t collect(Whole<V>& s, V level, const Least<V>& least) {
  for (std::int32_t g = 0; g < Least<V>::kGroups; ++g) {
    if (least.group[g] != level) continue;
    for (std::int32_t j = g; j < s.m; j += Least<V>::kGroups) {
      if ((s.label[j] | s.closed[j]) != level) continue;
      if (s.mate_of[j] == kFree) return j;
      s.closed[j] = std::numeric_limits<V>::max();
      s.settled[s.collected++] = j;
    }
  }
  return kFree;
}

// One shortest augmenting path.
template <class V>
GRIDCOMPUTE_INLINE Augmented augment(Whole<V>& s, std::int32_t source) {
  constexpr V kNever = std::numeric_limits<V>::max();
  for (std::int32_t j = 0; j < s.m; ++j) s.label[j] = kNever, s.closed[j] = 0;
  s.collected = 0;
  V u = kNever, level = 0;
  for (std::int32_t j = 0; j < s.m; ++j) {
    const V r = static_cast<V>(s.row(source)[j] - s.v[j]);
    u = r < u ? r : u;
  }
  if (u >= kMostLabel<V>) return Augmented::none;
  Least<V> groups;
  V least = relax(s, source, static_cast<V>(-u), groups);
  std::int32_t sink = collect(s, level, groups);
  for (std::int32_t next = 0; sink == kFree;) {
    if (next == s.collected || least == level) {
      if (next == s.collected) level = least;
      if (level >= kMostLabel<V>) return Augmented::none;
      if (level > s.limit) return Augmented::range;
      sink = collect(s, level, groups);
      if (sink != kFree) break;
    }
    const std::int32_t j = s.settled[next++], i = s.mate_of[j];
    least = relax(s, i, static_cast<V>(level - (s.row(i)[j] - s.v[j])), groups);
  }
  for (std::int32_t k = 0; k < s.collected; ++k) {
    const std::int32_t j = s.settled[k];
    s.v[j] = static_cast<V>(s.v[j] + s.label[j] - level);
  }
  for (std::int32_t j = sink; j != kFree;) {
    const std::int32_t row = static_cast<std::int32_t>(s.from[j]), next = s.col_of[row];
    s.match(row, j);
    j = row == source ? kFree : next;
  }
  return Augmented::yes;
}

// The same for all free rows of a large matrix, from any state that keeps (M1)-(M4). Where costs or prices exceed P at
// the start, after `limit` costs looked at, or where P is exceeded later (which in 32 bits throws PriceRange), returns
// `budget` and a state from which other ways can go on.
template <class V>
Searched search_whole(Matching<V>& state, const CopiedRows<V>& rows, Index limit, Stats& stats, Stop& stop,
                      std::vector<std::int32_t>& witness);

}  // namespace gridcompute::assignment
