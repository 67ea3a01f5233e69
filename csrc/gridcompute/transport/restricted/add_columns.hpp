// The second look at jobs that may want a class they have no candidate for (violations.hpp).
//
// They are read again, and every class that the bound does not rule out joins their list: at these prices they pass.
// Candidates only grow, so the rounds end. Groups of several jobs are told apart first.
//
// Out of reach: repair found classes whose jobs have nowhere to go within their lists. Those jobs are read for the
// cheapest way out; the ways within a growing width of the best join the lists. No way out at all is Hall's condition
// violated: these jobs fit only in these classes, which are too small for them.
#pragma once

#include "gridcompute/transport/restricted/violations.hpp"

namespace gridcompute::transport {

// Doubtful jobs by a look at every cost, at prices in hand: hardly any that has nothing better.
[[nodiscard]] Violations find_violations_exact(const SolverContext& context, const Level& level,
                                               const RestrictedProblem& r, std::span<const Cost> prices);

// How far the price of `slot` would have to fall for about `units` more to want it; `most` at most.
[[nodiscard]] Cost price_drop_needed(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                     std::span<const Cost> prices, Slot slot, Cost units, Cost most);

// Reads the doubtful jobs again, at these prices; lists grow. Does any job like something new better?
enum class AddedColumns { none, better, stopped };
[[nodiscard]] AddedColumns add_improving_columns(const SolverContext& context, const Level& level,
                                                 const Violations& violations, std::span<const Cost> prices,
                                                 RestrictedProblem& r, CostRangeStats& seen);

enum class EscapeColumns { found, none, stopped };

// Opens the cheapest ways out of `classes`, for so many units. (An entry equal to r.columns is the hub and is ignored.)
[[nodiscard]] EscapeColumns add_escape_columns(const SolverContext& context, const Level& level,
                                               std::span<const Slot> classes, std::span<const Cost> prices, Cost units,
                                               RestrictedProblem& r, CostRangeStats& seen);

// The jobs with units in these classes; ascending.
[[nodiscard]] std::vector<Index> jobs_with_units_in(const RestrictedProblem& r, std::span<const Slot> classes);

}  // namespace gridcompute::transport
