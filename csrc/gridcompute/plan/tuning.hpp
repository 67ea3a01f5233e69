// Every tuned number of the plan solver's native part.
//
// Each entry: type, name, default, low, high, unit, what it decides. Any value in [low, high] gives
// feasible plans and true bounds; which plan the local search ends with, and the last bits of a bound, may depend on
// it. The tolerance of rounded hours and the unit of
// rounding stay beside the proofs that need them.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::plan {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_PLAN_TUNING(X) \
  /* Local search */ \
  X(Index, evictions_tried, 24, 1, 1024, "occupants", "occupants examined for eviction for one option") \
  X(Index, chain_steps, 2000, 1, 1000000, "placements", "the longest ejection chain") \
  X(Index, chain_pool, 400, 2, 1000000, "jobs", "ejected jobs at once before a chain is given up") \
  X(Index, chain_ejections, 2, 1, 1000, "times", "how often a chain may eject one job") \
  X(double, move_cost, 1e-3, 0, 1, "cost per accelerator-hour", "what a chain adds to the cost of ejecting a job") \
  X(double, min_gain, 1e-9, 1e-12, 1e-3, "of the cost of the job", "the least gain that is accepted") \
  /* Ruin and recreate */ \
  X(Index, ruin_targets, 4, 1, 1000, "options", "options near which a round removes jobs, at most") \
  X(Index, ruin_jobs, 6, 1, 1000, "jobs", "jobs removed near an option, at most") \
  X(Index, ruin_hours, 4, 0, 1000, "hours", "how far from the option's hours jobs are removed, at most") \
  X(Index, ruin_left_out, 10, 0, 1000, "jobs", "jobs left out that a round tries to place, at most") \
  X(double, option_noise, 0.2, 0, 10, "of the cost", "noise on the costs of options, the cheapest of which is drawn") \
  X(Index, guides, 8, 1, 100, "vectors of prices", "prices that rounds choose from, evenly between 0 and the guide prices") \
  X(double, guide_noise, 0.2, 0, 1, "of the price", "noise on these prices") \
  X(double, blink, 0.05, 0, 0.99, "probability", "how often an option with capacity is passed over")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(PlanTuning, kPlanTuning, kPlanTuningTable, GRIDCOMPUTE_PLAN_TUNING)

}  // namespace gridcompute::plan
