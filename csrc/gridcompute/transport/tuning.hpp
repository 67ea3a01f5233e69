// Every tuned number of the general transport method, in one table: what it decides, and between which values it makes
// sense.
//
// Correctness depends on none of them: whatever the values within [low, high], an answer that is called optimal is, and
// every bound holds (the native fuzz test draws them at random). Numbers that a proof fixes (integer ranges, roundings,
// sizes of arrays and vectors) are no tuning and stay beside their proofs; so do the sizes of the chunks of parallel
// loops, which fix the order of sums, and the tolerances that a status promises (strategy.cpp).
//
// Reserves of a time limit are in steps, whose seconds are measured when they are asked for (base/stop.hpp).
#pragma once

#include <limits>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

inline constexpr const char* kPlane =
    "points in the plane, 300,000 x 500: 0.61 of the time without; ratios 2 and 3: 0.8 and 0.68; ten other families: "
    "none";

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_TRANSPORT_TUNING(X) \
  /* The steps around one solve (solve.cpp, merged_classes.cpp). */ \
  X(Index, recheck_costs, 1 << 18, 0, 1 << 30, "costs", "up to here all costs are searched for negative cycles after a proved optimum too") \
  X(Index, rounding_costs, 1 << 22, 0, 1 << 30, "costs", "up to here all costs are searched for negative cycles where candidate lists were too long") \
  X(Index, merge_jobs, 1024, 1, 1 << 30, "jobs", "least problem whose columns are compared") \
  X(Index, merge_distinct_thirds, 1, 1, 3, "thirds of the classes", "distinct columns up to which equal ones are merged") \
  X(double, merge_steps, 1, 0, 1e4, "steps an entry", "time left below which columns are not compared") \
  /* The strategy (strategy.cpp). */ \
  X(double, auction_gap, 1e-3, 1e-9, 1, "relative gap", "gap of the any-time method where none is asked for") \
  X(double, closing_steps, 12, 0, 1e4, "steps a job", "reserve to deliver any matching by one thread") \
  X(double, closing_steps_demand, 16, 0, 1e4, "steps a job", "reserve to deliver a matching of jobs with demand > 1") \
  X(double, closing_steps_pass, 36, 0, 1e4, "steps a job", "reserve to deliver a matching by prices") \
  X(double, closing_steps_candidate, 1.2, 0, 1e4, "steps a candidate", "reserve to read and free the lists") \
  X(double, pass_and_tune, 1.3, 1, 10, "passes", "time left below which a pass keeps no candidates, but only proves a bound") \
  /* Resolution (model/integer_keys.cpp). */ \
  X(Index, probe_rows, 4096, 1, 1 << 20, "rows", "sample that sets the resolution") \
  X(Index, cost_prefetch, 16, 1, 1 << 10, "jobs", "jobs by which loops over single costs prefetch ahead") \
  X(Index, probe_all_costs, 1 << 22, 0, 1 << 30, "costs", "largest matrix that is read whole instead of a sample") \
  /* Perturbation (model/integer_keys.cpp). */ \
  X(int, spread_bits_most, 16, 1, 20, "bits", "largest spread tried where keys are shifted") \
  X(int, spread_bits_least, 6, 1, 20, "bits", "smallest spread tried where keys are shifted") \
  X(Cost, tie_distance, 2, 0, 64, "keys", "distance from the least cost that counts as a tie") \
  X(Index, shared_jobs, 2, 1, 1 << 10, "jobs a group", "mean above which many jobs share a group") \
  /* The float32 filter (kernels/row_screening.cpp, restricted/pricing_pass.cpp). */ \
  X(Index, filter_classes, 32, 1, 1 << 20, "classes", "least row that is filtered in float32") \
  /* Samples (multilevel/stratified_sampling.cpp, trust_region.cpp). */ \
  X(Index, sample_jobs_per_class, 4, 1, 1 << 10, "jobs a class", "smallest sample") \
  X(Index, sample_jobs, 64, 1, 1 << 20, "jobs", "smallest sample") \
  X(double, sample_growth, 8, 1.5, 1 << 10, "ratio", "growth from sample to sample, at most") \
  X(double, sample_last, 10, 1.5, 1 << 10, "1 / share of jobs", "largest sample") \
  X(double, sample_extra, 2.5, 1.1, 100, "ratio", "size of one more sample, over the last") \
  X(double, sample_extra_gain, 1.3, 0, 1 << 10, "ratio", "least gain of one more sample to its cost") \
  X(Index, sample_extra_groups, 4096, 1, 1 << 20, "groups", "groups that the gain is estimated on") \
  X(double, sample_candidate, 80, 0, 1 << 20, "costs read", "work that a candidate of a list costs") \
  X(double, radius_first, 4, 0.1, 100, "price errors", "radius before any level was measured") \
  X(double, radius_tail, 1.2, 1, 100, "ratio", "largest price error of a hundred classes, to the ranked one; a wider box costs candidates") \
  X(Index, duplicate_probe_rows, 64, 1, 1 << 20, "rows", "sample that compares rows, or columns") \
  /* Problems in memory (small/small_problem.cpp, in_memory_ssp.cpp). Ranges of keys are proved up to the highs. */ \
  X(Index, memory_keys, 1 << 23, 0, 1 << 23, "keys", "largest key matrix that is solved in memory") \
  X(Index, memory_jobs, 20'000, 0, 20'000, "jobs", "most jobs that are solved in memory; candidate lists pay beyond") \
  X(Index, memory_sample_ratio, 8, 2, 1 << 10, "1 / share of jobs", "sample of a problem in memory") \
  X(Index, memory_sample_jobs_per_class, 2, 2, 1 << 10, "jobs a class", "least problem in memory that is sampled") \
  X(Index, bid_reads, 2, 1, 1 << 10, "reads a row", "reads by bids on dense rows, after which paths take over") \
  /* Few jobs a class (small/near_assignment.cpp). */ \
  X(Index, near_classes, 512, 1, 1 << 20, "classes", "least number of classes, for rows long enough for lists") \
  X(Index, near_jobs_memory, 2, 0, 1 << 10, "jobs a class", "jobs a class that count as few where the key matrix fits in memory") \
  X(Index, near_jobs, 6, 0, 1 << 10, "jobs a class", "jobs a class that count as few elsewhere") \
  X(Index, near_jobs_many, 16, 0, 1 << 10, "jobs a class", "jobs a class that count as few with many classes") \
  X(Index, near_work, 32, 1, 1 << 10, "jobs * classes", "limit of the work of paths, in entries of lists and rows") \
  /* Auction (transport/auction.cpp, small/near_assignment.cpp). */ \
  X(int, auction_phases, 3, 1, 16, "phases", "phases of falling epsilon") \
  X(Cost, auction_factor, 4, 2, 1 << 10, "ratio", "fall of epsilon from phase to phase") \
  X(Index, auction_bids, 12, 1, 1 << 10, "bids a job", "bids over all phases on a sample") \
  X(Cost, auction_fall, 4, 1, 8, "epsilons", "by which a class with unused capacity gets cheaper between phases") \
  /* Rounding (transport/rounding.cpp). */ \
  X(Index, after_stop_costs, 500'000, 0, 1 << 30, "costs", "costs read after a stop, by one thread") \
  X(Index, after_stop_costs_demand, 400'000, 0, 1 << 30, "costs", "costs read after a stop for jobs with demand > 1") \
  /* Warm start (multilevel/trust_region.cpp). */ \
  X(double, misfit_more, 0.3, 0, 10, "ratio", "imbalance above chance that start prices may leave") \
  /* Time limit (multilevel/trust_region.cpp). */ \
  X(Index, timed_jobs, 1 << 12, 1, 1 << 20, "jobs a thread", "sample that times a pass") \
  X(Index, timed_run, 1 << 7, 1, 1 << 12, "jobs", "jobs side by side in the timed sample, as a pass reads them") \
  X(Index, timed_share, 32, 1, 1 << 10, "1 / share of jobs", "timed sample, at most") \
  X(double, timed_longer, 1.15, 1, 10, "ratio", "time of a whole pass to that of the timed sample, for memory that is new") \
  X(double, timed_candidate, 3.6, 0, 1e4, "steps a candidate", "first steps with a candidate, and its release") \
  /* Column generation (restricted/column_generation.cpp). */ \
  X(int, sample_rounds, 24, 1, 1 << 10, "rounds", "rounds after which a sample's prices are taken as they are") \
  X(int, repair_widenings, 16, 0, 1 << 10, "times", "times that a repair continues in a wider box") \
  X(int, measured_drops, 8, 0, 1 << 10, "classes a round", "classes whose price drop is measured instead of assumed") \
  /* Newton's method (restricted/newton.cpp). */ \
  X(Index, width_sample, 1 << 14, 1, 1 << 20, "gaps", "sample that sets the smoothing width") \
  X(double, ridge, 1 + 1e-3, 1, 2, "ratio", "factor of the diagonal; above 1 the system is definite where no class is bound") \
  X(double, damping, 0.5, 0, 100, "ratio", "damping of a class that few groups determine") \
  X(std::size_t, dense_laplacian, 1 << 21, 0, 1 << 26, "entries", "largest Laplacian stored dense") \
  X(std::size_t, dense_laplacian_share, 8, 0, 1 << 10, "ratio", "entries of a dense Laplacian to those of the groups, at most") \
  X(int, evaluations, 24, 1, 1 << 10, "evaluations", "evaluations of the smoothed dual") \
  X(int, shorter_steps, 3, 0, 64, "steps", "steps tried after one that was too long") \
  X(int, stalled_steps, 2, 1, 64, "steps", "steps without progress that end the method") \
  X(double, progress, 0.9, 0, 1, "ratio", "fall of imbalances that counts as progress over the best") \
  X(double, slope_past, -0.8, -100, 0, "of the first slope", "slope at the end of a step that was too long") \
  X(double, width_first, 8, 1, 1 << 10, "1 / share of the median radius", "first smoothing width") \
  X(double, box_shrink, 2, 1, 100, "ratio", "fall, from step to step, of the part of the box that prices may still move in") \
  X(double, width_shrink, 4, 1.1, 100, "ratio", "fall of smoothing widths from step to step") \
  X(std::size_t, width_rank, 4, 2, 1 << 10, "1 / share of gaps", "gaps below the smoothing width, at most") \
  X(Index, width_active, 2, 1, 1 << 10, "groups a class", "groups that are split at the last width") \
  X(std::size_t, ranked_least, 2, 1, 1 << 10, "units", "rank of the moves that estimate the error of a price, above the root of the capacity") \
  /* Repair by shortest paths (restricted/ssp_repair.cpp). */ \
  X(Index, build_all_share, 8, 0, 1 << 10, "1 / share of classes", "classes with excess from which all exchange arcs are built at once, in threads") \
  X(Cost, widen_factor, 2, 2, 16, "ratio", "new radius to the price move that left the box") \
  X(Cost, widen_soon, 2, 1, 1 << 10, "1 / share of the radius", "move from which a class's radius grows as well")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(Tuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_TRANSPORT_TUNING)

}  // namespace gridcompute::transport
