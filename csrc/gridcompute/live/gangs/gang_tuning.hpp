// Every tuned number of the matcher of gangs, in one table.
//
// None of them affects what is proved or which rules hold: they decide how much work a round does for a smaller gap.
// Work is counted, never timed.
//
// Measurements (benches/tuning_flatness.py gangs). "half 1.02, double 0.98": the gaps of six rounds at half and at
// double the default, within the range, over those at the default, each with 5e-4 added: geometric mean over four
// worlds (400 jobs in 9 classes and 3,000 in 40 with 4 queues and 3 priorities, 400 in 9 and 60,000 in 40 without; 2 %
// of the jobs new in each round). Search takes other turns wherever a number changes: a tenth is chance. "same gap": in
// all of them. Defaults were chosen on 3,000 jobs in 40 classes with 8 queues and on 200,000 without.
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_GANG_TUNING(X)                                                                                     \
  /* Prices (gang_prices.cpp). Temperatures are shares of the mean distance of a slot's cost from the cheapest one. */ \
  X(double, warm_temperature, 0.01, 1e-6, 1, "share of the mean distance",                                             \
    "temperature that a price search begins with", "half 0.850, double 1.058")                                         \
  X(double, late_temperature, 0.0002, 1e-8, 1, "share of the mean distance",                                           \
    "the same in a large world whose prices are nearly right", "same gap")                                             \
  X(double, last_temperature, 0.05, 1e-4, 1, "of the first", "temperature that a price search ends with",              \
    "half 0.931, double 0.912")                                                                                        \
  X(double, first_step, 4, 0.1, 100, "temperatures", "most that the first step changes a price by",                    \
    "half 0.886, double 0.913")                                                                                        \
  X(double, widest_step, 64, 1, 10'000, "temperatures", "most that any step changes a price by", "same gap")           \
  X(double, widest_limit_step, 4, 0.1, 1000, "mean distances",                                                         \
    "the same where limits have prices too, which may be far from where they were", "half and double 0.999")           \
  X(double, step_fall, 4, 1.5, 100, "ratio", "of the longest step, after one that went too far",                       \
    "half 1.022, double 1.000")                                                                                        \
  X(double, step_growth, 2, 1, 100, "ratio", "of the longest step, after one that did not",                            \
    "half 1.366, double 1.299")                                                                                        \
  X(double, last_step, 1e-3, 0, 1, "temperatures", "step at which a price search ends at the last temperature",        \
    "same gap")                                                                                                        \
  X(double, ridge, 1e-6, 1e-12, 1, "of the mean curvature", "that is added to each equation",                          \
    "half 0.899, double 0.912")                                                                                        \
  X(double, cooling, 0.3, 0.01, 0.9, "ratio", "of a temperature to the one before", "half 1.014, double 1.016")        \
  X(double, settled, 1.0, 1e-3, 100, "temperatures", "step below which the temperature falls",                         \
    "half 0.978, double 1.146")                                                                                        \
  X(double, negligible, 20, 4, 700, "temperatures", "above the least reduced cost at which a class has no weight",     \
    "half and double 1.000")                                                                                           \
  X(Index, most_rows, 512, 0, 4096, "classes and limits",                                                              \
    "that the equations of Newton's method may have; beyond, prices stay", "same gap")                                 \
  X(Index, scale_sample, 1024, 1, 1 << 30, "jobs", "sample that the mean distance is measured on",                     \
    "half 1.109, double 0.921")                                                                                        \
  X(Index, rows_chunk, 2048, 1, 1 << 20, "jobs", "whose terms one thread reads at once", "same gap")                   \
  X(Index, newton_chunk, 4096, 1, 1 << 20, "jobs", "that one thread sums at once", "half 1.000, double same")          \
  /* When prices are improved (gang_solver.cpp). */                                                                    \
  X(int, cold_passes, 60, 0, 1 << 10, "passes", "of Newton's method, after a cold start", "same gap")                  \
  X(int, warm_passes, 14, 0, 1 << 10, "passes", "of a small world in each round", "half 1.313, double 1.150")          \
  X(int, late_passes, 6, 0, 1 << 10, "passes", "of a large world once its gap has grown", "same gap")                  \
  X(double, warm_target, 2e-4, 0, 1, "relative gap", "at which prices are good enough", "half 0.984, double 1.070")    \
  X(double, price_target, 5e-5, 0, 1, "relative gap", "at which an improvement of prices ends", "same gap")            \
  X(double, late_target, 1.2e-4, 0, 1, "relative gap", "of a large world above which its prices are improved",         \
    "same gap")                                                                                                        \
  X(double, rough_late_gap, 2e-3, 0, 1, "relative gap",                                                                \
    "of a large world that prices of another problem leave: improved at once", "same gap")                             \
  X(double, rough_growth, 2, 1, 1000, "ratio", "of the gap to that of the round before, from which it is rough",       \
    "same gap")                                                                                                        \
  X(Index, late_interval, 16, 1, 1 << 20, "rounds", "between two improvements of the prices of a large world",         \
    "same gap")                                                                                                        \
  X(double, cold_gap, 4e-4, 0, 1, "relative gap",                                                                      \
    "above which a round of a large world without ranks is solved by transport", "same gap")                           \
  X(Index, small_world, Index{1} << 21, 0, 1 << 26, "pairs of job and class",                                          \
    "up to here rows are kept, and prices improved each round", "half same, double 0.946")                             \
  X(Index, kept_rows, 2, 0, 64, "small worlds", "up to here rows are kept while moves are sought", "same gap")         \
  X(double, rough_gap, 0.05, 0, 1, "relative gap",                                                                     \
    "of the transport solve that gives the first prices where rules decide who runs", "half 1.087, double 0.916")      \
  X(double, replace_gap, 5e-5, 0, 1, "relative gap",                                                                   \
    "of the last round, above which jobs that had to go elsewhere are placed again", "half same, double 0.994")        \
  X(double, cold_share, 0.3, 0, 1, "share of the jobs", "that may be new before prices are computed from scratch",     \
    "same gap")                                                                                                        \
  /* Search (gang_solver.cpp, gang_eviction.cpp). */                                                                   \
  X(int, settle_rounds, 100, 1, 1 << 20, "rounds",                                                                     \
    "of filling and serving priorities; each lets in a job or raises a priority", "same gap")                          \
  X(Index, scan, 4096, 1, 1 << 20, "members", "of a class that are looked at to make room in it", "same gap")          \
  X(Index, balance_scan, 2000, 1, 1 << 20, "members", "of a class that is too full that are looked at, at first",      \
    "half 1.019, double 0.994")                                                                                        \
  X(Index, balance_chunk, 500, 1, 1 << 20, "members", "more that are looked at where these do not free enough",        \
    "same gap")                                                                                                        \
  X(Index, most_cover, 64, 0, 1 << 12, "slots", "up to here room is made by dynamic programming, beyond greedily",     \
    "same gap")                                                                                                        \
  X(Index, classes_tried, 3, 1, 1 << 12, "classes", "tried for a gang, the best first", "half same, double 1.021")     \
  X(Cost, fill_candidates, 2, 1, 64, "jobs a slot", "that are sorted to fill a class", "half 1.002, double 0.986")     \
  X(Index, sweeps, 4, 0, 1 << 10, "sweeps", "of the search for cheaper classes", "half 1.030, double 1.004")           \
  X(Index, exchange_pairs, Index{1} << 19, 0, 1 << 26, "pairs",                                                        \
    "of jobs of one demand and classes that are matched exactly", "same gap")                                          \
  X(Index, ejections, 400, 0, 1 << 20, "tries", "a round to make room by moving others", "half 0.869, double same")

GRIDCOMPUTE_DEFINE_TUNING(GangTuning, kDefaultGangTuning, kGangTuningTable, GRIDCOMPUTE_GANG_TUNING)

}  // namespace gridcompute::live
