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
// made other pairs optimal; rows that still miss after warm_repricings repricings a row are left free, and searches
// match them.
//
// Complexity. A pass over the rows, and O(m) for each row that misses.
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/tuning.hpp"

namespace gridcompute::assignment {

struct WarmMatching {
  std::vector<std::int32_t> col_of;  // empty: none
  double slack = 0;  // units by which rounding may make a row miss; no price falls by more than 4 n times that
};

// Matches pairs at the prices of `s`, which has none yet.
template <class V>
void start_from_matching(RowSspState<V>& s, const WarmMatching& warm, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
