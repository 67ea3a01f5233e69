// Every tuned number of the matcher of gangs, in one table.
//
// None of them affects what is proved or which rules hold: they decide how much work a round does for a smaller gap.
// Work is counted, never timed.
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_GANG_TUNING(X) \
  /* Prices (gang_prices.cpp). Temperatures are shares of the mean distance of a slot's cost from the cheapest one. */ \
  X(double, warm_temperature, 0.01, 1e-6, 1, "share of the mean distance", "temperature that a price search begins with") \
  X(double, last_temperature, 0.05, 1e-4, 1, "of the first", "temperature that a price search ends with") \
  X(double, first_step, 4, 0.1, 100, "temperatures", "most that the first step changes a price by") \
  X(double, step_fall, 4, 1.5, 100, "ratio", "fall of the longest step, after one that went too far") \
  X(double, step_growth, 2, 1, 100, "ratio", "growth of the longest step, after one that did not go too far") \
  X(double, ridge, 1e-6, 1e-12, 1, "of the mean curvature", "term that is added to each equation") \
  X(double, settled, 1.0, 1e-3, 100, "temperatures", "step below which the temperature falls") \
  X(Index, scale_sample, 1024, 1, 1 << 30, "jobs", "sample that the mean distance is measured on") \
  X(Index, rows_chunk, 2048, 1, 1 << 20, "jobs", "jobs whose terms one thread reads at once") \
  /* When prices are improved (gang_solver.cpp). */ \
  X(int, warm_passes, 14, 0, 1 << 10, "passes", "passes over a small world in each round") \
  X(double, warm_target, 2e-4, 0, 1, "relative gap", "gap at which prices are good enough") \
  X(double, cold_gap, 4e-4, 0, 1, "relative gap", "gap above which a round of a large world without ranks is solved by transport") \
  X(Index, small_world, Index{1} << 21, 0, 1 << 26, "pairs of job and class", "up to here rows are kept, and prices improved each round") \
  X(double, rough_gap, 0.05, 0, 1, "relative gap", "gap of the transport solve that gives the first prices where rules decide who runs") \
  /* Search (gang_solver.cpp, gang_eviction.cpp). */ \
  X(Index, scan, 4096, 1, 1 << 20, "members", "members of a class that are looked at to make room in it") \
  X(Index, sweeps, 4, 0, 1 << 10, "sweeps", "sweeps of the search for cheaper classes") \
  X(Index, ejections, 400, 0, 1 << 20, "tries", "tries a round to make room by moving others")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(GangTuning, kDefaultGangTuning, kGangTuningTable, GRIDCOMPUTE_GANG_TUNING)

}  // namespace gridcompute::live
