// Vectorised loops on the exchange graph of classes: W[a][b] = min over the jobs in class a of key_b - key_a, and
// Dijkstra on it. Rows, prices and labels are padded to whole vectors of either type (kPad).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::transport {

constexpr Index kPad = 16;  // entries: the widest vector of int32

// Units of equal jobs in one class: their row of keys, and the key of the class they are in.
template <class T>
struct JobUnits {
  std::int32_t row;
  std::int32_t units;
  T own;
};

// Dense rows of keys.
template <class T>
struct DenseKeyRows {
  const T* keys;
  Index stride;

  [[nodiscard]] const T* row(std::int32_t at) const noexcept { return keys + at * stride; }
};

// Rows with some listed keys, ascending by class; all other classes are forbidden.
template <class T>
struct CsrKeyRows {
  struct Arc {
    std::int32_t slot;
    T key;
  };
  const Arc* arcs;
  const std::int32_t* begin;  // (rows + 1)
  Index stride;               // of prices, labels and rows of W

  [[nodiscard]] std::span<const Arc> row(std::int32_t at) const noexcept {
    return {arcs + begin[at], arcs + begin[at + 1]};
  }
};

// Returns the least of row + price, and its position.
LeastAt<std::int32_t> least_cost(const std::int32_t* row, const std::int32_t* price, Index n);
LeastAt<Cost> least_cost(const Cost* row, const Cost* price, Index n);

// Computes the least of row + price, and its position, for each member's row.
void least_costs(const DenseKeyRows<std::int32_t>& rows, const JobUnits<std::int32_t>* members, Index count,
                 const std::int32_t* price, LeastAt<std::int32_t>* out);
void least_costs(const DenseKeyRows<Cost>& rows, const JobUnits<Cost>* members, Index count, const Cost* price,
                 LeastAt<Cost>* out);

// Returns the first position after `at` where row + price equals that least; n if there is none.
Index next_minimiser(const std::int32_t* row, const std::int32_t* price, Index n, LeastAt<std::int32_t> at);
Index next_minimiser(const Cost* row, const Cost* price, Index n, LeastAt<Cost> at);

// Computes a row of W: the least key - own over the members, 0 for spare units. After a member has left (`left`), only
// the vectors in which it attained the least are computed again.
void rebuild_exchange_row(const DenseKeyRows<std::int32_t>& rows, const JobUnits<std::int32_t>* members, Index count,
                          bool spare, const JobUnits<std::int32_t>* left, std::int32_t* way);
void rebuild_exchange_row(const DenseKeyRows<Cost>& rows, const JobUnits<Cost>* members, Index count, bool spare,
                          const JobUnits<Cost>* left, Cost* way);

// Lowers a row of W by a member that joined.
void lower_exchange_row(const std::int32_t* row, std::int32_t own, Index n, std::int32_t* way);
void lower_exchange_row(const Cost* row, Cost own, Index n, Cost* way);

// The residual graph of classes, the input of a search.
template <class T>
struct ExchangeGraph {
  Slot columns;
  Index stride;                 // of prices, labels and rows of W
  const Cost *load, *capacity;  // (columns)
  const T* price;
  const T* ways;     // rows of W
  const Slot* line;  // (columns): the class's row of W; kNone where no unit may leave
};

// A shortest-path tree, and the memory of the search, (stride) each.
template <class T>
struct ShortestPathTree {
  struct Settled {
    Slot slot;
    T distance;
  };
  AlignedVector<T> label, parent, open;  // labels are distances less prices; open: prices, kSettled once settled
  std::vector<Settled> settled;
  std::vector<Slot> targets;
  T last = 0;           // distance of the farthest target
  bool beyond = false;  // a distance left the range of T
};

// Runs Dijkstra from all over-full classes at once, until classes with free capacity for `left` units are settled.
void grow_tree(const ExchangeGraph<std::int32_t>& net, Cost left, ShortestPathTree<std::int32_t>& tree);
void grow_tree(const ExchangeGraph<Cost>& net, Cost left, ShortestPathTree<Cost>& tree);

// Does the same for rows of either storage.
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
  LeastAt<T> best{KeyRange<T>::kForbid, 0};
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

// Returns a row's key for a class.
template <class T>
[[nodiscard]] T key_of(const DenseKeyRows<T>& rows, std::int32_t row, Slot s) {
  return rows.row(row)[s];
}
template <class T>
[[nodiscard]] T key_of(const CsrKeyRows<T>& rows, std::int32_t row, Slot s) {
  for (const auto& arc : rows.row(row))
    if (arc.slot == s) return arc.key;
  return KeyRange<T>::kForbid;
}

}  // namespace gridcompute::transport
