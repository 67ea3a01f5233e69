// How large costs are, for a resolution that suits them.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

// The largest finite |cost| per unit of weight: of all rows, or of a probe; the first row with NaN or -inf.
struct Largest {
  double cost = 0;
  Index invalid = -1;
};

[[nodiscard]] Largest largest_cost_seen(const Problem& problem, Pool& pool, Stop& stop, bool all);

// The largest finite |cost| of leaving a job out.
[[nodiscard]] double largest_unplaced(const Problem& problem);

// |cost| or less of all but a few, to choose a resolution by: from a known bound, or a sample.
[[nodiscard]] double largest_cost_likely(const Problem& problem, Pool& pool, Stop& stop);

}  // namespace gridcompute::transport
