// The loops of direct.cpp over classes, in vectors: rows, prices and labels are padded to whole vectors of either type.
#pragma once

#include <cstdint>

#include "gridcompute/base/lanes.hpp"

namespace gridcompute::transport {

constexpr Index kPad = 16;

// Sums of a key and a price, and of two such differences, stay within the type.
template <class T>
struct Range;
template <>
struct Range<std::int32_t> {
  static constexpr std::int32_t kForbid = 1 << 29, kPrice = 1 << 28, kKey = 1 << 27, kSettled = 1 << 30;
};
template <>
struct Range<Cost> {
  static constexpr Cost kForbid = Cost{1} << 60, kPrice = Cost{1} << 59, kKey = Cost{1} << 58, kSettled = Cost{1} << 61;
};

// Units of equal jobs where they lie: whose row, and its key there.
template <class T>
struct Member {
  std::int32_t row;
  std::int32_t units;
  T own;
};

// Rows of keys in memory.
template <class T>
struct Matrix {
  const T* keys;
  Index stride;

  [[nodiscard]] const T* row(std::int32_t at) const noexcept { return keys + at * stride; }
};

// The least of row + price.
LeastAt<std::int32_t> cheapest(const std::int32_t* row, const std::int32_t* price, Index n);
LeastAt<Cost> cheapest(const Cost* row, const Cost* price, Index n);

// The first position after `at` where row + price is that too; n if there is none.
Index next_equal(const std::int32_t* row, const std::int32_t* price, Index n, LeastAt<std::int32_t> at);
Index next_equal(const Cost* row, const Cost* price, Index n, LeastAt<Cost> at);

// What it costs to move one member to each class: the least key - own, for spare units 0. With a job that left only the
// vectors it may have decided are done again.
void rebuild(const Matrix<std::int32_t>& rows, const Member<std::int32_t>* members, Index count, bool spare,
             const Member<std::int32_t>* left, std::int32_t* way);
void rebuild(const Matrix<Cost>& rows, const Member<Cost>* members, Index count, bool spare, const Member<Cost>* left,
             Cost* way);

// The same after one came.
void lower(const std::int32_t* row, std::int32_t own, Index n, std::int32_t* way);
void lower(const Cost* row, Cost own, Index n, Cost* way);

// Labels are distances less prices: shorter ways through `via`, at label `from`. Then the least distance of those open
// (whose `price` is not out of reach).
LeastAt<std::int32_t> relax(const std::int32_t* way, std::int32_t from, std::int32_t via, const std::int32_t* price,
                            Index n, std::int32_t* label, std::int32_t* parent);
LeastAt<Cost> relax(const Cost* way, Cost from, Cost via, const Cost* price, Index n, Cost* label, Cost* parent);

}  // namespace gridcompute::transport
