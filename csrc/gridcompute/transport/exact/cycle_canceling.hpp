// From the optimum of rounded keys to that of the costs: negative cycles that rounding hid, cancelled without rounding.
//
// Problem. Real costs are solved as integer keys (quantised_cost.hpp). A difference of costs below the unit of the keys
// is lost: 1e-200 beside 2^600, the last bits of most doubles. The optimum of the keys is then an optimum of the costs
// only by chance.
//
// Definitions. Unit demand. At prices p a job's classes within a margin T of its cheapest, key rounding included, are
// near. The residual graph has the classes, being left out, and the hub T of the room that is left over; an arc a -> b
// is as long as the least (c_ib + p_b) - (c_ia + p_a) over the jobs i in a that have b near; a class with room -> T has
// -p_a, T -> a has p_a. Lengths are exact (fixed_point.hpp).
//
// Steps. Shortest distances from all nodes at once by label correcting; a negative cycle on the way is cancelled, one
// unit moves along it, and distances start over. Without one the matching is optimal among near classes at prices p - d
// + d_T, and as long as distances differ by no more than T no other class is cheaper for any job: primal equals dual.
// Else T is widened to all classes. Prices are delivered rounded up, which lowers the bound by what their room costs
// more: the bound and the objective are exact sums, rounded last.
//
// Why it is short. Each arc is at least minus the rounding of two keys, so a cycle of S + 2 arcs that is negative has
// no arc longer than S + 1 times that: T is a small multiple, and only ties within rounding are near. Where costs are
// so far apart that most keys are 0 all classes are near; then work is bounded, and it may give up.
//
// Complexity. A look at every cost; O(arcs) a label that is corrected as a rule.
//
// Source. Klein, Management Sci. 14 (1967) 205; Ahuja, Magnanti and Orlin, Network Flows (1993), sections 5.5 and 9.6.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/exact/near_classes.hpp"

namespace gridcompute::transport {

// improvable: only where the matching may not change. margin_left: a class that is not listed may be cheaper.
enum class CancelOutcome { optimal, improvable, margin_left, given_up };

// Makes the matching of `result` optimal, and writes its objective, bound, prices and exactness; the last three only
// where it is known what all jobs pay. `fixed`: nothing may change but the status, of what is found optimal or
// improvable. `work`: about how many steps may be taken. If not optimal the result is as it was.
[[nodiscard]] CancelOutcome cancel_cycles(const Problem& problem, const NearClasses& near, bool fixed, Index work,
                                          Pool& pool, Stop& stop, Result& result);

// little: not where many classes are near, for something else may be tried.
enum class Effort { little, much };

// Both, for an optimum of keys that were off by `rounding` at most, in the unit of cost.
[[nodiscard]] CancelOutcome cancel_rounding_cycles(const Problem& problem, double rounding, bool fixed, Effort effort,
                                                   Pool& pool, Stop& stop, Result& result);

}  // namespace gridcompute::transport
