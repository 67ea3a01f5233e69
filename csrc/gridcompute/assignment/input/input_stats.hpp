// Statistics of a sample of rows of a square matrix, which choose where to begin, and prices to start from.
#pragma once

#include <vector>

#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"

namespace gridcompute::assignment {

// Returns the k-th of `count` positions spread evenly over n.
[[nodiscard]] constexpr Index sampled(Index k, Index count, Index n) { return k * n / count; }

struct InputStats {
  bool column_means_vary = false;  // more than those of independent entries: columns carry offsets of their own
  bool columns_contested = false;  // rows compete for the same few columns because of these offsets
  bool scales_differ = false;      // rows have spreads so different that no epsilon suits them all
  bool tied = false;               // rows have more columns at their least cost than a list holds
};
template <class V>
[[nodiscard]] InputStats sample_input_stats(RowReader<V>& rows, const AssignmentTuning& tuning);

// Sets prices to column minima (Jonker and Volgenant's column reduction) of the costs less their row's mean, over a
// sample of rows; the bids correct for the other rows. The mean is subtracted, not the minimum: otherwise rows whose
// cheapest pair is expensive would have the least values in all other columns and set all minima.
template <class V>
void sampled_column_reduction(RowReader<V>& rows, Pool& pool, Stop& stop, std::vector<V>& v,
                              const AssignmentTuning& tuning);

}  // namespace gridcompute::assignment
