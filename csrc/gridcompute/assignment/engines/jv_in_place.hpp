// Matrices that a look or two nearly decides, matched where they lie: no copy, no conversion.
//
// Problem. As dense.hpp, no more rows than columns; pairs only. Most methods first make integers of floating-point
// costs and a list or a copy of each row. Where each row has a partner that is clearly best, as of boxes tracked from
// frame to frame or points told apart by a gate, that takes longer than matching.
//
// Steps. (1) A few rows tell whether it is worth a try: within a gate (big_m_sparsify.hpp) their cheapest pair is the
// cheapest of its column as well, or they have many columns at their least cost, but are no blocks of few values; or,
// of doubles, rows are of many scales, or costs that matter lie far below any unit. Small and mid-size matrices of
// doubles need not tell. (2) ssp_rows.hpp from column minima, in the costs' own type. Where many rows stay free, or
// searches take too long, others have to solve it.
//
// Proof. Integers are exact. Doubles round: each reduced cost by at most half a unit in its last place, always the same
// way for lower prices. So where a row's pair is its cheapest after rounding, and nothing ties with it, it is cheapest
// exactly; else it costs the row at most some units in the last place more. These sum up to a gap that must be less
// than kDrowned of what the pairs cost, as that of dense.hpp is.
//
// Range proof. Of integers: |cost| <= 2^56 with prices and labels as in small.hpp. Doubles beyond
// 2^1000 are taken for forbidden, which at worst finds no pairs.
#pragma once

#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// What a few rows tell.
struct Promise {
  bool mutual = false;     // their cheapest pair is the cheapest of its column
  bool tied = false;       // many columns at their least cost
  bool blocks = false;     // and many at their largest: few values
  bool scales = false;     // theirs differ
  bool deep = false;       // costs that matter are far below any unit: of no use to integers
  bool fractions = false;  // doubles that are no integers
};
// Columns are far apart: `mutual` only if asked for.
template <class T>
[[nodiscard]] Promise look_at(const Dense<T>& cost, bool mutual);

// The column of each row, or false if others have to solve it, or `stop` was requested. `most`: so many rows, or one in
// kFewFree of tied ones, may be left to searches.
template <class T>
[[nodiscard]] bool solve_direct(const Dense<T>& cost, const Promise& promise, Index most, Stop& stop,
                                std::int32_t* col_of);

}  // namespace gridcompute::assignment
