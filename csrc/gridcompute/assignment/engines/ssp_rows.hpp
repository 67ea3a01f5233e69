// The Jonker-Volgenant method over whole rows, vectorised: column reduction, a greedy start, augmenting row reduction,
// and augmentation along shortest paths.
//
// For small matrices, for mid-size ones at first, and for large ones where candidate lists do not help (ties, blocks of
// equal costs, prices that must move far in rectangular matrices).
//
// Definitions. The label of a column is the length of the shortest alternating path to it from the free row, in reduced
// costs; columns at the least open label are collected together and scanned one by one.
//
// Invariants. (M1) to (M4) of matching.hpp before and after each search. label | closed is the label of an open column
// and the largest integer for a closed one: labels of closed columns stay as they are, since no relaxation lowers them.
//
// Steps. Scanning a column, its mate's row relaxes all columns in one pass, which keeps the least open label of each of
// kGroups interleaved groups of columns (one per vector lane, so nothing is reduced inside the loop). Only groups at
// the least label are then opened. With many ties one collection serves many rows.
//
// Complexity. O(m) vectorised a scanned column; O(n^2 m) worst case. No queue.
//
// Range proof. See assignment/batch.hpp for small matrices. For large ones costs, |prices| and levels stay within P = U
// / 2 (a level beyond ends the search with `overflow`): row duals lie within -P..2P, labels of allowed pairs up to 4P <
// kForbiddenReduced, labels of forbidden ones at least 4U - 3P > kForbiddenReduced and at most 4U + 3P < 2^(b-1).
//
// Source. Jonker and Volgenant, Computing 38 (1987) 325; Crouse, IEEE TAES 52 (2016) 1679, section II.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/assignment/engines/row_reduction.hpp"
#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// The arrays of a solve of a square or wide matrix, row-major. Row duals are implied by the matched pairs: u_i = c_ij -
// v_j. Rows are padded with forbidden pairs to `stride` entries, whole vectors; so are the arrays, but for col_of and
// `scanned`.
template <class V>
struct RowSspState {
  using K = Key<V>;
  const V* GRIDCOMPUTE_RESTRICT cost;
  std::int32_t n, m, stride;
  V* GRIDCOMPUTE_RESTRICT v;
  K* GRIDCOMPUTE_RESTRICT label;
  K* GRIDCOMPUTE_RESTRICT closed;  // 0, or all bits but the sign
  K* GRIDCOMPUTE_RESTRICT from;    // the row whose relaxation gave the label
  K* GRIDCOMPUTE_RESTRICT mate_of;
  std::int32_t *GRIDCOMPUTE_RESTRICT scanned, *GRIDCOMPUTE_RESTRICT col_of;
  K limit = kMaxLabel<V>;      // of levels
  std::int32_t collected = 0;  // columns in `scanned`: those of the last search, closed or about to be scanned
  // Which of tied free columns comes first, if there is an order (matching.hpp): the columns by rank, and the
  // rank of each column, the largest integer for matched ones.
  const std::int32_t* GRIDCOMPUTE_RESTRICT by_rank = nullptr;
  K* GRIDCOMPUTE_RESTRICT rank = nullptr;
  // In place: rows of m entries, unpadded. What a vector reads of the next row is forbidden by padding prices so low
  // that nothing there is cheap. The last row has no next one: a padded copy of it lies here.
  const V* GRIDCOMPUTE_RESTRICT last = nullptr;
  const AssignmentTuning* tuning = &kDefaultTuning;

  [[nodiscard]] const V* row(std::int32_t i) const {
    return last == nullptr ? cost + Index{i} * stride : i == n - 1 ? last : cost + Index{i} * m;
  }
  void price_padding() const {
    if (last != nullptr) std::fill(v + m, v + stride, kPaddingPrice<V>);
  }
  void match(std::int32_t i, std::int32_t j) {
    mate_of[j] = i;
    col_of[i] = j;
    if (rank != nullptr) rank[j] = std::numeric_limits<K>::max();
  }
  void reset_ranks() const {
    for (std::int32_t k = 0; k < m; ++k) {
      const std::int32_t j = by_rank[k];
      rank[j] = mate_of[j] == kUnmatched ? static_cast<K>(k) : std::numeric_limits<K>::max();
    }
  }
};

enum class AugmentStatus { augmented, no_path, overflow };

// The least open label of each group of columns: column j belongs to group j % kGroups, whatever the width of vectors,
// so that all machines scan columns in the same order.
template <class V>
struct OpenGroups {
  static constexpr std::int32_t kGroups = 256 / sizeof(V);  // of columns: their minima fill four lines
  alignas(64) V group[kGroups];
};

// Relaxes all columns by base + the reduced costs of row i. Returns the least open label.
template <Index kBytes, class V, class K = Key<V>>
GRIDCOMPUTE_INLINE K relax(RowSspState<V>& s, std::int32_t i, V base, OpenGroups<K>& least) {
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
      h = h < 0 ? Vector{} : h;  // rounding might make it negative
      h |= shut;                 // keeps closed columns above all labels
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

// Returns, of the free columns where at(j, lanes) is `value`, the one of least rank.
template <Index kBytes, class V, class At>
GRIDCOMPUTE_INLINE std::int32_t first_free(const RowSspState<V>& s, Key<V> value, const At& at) {
  using Vector = KeyLanes<kBytes, V>;
  const Vector none = Vector{} + std::numeric_limits<Key<V>>::max();
  Vector first = none;
  for (std::int32_t j = 0; j < s.stride; j += Lanes<V, kBytes>::kCount) {
    Vector x, rank;
    at(j, x);
    load(s.rank + j, rank);
    rank = x == value ? rank : none;  // GCC 12 would split two conditions into lanes
    first = rank < first ? rank : first;
  }
  const Key<V> rank = fold(first, Least{});
  return rank < s.m ? s.by_rank[rank] : kUnmatched;
}

// Closes the open columns at `level` and appends them to `scanned`. Returns a free one at once.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE std::int32_t collect_level(RowSspState<V>& s, Key<V> level, const OpenGroups<Key<V>>& least) {
  if (s.rank != nullptr) {
    const std::int32_t sink = first_free<kBytes>(s, level, [&](std::int32_t j, auto& x) GRIDCOMPUTE_FORCED {
      KeyLanes<kBytes, V> shut;
      load(s.label + j, x);
      load(s.closed + j, shut);
      x |= shut;
    });
    if (sink != kUnmatched) return sink;
  }
  constexpr std::int32_t kGroups = OpenGroups<Key<V>>::kGroups;
  for (std::int32_t g = 0; g < kGroups; ++g) {
    if (least.group[g] != level) continue;
    for (std::int32_t j = g; j < s.m; j += kGroups) {
      if ((s.label[j] | s.closed[j]) != level) continue;
      if (s.mate_of[j] == kUnmatched) return j;
      s.closed[j] = std::numeric_limits<Key<V>>::max();
      s.scanned[s.collected++] = j;
    }
  }
  return kUnmatched;
}

// Opens all columns. Returns the least reduced cost of the source.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE Key<V> begin_search(RowSspState<V>& s, std::int32_t source) {
  // Copies members to locals: the compiler has to assume that the stores below change members of `s`.
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

// Finds one shortest augmenting path from a free row, and augments along it.
template <Index kBytes, class V, class K = Key<V>>
GRIDCOMPUTE_INLINE AugmentStatus augment_of(RowSspState<V>& s, std::int32_t source) {
  s.collected = 0;
  const K u = begin_search<kBytes>(s, source);
  K level = 0;
  if (u >= kMaxLabel<V>) return AugmentStatus::no_path;
  OpenGroups<K> groups;
  K least = relax<kBytes>(s, source, static_cast<V>(V{0} - value_of<V>(u)), groups);
  std::int32_t sink = collect_level<kBytes>(s, level, groups);
  for (std::int32_t next = 0; sink == kUnmatched;) {
    if (next == s.collected || least == level) {
      if (next == s.collected) level = least;
      if (level >= kMaxLabel<V>) return AugmentStatus::no_path;
      if (level > s.limit) return AugmentStatus::overflow;
      sink = collect_level<kBytes>(s, level, groups);
      if (sink != kUnmatched) break;
    }
    const std::int32_t j = s.scanned[next++], i = static_cast<std::int32_t>(s.mate_of[j]);
    least = relax<kBytes>(s, i, static_cast<V>(value_of<V>(level) - (s.row(i)[j] - s.v[j])), groups);
  }
  const V last = value_of<V>(level);
  for (std::int32_t k = 0; k < s.collected; ++k) {
    const std::int32_t j = s.scanned[k];
    s.v[j] = static_cast<V>(s.v[j] + (value_of<V>(s.label[j]) - last));
  }
  for (std::int32_t j = sink; j != kUnmatched;) {
    const std::int32_t row = static_cast<std::int32_t>(s.from[j]), next = s.col_of[row];
    s.match(row, j);
    j = row == source ? kUnmatched : next;
  }
  return AugmentStatus::augmented;
}

// Returns the two least reduced costs of row i and the position of the first.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE LeastTwo<Key<V>> two_of(const RowSspState<V>& s, std::int32_t i) {
  const V *GRIDCOMPUTE_RESTRICT row = s.row(i), *GRIDCOMPUTE_RESTRICT v = s.v;
  constexpr Key<V> kForbiddenReduced = std::is_floating_point_v<V> ? kMaxLabel<V> : IntRange<Key<V>>::kForbiddenReduced;
  return two_least<kBytes, Key<V>>(
      s.stride, [&](Index k, auto& x) GRIDCOMPUTE_FORCED { reduced<kBytes>(row + k, v + k, x); },
      [](Index) GRIDCOMPUTE_FORCED { return kForbiddenReduced; }, kForbiddenReduced);
}
// Returns a free column where row i has the reduced cost `least`, or kUnmatched.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE std::int32_t free_at(const RowSspState<V>& s, std::int32_t i, Key<V> least) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr std::int32_t kLanes = Lanes<V, kBytes>::kCount;
  const V* GRIDCOMPUTE_RESTRICT row = s.row(i);
  if (s.rank != nullptr)
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
  return kUnmatched;
}

// Matches each row in order to a free column at its least reduced cost, the first of them, if there is one. `tag`:
// scratch; a column's rank, plus kTaken if it is matched.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void greedy_matching(RowSspState<V>& s, Key<V>* GRIDCOMPUTE_RESTRICT tag) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr std::int32_t kLanes = Lanes<V, kBytes>::kCount;
  constexpr Key<V> kTaken = Key<V>{1} << 28;  // above every rank
  const std::int32_t stride = s.stride;
  const V* GRIDCOMPUTE_RESTRICT price = s.v;
  for (std::int32_t j = 0; j < stride; ++j) tag[j] = s.rank != nullptr ? s.rank[j] : static_cast<Key<V>>(j);
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
    const TaggedLeast<Key<V>> best = least_tagged<Key<V>, kLanes>(least, which);
    s.col_of[i] = kUnmatched;
    if (best.tag >= kTaken || best.value >= kMaxLabel<V>) continue;
    const auto j = s.by_rank != nullptr ? s.by_rank[best.tag] : static_cast<std::int32_t>(best.tag);
    s.match(i, j);
    tag[j] += kTaken;
  }
}

// Returns the price of a column after a bid: it falls by u2 - u1, so that the second best column is as cheap to the
// row. Of doubles by less where the second one is far away (a big M) and rounding would leave the two apart by more
// than small costs are.
template <class V>
GRIDCOMPUTE_INLINE V bid_price(V cost, V price, V u1, V u2) {
  if constexpr (std::is_floating_point_v<V>) {
    constexpr V kFar = 0x1p10;  // longer gaps are shortened, so that rounding cannot raise prices
    const bool far = u2 - u1 > kFar * (std::fabs(cost) + std::fabs(price));
    return price - (u2 - u1) * (far ? 1 - 0x1p-16 : 1);
  } else {
    return static_cast<V>(price - (u2 - u1));
  }
}

// Runs augmenting row reduction (row_reduction.hpp) over whole rows; a free column before a matched one. Returns
// whether every row has bid within the budget of bids.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool row_reduction(RowSspState<V>& s, std::int64_t budget) {
  for (std::int32_t first = 0; first < s.n; ++first) {
    for (std::int32_t i = s.col_of[first] == kUnmatched ? first : kUnmatched; i != kUnmatched && --budget > 0;) {
      const LeastTwo<Key<V>> two = two_of<kBytes>(s, i);
      if (two.u1 >= kMaxLabel<V>) break;
      std::int32_t j = static_cast<std::int32_t>(two.at);
      if (two.u2 == two.u1 && s.mate_of[j] != kUnmatched) j = free_at<kBytes>(s, i, two.u1);
      if (j == kUnmatched) break;  // a tie among matched columns: left to the search
      const bool gain = two.u2 > two.u1 && two.u2 < kMaxLabel<V>;
      const std::int32_t out = static_cast<std::int32_t>(s.mate_of[j]);
      if (out != kUnmatched && !gain) break;
      if (gain) {
        const V price = bid_price(s.row(i)[j], s.v[j], value_of<V>(two.u1), value_of<V>(two.u2));
        if (std::is_floating_point_v<V> && out != kUnmatched && !(price < s.v[j])) break;  // the gain is below rounding
        s.v[j] = price;
      }
      if (out != kUnmatched) s.col_of[out] = kUnmatched;
      s.match(i, j);
      i = out;
    }
  }
  return budget > 0;
}

// Sets prices to the column minima (column reduction).
template <class V>
GRIDCOMPUTE_INLINE void column_reduction(RowSspState<V>& s) {
  const std::int32_t n = s.n, stride = s.stride;
  const V* GRIDCOMPUTE_RESTRICT row = s.cost;
  V* GRIDCOMPUTE_RESTRICT v = s.v;
  std::copy_n(row, stride, v);
  for (std::int32_t i = 1; i < n; ++i) {
    row += stride;
    for (std::int32_t j = 0; j < stride; ++j) v[j] = row[j] < v[j] ? row[j] : v[j];
  }
  for (std::int32_t j = 0; j < stride; ++j) v[j] = v[j] < kMaxLabel<V> ? v[j] : 0;
}

// Matches rows greedily at the prices, from an empty matching. Returns how many rows are matched.
template <Index kBytes, class V>
GRIDCOMPUTE_INLINE std::int32_t greedy_at_prices_of(RowSspState<V>& s) {
  std::fill_n(s.mate_of, s.stride, Key<V>{kUnmatched});
  if (s.rank != nullptr) s.reset_ranks();
  greedy_matching<kBytes>(s, s.from);
  std::int32_t matched = 0;
  for (std::int32_t i = 0; i < s.n; ++i) matched += s.col_of[i] != kUnmatched ? 1 : 0;
  return matched;
}

template <class V>
GRIDCOMPUTE_INLINE void zero_prices(RowSspState<V>& s) {
  std::fill_n(s.v, s.stride, V{0});
  s.price_padding();
}

// For each instruction set: augment_of; greedy_at_prices_of; and row reduction, which returns whether every row has
// bid.
AugmentStatus augment(RowSspState<std::int32_t>& s, std::int32_t source);
AugmentStatus augment(RowSspState<std::int64_t>& s, std::int32_t source);
AugmentStatus augment(RowSspState<double>& s, std::int32_t source);
std::int32_t greedy_at_prices(RowSspState<std::int32_t>& s);
std::int32_t greedy_at_prices(RowSspState<std::int64_t>& s);
std::int32_t greedy_at_prices(RowSspState<double>& s);
bool reduce_rows(RowSspState<std::int32_t>& s);
bool reduce_rows(RowSspState<std::int64_t>& s);
bool reduce_rows(RowSspState<double>& s);

// Matches rows greedily, from an empty matching: of a wide matrix at its prices, of a square one at the column minima
// in `v`, unless nearly as many rows find a column at prices 0: where most costs are capped at one value, all rows
// would prefer the columns that have no cheap pair.
template <class V>
void greedy_start(RowSspState<V>& s) {
  static_assert(sizeof(V) == sizeof(Key<V>));
  const double matched = greedy_at_prices(s);
  if (s.n < s.m || matched >= s.tuning->minima_matched * s.n) return;
  const auto bytes = at(s.stride) * sizeof(V);
  std::memcpy(s.label, s.v, bytes);  // labels are not in use yet
  zero_prices(s);
  if (s.tuning->minima_gain * greedy_at_prices(s) >= matched) return;
  std::memcpy(s.v, s.label, bytes);
  (void)greedy_at_prices(s);
}

// Starts without pairs, at the column minima of a square matrix and at the present prices of a wide one. Returns
// whether every row has bid.
bool cold_start(RowSspState<std::int32_t>& s);
bool cold_start(RowSspState<std::int64_t>& s);

struct WarmMatching;  // below

// The start of a solve. warm: the present prices and pairs (with a WarmMatching its pairs). cold: the column minima of
// a square matrix or prices 0 of a wide one, without pairs. cold_if_easy: as cold, but only if row reduction ends
// within its budget.
enum class SspStart { warm, cold, cold_if_easy };

// Matches all free rows of a large matrix. Returns `budget`, in a state from which other engines can go on, where costs
// or prices exceed P at the start, where the start is not easy, after `limit` matrix entries were read, or where P is
// exceeded later; that throws PriceOverflow in 32 bits.
template <class V>
SearchStatus ssp_rows(Matching<V>& state, const RowCopy<V>& rows, Index limit, AssignmentStats& stats, Stop& stop,
                      std::vector<std::int32_t>& witness, const AssignmentTuning& tuning = kDefaultTuning,
                      SspStart start = SspStart::warm, const WarmMatching* warm = nullptr);

// Shortest augmenting paths where all columns fit a few vectors: labels stay in registers.
//
// Problem, definitions and invariants as at the top. Ties go to free columns, then to the lowest: the same answer on
// any machine.
//
// Steps. Column reduction of a square matrix, else prices 0; rows take free columns at their least reduced
// cost; the others search. The column to scan is found together with its tag, which says whether it is free.
//
// GCC 12 splits 64-byte vectors into lanes where a comparison is more than the condition of one choice: the code is
// written as many single choices.
//
// Complexity. O(m) vectorised a scanned column, in fact the time to reduce one vector; O(n^2 m) worst case.
//
// Range. As assignment/batch.hpp; labels are counted from the row's reduced costs as they are, not less its least.

inline constexpr Index kRegisterColumns = 64;  // the most columns: a tag below it is free

// Returns the padded length of rows of m columns: one of four, for which the number of vectors is a constant.
template <class V>
constexpr Index register_stride(Index m) {
  if (m <= 8 && sizeof(V) == 8) return 8;
  return m <= 16 ? 16 : m <= 32 ? 32 : m <= kRegisterColumns ? kRegisterColumns : padded_length(m);
}

template <Index kBytes, Index kColumns, class V>
class RegisterSsp {
 public:
  GRIDCOMPUTE_INLINE explicit RegisterSsp(RowSspState<V>& s) : s_(s) {}

  // Solves. False if a row finds no column.
  GRIDCOMPUTE_INLINE bool run() {
    column_reduction();
    for (std::int32_t i = 0; i < s_.n; ++i) greedy_match(i);
    for (std::int32_t i = 0; i < s_.n; ++i)
      if (s_.col_of[i] == kUnmatched && !augment(i)) return false;
    return true;
  }

 private:
  using Vector = typename Lanes<V, kBytes>::Signed;
  static constexpr Index kLanes = Lanes<V, kBytes>::kCount, kVectors = kColumns / kLanes;
  static constexpr V kTaken = kRegisterColumns, kNever = std::numeric_limits<V>::max();

  GRIDCOMPUTE_INLINE void column_reduction() {
    Vector least[kVectors], c;
    const bool square = s_.n == s_.m;
    for (Index k = 0; k < kVectors; ++k) least[k] = Vector{} + (square ? kMaxLabel<V> : 0);
    for (std::int32_t i = 0; square && i < s_.n; ++i)
      for (Index k = 0; k < kVectors; ++k) {
        load(s_.row(i) + k * kLanes, c);
        least[k] = c < least[k] ? c : least[k];
      }
    for (Index k = 0; k < kVectors; ++k) {
      least[k] = least[k] < kMaxLabel<V> ? least[k] : Vector{};
      store(least[k], s_.v + k * kLanes);
      load(kPositions.data() + k * kLanes, tag_[k]);
    }
  }

  GRIDCOMPUTE_INLINE TaggedLeast<V> pick(const Vector* value) const {
    Vector least = value[0], which = tag_[0];
    for (Index k = 1; k < kVectors; ++k) {
      const Vector lower = tag_[k] < which ? tag_[k] : which;
      which = value[k] == least ? lower : which;
      which = value[k] < least ? tag_[k] : which;
      least = value[k] < least ? value[k] : least;
    }
    return least_tagged<V, kLanes>(least, which);
  }

  GRIDCOMPUTE_INLINE void mark_taken(V tag) {
    for (Index k = 0; k < kVectors; ++k) tag_[k] = tag_[k] == tag ? tag_[k] + kTaken : tag_[k];
  }

  GRIDCOMPUTE_INLINE void greedy_match(std::int32_t i) {
    Vector r[kVectors], v;
    for (Index k = 0; k < kVectors; ++k) {
      load(s_.row(i) + k * kLanes, r[k]);
      load(s_.v + k * kLanes, v);
      r[k] -= v;
    }
    const TaggedLeast<V> best = pick(r);
    s_.col_of[i] = kUnmatched;
    if (best.tag >= kTaken || best.value >= kMaxLabel<V>) return;
    s_.match(i, static_cast<std::int32_t>(best.tag));
    mark_taken(best.tag);
  }

  GRIDCOMPUTE_INLINE bool augment(std::int32_t source) {
    Vector label[kVectors], from[kVectors], closed[kVectors], key[kVectors], c, v;
    for (Index k = 0; k < kVectors; ++k) label[k] = Vector{} + kNever, from[k] = closed[k] = Vector{};
    V base = 0;
    TaggedLeast<V> best;
    for (std::int32_t i = source;;) {
      const V* row = s_.row(i);
      for (Index k = 0; k < kVectors; ++k) {
        load(row + k * kLanes, c);
        load(s_.v + k * kLanes, v);
        c = c - v + base;
        from[k] = c < label[k] ? Vector{} + static_cast<V>(i) : from[k];
        label[k] = c < label[k] ? c : label[k];
        key[k] = label[k] | closed[k];
      }
      best = pick(key);
      if (best.value >= kMaxLabel<V>) return false;
      if (best.tag < kTaken) break;
      for (Index k = 0; k < kVectors; ++k) closed[k] = tag_[k] == best.tag ? Vector{} + kNever : closed[k];
      const V j = best.tag - kTaken;
      i = static_cast<std::int32_t>(s_.mate_of[j]);
      base = static_cast<V>(best.value - (s_.row(i)[j] - s_.v[j]));
    }
    for (Index k = 0; k < kVectors; ++k) {
      load(s_.v + k * kLanes, v);
      v += closed[k] != 0 ? label[k] - best.value : Vector{};
      store(v, s_.v + k * kLanes);
      store(from[k], s_.from + k * kLanes);
    }
    mark_taken(best.tag);
    for (auto j = static_cast<std::int32_t>(best.tag); j != kUnmatched;) {
      const auto i = static_cast<std::int32_t>(s_.from[j]);
      const std::int32_t next = i == source ? kUnmatched : s_.col_of[i];
      s_.match(i, j);
      j = next;
    }
    return true;
  }

  static constexpr auto kPositions = [] {
    std::array<V, kRegisterColumns> positions{};
    for (Index j = 0; j < kRegisterColumns; ++j) positions[at(j)] = static_cast<V>(j);
    return positions;
  }();

  RowSspState<V>& s_;
  Vector tag_[kVectors];  // a column, plus kTaken if it is matched
};

// A warm start from the answer to nearly the same costs of a square matrix: keeps its pairs where prices can make them
// their rows' cheapest.
//
// Why. Costs capped before the first solve are raised again where a capped pair was used, and floating-point costs are
// solved again in another unit. All but a few pairs stay; but rounding to another unit moves each cost and price by up
// to one of the coarser units, so that tight pairs are no longer exactly tight.
//
// Steps. A matched row misses by the reduced cost of its pair less its least reduced cost. Rows that miss by more than
// rounding explains are left free. For the others, prices are lowered: those of the columns that such a row would
// prefer fall until it does not, and then the rows matched to these columns miss. That ends soon unless rounding has
// made other pairs optimal; rows that still miss after kWarmRepricings repricings a row are left free, and searches
// match them.
//
// Complexity. A pass over the rows, and O(m) for each row that misses.

struct WarmMatching {
  std::vector<std::int32_t> col_of;  // empty: none
  double slack = 0;  // units by which rounding may make a row miss; no price falls by more than 4 n times that
};

// Matches pairs at the prices of `s`, which has none yet.
template <class V>
void start_from_matching(RowSspState<V>& s, const WarmMatching& warm);

}  // namespace gridcompute::assignment
