// Candidate lists: for each row its cheapest columns and a bound on all the others.
//
// Definitions. Reduced cost r_ij = c_ij - v_j of row i at the column prices v. A list holds some columns of its row
// with their costs; bound(i) <= r_ij for every column j outside the list.
//
// Invariants. Prices only fall while lists live, so reduced costs only rise and a bound once true stays true: lists are
// never repriced. A sparse row is its own list, complete, with bound kUnbounded. holds() checks all of it.
//
// Steps. fill(i) reads the row, subtracts prices, takes minima over kGroups interleaved groups of columns (all
// vectorised), sets a threshold near the kWanted-th smallest of these minima, and opens only the groups that reach
// below it. Equal costs are taken from a starting group that differs by row: else ties would send every list to the
// same low columns. Costs stay beside their columns, so that later looks never touch the matrix.
//
// A list filled again (refill) must raise its bound or hold the whole row; where it would do neither it grows: else a
// search could meet the same bound for ever.
//
// Layout. A row's columns and costs lie side by side in whole cache lines: a list is met in an order of its own, and
// every line or page more that it touches is waited for.
//
// Complexity. O(m) vectorised and O(m / 16 + k) scalar steps a fill; 8 (12) bytes a candidate.
//
// Source. Candidate lists for dense assignment: Volgenant, Computers & OR 23 (1996) 917 (LAPMOD), who prices out by
// full passes; the bounds kept with the lists, read lazily, are ours.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/base/default_init.hpp"

namespace gridcompute::assignment {

template <class V>
class Lists {
 public:
  static constexpr V kUnbounded = std::numeric_limits<V>::max();
  static constexpr Index kLanes = 64 / sizeof(V);  // lists are padded to a multiple of this with (m, kForbidden)
  static constexpr Index kRoom = 64;               // of a dense row's first list
  static constexpr Index kWanted = 40;             // groups to open for it

  struct View {
    const std::int32_t* col;
    const V* cost;
    Index size;  // padded
  };

  Lists(Index rows, Index cols) : n_(rows), m_(cols), where_(index(rows)), bound_(index(rows)) {}

  [[nodiscard]] View operator[](Index i) const {
    const Where& w = where_[static_cast<std::size_t>(i)];
    return {cols_of(w), costs_of(w), w.size};
  }
  // Lists are met in an order that no hardware foresees: first where they lie, then the lists.
  void prefetch_place(Index i) const { __builtin_prefetch(where_.data() + i); }
  void prefetch(Index i) const {
    const Where& w = where_[static_cast<std::size_t>(i)];
    __builtin_prefetch(cols_of(w));
    __builtin_prefetch(costs_of(w));
    __builtin_prefetch(bound_.data() + i);
  }
  [[nodiscard]] Index rows() const { return n_; }
  [[nodiscard]] Index longest() const {
    Index most = 0;
    for (const Where& w : where_) most = std::max<Index>(most, w.size);
    return most;
  }
  [[nodiscard]] V bound(Index i) const { return bound_[static_cast<std::size_t>(i)]; }

  // Room for a first list in every dense row, so that threads may fill different rows.
  void make_room();

  // Scratch of one filling thread.
  struct Scratch {
    std::vector<V> cost, reduced, group, order;
    std::vector<std::int32_t> hit, open, below, equal;
    V width = 0;  // how far above a row's minimum the last threshold lay
  };
  [[nodiscard]] Scratch scratch() const;

  // The first list of row i, at prices v (m + 1 of them). Touches nothing that another row's fill does.
  void fill(Index i, const Rows<V>& rows, const V* v, Scratch& s);
  // A later list, read lazily: its bound is above `above` or it holds the whole row. How many looks that took.
  Index refill(Index i, const Rows<V>& rows, const V* v, V above, Scratch& s);

  // Prices have fallen, by so much at most: bounds follow.
  void loosen(V by) {
    for (V& b : bound_) b = b == kUnbounded ? b : static_cast<V>(b - by);
  }

  // Complete rows given from outside, in order; padded here.
  void append(Index i, const std::vector<std::int32_t>& cols, const std::vector<V>& costs);

  [[nodiscard]] bool holds(const Rows<V>& rows, const std::vector<V>& v) const;

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  struct Where {
    Index line = 0;  // where the block begins
    std::int32_t size = 0, room = 0;
  };
  static std::size_t index(Index k) { return static_cast<std::size_t>(k); }
  static Index lines(Index room) { return (room * static_cast<Index>(sizeof(std::int32_t) + sizeof(V)) + 63) / 64; }
  [[nodiscard]] const std::int32_t* cols_of(const Where& w) const {
    return reinterpret_cast<const std::int32_t*>(block_.data() + w.line);
  }
  [[nodiscard]] const V* costs_of(const Where& w) const { return reinterpret_cast<const V*>(cols_of(w) + w.room); }
  // Puts the row behind all blocks, with room for so many.
  void open(Index i, Index room);
  void write(Index i, std::span<const std::int32_t> cols, const auto& cost_of);
  // Selects up to `room` candidates into s.hit; returns the bound of what was left out.
  V select(Index i, const V* cost, const V* v, Index wanted, Index room, Scratch& s) const;
  void store(Index i, const V* cost, const Scratch& s, V bound);

  Index n_, m_;
  UnwrittenVector<Line> block_;  // of each row: its columns, then their costs
  std::vector<Where> where_;
  std::vector<V> bound_;
};

}  // namespace gridcompute::assignment
