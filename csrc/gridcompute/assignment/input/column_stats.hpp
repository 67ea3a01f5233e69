// What rows and columns of a square matrix have in common: a look at some rows, and prices to start from.
#pragma once

#include <vector>

#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

inline constexpr Index kSample = 48;    // rows looked at before the first pass
inline constexpr Index kListed = 64;    // columns: what lists hold about
inline constexpr Index kTiedShare = 8;  // of even columns so many that lists would leave nearly all of them out
inline constexpr int kScales = 16;      // the largest of the rows' spreads above the middle one
[[nodiscard]] constexpr Index sampled(Index k, Index count, Index n) { return k * n / count; }

// Do columns carry offsets of their own, so that the variance of column means over a few rows exceeds what independent
// entries would show? And do these draw rows to the same columns? Are rows of such different scales that no epsilon
// suits them all? Have rows more columns at their least cost than a list holds, of even columns far more?
struct Shape {
  bool uneven = false, differ = false, scales = false, tied = false;
};
template <class V>
[[nodiscard]] Shape look_at_some(Rows<V>& rows);

// Prices at column minima of costs less their row's mean. Not less its minimum: rows whose cheapest pair is dear would
// then look cheap everywhere else, and hold all the minima. Over a share of the rows: the bids make up for the rest.
template <class V>
void price_columns(Rows<V>& rows, Pool& pool, Stop& stop, std::vector<V>& v);

}  // namespace gridcompute::assignment
