// Adds columns to the restricted problem: candidates for jobs whose dual constraints are violated (violations.hpp).
//
// These jobs are read again, and every class that the bound does not exclude is added to their list: at these prices
// they have no violation left. Terminates: candidates are only added. Groups of several jobs are split first.
//
// Where lists have no path for units at all, infeasibility_proof.hpp adds columns or proves that no plan exists.
#pragma once

#include "gridcompute/transport/restricted/violations.hpp"

namespace gridcompute::transport {

// Returns the jobs that violate dual feasibility at `prices`, found by reading every cost; few false positives.
[[nodiscard]] Violations find_violations_exact(const SolverContext& context, const Level& level,
                                               const RestrictedProblem& r, std::span<const Cost> prices);

// Returns the fall of the price of `slot`, `most` at most, at which it is the cheapest class for about `units` more.
[[nodiscard]] Cost price_drop_needed(const SolverContext& context, const Level& level, RestrictedProblem& r,
                                     std::span<const Cost> prices, Slot slot, Cost units, Cost most);

// Reads the violating jobs again, at these prices, and adds columns. Returns whether any of them is cheaper than a
// job's candidates.
enum class AddedColumns { none, better, stopped };
[[nodiscard]] AddedColumns add_improving_columns(const SolverContext& context, const Level& level,
                                                 const Violations& violations, std::span<const Cost> prices,
                                                 RestrictedProblem& r, CostRangeStats& seen);

}  // namespace gridcompute::transport
