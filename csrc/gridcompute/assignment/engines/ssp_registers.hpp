// Shortest augmenting paths where all columns fit a few vectors: labels stay in registers.
//
// Problem, definitions and invariants as ssp_rows.hpp. Ties go to free columns, then to the lowest: the same answer on
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
// Range. As batch/small.hpp; labels are counted from the row's reduced costs as they are, not less its least.
#pragma once

#include <array>
#include <limits>

#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/engines/two_least.hpp"

namespace gridcompute::assignment {

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
    for (Index j = 0; j < kRegisterColumns; ++j) positions[static_cast<std::size_t>(j)] = static_cast<V>(j);
    return positions;
  }();

  RowSspState<V>& s_;
  Vector tag_[kVectors];  // a column, plus kTaken if it is matched
};

}  // namespace gridcompute::assignment
