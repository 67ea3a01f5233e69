// Columns that are equal in every row of one or several matrices, and the matrices with each of them once.
//
// Steps. Hashes of a few rows (probe) show which columns may be equal; the search ends where too few may be, usually
// after eight rows. One pass (copy) then compares every entry with that of the lowest column of its set, and copies the
// columns kept. Columns that differ somewhere are kept by themselves (split), and copied in another pass. NaN is equal
// to nothing.
//
// Complexity. O(columns) for each row probed; O(rows * columns) a pass, in threads; two passes at most.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/cost/tuning.hpp"

namespace gridcompute {

// Returns the bits of a cost for a hash; both zeros have the same.
template <class T>
[[nodiscard]] std::uint64_t bits_of(T x) noexcept {
  if constexpr (std::is_floating_point_v<T>) return std::bit_cast<std::uint64_t>(static_cast<double>(x) + 0.0);
  return static_cast<std::uint64_t>(x);
}

class EqualColumns {
 public:
  // most: the largest number of columns that may be kept.
  EqualColumns(Index n_columns, Index most, const CostTuning& tuning);

  // Adds a few rows to the hashes. False where more than `most` columns differ.
  template <class T>
  [[nodiscard]] bool probe(const T* values, Index n_rows);
  // Groups the columns by their hashes; to be called once after all probes.
  void group();

  // Compares all entries of a matrix, and copies the columns kept. False after a stop, or where more than `most`
  // columns have to be kept. The copies are valid only if split() returns false afterwards.
  template <class T>
  [[nodiscard]] bool copy(const T* values, Index n_rows, T* out, Pool& pool, Stop& stop);
  // Keeps columns that differed in some row by themselves. False where none did.
  [[nodiscard]] bool split();

  [[nodiscard]] const std::vector<Slot>& of() const noexcept { return of_; }      // (columns) the lowest equal one
  [[nodiscard]] const std::vector<Slot>& kept() const noexcept { return kept_; }  // ascending

 private:
  void number();
  void differs(Slot s) noexcept;

  Index most_;
  const CostTuning& tuning_;
  std::vector<std::uint64_t> hashes_;
  std::vector<Slot> of_, kept_, number_;      // number_: (columns) the position of of_ in kept_
  std::vector<std::atomic<char>> different_;  // (columns) from of_ in some row
  std::atomic<Index> differences_ = 0;
};

}  // namespace gridcompute
