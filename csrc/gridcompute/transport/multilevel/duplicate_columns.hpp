// Classes that are alike: their keys are equal for every job of a sample.
//
// Copies of a class are common (a slot an hour at a constant tariff), and of no use as different ones: their jobs split
// between them at any prices. Start prices, tuning and radii treat them as one class; this is advice, so that a sample
// may say it. Candidates, repair and verification tell them apart, and need no trust in it.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/auction/key_table.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"

namespace gridcompute::transport {

// A hash of each class's column, row by row: n_classes numbers, however many rows there are.
class ColumnHashes {
 public:
  explicit ColumnHashes(std::size_t n_classes) : hash_(n_classes, 0x9E3779B97F4A7C15ULL) {}

  void add(std::span<const Cost> row);
  // For every class the lowest whose hash is equal.
  [[nodiscard]] std::vector<Slot> lowest_equal() const;

 private:
  std::vector<std::uint64_t> hash_;
};

// For every class the lowest that is alike. O(rows * columns).
[[nodiscard]] std::vector<Slot> find_duplicate_columns(const auction::KeyTable& keys);

// Are most columns copies of others, as far as a few rows tell?
[[nodiscard]] bool mostly_copies(const QuantisedCost& keys);

}  // namespace gridcompute::transport
