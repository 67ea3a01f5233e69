// Negative cycle canceling in exact arithmetic: from the optimum of rounded keys to that of the real costs.
//
// Problem.  Real costs are solved as integer keys (integer_keys.hpp). A difference of costs below the unit of the
// keys is lost: 1e-200 beside 2^600, the last bits of most doubles. The optimum of the keys is then an optimum of the
// costs by chance only.
//
// Definitions.  Unit demand. At prices p, a job's near classes are those within a margin T of its cheapest, key
// rounding included. The residual graph has as nodes the classes, "unplaced", and the hub of the unused capacity; an
// arc a -> b has length min (c_ib + p_b) - (c_ia + p_a) over the jobs i in a to which b is near; a class with unused
// capacity -> hub has -p_a, hub -> a has p_a. Lengths are exact (dyadic_sum.hpp).
//
// Steps.  Label-correcting shortest distances from all nodes at once; a negative cycle met on the way is canceled: one
// unit moves along it, and distances start over. Without one, the matching is optimal among near classes at prices
// p - d + d_hub, and as long as distances differ by no more than T no other class is cheaper for any job: primal equals
// dual. Otherwise T is widened to all classes. Prices are written rounded up, which lowers the bound by what their
// capacity costs more: bound and objective are exact sums, rounded last.
//
// Complexity.  One pass over the costs; as a rule O(arcs) per corrected label. It is short because each arc is at least
// minus the rounding of two keys, so that a negative cycle of S + 2 arcs has no arc longer than S + 1 times that: T is
// a small multiple, and only ties within rounding are near. Where costs are so far apart that most keys are 0, all
// classes are near; work is bounded, and it may give up.
//
// Source.  Klein, Management Sci. 14 (1967) 205; Ahuja, Magnanti and Orlin, Network Flows (1993), sections 5.5 and 9.6.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/exact/near_classes.hpp"

namespace gridcompute::transport {

// improvable: a negative cycle exists (only if the matching may not change). margin_left: a class outside the margin
// may be cheaper.
enum class CancelOutcome { optimal, improvable, margin_left, given_up };

// What of the result is kept but for its status: the matching, or its prices as well. nothing: cycles are cancelled.
enum class Kept { nothing, matching, prices };
[[nodiscard]] inline Kept kept_of(const Options& options) {
  if (!(options.resolution > 0)) return Kept::nothing;
  return options.key_prices ? Kept::prices : Kept::matching;
}

// Cancels negative cycles until the matching of `result` is optimal, and writes its objective; writes bound, prices and
// exactness only if near.own has the costs of all jobs. work: the approximate limit
// of steps. Leaves the result as it was unless it ends with `optimal`.
[[nodiscard]] CancelOutcome cancel_cycles(const Problem& problem, const NearClasses& near, Kept kept, Index work,
                                          Pool& pool, Stop& stop, Result& result);

// little: whether to give up where many classes are near, because another method may follow.
enum class Effort { little, much };

// Finds the near classes and cancels cycles, for an optimum of keys that were rounded by at most `rounding`, in the
// unit of cost; widens the margin once.
[[nodiscard]] CancelOutcome cancel_rounding_cycles(const Problem& problem, double rounding, Kept kept, Effort effort,
                                                   const Tuning& tuning, Pool& pool, Stop& stop, Result& result);

}  // namespace gridcompute::transport
