// Pricing pass: one read of every cost of a level, which gives each job's candidates for prices within a box
// (restricted_problem.hpp).
//
// Steps.  Per row, vectorised: low = min(key + p + up); how many classes have key + p - down <= low, the sum of their
// numbers, and the least of the others. Rows with one such class (most) are done; the others list them. Chunks of rows
// run on all threads and are joined in order. The int32 matrix is read in place with int32 arithmetic as long as prices
// and radii allow; a row whose sums may have wrapped makes the whole pass start again in int64.
//
// Complexity.  N * S evaluations, 2 passes over a row in cache; memory 8 bytes a job and 24 a candidate of groups.
#pragma once

#include "gridcompute/transport/model/level.hpp"
#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// Returns the steps of work that a pass over this many jobs counts, at least.
[[nodiscard]] constexpr Index pass_steps(Index jobs, Slot columns) noexcept { return jobs * columns; }

// Runs the pass. False if stopped before every row was read (then `out` is not to be used).
[[nodiscard]] bool pricing_pass(const SolverContext& context, const Level& level, const PriceBox& box,
                                RestrictedProblem& out, CostRangeStats& seen);

}  // namespace gridcompute::transport
