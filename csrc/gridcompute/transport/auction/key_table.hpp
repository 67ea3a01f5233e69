// Keys of a few jobs in memory: whole rows, or only the allowed ones where a job has few, so that memory goes by these.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::auction {

struct KeyTable {
  Index columns = 0, rows = 0;
  std::vector<Cost> keys;    // row after row
  std::vector<Index> begin;  // (rows + 1) of each row in `keys` and `slots`; empty: rows are whole
  std::vector<Slot> slots;   // ascending in each row; all others are forbidden

  [[nodiscard]] bool listed() const noexcept { return !begin.empty(); }

  // Returns a whole row, written to `scratch` where only some keys are held.
  [[nodiscard]] std::span<const Cost> row(Index k, std::vector<Cost>& scratch) const {
    const auto n = static_cast<std::size_t>(columns);
    if (!listed()) return {keys.data() + k * columns, n};
    scratch.assign(n, kForbidden);
    for (Index e = begin[k]; e < begin[k + 1]; ++e) scratch[slots[e]] = keys[e];
    return scratch;
  }

  // Adds a whole row, of which only the allowed keys are kept where rows are listed.
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
