// The Jonker-Volgenant method (ssp_rows.hpp) in place: on the caller's doubles or 64-bit integers, without copy or
// conversion, for matrices that a precheck of a few rows finds easy.
//
// Problem. As solve_dense.hpp, no more rows than columns; pairs only. Other engines first make integers of
// floating-point costs and a list or a copy of each row. Where each row has a partner that is clearly best, as for
// boxes tracked from frame to frame or points separated by a gate, that takes longer than matching.
//
// Steps. (1) precheck() finds a matrix easy if, within a big M (input/outlying_costs.hpp), the cheapest pair of a row
// is the cheapest of its column as well; or if rows have many columns at their least cost, but are no blocks of few
// values; or, for doubles, if rows are of many scales, or if costs that matter lie far below any unit. Small and
// mid-size matrices of doubles are solved without this check. (2) Column reduction, greedy start, row reduction,
// augmentation, in the costs' own type. Where many rows stay free, or searches take too long, it gives up.
//
// Proof. Integers are exact. Doubles round: each reduced cost by at most half a unit in its last place, always the same
// way for lower prices. So where a row's pair is its cheapest after rounding, and nothing ties with it, it is cheapest
// exactly; else it costs the row at most some units in the last place more. These sum up to a gap that must be less
// than kNegligibleGap of what the pairs cost, as that of solve_dense.hpp is.
//
// Range proof. Of integers: |cost| <= 2^56 with prices and labels as in assignment/batch.hpp. Doubles beyond 2^1000
// count as forbidden, which at worst finds no pairs.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Properties of a sample of rows.
struct Precheck {
  bool mutual = false;     // their cheapest pair is the cheapest of its column
  bool tied = false;       // many columns at their least cost
  bool blocks = false;     // and many at their largest: few values
  bool scales = false;     // their spreads are of different scales
  bool deep = false;       // costs that matter are below any unit of integers
  bool fractions = false;  // doubles that are no integers
};
// Computes `mutual` only where the argument says so: columns are strided, and slow to read.
template <class T>
[[nodiscard]] Precheck precheck(const DenseMatrix<T>& cost, bool mutual, const AssignmentTuning& tuning);

// Writes the column of each row. False if it gave up, `stop` was requested, or rows are no longer than a vector: a
// vector that reads beyond a row must end within the next one. `most_free`: rows that the bids may leave to searches.
template <class T>
[[nodiscard]] bool jv_in_place(const DenseMatrix<T>& cost, const Precheck& found, Index most_free, Stop& stop,
                               std::int32_t* col_of, const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
