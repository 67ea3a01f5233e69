// A start from the answer to nearly the same costs of a square matrix: its pairs as far as prices still make them their
// rows' cheapest.
//
// Why. Costs lowered before the first solve are raised again where that used them, and floating-point costs are solved
// again in another unit. All but a few pairs stay what they are; but rounding to another unit moves each cost and price
// by up to one of the coarser units, so that pairs which were tight miss that by a few.
//
// Steps. Rows that miss by more than rounding can do are left free. For the others, prices give way: those of the
// columns that such a row would rather have fall to where it would not, and then those rows miss which have these
// columns. That ends soon unless rounding has made other pairs the best; rows that still miss after some looks are left
// free, and searches see to them.
//
// Complexity. A pass over the rows, and O(m) for each row that misses.
#pragma once

#include <cstdint>
#include <vector>

#include "gridcompute/assignment/engines/ssp_rows.hpp"

namespace gridcompute::assignment {

struct Nearby {
  std::vector<std::int32_t> col_of;
  double slack = 0;  // units by which rounding may make a row miss; no price gives way by more than 4 n times that
};

// Prices are set, and there are no pairs.
template <class V>
void start_nearby(Whole<V>& s, const Nearby& nearby);

}  // namespace gridcompute::assignment
