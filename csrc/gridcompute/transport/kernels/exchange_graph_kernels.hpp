// The loops of small_problem.cpp over classes, in vectors: rows, prices and labels are padded to whole vectors of
// either type.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/simd_lanes.hpp"

namespace gridcompute::transport {

constexpr Index kPad = 16;

// Sums of a key and a price, and of two such differences, stay within the type.
template <class T>
struct KeyLimits;
template <>
struct KeyLimits<std::int32_t> {
  static constexpr std::int32_t kForbid = 1 << 29, kPrice = 1 << 28, kKey = 1 << 27, kSettled = 1 << 30;
};
template <>
struct KeyLimits<Cost> {
  static constexpr Cost kForbid = Cost{1} << 60, kPrice = Cost{1} << 59, kKey = Cost{1} << 58, kSettled = Cost{1} << 61;
};

// Units of equal jobs where they lie: whose row, and its key there.
template <class T>
struct JobUnits {
  std::int32_t row;
  std::int32_t units;
  T own;
};

// Rows of keys in memory.
template <class T>
struct DenseKeyRows {
  const T* keys;
  Index stride;

  [[nodiscard]] const T* row(std::int32_t at) const noexcept { return keys + at * stride; }
};

// Rows of which only some keys are held, ascending by class; all others are forbidden.
template <class T>
struct CsrKeyRows {
  struct Arc {
    std::int32_t slot;
    T key;
  };
  const Arc* arcs;
  const std::int32_t* begin;  // (rows + 1)
  Index stride;               // of prices, labels and ways

  [[nodiscard]] std::span<const Arc> row(std::int32_t at) const noexcept {
    return {arcs + begin[at], arcs + begin[at + 1]};
  }
};

// The least of row + price.
LeastAt<std::int32_t> least_cost(const std::int32_t* row, const std::int32_t* price, Index n);
LeastAt<Cost> least_cost(const Cost* row, const Cost* price, Index n);

// The same for each member's row.
void least_costs(const DenseKeyRows<std::int32_t>& rows, const JobUnits<std::int32_t>* members, Index count,
                 const std::int32_t* price, LeastAt<std::int32_t>* out);
void least_costs(const DenseKeyRows<Cost>& rows, const JobUnits<Cost>* members, Index count, const Cost* price,
                 LeastAt<Cost>* out);

// The first position after `at` where row + price is that too; n if there is none.
Index next_minimiser(const std::int32_t* row, const std::int32_t* price, Index n, LeastAt<std::int32_t> at);
Index next_minimiser(const Cost* row, const Cost* price, Index n, LeastAt<Cost> at);

// What it costs to move one member to each class: the least key - own, for spare units 0. With a job that left only the
// vectors it may have decided are done again.
void rebuild_exchange_row(const DenseKeyRows<std::int32_t>& rows, const JobUnits<std::int32_t>* members, Index count,
                          bool spare, const JobUnits<std::int32_t>* left, std::int32_t* way);
void rebuild_exchange_row(const DenseKeyRows<Cost>& rows, const JobUnits<Cost>* members, Index count, bool spare,
                          const JobUnits<Cost>* left, Cost* way);

// The same after one came.
void lower_exchange_row(const std::int32_t* row, std::int32_t own, Index n, std::int32_t* way);
void lower_exchange_row(const Cost* row, Cost own, Index n, Cost* way);

// The graph of classes, for one search after the other.
template <class T>
struct ExchangeGraph {
  Slot columns;
  Index stride;                 // of prices, labels and ways
  const Cost *load, *capacity;  // (columns)
  const T* price;
  const T* ways;     // rows of W,
  const Slot* line;  // (columns) and which of them is a class's; kNone where nobody is to leave it
};

// What a search found, and its own memory, (stride) each.
template <class T>
struct ShortestPathTree {
  struct Settled {
    Slot slot;
    T distance;
  };
  AlignedVector<T> label, parent, open;  // labels are distances less prices; open: prices, or what is out of reach
  std::vector<Settled> settled;
  std::vector<Slot> targets;
  T last = 0;           // distance of the last target
  bool beyond = false;  // some class is beyond range
};

// Dijkstra from all over-full classes to those with room, until these can take `left`.
void grow_tree(const ExchangeGraph<std::int32_t>& net, Cost left, ShortestPathTree<std::int32_t>& tree);
void grow_tree(const ExchangeGraph<Cost>& net, Cost left, ShortestPathTree<Cost>& tree);

// The same for rows of either kind.
template <class T>
LeastAt<T> least_cost(const DenseKeyRows<T>& rows, std::int32_t row, const T* price) {
  return least_cost(rows.row(row), price, rows.stride);
}
template <class T>
Index next_minimiser(const DenseKeyRows<T>& rows, std::int32_t row, const T* price, LeastAt<T> at) {
  return next_minimiser(rows.row(row), price, rows.stride, at);
}
template <class T>
LeastAt<T> least_cost(const CsrKeyRows<T>& rows, std::int32_t row, const T* price) {
  LeastAt<T> best{KeyLimits<T>::kForbid, 0};
  for (const auto& arc : rows.row(row)) {
    const T v = arc.key + price[arc.slot];
    best.at = v < best.value ? arc.slot : best.at;
    best.value = v < best.value ? v : best.value;
  }
  return best;
}
template <class T>
void least_costs(const CsrKeyRows<T>& rows, const JobUnits<T>* members, Index count, const T* price, LeastAt<T>* out) {
  for (Index k = 0; k < count; ++k) out[k] = least_cost(rows, members[k].row, price);
}
template <class T>
Index next_minimiser(const CsrKeyRows<T>& rows, std::int32_t row, const T* price, LeastAt<T> at) {
  for (const auto& arc : rows.row(row))
    if (arc.slot > at.at && arc.key + price[arc.slot] == at.value) return arc.slot;
  return rows.stride;
}

// A row's key for a class.
template <class T>
[[nodiscard]] T key_of(const DenseKeyRows<T>& rows, std::int32_t row, Slot s) {
  return rows.row(row)[s];
}
template <class T>
[[nodiscard]] T key_of(const CsrKeyRows<T>& rows, std::int32_t row, Slot s) {
  for (const auto& arc : rows.row(row))
    if (arc.slot == s) return arc.key;
  return KeyLimits<T>::kForbid;
}

}  // namespace gridcompute::transport
