// The proof that no plan places every job that must be placed, or the columns that such a plan needs.
//
// Problem.  Repair found classes T with too many units, whose jobs have no candidate outside T. Either some of these
// jobs may be placed outside, by columns that are not listed yet, or there is no plan.
//
// Steps.
//   Escape columns: every job with units in T is read for its cheapest class outside. The cheapest of these columns
//     join the lists, more of them each time.
//   None at all: Hall's condition is violated. The jobs with units in T, which must all be placed, fit only in T, whose
//     capacity is too small. These jobs and T are the proof, the witness of a result. A job that no class is allowed
//     for is one by itself.
// certificate/transport.hpp (check_witness) checks a witness; generalized_assignment/whole_job_solver.cpp finds those
// of jobs that fit only if they are split.
#pragma once

#include <span>

#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/problem.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

enum class EscapeColumns { found, none, stopped };

// Adds the cheapest columns outside `classes`, for this many units. An entry equal to r.columns is the hub and is
// ignored.
[[nodiscard]] EscapeColumns add_escape_columns(const SolverContext& context, const Level& level,
                                               std::span<const Slot> classes, std::span<const Cost> prices, Cost units,
                                               RestrictedProblem& r, CostRangeStats& seen);

// Writes the status and the witness to `result`: no column leads out of `classes`, or a job has no class at all. For
// jobs in shards the witness has the classes only; the shards have the jobs.
void write_infeasibility_proof(const RestrictedProblem& r, std::span<const Slot> classes, Slot n_slots, bool in_shards,
                               Result& result);

}  // namespace gridcompute::transport
