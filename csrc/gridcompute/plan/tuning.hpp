// Every tuned number of the plan solver's native part.
//
// Each entry: type, name, default, low, high, unit, what it decides, why this value. Any value in [low, high] gives
// feasible plans and true bounds; which plan the local search ends with, and the last bits of a bound, may depend on
// it. "half 1.01, double 0.99": the cost of the plan at half and at double the default over that at it, geometric mean
// of three days of 60 and 120 jobs (benches/tuning_flatness.py plan). The tolerance of rounded hours and the unit of
// rounding stay beside the proofs that need them.
#pragma once

#include <cstdint>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::plan {

// clang-format off
#define GRIDCOMPUTE_PLAN_TUNING(X)                                                                                     \
  /* Lagrangian oracle */                                                                                              \
  X(Index, oracle_chunk, 2048, 1, 65536, "jobs",                                                                       \
    "jobs that a thread prices at a time",                                                                             \
    "some tenths of a millisecond, so that threads share even a sample evenly")                                        \
  /* Local search */                                                                                                   \
  X(Index, regret_chunk, 4096, 1, 65536, "jobs",                                                                       \
    "jobs whose regret a thread computes at a time", "half and double same; regrets take longer per job than prices")  \
  X(Index, options_tried, 12, 1, 1024, "options",                                                                      \
    "cheaper options that an exchange tries for a job", "half and double 1.003; a bound on the work of one job")       \
  X(Index, evictions_tried, 24, 1, 1024, "occupants",                                                                  \
    "occupants examined for eviction for one option", "half and double same; a bound on the work of one option")       \
  X(Index, chain_steps, 2000, 1, 1000000, "placements",                                                                \
    "the longest ejection chain", "chains of hundreds of steps free a gang's hours in a full day")                     \
  X(Index, chain_pool, 400, 2, 1000000, "jobs",                                                                        \
    "ejected jobs at once before a chain is given up", "half and double same; a bound on the work of one chain")       \
  X(Index, chain_ejections, 2, 1, 1000, "times",                                                                       \
    "how often a chain may eject one job", "half and double same; chains end")                                         \
  X(double, move_cost, 1e-3, 0, 1, "cost per accelerator-hour",                                                        \
    "what a chain adds to the cost of ejecting a job", "of equals the smaller job is ejected")                         \
  X(double, min_gain, 1e-9, 1e-12, 1e-3, "of the cost of the job",                                                     \
    "the least gain that is accepted", "half and double same; above the rounding of the costs, so that the search ends") \
  /* Ruin and recreate */                                                                                              \
  X(Index, ruin_targets, 4, 1, 1000, "options",                                                                        \
    "options near which a round removes jobs, at most",                                                                \
    "1 leaves plans of 750 jobs 4 to 7 % dearer after 2 s, 2 and 10 at most 1 %")                                      \
  X(Index, ruin_jobs, 6, 1, 1000, "jobs", "jobs removed near an option, at most", "8 and 16 within 1 %")               \
  X(Index, ruin_hours, 4, 0, 1000, "hours", "how far from the option's hours jobs are removed, at most",               \
    "0 is 1 to 2 % dearer, 2 and 12 within 1 %")                                                                       \
  X(Index, ruin_left_out, 10, 0, 1000, "jobs", "jobs left out that a round tries to place, at most",                   \
    "3 and 40 within 1 %")                                                                                             \
  X(double, option_noise, 0.2, 0, 10, "of the cost", "noise on the costs of options, the cheapest of which is drawn",  \
    "0.05 and 1 within 1 %")                                                                                           \
  X(Index, guides, 8, 1, 100, "vectors of prices",                                                                     \
    "prices that rounds choose from, evenly between 0 and the guide prices",                                           \
    "the guide prices alone are 1 to 3 % dearer: at them jobs left out cost as much as their value")                   \
  X(double, guide_noise, 0.2, 0, 1, "of the price", "noise on these prices", "0.8 within 1 %")                         \
  X(double, blink, 0.05, 0, 0.99, "probability", "how often an option with capacity is passed over",                   \
    "0 and 0.1 within 1 %")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(PlanTuning, kPlanTuning, kPlanTuningTable, GRIDCOMPUTE_PLAN_TUNING)

}  // namespace gridcompute::plan
