// Costs with heavy tails: what dwarfs all that an assignment is likely to use is lowered before anybody solves.
//
// Definitions. The reach of a row is how far above its least cost some tens of its costs lie, within a factor of 128
// and not below; costs have a tail where no row reaches more than 2^-9 of what one spans.
//
// Why. The largest cost sets the unit of floating-point costs, the width of integers and the last epsilon of auctions.
// With some costs lowered, an assignment that is optimal and uses none of these is optimal for the costs as they are:
// all others have become no dearer. Duals below lowered costs are below the costs themselves. If a lowered pair is
// used, costs are raised to what the pairs found cost, which no better assignment exceeds, and solved again from there.
//
// Complexity. One vectorised pass over a few rows where there is no tail, else one for every 4 bits of it.
#pragma once

#include <algorithm>
#include <limits>

#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/assignment/problem.hpp"

namespace gridcompute::assignment {

struct Reach {
  double reach = 0, span = 0;  // the same where a row has no tail; 0 where it has nothing to tell
};
template <class T>
[[nodiscard]] Reach reach_of(const T* row, Index m, bool maximize);
// The same of floating-point costs at which somebody has looked, to where `wanted` of them lie.
template <class T>
[[nodiscard]] Reach reach_of(const T* row, Index m, Index wanted, const Extent& seen, bool maximize);

// Over a few rows, how far costs reach; infinity without a tail.
template <class T>
[[nodiscard]] double reach_of(const Dense<T>& cost, bool maximize) {
  constexpr Index kRows = 8;
  constexpr double kTail = 0x1p-9;
  Reach most;
  const Index count = std::min(kRows, cost.rows);
  for (Index k = 0; k < count; ++k) {
    const Reach row = reach_of(cost.data + k * cost.rows / count * cost.cols, cost.cols, maximize);
    most = {std::max(most.reach, row.reach), std::max(most.span, row.span)};
  }
  return most.reach < most.span * kTail ? most.reach : std::numeric_limits<double>::infinity();
}

}  // namespace gridcompute::assignment
