// Shortest augmenting paths over whole rows, vectorised: what small matrices are solved by, mid-size ones at first, and
// large ones where lists of candidates do not help (ties, blocks of equal costs, prices that must move far in
// rectangular matrices).
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

#include <cmath>
#include <cstring>
#include <limits>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/engines/ssp_lists.hpp"
#include "gridcompute/assignment/engines/two_least.hpp"
#include "gridcompute/assignment/input/float_order.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

inline constexpr std::int32_t kFewRows = 16;   // up to here bids are not worth their time
inline constexpr std::int32_t kFirstBids = 4;  // a row

inline constexpr double kPoor = 0.74;    // of the rows matched at column minima; independent costs match three in four
inline constexpr double kClearly = 1.1;  // so many times the rows that find a column without them

// Square or wide, row-major. Row duals are implied by the matched pairs: u_i = c_ij - v_j. Rows are padded with
// forbidden pairs to `stride` entries, whole vectors; so are the arrays, but for col_of and `settled`.
template <class V>
struct Whole {
  using K = Key<V>;
  const V* GRIDCOMPUTE_RESTRICT cost;
  std::int32_t n, m, stride;
  V* GRIDCOMPUTE_RESTRICT v;
  K* GRIDCOMPUTE_RESTRICT label;
  K* GRIDCOMPUTE_RESTRICT closed;  // 0, or all bits but the sign
  K* GRIDCOMPUTE_RESTRICT from;    // the row that gave the label
  K* GRIDCOMPUTE_RESTRICT mate_of;
  std::int32_t *GRIDCOMPUTE_RESTRICT settled, *GRIDCOMPUTE_RESTRICT col_of;
  K limit = kMostLabel<V>;     // of levels
  std::int32_t collected = 0;  // columns in `settled`: those of the last search, closed or about to be
  // Which of tied free columns goes first, if that matters (tie_order.hpp): columns by place, and their places, of
  // matched ones the largest integer.
  const std::int32_t* GRIDCOMPUTE_RESTRICT by_place = nullptr;
  K* GRIDCOMPUTE_RESTRICT place = nullptr;
  // Rows that lie one behind the other, unpadded: a price of the padding so low that nothing there is cheap forbids
  // what is read of the next row. The last row has none, and lies elsewhere, padded.
  const V* GRIDCOMPUTE_RESTRICT last = nullptr;

  [[nodiscard]] const V* row(std::int32_t i) const {
    return last == nullptr ? cost + Index{i} * stride : i == n - 1 ? last : cost + Index{i} * m;
  }
  void price_padding() const {
    if (last != nullptr) std::fill(v + m, v + stride, kPaddingPrice<V>);
  }
  void match(std::int32_t i, std::int32_t j) {
    mate_of[j] = i;
    col_of[i] = j;
    if (place != nullptr) place[j] = std::numeric_limits<K>::max();
  }
  void find_places() const {
    for (std::int32_t k = 0; k < m; ++k) {
      const std::int32_t j = by_place[k];
      place[j] = mate_of[j] == kFree ? static_cast<K>(k) : std::numeric_limits<K>::max();
    }
  }
};

enum class Augmented { yes, none, range };

// The least open labels, by groups of columns: column j belongs to group j % kGroups, on any machine, so that all
// settle columns in the same order.
template <class V>
struct OpenGroups {
  static constexpr std::int32_t kGroups = 256 / sizeof(V);
  alignas(64) V group[kGroups];
};

// Row i offers base + its reduced costs to all columns. Returns the least open label.
template <Index kBytes, class V, class K = Key<V>>
GRIDCOMPUTE_INLINE K relax(Whole<V>& s, std::int32_t i, V base, OpenGroups<K>& least) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr std::int32_t kLanes = Lanes<V, kBytes>::kCount, kGroups = OpenGroups<K>::kGroups,
                         kVectors = kGroups / kLanes;
  const V *GRIDCOMPUTE_RESTRICT row = s.row(i), *GRIDCOMPUTE_RESTRICT v = s.v;
  const K* GRIDCOMPUTE_RESTRICT closed = s.closed;
  K *GRIDCOMPUTE_RESTRICT label = s.label, *GRIDCOMPUTE_RESTRICT from = s.from;
  Vector best[kVectors];
  for (Vector& b : best) b = Vector{} + std::numeric_limits<K>::max();
  const Vector source = Vector{} + static_cast<K>(i);
  const auto offer = [&](std::int32_t j, Vector& into) GRIDCOMPUTE_FORCED {
    Vector l, f, shut;
    typename Lanes<V, kBytes>::Signed c, price;
    load(row + j, c);
    load(v + j, price);
    c = c - price + base;
    Vector h = (Vector)c;
    load(label + j, l);
    load(from + j, f);
    load(closed + j, shut);
    if constexpr (std::is_floating_point_v<V>) {
      h = h < 0 ? Vector{} : h;  // where rounding might bring it below 0, or
      h |= shut;                 // below settled labels
    }
    f = h < l ? source : f;
    l = h < l ? h : l;
    store(l, label + j);
    store(f, from + j);
    const Vector key = l | shut;
    into = key < into ? key : into;
  };
  std::int32_t j = 0;
  for (; j + kGroups <= s.stride; j += kGroups)
    for (std::int32_t k = 0; k < kVectors; ++k) offer(j + k * kLanes, best[k]);
  for (std::int32_t k = 0; k < kVectors; ++k)
    if (j + k * kLanes < s.stride) offer(j + k * kLanes, best[k]);
  Vector all = best[0];
  for (std::int32_t k = 0; k < kVectors; ++k) {
    store(best[k], least.group + k * kLanes);
    all = best[k] < all ? best[k] : all;
  }
  return fold(all, Least{});
}

// Of the free columns where at(j, lanes) is `value`, that of the first place.
template <Index kBytes, class V, class At>
GRIDCOMPUTE_INLINE std::int32_t first_free(const Whole<V>& s, Key<V> value, const At& at) {
  using Vector = KeyLanes<kBytes, V>;
  const Vector none = Vector{} + std::numeric_limits<Key<V>>::max();
  Vector first = none;
  for (std::int32_t j = 0; j < s.stride; j += Lanes<V, kBytes>::kCount) {
    Vector x, place;
    at(j, x);
    load(s.place + j, place);
    place = x == value ? place : none;  // GCC 12 would take two conditions apart lane by lane
    first = place < first ? place : first;
  }
  const Key<V> place = fold(first, Least{});
  return place < s.m ? s.by_place[place] : kFree;
}

// Closes the open columns at `level` and appends them to `settled`; a free one is returned at once.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE std::int32_t collect(Whole<V>& s, Key<V> level, const OpenGroups<Key<V>>& least) {
  if (s.place != nullptr) {
    const std::int32_t sink = first_free<kBytes>(s, level, [&](std::int32_t j, auto& x) GRIDCOMPUTE_FORCED {
      KeyLanes<kBytes, V> shut;
      load(s.label + j, x);
      load(s.closed + j, shut);
      x |= shut;
    });
    if (sink != kFree) return sink;
  }
  constexpr std::int32_t kGroups = OpenGroups<Key<V>>::kGroups;
  for (std::int32_t g = 0; g < kGroups; ++g) {
    if (least.group[g] != level) continue;
    for (std::int32_t j = g; j < s.m; j += kGroups) {
      if ((s.label[j] | s.closed[j]) != level) continue;
      if (s.mate_of[j] == kFree) return j;
      s.closed[j] = std::numeric_limits<Key<V>>::max();
      s.settled[s.collected++] = j;
    }
  }
  return kFree;
}

// Opens all columns; the least reduced cost of the source.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE Key<V> begin_search(Whole<V>& s, std::int32_t source) {
  // As locals: what is stored might change members of `s` for all that the compiler knows.
  using Vector = KeyLanes<kBytes, V>;
  const std::int32_t stride = s.stride;
  const V *GRIDCOMPUTE_RESTRICT row = s.row(source), *GRIDCOMPUTE_RESTRICT v = s.v;
  Key<V>*GRIDCOMPUTE_RESTRICT label = s.label, *GRIDCOMPUTE_RESTRICT closed = s.closed;
  for (std::int32_t j = 0; j < stride; ++j) label[j] = std::numeric_limits<Key<V>>::max(), closed[j] = 0;
  Vector least = Vector{} + std::numeric_limits<Key<V>>::max(), r;
  for (std::int32_t j = 0; j < stride; j += Lanes<V, kBytes>::kCount) {
    reduced<kBytes>(row + j, v + j, r);
    least = r < least ? r : least;
  }
  return fold(least, Least{});
}

// One shortest augmenting path.
template <Index kBytes, class V, class K = Key<V>>
GRIDCOMPUTE_INLINE Augmented augment_of(Whole<V>& s, std::int32_t source) {
  s.collected = 0;
  const K u = begin_search<kBytes>(s, source);
  K level = 0;
  if (u >= kMostLabel<V>) return Augmented::none;
  OpenGroups<K> groups;
  K least = relax<kBytes>(s, source, static_cast<V>(V{0} - value_of<V>(u)), groups);
  std::int32_t sink = collect<kBytes>(s, level, groups);
  for (std::int32_t next = 0; sink == kFree;) {
    if (next == s.collected || least == level) {
      if (next == s.collected) level = least;
      if (level >= kMostLabel<V>) return Augmented::none;
      if (level > s.limit) return Augmented::range;
      sink = collect<kBytes>(s, level, groups);
      if (sink != kFree) break;
    }
    const std::int32_t j = s.settled[next++], i = static_cast<std::int32_t>(s.mate_of[j]);
    least = relax<kBytes>(s, i, static_cast<V>(value_of<V>(level) - (s.row(i)[j] - s.v[j])), groups);
  }
  const V last = value_of<V>(level);
  for (std::int32_t k = 0; k < s.collected; ++k) {
    const std::int32_t j = s.settled[k];
    s.v[j] = static_cast<V>(s.v[j] + (value_of<V>(s.label[j]) - last));
  }
  for (std::int32_t j = sink; j != kFree;) {
    const std::int32_t row = static_cast<std::int32_t>(s.from[j]), next = s.col_of[row];
    s.match(row, j);
    j = row == source ? kFree : next;
  }
  return Augmented::yes;
}

// The two least reduced costs of row i, the place of the first, and a free column at the least, if one is.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE Two<Key<V>> two_of(const Whole<V>& s, std::int32_t i) {
  const V *GRIDCOMPUTE_RESTRICT row = s.row(i), *GRIDCOMPUTE_RESTRICT v = s.v;
  constexpr Key<V> kHopeless = std::is_floating_point_v<V> ? kMostLabel<V> : Range<Key<V>>::kHopeless;
  return two_least<kBytes, Key<V>>(
      s.stride, [&](Index k, auto& x) GRIDCOMPUTE_FORCED { reduced<kBytes>(row + k, v + k, x); },
      [](Index) GRIDCOMPUTE_FORCED { return kHopeless; }, kHopeless);
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE std::int32_t free_at(const Whole<V>& s, std::int32_t i, Key<V> least) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr std::int32_t kLanes = Lanes<V, kBytes>::kCount;
  const V* GRIDCOMPUTE_RESTRICT row = s.row(i);
  if (s.place != nullptr)
    return first_free<kBytes>(
        s, least, [&](std::int32_t j, Vector& x) GRIDCOMPUTE_FORCED { reduced<kBytes>(row + j, s.v + j, x); });
  for (std::int32_t j = 0; j < s.stride; j += kLanes) {
    Vector r, mate;
    reduced<kBytes>(row + j, s.v + j, r);
    load(s.mate_of + j, mate);
    const Vector hit = r == least ? mate : Vector{};  // less than 0 where free
    if (fold(hit, Least{}) >= 0) continue;
    for (std::int32_t l = 0; l < kLanes; ++l)
      if (hit[l] < 0) return j + l;
  }
  return kFree;
}

// Each row takes a free column at its least reduced cost, the first one, if there is one. `tag`: scratch, a column's
// place and kTaken if it is matched.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void take_cheapest(Whole<V>& s, Key<V>* GRIDCOMPUTE_RESTRICT tag) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr std::int32_t kLanes = Lanes<V, kBytes>::kCount;
  constexpr Key<V> kTaken = Key<V>{1} << 28;
  const std::int32_t stride = s.stride;
  const V* GRIDCOMPUTE_RESTRICT price = s.v;
  for (std::int32_t j = 0; j < stride; ++j) tag[j] = s.place != nullptr ? s.place[j] : static_cast<Key<V>>(j);
  for (std::int32_t i = 0; i < s.n; ++i) {
    const V* GRIDCOMPUTE_RESTRICT row = s.row(i);
    Vector least = Vector{} + std::numeric_limits<Key<V>>::max(), which = least, r, v, t;
    for (std::int32_t j = 0; j < stride; j += kLanes) {
      reduced<kBytes>(row + j, price + j, r);
      load(tag + j, t);
      v = t < which ? t : which;
      which = r == least ? v : which;
      which = r < least ? t : which;
      least = r < least ? r : least;
    }
    const Tagged<Key<V>> best = least_tagged<Key<V>, kLanes>(least, which);
    s.col_of[i] = kFree;
    if (best.tag >= kTaken || best.value >= kMostLabel<V>) continue;
    const auto j = s.by_place != nullptr ? s.by_place[best.tag] : static_cast<std::int32_t>(best.tag);
    s.match(i, j);
    tag[j] += kTaken;
  }
}

// What a row pays for column j from now on, having bid: no more than what the next one costs it. Of doubles less than
// that where the next one is far away and rounding would leave the two apart by more than small costs are: a gate.
template <class V>
GRIDCOMPUTE_INLINE V bid_price(V cost, V price, V u1, V u2) {
  if constexpr (std::is_floating_point_v<V>) {
    constexpr V kFar = 0x1p10;
    const bool far = u2 - u1 > kFar * (std::fabs(cost) + std::fabs(price));
    return price - (u2 - u1) * (far ? 1 - 0x1p-16 : 1);
  } else {
    return static_cast<V>(price - (u2 - u1));
  }
}

// Augmenting row reduction, as row_reduction.hpp; a free column before a taken one. Has every row had its turn?
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool bid(Whole<V>& s, std::int64_t budget) {
  for (std::int32_t first = 0; first < s.n; ++first) {
    for (std::int32_t i = s.col_of[first] == kFree ? first : kFree; i != kFree && --budget > 0;) {
      const Two<Key<V>> two = two_of<kBytes>(s, i);
      if (two.u1 >= kMostLabel<V>) break;
      std::int32_t j = static_cast<std::int32_t>(two.at);
      if (two.u2 == two.u1 && s.mate_of[j] != kFree) j = free_at<kBytes>(s, i, two.u1);
      if (j == kFree) break;  // a tie among taken columns: left to the search
      const bool gain = two.u2 > two.u1 && two.u2 < kMostLabel<V>;
      const std::int32_t out = static_cast<std::int32_t>(s.mate_of[j]);
      if (out != kFree && !gain) break;
      if (gain) {
        const V price = bid_price(s.row(i)[j], s.v[j], value_of<V>(two.u1), value_of<V>(two.u2));
        if (std::is_floating_point_v<V> && out != kFree && !(price < s.v[j])) break;  // less than rounding
        s.v[j] = price;
      }
      if (out != kFree) s.col_of[out] = kFree;
      s.match(i, j);
      i = out;
    }
  }
  return budget > 0;
}

// Prices at the column minima.
template <class V>
GRIDCOMPUTE_INLINE void price_columns(Whole<V>& s) {
  const std::int32_t n = s.n, stride = s.stride;
  const V* GRIDCOMPUTE_RESTRICT row = s.cost;
  V* GRIDCOMPUTE_RESTRICT v = s.v;
  std::copy_n(row, stride, v);
  for (std::int32_t i = 1; i < n; ++i) {
    row += stride;
    for (std::int32_t j = 0; j < stride; ++j) v[j] = row[j] < v[j] ? row[j] : v[j];
  }
  for (std::int32_t j = 0; j < stride; ++j) v[j] = v[j] < kMostLabel<V> ? v[j] : 0;
}

// Rows take what is cheapest at the prices. How many do.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE std::int32_t take(Whole<V>& s) {
  std::fill_n(s.mate_of, s.stride, Key<V>{kFree});
  if (s.place != nullptr) s.find_places();
  take_cheapest<kBytes>(s, s.from);
  std::int32_t matched = 0;
  for (std::int32_t i = 0; i < s.n; ++i) matched += s.col_of[i] != kFree ? 1 : 0;
  return matched;
}

// And then bid. Has every row had its turn?
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool start_whole(Whole<V>& s) {
  take<kBytes>(s);
  return s.n <= kFewRows || bid<kBytes>(s, kFirstBids * s.n);
}

template <class V>
GRIDCOMPUTE_INLINE void price_nothing(Whole<V>& s) {
  std::fill_n(s.v, s.stride, V{0});
  s.price_padding();
}

// From prices at the column minima, unless hardly fewer rows find a column without: where most costs are cut off at one
// value, columns that nobody is near would draw all rows.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void take_priced(Whole<V>& s) {
  static_assert(sizeof(V) == sizeof(Key<V>));
  const auto bytes = static_cast<std::size_t>(s.stride) * sizeof(V);
  const std::int32_t matched = take<kBytes>(s);
  if (matched >= kPoor * s.n) return;
  std::memcpy(s.label, s.v, bytes);  // not in use yet
  price_nothing(s);
  if (kClearly * take<kBytes>(s) >= matched) return;
  std::memcpy(s.v, s.label, bytes);
  take<kBytes>(s);
}
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool start_square(Whole<V>& s) {
  price_columns(s);
  take_priced<kBytes>(s);
  return bid<kBytes>(s, kFirstBids * s.n);
}

struct Nearby;  // warm_start.hpp

// Where searches begin: at the prices and pairs at hand; from column minima of a square matrix and 0 otherwise, without
// pairs; or so, but only if the first bids get round.
enum class Begin { here, anew, if_easy };

// The same for all free rows of a large matrix; `nearby`: from the prices and these pairs. Where costs or prices exceed
// P at the start, where it is not easy, after `limit` costs looked at, or where P is exceeded later (which in 32 bits
// throws PriceRange), returns `budget` and a state from which other ways can go on.
template <class V>
Searched search_whole(Matching<V>& state, const CopiedRows<V>& rows, Index limit, Stats& stats, Stop& stop,
                      std::vector<std::int32_t>& witness, Begin begin = Begin::here, const Nearby* nearby = nullptr);

}  // namespace gridcompute::assignment
