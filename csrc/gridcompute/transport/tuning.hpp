// Every tuned number of the general transport method, in one table: what it decides, between which values it makes
// sense, and what it was measured on.
//
// Correctness depends on none of them: whatever the values within [low, high], an answer that is called optimal is, and
// every bound holds (the native fuzz test draws them at random). Numbers that a proof fixes (integer ranges, roundings,
// sizes of arrays and vectors) are no tuning and stay beside their proofs; so do the sizes of the chunks of parallel
// loops, which fix the order of sums, and the tolerances that a status promises (strategy.cpp).
//
// Reserves of a time limit are in steps, whose seconds are measured when they are asked for (base/stop.hpp).
//
// Measurements (benches/tuning_flatness.py transport). "half 1.02, double 0.98 (0.5 on X)": the work that is counted
// (`stats["work_units"]`) at half and at double the default, within the range, over that at the default: geometric mean
// over 32 instances (structured, uniform, tied, skewed, sparse, real, plane, copied and shifted costs, start prices,
// jobs that may stay unplaced or have demands, of 100 to 3,000 jobs, and two of 6,000 x 320 and 24,000 x 40), and the
// instances that differ by a quarter or more, farthest from 1 first. "same work": not by one unit on any; then the
// ratio of processor times follows, each the least of three alternate runs, which repeats to 0.02. The defaults were
// chosen by time on larger instances, where numbers that are "same" here decide: the families of
// benches/transport_time.py.
#pragma once

#include <limits>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

inline constexpr const char* kPlane =
    "points in the plane, 300,000 x 500: 0.61 of the time without; ratios 2 and 3: 0.8 and 0.68; ten other families: "
    "none";

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_TRANSPORT_TUNING(X)                                                                                \
  /* The steps around one solve (solve.cpp, merged_classes.cpp). */                                                    \
  X(Index, trim_jobs, 30'000, 0, 1 << 30, "jobs", "from here on freed memory is returned to the system",               \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Index, recheck_costs, 1 << 18, 0, 1 << 30, "costs",                                                                \
    "up to here all costs are searched for negative cycles after a proved optimum too",                                \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, rounding_costs, 1 << 22, 0, 1 << 30, "costs",                                                               \
    "up to here all costs are searched for negative cycles where candidate lists were too long",                       \
    "same work; time: half and double 1.00")                                                                           \
  X(double, kept_bits, 0x1p16, 1, 0x1p40, "roundings",                                                                 \
    "costs below this multiple of the rounding have lost their ties", "same work; time: half 0.99, double 1.00")       \
  X(Index, merge_jobs, 1024, 1, 1 << 30, "jobs", "least problem whose columns are compared",                           \
    "half same, double 1.10 (36 on copied classes, 0.6 on sparse in memory)")                                          \
  X(Index, merge_distinct_thirds, 1, 1, 3, "thirds of the classes",                                                    \
    "distinct columns up to which equal ones are merged",                                                              \
    "300,000 x 200 with 50, 66, 90, 120 distinct columns, not merged and merged: uniform 0.31 and 0.10 s, 0.28 and "   \
    "0.11, 0.22 and 0.14, 0.21 and 0.16; products of small integers 0.09 s in all eight; 1,000,000 x 100 with 43 "     \
    "distinct columns of such products 0.09 and 0.13 s")                                                               \
  X(double, merge_steps, 1, 0, 1e4, "steps an entry", "time left below which columns are not compared",                \
    "no instance has a time limit")                                                                                    \
  /* The strategy (strategy.cpp). */                                                                                   \
  X(double, auction_gap, 1e-3, 1e-9, 1, "relative gap", "gap of the any-time method where none is asked for",          \
    "same work; time: half and double 0.99")                                                                           \
  X(double, closing_steps, 12, 0, 1e4, "steps a job", "reserve to deliver any matching by one thread",                 \
    "no instance has a time limit")                                                                                    \
  X(double, closing_steps_demand, 16, 0, 1e4, "steps a job", "the same, jobs with demand > 1",                         \
    "no instance has a time limit")                                                                                    \
  X(double, closing_steps_pass, 36, 0, 1e4, "steps a job", "reserve to deliver a matching by prices",                  \
    "no instance has a time limit")                                                                                    \
  X(double, closing_steps_candidate, 1.2, 0, 1e4, "steps a candidate", "reserve to read and free the lists",           \
    "no instance has a time limit")                                                                                    \
  X(double, pass_and_tune, 1.3, 1, 10, "passes",                                                                       \
    "time left below which a pass keeps no candidates, but only proves a bound", "no instance has a time limit")       \
  X(Index, grouped_jobs, 64, 1, 1 << 20, "jobs a group",                                                               \
    "from here on the optimum is found sooner than a matching at prices is rounded",                                   \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Cost, auction_box, 4, 1, 16, "epsilons of the auction", "box of the first sample", "half 1.00, double 0.99")       \
  X(Cost, second_box, 6, 1, 16, "epsilons of the auction", "box of the second sample", "half and double 1.00")         \
  X(double, sure_gap, 0.5, 0, 1, "of the gap asked for", "predicted gap at which no larger sample is solved",          \
    "same work; time: half and double 1.00")                                                                           \
  X(double, perturbation_error, 0x1p-18, 0, 0x1p-8, "of the mean key",                                                 \
    "largest perturbation of jobs with demand > 1 whose keys have no unit", "same work; time: half and double 0.99")   \
  /* Resolution (model/integer_keys.cpp). */                                                                           \
  X(Index, probe_rows, 4096, 1, 1 << 20, "rows", "sample that sets the resolution",                                    \
    "same work; time: half and double 1.00")                                                                           \
  X(double, probe_headroom, 16, 1, 1 << 20, "ratio", "how far a cost may exceed the sample's before a restart",        \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, cost_prefetch, 16, 1, 1 << 10, "jobs", "by which loops over single costs prefetch ahead",                   \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, probe_all_costs, 1 << 22, 0, 1 << 30, "costs", "largest matrix that is read whole instead",                 \
    "same work; time: half and double 0.99")                                                                           \
  /* Perturbation (model/integer_keys.cpp). */                                                                         \
  X(int, spread_bits_most, 16, 1, 20, "bits", "largest spread tried where keys are shifted", "half and double 1.00")   \
  X(int, spread_bits_least, 6, 1, 20, "bits", "smallest", "same work; time: half and double 0.99")                     \
  X(int, spread_share_bits, 2, 1, 6, "powers of two", "ratio of the unit of keys to the spread",                       \
    "half and double 1.00")                                                                                            \
  X(Cost, perturbed_headroom, 16, 1, 1 << 10, "ratio", "how far keys may exceed a sample's",                           \
    "same work; time: half and double 0.99")                                                                           \
  X(Cost, tie_distance, 2, 0, 64, "keys", "distance from the least cost that counts as a tie",                         \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, tie_share, 2, 1, 1 << 10, "1 / share of jobs",                                                              \
    "ties from which keys are perturbed, where few jobs share a group", "same work; time: half and double 1.00")       \
  X(Index, shared_jobs, 2, 1, 1 << 10, "jobs a group", "mean above which many jobs share a group",                     \
    "half 1.00, double 1.03 (2.7 on ties)")                                                                            \
  X(Index, tie_probe_keys, 1 << 14, 1, 1 << 20, "keys", "sample whose distances set the perturbation",                 \
    "same work; time: half 1.00, double 0.99")                                                                         \
  X(Index, tie_probe_jobs, 256, 1, 1 << 20, "jobs", "the same, at most", "same work; time: half 0.99, double 0.98")    \
  /* The float32 filter (kernels/row_screening.cpp, restricted/pricing_pass.cpp). */                                   \
  X(Index, filter_classes, 32, 1, 1 << 20, "classes", "least row that is filtered in float32",                         \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, filter_left, 8, 1, 1 << 10, "1 / share of classes", "classes left above which the row is read whole",       \
    "same work; time: half 0.98, double 0.99")                                                                         \
  X(Index, filter_tries, 16, 0, 1 << 20, "rows",                                                                       \
    "after these most rows must be filtered well, or a chunk is read whole",                                           \
    "same work; time: half 1.00, double 0.99")                                                                         \
  X(Index, filter_failures, 4, 1, 1 << 10, "1 / share of rows", "that may be filtered badly after filter_tries",       \
    "same work; time: half 1.01, double 1.00")                                                                         \
  X(Index, filter_prefetch, 8, 0, 1 << 10, "rows", "by which tables of costs are prefetched ahead",                    \
    "same work; time: half 1.01, double 1.02")                                                                         \
  /* Samples (multilevel/stratified_sampling.cpp, trust_region.cpp). */                                                \
  X(Index, sample_jobs_per_class, 4, 1, 1 << 10, "jobs a class", "smallest sample",                                    \
    "half 0.99 (3.6 on ties, 0.5 on poor start, exact), double 1.08 (1.8 on coarse, 0.57 on sparse)")                  \
  X(Index, sample_jobs, 64, 1, 1 << 20, "jobs", "smallest sample",                                                     \
    "half 0.99 (0.75 on copied classes), double 1.01 (2.7 on ties, 1.8 on coarse)")                                    \
  X(Index, sample_keys, 1 << 26, 1, 1 << 30, "keys", "smallest sample's keys in memory at once",                       \
    "same work; time: half and double 1.00")                                                                           \
  X(double, sample_growth, 8, 1.5, 1 << 10, "ratio", "of the sizes of successive samples, at most",                    \
    "half same, double 1.00")                                                                                          \
  X(double, sample_steps_slack, 0.01, 0, 1, "samples",                                                                 \
    "by which successive samples may grow by more than sample_growth, before there is one more",                       \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(double, sample_last, 10, 1.5, 1 << 10, "1 / share of jobs", "largest sample", "half 1.01, double 1.00")            \
  X(double, sample_most, 1 << 26, 1, 1 << 30, "jobs", "largest sample: some 50 bytes a job where jobs are in shards",  \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(double, sample_extra, 2.5, 1.1, 100, "ratio", "of the size of one more sample to the last", kPlane)                \
  X(double, sample_extra_gain, 1.3, 0, 1 << 10, "ratio", "least gain of one more sample to its cost", kPlane)          \
  X(Index, sample_extra_groups, 4096, 1, 1 << 20, "groups", "that are asked for the gain", kPlane)                     \
  X(double, sample_candidate, 80, 0, 1 << 20, "costs read", "work that a candidate of a list costs", kPlane)           \
  X(Index, sample_least_ratio, 2, 2, 1 << 10, "ratio", "of all jobs to the smallest sample, from which there are any", \
    "same work; time: double 0.98")                                                                                    \
  X(double, radius_outlier, 16, 1, 1 << 20, "ratio", "of a class's price error to the median's, at most",              \
    "same work; time: half and double 0.98")                                                                           \
  X(double, radius_first, 4, 0.1, 100, "price errors", "radius before any level was measured",                         \
    "half 0.98 (0.75 on gap of jobs with demand), double 1.00 (0.8 on gap of jobs with demand)")                       \
  X(double, radius_warm, 2, 0.1, 100, "price errors", "radius after a level that the warm start fitted",               \
    "same work; time: half 0.99, double 0.98")                                                                         \
  X(double, radius_least, 0.5, 0.1, 100, "price errors", "radius, at least", "half same, double 1.00")                 \
  X(double, radius_most, 8, 0.1, 100, "price errors", "radius, at most", "half 0.99, double 1.00")                     \
  X(double, radius_tail, 1.2, 1, 100, "ratio",                                                                         \
    "largest price error of radius_tail_classes, to the one of radius_rank; a wider box costs candidates",             \
    "half 0.99, double 1.02 (1.3 on structured 24,000 x 40)")                                                          \
  X(double, radius_tail_classes, 100, 1, 1 << 20, "classes", "of which radius_tail is the largest price error",        \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(std::size_t, radius_rank, 50, 2, 1 << 10, "1 / share of classes", "that exceed the price error that is measured",  \
    "half 1.00, double same")                                                                                          \
  X(double, radius_tail_decade, 0.5, 0, 100, "ratio", "more of it for ten times as many classes",                      \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, duplicate_probe_rows, 64, 1, 1 << 20, "rows", "sample that compares rows, or columns",                      \
    "same work; time: half 0.98, double 1.00")                                                                         \
  X(Index, duplicate_first_rows, 8, 1, 1 << 20, "rows or entries", "of it, which most often show that there are none", \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Index, duplicate_copies, 2, 1, 1 << 10, "copies of a column", "mean from which most columns are copies",           \
    "same work; time: half 1.00, double 0.99")                                                                         \
  /* Problems in memory (small/small_problem.cpp, in_memory_ssp.cpp). Ranges of keys are proved up to the highs. */    \
  X(Index, memory_keys, 1 << 23, 0, 1 << 23, "keys", "largest key matrix that is solved in memory",                    \
    "same work; time: half 0.98")                                                                                      \
  X(Index, memory_jobs, 20'000, 0, 20'000, "jobs", "the same, in jobs; candidate lists pay beyond",                    \
    "same work; time: half 1.00")                                                                                      \
  X(Index, memory_sample_keys, 1 << 23, 0, 1 << 23, "keys", "largest sample that is solved in memory",                 \
    "same work; time: half 1.00")                                                                                      \
  X(Index, memory_sample_jobs, 12'000, 0, 20'000, "jobs",                                                              \
    "the same, in jobs; the general method's threads pay beyond", "same work; time: half and double 0.99")             \
  X(Index, memory_sample_keys_wide, 1 << 21, 0, 1 << 23, "keys", "the same where 32 bits do not suffice",              \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, memory_sample_ratio, 8, 2, 1 << 10, "1 / share of jobs", "sample of a problem in memory",                   \
    "half 0.99 (0.64 on poor start, auto), double 1.01")                                                               \
  X(Index, memory_sample_jobs_per_class, 2, 2, 1 << 10, "jobs a class", "least problem in memory that is sampled",     \
    "double 1.01 (1.7 on ties in memory)")                                                                             \
  X(Index, memory_unsampled_jobs, 150, 0, 20'000, "jobs", "largest problem that bids from price 0 are tried on first", \
    "half and double 1.00")                                                                                            \
  X(Index, memory_excess_share, 3, 1, 1 << 20, "1 / share of units", "excess up to which such bids suffice",           \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, memory_misplaced_share, 8, 1, 1 << 20, "1 / share of jobs", "misplaced at the caller's prices, at most",    \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, listed_from_zero_jobs, 1 << 13, 0, 20'000, "jobs",                                                          \
    "largest problem of CSR rows that is tried from price 0 first", "same work; time: half 1.00, double 0.99")         \
  X(Index, listed_from_zero_reads, 5, 1, 1 << 10, "reads a row", "of these bids",                                      \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, listed_lanes, 6, 1, 1 << 10, "keys", "scanned in vectors in the time of one list entry",                    \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Index, duplicate_rows_share, 8, 1, 64, "1 / share of rows", "duplicates in a sample from which aggregation pays",  \
    "same work; time: half 1.00, double 1.01")                                                                         \
  X(Index, listed_pairs, 1 << 24, 0, 1 << 24, "pairs", "most that are held in memory", "same work; time: half 0.99")   \
  X(std::size_t, direct_pairs_classes, 1024, 0, 1 << 13, "classes",                                                    \
    "up to which pairs of classes are addressed directly, in 12 bytes a pair, and not hashed",                         \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Slot, narrow_probe_keys, 4, 0, 1 << 10, "keys", "of one job, that may show that 32 bits do not suffice",           \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Index, bid_reads, 2, 1, 1 << 10, "reads a row", "of bids on dense rows, after which paths take over",              \
    "half 1.03, double 1.17 (3.5 on start prices, auto, 2.7 on uniform in memory)")                                    \
  X(Index, bid_reads_listed, 1, 1, 1 << 10, "reads a row", "the same on CSR rows", "same work; time: double 0.98")     \
  X(double, bids_remaining, 0.6, 0, 1, "share of the excess", "left by one read a row at which bids are given up",     \
    "same work; time: half and double 0.99")                                                                           \
  X(Cost, search_share, 3, 1, 1 << 20, "1 / share of the excess", "that the deficits found by a search could take",    \
    "half 0.99, double 1.01")                                                                                          \
  X(Index, little_excess, 16, 1, 1 << 20, "1 / share of units", "excess that paths place quickly",                     \
    "same work; time: half and double 0.98")                                                                           \
  X(std::size_t, bids_rows_per_class, 64, 1, 1 << 20, "rows a class", "from which the last bids cost more than paths", \
    "same work; time: half and double 1.00")                                                                           \
  /* Few jobs a class (small/near_assignment.cpp). */                                                                  \
  X(Index, near_classes, 512, 1, 1 << 20, "classes", "least number, for rows long enough for lists",                   \
    "half same, double 0.96 (0.23 on few a class)")                                                                    \
  X(Index, near_jobs_memory, 2, 0, 1 << 10, "jobs a class", "at most, where the key matrix fits in memory",            \
    "half 0.96 (0.23 on few a class), double same")                                                                    \
  X(Index, near_jobs, 6, 0, 1 << 10, "jobs a class", "at most, elsewhere", "same work; time: half and double 1.00")    \
  X(Index, near_classes_many, 1 << 12, 1, 1 << 20, "classes", "from here on near_jobs_many counts",                    \
    "same work; time: half and double 0.98")                                                                           \
  X(Index, near_jobs_many, 16, 0, 1 << 10, "jobs a class", "at most, with many classes",                               \
    "same work; time: half 1.00, double 0.98")                                                                         \
  X(Index, near_bids, 12, 1, 1 << 10, "bids a job", "of the auction, over its phases",                                 \
    "same work; time: half 1.00, double 0.99")                                                                         \
  X(Index, near_lists, 5, 1, 1 << 10, "lists a job", "read by bids at epsilon 0, after which paths take over",         \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, near_work, 32, 1, 1 << 10, "jobs * classes", "limit of the work of paths, in entries of lists and rows",    \
    "same work; time: half and double 0.97")                                                                           \
  X(Index, near_misplaced_share, 4, 1, 1 << 20, "1 / share of jobs", "misplaced at the caller's prices, at most",      \
    "same work; time: half and double 0.98")                                                                           \
  X(Cost, near_search_share, 2, 1, 16, "1 / share of the excess", "that the deficits found by a search could take",    \
    "half and double 1.00")                                                                                            \
  X(Index, near_sample_step, 16, 1, 1 << 20, "jobs", "one in this many is sampled to test the caller's prices",        \
    "same work; time: half 1.00, double 0.99")                                                                         \
  /* Auction (transport/auction.cpp, small/near_assignment.cpp). */                                                    \
  X(int, auction_phases, 3, 1, 16, "phases", "of falling epsilon",                                                     \
    "half 0.97 (0.66 on points, 0.67 on sparse), double 1.08 (0.56 on points, 1.7 on few a class)")                    \
  X(Cost, auction_factor, 4, 2, 1 << 10, "ratio", "of epsilon from phase to phase",                                    \
    "half 1.03 (1.5 on ties, 0.67 on sparse), double 1.03 (2.8 on ties, 1.7 on sparse)")                               \
  X(Index, auction_bids, 12, 1, 1 << 10, "bids a job", "over all phases on a sample",                                  \
    "half 0.99 (0.73 on no plan), double 1.01 (1.5 on no plan)")                                                       \
  X(Index, auction_scale_jobs, 2048, 1, 1 << 20, "jobs", "sample of margins that sets the first epsilon",              \
    "same work; time: half 1.00 (1.3 on poor start, exact), double 1.00")                                              \
  X(Cost, auction_fall, 4, 1, 8, "epsilons", "by which a class with unused capacity gets cheaper between phases",      \
    "half 1.00 (0.78 on few a class), double 1.02 (1.3 on auction)")                                                   \
  /* Cycles after rounding (exact/cycle_canceling.cpp). */                                                             \
  X(Index, lists_least_costs, 1 << 16, 0, 1 << 30, "costs", "up to here reading all of them is faster than lists",     \
    "half and double 1.00")                                                                                            \
  X(Index, exact_objective_costs, 1 << 22, 0, 1 << 30, "costs", "beyond these the objective is not summed exactly",    \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, cancel_list_steps, 1 << 24, 1, 1 << 28, "steps", "of cycle canceling on lists",                             \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, cancel_steps, 1 << 22, 1 << 22, 1 << 28, "steps", "of cycle canceling on all costs",                        \
    "same work; time: double 0.99")                                                                                    \
  X(Index, cancel_steps_cost, 8, 8, 1 << 10, "steps a cost", "more of them", "same work; time: double 1.01")           \
  X(std::size_t, near_pairs, 1 << 22, 1 << 22, 1 << 24, "pairs", "near classes of all jobs, of 24 bytes, at most",     \
    "same work; time: double 0.99")                                                                                    \
  X(Index, few_pairs, 1 << 12, 0, 1 << 22, "pairs", "near classes that are few, so that cycles are canceled at once",  \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Index, few_pairs_share, 4, 1, 1 << 20, "1 / share of costs", "or this share, before another method is tried",      \
    "same work; time: half and double 0.99")                                                                           \
  X(double, near_margins, 8, 8, 1 << 10, "roundings a class", "margin within which a class is near", "double 1.00")    \
  X(Index, counted_classes, 64, 0, 1 << 20, "classes", "shortest row that is listed without being counted first",      \
    "same work; time: half and double 1.00")                                                                           \
  X(std::size_t, lowered_pairs, 1 << 18, 1 << 18, 1 << 22, "pairs",                                                    \
    "of jobs and classes, up to which prices are lowered", "same work; time: double 1.00")                             \
  X(double, lowered_excess, 0x1p20, 1, 0x1p20, "ratio",                                                                \
    "of the largest price to all that is paid, from which they are", "same work; time: half 0.99")                     \
  /* Finer units (exact/resolution_refinement.cpp). */                                                                 \
  X(double, finer, 8, 1, 8, "ratio", "of units, from which costs that are capped are solved again",                    \
    "same work; time: half 1.00")                                                                                      \
  X(double, finer_shifted, 0x1p10, 1, 0x1p10, "ratio", "the same for shifted costs, which take longer to read",        \
    "same work; time: half 1.00")                                                                                      \
  X(Index, doubtful_share, 32, 1, 1 << 20, "1 / share of jobs", "in doubt, or with two near classes, at most",         \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(Index, doubtful_jobs, 1 << 10, 0, 1 << 20, "jobs", "or this number of them",                                       \
    "same work; time: half and double 0.99")                                                                           \
  /* Jobs in shards (shards/coordinator.cpp). */                                                                       \
  X(double, shard_box_margin, 0.25, 0, 100, "share of the radius",                                                     \
    "beyond the box of the jobs that are listed at once, so that prices that leave it a little need no new question",  \
    "same work; time: half and double 0.99")                                                                           \
  X(double, shard_list_margin, 0.25, 0, 100, "share of the margin",                                                    \
    "by which more jobs are listed than are asked for", "same work; time: half and double 0.99")                       \
  /* Rounding (transport/rounding.cpp). */                                                                             \
  X(Index, after_stop_costs, 500'000, 0, 1 << 30, "costs", "read after a stop, by one thread",                         \
    "no instance has a time limit")                                                                                    \
  X(Index, after_stop_costs_demand, 400'000, 0, 1 << 30, "costs", "the same, jobs with demand > 1",                    \
    "no instance has a time limit")                                                                                    \
  X(int, placement_tries, 8, 0, 1 << 10, "classes", "tried for a job whose costs are not read",                        \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, evict_sample_step, 16, 1, 1 << 20, "jobs", "one in this many is sampled for the thresholds of loss",        \
    "same work; time: half and double 0.99")                                                                           \
  X(Cost, evict_sample_factor, 2, 1, 16, "ratio", "of sampled losses below a threshold to those expected",             \
    "same work; time: half and double 1.00")                                                                           \
  X(Index, evict_moves, 1 << 15, 1, 1 << 24, "moves", "most that are sorted: those of least loss a unit",              \
    "same work; time: half 1.00, double 0.99")                                                                         \
  /* Warm start (multilevel/trust_region.cpp). */                                                                      \
  X(double, misfit_more, 0.3, 0, 10, "ratio", "imbalance above chance that start prices may leave",                    \
    "half same, double 0.98 (0.46 on poor start, exact)")                                                              \
  X(double, misfit_few, 1.5, 0, 10, "ratio", "the same, times the root of the number of classes",                      \
    "same work; time: half and double 1.01")                                                                           \
  X(Cost, warm_margins, 4, 1, 16, "median margins", "first box around start prices that fit", "half and double 1.00")  \
  /* Time limit (multilevel/trust_region.cpp). */                                                                      \
  X(Index, timed_jobs, 1 << 12, 1, 1 << 20, "jobs a thread", "sample that times a pass",                               \
    "no instance has a time limit")                                                                                    \
  X(Index, timed_run, 1 << 7, 1, 1 << 12, "jobs", "of them side by side, as a pass reads them",                        \
    "no instance has a time limit")                                                                                    \
  X(Index, timed_share, 32, 1, 1 << 10, "1 / share of jobs", "the sample, at most", "no instance has a time limit")    \
  X(double, timed_longer, 1.15, 1, 10, "ratio", "of a whole pass to the timed sample, for memory that is new",         \
    "no instance has a time limit")                                                                                    \
  X(double, timed_candidate, 3.6, 0, 1e4, "steps a candidate", "first steps with a candidate, and its release",        \
    "no instance has a time limit")                                                                                    \
  /* Column generation (restricted/column_generation.cpp). */                                                          \
  X(Index, violations_many, 4, 1, 1 << 10, "1 / share of jobs",                                                        \
    "violations from which a pricing pass over all jobs is repeated in a wider box",                                   \
    "same work; time: half 0.99, double 0.98")                                                                         \
  X(Index, violations_few, 64, 0, 1 << 20, "jobs", "more than that share that are few all the same",                   \
    "same work; time: half 1.00, double 0.98")                                                                         \
  X(int, passes_most, 4, 1, 64, "passes", "of one level; from then on lists only grow, which ends",                    \
    "same work; time: half and double 0.99")                                                                           \
  X(int, sample_rounds, 24, 1, 1 << 10, "rounds", "after which a sample's prices are taken as they are",               \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, sample_imbalance, 100, 1, 1 << 20, "1 / share of units", "that a sample may leave out of balance",          \
    "same work; time: half and double 0.99")                                                                           \
  X(Cost, repair_box, 8, 2, 16, "1 / share of the box",                                                                \
    "box of the repair, and by how much it grows; rounds end as it is at least 2", "half and double 1.00")             \
  X(Cost, repair_box_wide, 3, 1, 16, "1 / share of the box",                                                           \
    "the same where Newton's method stalled, or some of many classes surely moves far", "half and double 1.00")        \
  X(Index, wide_classes, 300, 1, 1 << 20, "classes", "from here on classes are many",                                  \
    "same work; time: half 1.00, double 1.01")                                                                         \
  X(double, newton_stalled, 1.0 / 200, 0, 1, "share of units", "left out of balance by a stalled Newton method",       \
    "half and double 1.00")                                                                                            \
  X(int, repair_widenings, 16, 0, 1 << 10, "times", "that a repair continues in a wider box",                          \
    "same work; time: half and double 0.98")                                                                           \
  X(int, measured_drops, 8, 0, 1 << 10, "classes a round", "whose price drop is measured instead of assumed",          \
    "without it 1.5x on structured 200k x 1000: a second pass")                                                        \
  X(Index, measured_jobs, 1 << 16, 1, 1 << 30, "jobs", "sample that measures a price drop",                            \
    "same work; time: half and double 1.00")                                                                           \
  X(Cost, drop_units, 2, 1, 16, "ratio", "of the units that a measured price drop attracts to those that are missing", \
    "same work; time: half and double 0.99")                                                                           \
  X(Cost, recentre_factor, 2, 1, 16, "ratio", "of the box of a repeated pass to the price move that asks for it",      \
    "same work; time: half 0.99, double 0.98")                                                                         \
  X(Wide, escape_units, 1 << 20, 1, 1 << 30, "ratio", "columns added for each unit without a path, at most",           \
    "same work; time: half 1.00, double 0.99")                                                                         \
  X(Cost, added_box, 8, 1, 1 << 10, "1 / share of the box", "box for columns added after a repair",                    \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, suspects_share, 32, 2, 1 << 10, "1 / share of jobs", "suspects that are kept between two tests",            \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, suspects_sample, 1 << 12, 1, 1 << 20, "jobs", "sample that sets the limit of suspicion",                    \
    "same work; time: half and double 0.99")                                                                           \
  X(Index, suspects_per_group, 4, 1, 1 << 10, "suspects a group",                                                      \
    "from which each group's bound is computed once for all of them", "same work; time: half and double 1.00")         \
  /* The pricing pass (restricted/pricing_pass.cpp). */                                                                \
  X(Index, spare_candidates, 16, 1, 1 << 20, "1 / share of candidates", "room for columns that lists get later",       \
    "same work; time: half 0.99, double 0.98")                                                                         \
  /* Newton's method (restricted/newton.cpp). */                                                                       \
  X(Index, width_sample, 1 << 14, 1, 1 << 20, "gaps", "sample that sets the smoothing width",                          \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(int, cg_iterations, 60, 1, 1 << 10, "iterations", "of conjugate gradients",                                        \
    "same work; time: half 0.99, double 1.00")                                                                         \
  X(int, cg_iterations_error, 20, 1, 1 << 10, "iterations", "of them in an estimate of price errors",                  \
    "half and double 1.00")                                                                                            \
  X(double, ridge, 1 + 1e-3, 1, 2, "ratio",                                                                            \
    "factor of the diagonal; above 1 the system is definite where no class is bound",                                  \
    "half 0.98 (0.76 on gap of jobs with demand), double 0.96 (0.75 on gap of jobs with demand)")                      \
  X(double, cg_residual, 1e-4, 1e-12, 1, "of the squared residual", "where conjugate gradients end",                   \
    "half 1.01, double 1.00")                                                                                          \
  X(double, spare_deviations, 3, 0, 100, "standard deviations",                                                        \
    "of its load, by which a free class has spare capacity", "half 1.00, double same")                                 \
  X(double, damping, 0.5, 0, 100, "ratio", "damping of a class that few groups determine",                             \
    "half 1.00, double 0.99 (0.77 on gap of jobs with demand)")                                                        \
  X(double, stiffness_ratio, 2, 1, 100, "ratio", "of seen to predicted curvature from which damping grows",            \
    "half 0.99, double 1.01")                                                                                          \
  X(double, stiffness_decay, 2, 1, 100, "ratio", "of the damping that was added, from step to step",                   \
    "half 1.00, double 1.01")                                                                                          \
  X(std::size_t, dense_laplacian, 1 << 21, 0, 1 << 26, "entries", "largest Laplacian stored dense",                    \
    "same work; time: half 1.00, double 0.99")                                                                         \
  X(std::size_t, dense_laplacian_share, 8, 0, 1 << 10, "ratio", "of its entries to those of the groups",               \
    "half 0.98, double 1.05 (1.3 on start prices, exact)")                                                             \
  X(int, error_probes, 4, 1, 1 << 10, "right-hand sides", "of the estimate of coupled price errors",                   \
    "half 0.99, double 1.01")                                                                                          \
  X(int, evaluations, 24, 1, 1 << 10, "evaluations", "of the smoothed dual", "half 0.99, double same")                 \
  X(int, shorter_steps, 3, 0, 64, "steps", "tried after one that was too long", "half 1.00, double 1.01")              \
  X(int, stalled_steps, 2, 1, 64, "steps", "without progress that end the method", "half 0.97, double 1.03")           \
  X(double, progress, 0.9, 0, 1, "ratio", "of imbalances that counts as progress over the best",                       \
    "half 0.97, double 1.01")                                                                                          \
  X(double, progress_last, 0.5, 0, 1, "ratio",                                                                         \
    "the same over the last step, for a wide smoothing may lose before it gains", "half 1.00, double 1.01")            \
  X(double, slope_past, -0.8, -100, 0, "of the first slope", "at the end of a step that was too long",                 \
    "half 1.01 (0.78 on gap of jobs with demand), double 0.99")                                                        \
  X(double, width_first, 8, 1, 1 << 10, "1 / share of the median radius", "first smoothing width",                     \
    "half 0.98 (0.78 on gap of jobs with demand), double 1.01")                                                        \
  X(double, box_shrink, 2, 1, 100, "ratio", "of the part of the box that prices may still move in, from step to step", \
    "half 1.07 (1.3 on structured, 1.3 on terms), double 0.97")                                                        \
  X(double, width_shrink, 4, 1.1, 100, "ratio", "of smoothing widths from step to step",                               \
    "half 0.97 (0.76 on gap of jobs with demand), double 1.01 (0.76 on gap of jobs with demand)")                      \
  X(std::size_t, width_rank, 4, 2, 1 << 10, "1 / share of gaps", "below the smoothing width, at most",                 \
    "half 1.01 (1.3 on auction, 0.79 on gap of jobs with demand), double 1.01 (1.4 on reals)")                         \
  X(Index, width_active, 2, 1, 1 << 10, "groups a class", "that are split at the last width",                          \
    "half 0.99, double 0.99 (0.74 on gap of jobs with demand)")                                                        \
  X(double, width_least, 2, 1, 1 << 20, "keys", "last smoothing width, at least", "half 0.99, double 1.00")            \
  X(std::size_t, ranked_least, 2, 1, 1 << 10, "units",                                                                 \
    "rank of the moves that estimate the error of a price, above the root of the capacity",                            \
    "half 0.99 (0.75 on gap of jobs with demand), double 1.02 (0.78 on gap of jobs with demand)")                      \
  X(double, ranked_beyond, 2, 1, 100, "ratio", "of a move past the last one to that", "half 0.99, double 1.01")        \
  X(Index, error_active, 100, 1, 1 << 20, "groups a class",                                                            \
    "that are split for the error estimate; few would leave the Laplacian in pieces, which looks like error",          \
    "same work; time: half 0.98, double 0.99")                                                                         \
  /* Repair by shortest paths (restricted/ssp_repair.cpp). */                                                          \
  X(Index, build_all_share, 8, 0, 1 << 10, "1 / share of classes",                                                     \
    "classes with excess from which all exchange arcs are built at once, in threads", "half 0.99, double 1.00")        \
  X(Cost, repair_search_share, 2, 1, 16, "1 / share of the excess", "that the deficits found by a search could take",  \
    "half and double 1.00")                                                                                            \
  X(Cost, widen_factor, 2, 2, 16, "ratio", "of the new radius to the price move that left the box", "double 1.00")     \
  X(Cost, widen_soon, 2, 1, 1 << 10, "1 / share of the radius", "move from which a class's radius grows as well",      \
    "half 1.00, double same")

GRIDCOMPUTE_DEFINE_TUNING(Tuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_TRANSPORT_TUNING)

}  // namespace gridcompute::transport
