// Keys of a sample of jobs in memory: full rows, or allowed keys only where rows are sparse.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::auction {

struct KeyTable {
  Index columns = 0, rows = 0;
  std::vector<Cost> keys;    // row after row
  std::vector<Index> begin;  // (rows + 1) offsets into `keys` and `slots`; empty: full rows
  std::vector<Slot> slots;   // ascending in each row; all other classes are forbidden

  [[nodiscard]] bool listed() const noexcept { return !begin.empty(); }

  // Returns a full row, expanded into `scratch` if rows are listed.
  [[nodiscard]] std::span<const Cost> row(Index k, std::vector<Cost>& scratch) const {
    const auto n = static_cast<std::size_t>(columns);
    if (!listed()) return {keys.data() + k * columns, n};
    scratch.assign(n, kForbidden);
    for (Index e = begin[k]; e < begin[k + 1]; ++e) scratch[slots[e]] = keys[e];
    return scratch;
  }

  // Adds a full row; only its allowed keys are stored if rows are listed.
  void add(std::span<const Cost> whole) {
    ++rows;
    if (!listed()) {
      keys.insert(keys.end(), whole.begin(), whole.end());
      return;
    }
    for (std::size_t s = 0; s < whole.size(); ++s) {
      if (whole[s] >= kForbidden) continue;
      keys.push_back(whole[s]);
      slots.push_back(static_cast<Slot>(s));
    }
    begin.push_back(static_cast<Index>(keys.size()));
  }
};

}  // namespace gridcompute::auction
