// Every tuned number of the matcher of gangs, in one table.
//
// None of them affects what is proved or which rules hold: they decide how much work a round does for a smaller gap.
// Work is counted, never timed.
//
// Measured on: 3,000 jobs in 40 classes with 8 queues and 3 priorities, and 200,000 jobs in 40 classes without queues,
// 1 % of them new in each round; flatness not on record.
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

inline constexpr const char* kGangWorlds = "3,000 jobs in 8 queues, 200,000 without; flatness not on record";

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_GANG_TUNING(X)                                                                                     \
  /* Prices (gang_prices.cpp). Temperatures are shares of the mean distance of a slot's cost from the cheapest one. */ \
  X(double, warm_temperature, 0.01, 1e-6, 1, "share of the mean distance",                                             \
    "temperature that a price search begins with", kGangWorlds)                                                        \
  X(double, late_temperature, 0.0002, 1e-8, 1, "share of the mean distance",                                           \
    "the same in a large world whose prices are nearly right", kGangWorlds)                                            \
  X(double, last_temperature, 0.05, 1e-4, 1, "of the first", "temperature that a price search ends with", kGangWorlds) \
  X(double, first_step, 4, 0.1, 100, "temperatures", "most that the first step changes a price by", kGangWorlds)       \
  X(double, widest_step, 64, 1, 10'000, "temperatures", "most that any step changes a price by", kGangWorlds)          \
  X(double, widest_limit_step, 4, 0.1, 1000, "mean distances",                                                         \
    "the same where limits have prices too, which may be far from where they were", kGangWorlds)                       \
  X(double, cooling, 0.3, 0.01, 0.9, "ratio", "of a temperature to the one before", kGangWorlds)                       \
  X(double, settled, 1.0, 1e-3, 100, "temperatures", "step below which the temperature falls", kGangWorlds)            \
  X(double, negligible, 20, 4, 700, "temperatures", "above the least reduced cost at which a class has no weight",     \
    kGangWorlds)                                                                                                       \
  X(Index, most_rows, 512, 0, 4096, "classes and limits",                                                              \
    "that the equations of Newton's method may have; beyond, prices stay", kGangWorlds)                                \
  X(Index, scale_sample, 1024, 1, 1 << 30, "jobs", "sample that the mean distance is measured on", kGangWorlds)        \
  X(Index, rows_chunk, 2048, 1, 1 << 20, "jobs", "whose terms one thread reads at once", kGangWorlds)                  \
  X(Index, newton_chunk, 4096, 1, 1 << 20, "jobs", "that one thread sums at once", kGangWorlds)                        \
  /* When prices are improved (gang_solver.cpp). */                                                                    \
  X(int, cold_passes, 60, 0, 1 << 10, "passes", "of Newton's method, after a cold start", kGangWorlds)                 \
  X(int, warm_passes, 14, 0, 1 << 10, "passes", "of a small world in each round", kGangWorlds)                         \
  X(int, late_passes, 6, 0, 1 << 10, "passes", "of a large world once its gap has grown", kGangWorlds)                 \
  X(double, warm_target, 2e-4, 0, 1, "relative gap", "at which prices are good enough", kGangWorlds)                   \
  X(double, late_target, 1.2e-4, 0, 1, "relative gap", "of a large world above which its prices are improved",         \
    kGangWorlds)                                                                                                       \
  X(double, rough_late_gap, 2e-3, 0, 1, "relative gap",                                                                \
    "of a large world that prices of another problem leave: improved at once", kGangWorlds)                            \
  X(Index, late_interval, 16, 1, 1 << 20, "rounds", "between two improvements of the prices of a large world",         \
    kGangWorlds)                                                                                                       \
  X(double, cold_gap, 4e-4, 0, 1, "relative gap",                                                                      \
    "above which a round of a large world without ranks is solved by transport", kGangWorlds)                          \
  X(Index, small_world, Index{1} << 21, 0, 1 << 26, "pairs of job and class",                                          \
    "up to here rows are kept, and prices improved each round", kGangWorlds)                                           \
  X(double, rough_gap, 0.05, 0, 1, "relative gap",                                                                     \
    "of the transport solve that gives the first prices where rules decide who runs", kGangWorlds)                     \
  X(double, replace_gap, 5e-5, 0, 1, "relative gap",                                                                   \
    "of the last round, above which jobs that had to go elsewhere are placed again", kGangWorlds)                      \
  X(double, cold_share, 0.3, 0, 1, "share of the jobs", "that may be new before prices are computed from scratch",     \
    kGangWorlds)                                                                                                       \
  /* Search (gang_solver.cpp, gang_moves.cpp, gang_improvement.cpp). */                                                \
  X(int, settle_rounds, 100, 1, 1 << 20, "rounds",                                                                     \
    "of filling and serving priorities; each lets in a job or raises a priority", kGangWorlds)                         \
  X(Index, scan, 4096, 1, 1 << 20, "members", "of a class that are looked at to make room in it", kGangWorlds)         \
  X(Index, balance_scan, 2000, 1, 1 << 20, "members", "of a class that is too full that are looked at, at first",      \
    kGangWorlds)                                                                                                       \
  X(Index, balance_chunk, 500, 1, 1 << 20, "members", "more that are looked at where these do not free enough",        \
    kGangWorlds)                                                                                                       \
  X(Index, most_cover, 64, 0, 1 << 12, "slots", "up to here room is made by dynamic programming, beyond greedily",     \
    kGangWorlds)                                                                                                       \
  X(Index, sweeps, 4, 0, 1 << 10, "sweeps", "of the search for cheaper classes", kGangWorlds)                          \
  X(Index, exchange_pairs, Index{1} << 19, 0, 1 << 26, "pairs",                                                        \
    "of jobs of one demand and classes that are matched exactly", kGangWorlds)                                         \
  X(Index, ejections, 400, 0, 1 << 20, "tries", "a round to make room by moving others", kGangWorlds)

GRIDCOMPUTE_DEFINE_TUNING(GangTuning, kDefaultGangTuning, kGangTuningTable, GRIDCOMPUTE_GANG_TUNING)

}  // namespace gridcompute::live
