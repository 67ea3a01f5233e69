// The magnitude of costs, which sets the resolution.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// The largest finite |cost| per unit of weight in all rows or in a sample, and the first row with NaN or -inf.
struct Largest {
  double cost = 0;
  Index invalid = -1;
};

[[nodiscard]] Largest largest_cost_seen(const Problem& problem, Pool& pool, Stop& stop, bool all,
                                        const Tuning& tuning = kDefaultTuning);

// Returns the largest finite |cost| of leaving a job unplaced.
[[nodiscard]] double largest_unplaced(const Problem& problem);

// Returns a |cost| that few costs or none exceed, to choose a resolution by: a known bound, or a sample's largest with
// headroom.
[[nodiscard]] double largest_cost_likely(const Problem& problem, Pool& pool, Stop& stop,
                                         const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
