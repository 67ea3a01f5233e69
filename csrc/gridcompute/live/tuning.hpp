// Every tuned number of the live matcher, in one table.
//
// None of them affects what is optimal or proved: they decide which of two exact ways is taken, how much memory the
// move index may use, and how work is cut for threads. Integer ranges that a proof needs stay beside the proof.
//
// Work is counted, never timed, so that every run takes the same decisions. One unit is about a third of what reading
// one key takes within a row of keys; only ratios of these counts are ever compared. Shares are in thousandths.
//
// Measured on: the work model and the shares on benches/bench_matcher.py with 200,000 to 1,000,000 jobs and 100 to
// 1,440 classes. Flatness, on 20,000 jobs and 60 classes, 15 rounds of 100 changes, three of them with a repriced
// class, each number halved and doubled alone. "half 1.00, double 1.02": counted work over that at the default, as in
// transport/tuning.hpp, of benches/tuning_flatness.py live (10,000 x 60 and 3,000 x 300, 12 rounds).
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

#define GRIDCOMPUTE_LIVE_BENCH "20,000 x 60, 100 changes a round"
inline constexpr const char* kFlat = "time by at most 7 %, halved and doubled; " GRIDCOMPUTE_LIVE_BENCH;
inline constexpr const char* kUnvaried = "benches/bench_matcher.py; not varied";

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_LIVE_TUNING(X)                                                                                     \
  /* Resolution of keys (state.cpp). */                                                                                \
  X(Index, cost_growth, 4, 2, 64, "factor",                                                                            \
    "how far the largest cost may grow before the resolution, and with it every key, changes", kFlat)                  \
  X(Index, cost_shrink, 16, 2, 1024, "factor",                                                                         \
    "how far the largest cost may shrink below that before the resolution becomes finer", kFlat)                       \
  /* Move index (move_index.cpp). */                                                                                   \
  X(Index, all_pairs_classes, 256, 0, 1024, "classes",                                                                 \
    "up to this many, moves between all pairs of classes are indexed; beyond, those within a limit", kFlat)            \
  X(Index, dense_pair_table, Index{1} << 22, 1, 1 << 24, "pairs",                                                      \
    "up to this many pairs of classes, their positions are kept in a table (4 bytes each), not in a map", kFlat)       \
  X(Index, dense_pairs_per_job, 128, 0, 4096, "pairs for each live job",                                               \
    "the same, in proportion to the jobs: at most 512 bytes a job", kFlat)                                             \
  X(Index, indexed_moves, Index{3} << 19, 1024, 1 << 24, "moves",                                                      \
    "entries of all lists if each were full: 16 bytes a move make 24 MB",                                              \
    "time by factors of 0.91 and 1.16, halved and doubled; " GRIDCOMPUTE_LIVE_BENCH)                                   \
  X(Index, smallest_list, 4, 1, 4, "moves",                                                                            \
    "capacity of a list at first, a power of two; three sizes only, so that freed blocks fit again", kFlat)            \
  X(Index, small_list, 16, 8, 64, "moves", "capacity of a list then, a power of two", kFlat)                           \
  X(Index, largest_list, 1024, 64, 4096, "moves", "capacity of a list at most, a power of two", kFlat)                 \
  X(Index, list_spare, 5, 2, 1024, "1 / share of its capacity", "that a refilled list leaves for insertions",          \
    "half 1.00, double same")                                                                                          \
  X(Index, built_share, 4, 1, 1024, "1 / share of the moves of a refilled list",                                       \
    "in one built with its class: most pairs are never met by a search", "half same, double 1.00")                     \
  X(Index, built_least, 8, 1, 64, "moves", "in such a list at least", "same work; time: half and double 1.02")         \
  X(Index, partial_percent, 125, 100, 10'000, "percent of the share of members seen",                                  \
    "moves kept of a pair while its class is read", "same work; time: half 1.01, double 1.03")                         \
  X(Index, partial_least, 4, 1, 1024, "moves", "kept beyond these", "half and double 1.00")                            \
  X(Index, collected_growth, 2, 2, 64, "times the moves kept",                                                         \
    "at which collected moves are shortened to the cheapest", "double 1.00")                                           \
  X(Index, limit_sample, 64, 1, 1024, "jobs",                                                                          \
    "sampled of a class for its limit, which is the longest of their shortest moves; an eighth of that length made "   \
    "the first rounds ten times as long",                                                                              \
    kFlat)                                                                                                             \
  X(Index, limit_attempts, 4, 0, 16, "attempts", "after this many extensions a class is indexed without limit", kFlat) \
  X(Index, limit_margin, 2, 1, 8, "times the length needed",                                                           \
    "how much farther than a search needs a class is indexed when its limit is extended", kFlat)                       \
  X(Index, target_fall_share, 2, 1, 1024, "1 / share of the limit of a source",                                        \
    "fall of a target's price from which the target is indexed farther, not the source",                               \
    "same work; time: half 1.01, double 1.07")                                                                         \
  X(Index, pool_blocks, 128, 1, 4096, "blocks",                                                                        \
    "blocks of one size that the memory of the lists asks of the system at once",                                      \
    "time by factors of 1.01 and 1.11, halved and doubled; " GRIDCOMPUTE_LIVE_BENCH)                                   \
  X(Index, memory_shrink, 2, 1, 1024, "ratio",                                                                         \
    "of the most jobs that the memory of the lists has served to those now, beyond which it is returned",              \
    "same work; time: half and double 1.00")                                                                           \
  /* Work model (primal_dual.hpp). */                                                                                  \
  X(Index, cold_work_two_keys, 5, 1, 64, "units", "work of a transport solve for two pairs of job and class",          \
    "time by factors of 1.23 and 0.74, halved and doubled; " GRIDCOMPUTE_LIVE_BENCH)                                   \
  X(Index, cold_work_job, 40, 0, 1000, "units", "work of a transport solve for a job", kFlat)                          \
  X(Index, cold_work_fixed, 1'000'000, 0, 100'000'000, "units",                                                        \
    "work of any transport solve: small problems are always repaired", kFlat)                                          \
  X(Index, row_work_key, 3, 1, 64, "units", "work of one key of a row that is read", kFlat)                            \
  X(Index, row_work_fixed, 800, 0, 10'000, "units",                                                                    \
    "work of a row beside its keys: its evaluation, and the insertion of its moves", kFlat)                            \
  X(Index, column_work_job, 16, 1, 1000, "units",                                                                      \
    "work of a job when one class is repriced and single costs can be read", kFlat)                                    \
  X(Index, unit_work, 12'000, 1, 1'000'000, "units", "work expected for one unit of excess, before any was routed",    \
    "time by factors of 0.60 and 1.66, halved and doubled; " GRIDCOMPUTE_LIVE_BENCH)                                   \
  X(Index, arc_work, 4, 1, 100, "units", "work of one arc scanned or one cost read by column", kFlat)                  \
  X(Index, class_cost_work, 32, 1, 1000, "units",                                                                      \
    "work of one cost read by column for the members of a class, which lie apart in memory", kFlat)                    \
  X(Index, repricing_rows, 2, 0, 64, "rows", "expected to be read for each member of a class whose costs changed",     \
    "same work; time: half 1.01, double 1.00")                                                                         \
  /* Cold or warm (round_solver.cpp). */                                                                               \
  X(Index, queue_share, 500, 0, 4000, "thousandths of a cold solve's work",                                            \
    "a round with more work than this in its queue and repricing is cold", kFlat)                                      \
  X(Index, rebuild_share, 125, 0, 4000, "thousandths of a cold solve's work",                                          \
    "a round that has to build the move index is cold if it has more work than this besides",                          \
    "time by factors of 1.52 and 0.56, halved and doubled; " GRIDCOMPUTE_LIVE_BENCH)                                   \
  X(Index, excess_share, 600, 0, 4000, "thousandths of a cold solve's work",                                           \
    "a round with more work than this in its excess, once all jobs are assigned, is cold", kFlat)                      \
  X(Index, early_share, 500, 0, 4000, "thousandths of a cold solve's work",                                            \
    "a repair that is forecast to take more than this is abandoned early on: little is lost then", kFlat)              \
  X(Index, late_share, 900, 0, 4000, "thousandths of a cold solve's work",                                             \
    "the same later, when only the work still to come counts",                                                         \
    "half and double 1.00; two worlds, half and double the default")                                                   \
  X(Index, early_part, 4, 1, 64, "one part in this many of a cold solve's work", "how long a repair counts as early",  \
    kUnvaried)                                                                                                         \
  X(Index, first_forecast, 20, 1, 1000, "one part in this many of a cold solve's work",                                \
    "when a repair is first forecast", kUnvaried)                                                                      \
  X(Index, forecasts, 16, 1, 1000, "one part in this many of a cold solve's work",                                     \
    "how often a repair is forecast from then on", kUnvaried)                                                          \
  X(Index, keep_index_share, 250, 0, 4000, "thousandths of a cold solve's work",                                       \
    "after a cold round the index is kept if reassigning the jobs that moved takes no more than this", kUnvaried)      \
  /* Memory returned to the system (round_solver.cpp). */                                                              \
  X(Index, trim_after_cold_solves, 8, 1, 1000, "cold solves' work",                                                    \
    "work between two returns of free memory to the system", kUnvaried)                                                \
  X(Index, trim_after_rounds, 8, 1, 1000, "rounds",                                                                    \
    "rounds after a large one until its memory is returned: the next may be large too", kUnvaried)                     \
  /* Prefetching (matcher.cpp, state.cpp). */                                                                          \
  X(Index, prefetch_jobs, 16, 0, 1 << 10, "jobs", "by which the records of changed jobs are prefetched ahead",         \
    "same work; time: half 0.99, double 1.01")                                                                         \
  X(Index, prefetch_members, 8, 0, 1 << 10, "jobs", "the same, positions among the members of a class",                \
    "same work; time: half and double 0.97")                                                                           \
  X(Index, prefetch_ids, 16, 0, 1 << 10, "ids", "by which cells of the table of ids are prefetched ahead",             \
    "same work")                                                                                                       \
  /* Chunks of work for one thread. */                                                                                 \
  X(Index, rows_chunk, 64, 1, 4096, "rows", "rows of queued jobs that one thread reads at once", kUnvaried)            \
  X(Index, rows_between_stops, 1024, 1, 65'536, "rows", "rows of queued jobs read between two polls of the stop",      \
    kUnvaried)                                                                                                         \
  X(Index, index_rows, 16, 1, 1024, "rows", "rows read at once while a class is indexed", kUnvaried)                   \
  X(Index, build_block, Index{1} << 14, 1, 1 << 30, "positions",                                                       \
    "jobs whose rows all classes read before the next: their columns stay in the cache", kUnvaried)                    \
  X(Index, index_chunk, Index{1} << 11, 1, 1 << 20, "jobs", "members of a class that one thread indexes at once",      \
    kUnvaried)                                                                                                         \
  X(Index, column_chunk, Index{1} << 13, 1, 1 << 20, "jobs", "jobs whose cost in one class one thread reads at once",  \
    kUnvaried)                                                                                                         \
  X(Index, price_chunk, Index{1} << 14, 1, 1 << 20, "jobs",                                                            \
    "jobs whose bid for a repriced class one thread computes at once", kUnvaried)                                      \
  X(Index, charge_chunk, Index{1} << 14, 1, 1 << 20, "jobs", "jobs whose charge one thread recomputes at once",        \
    kUnvaried)

GRIDCOMPUTE_DEFINE_TUNING(LiveTuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_LIVE_TUNING)

}  // namespace gridcompute::live
