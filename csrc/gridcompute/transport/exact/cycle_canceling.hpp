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

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/exact/dyadic_sum.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// The near classes of each job: those within a margin of its cheapest at given prices. Input of cycle canceling.

// A matching and prices in the unit of cost; a class below 0 means unplaced.
struct PricedMatching {
  const Problem& problem;
  std::span<const std::int32_t> at;
  std::span<const double> prices;
  double margin;  // a class is near if its cost + price exceeds the least by at most this
  const Tuning& tuning;
};

// The near classes of all jobs that have two or more.
struct NearClasses {
  double margin = 0;                  // every other class exceeds the cheapest by more
  std::vector<Index> jobs;            // ascending
  std::vector<std::size_t> begin{0};  // (jobs + 1) in slot and cost
  std::vector<Slot> slot;             // n_slots: unplaced; the job's own class is among them
  std::vector<Dyadic> cost;           // without the price
  std::vector<Dyadic> own;            // (n_jobs) cost of each job in its class; or empty
};

// The near classes of one chunk of jobs; chunks are joined in order.
struct NearClassesChunk {
  std::vector<Index> jobs;
  std::vector<std::size_t> size;
  std::vector<Slot> slot;
  std::vector<Dyadic> cost;

  // Ends the list of a job whose entries start at `before`; drops it if it has fewer than two.
  void close(Index job, std::size_t before);
};
[[nodiscard]] NearClasses join_near_classes(double margin, std::span<NearClassesChunk> parts, std::vector<Dyadic> own);

// Lists the near classes of some jobs from their costs. own: empty, or receives the cost of each job in its class.
void list_near_classes(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part,
                       std::span<Dyadic> own);

// Finds the near classes of all jobs; nullopt after a stop, or where more than `most` pairs are near.
[[nodiscard]] std::optional<NearClasses> find_near_classes(const PricedMatching& of, std::size_t most, Pool& pool,
                                                           Stop& stop);

// Returns a margin that usually suffices after costs have been rounded by at most `rounding`.
[[nodiscard]] double default_margin(double rounding, std::span<const double> prices);

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

// Cycle canceling on the candidate lists of a solved restricted problem, without reading all
// costs.

// Lists the jobs of shards that cancel_cycles_on_lists() may move, for costs that keys round by at most `rounding`.
void list_jobs_of_cycles(const SolverContext& context, const Level& all, std::span<const Cost> prices, double rounding,
                         RestrictedProblem& r);

// Makes the optimum of rounded keys an optimum of the costs where candidate lists suffice; Result::rounding is then
// below 0. prices: of the matching, in keys. kept: as for cancel_cycles(). Small problems are left to
// cancel_rounding_cycles(), which reads every cost.
void cancel_cycles_on_lists(const SolverContext& context, const Level& all, const RestrictedProblem& r,
                            std::span<const Cost> prices, Kept kept, Result& result);

}  // namespace gridcompute::transport
