// Every tuned number of the live matcher, in one table.
//
// None of them affects what is optimal or proved: they decide which of two exact ways is taken, how much memory the
// move index may use, and how work is cut for threads. Integer ranges that a proof needs stay beside the proof.
//
// Work is counted, never timed, so that every run takes the same decisions. One unit is about a third of what reading
// one key takes within a row of keys; only ratios of these counts are ever compared. Shares are in thousandths.
#pragma once

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_LIVE_TUNING(X) \
  /* Move index (move_index.cpp). */ \
  X(Index, all_pairs_classes, 256, 0, 1024, "classes", "up to this many, moves between all pairs of classes are indexed; beyond, those within a limit") \
  X(Index, indexed_moves, Index{3} << 19, 1024, 1 << 24, "moves", "entries of all lists if each were full: 16 bytes a move make 24 MB") \
  X(Index, partial_percent, 125, 100, 10'000, "percent of the share of members seen", "moves kept of a pair while its class is read") \
  X(Index, target_fall_share, 2, 1, 1024, "1 / share of the limit of a source", "fall of a target's price from which the target is indexed farther, not the source") \
  X(Index, pool_blocks, 128, 1, 4096, "blocks", "blocks of one size that the memory of the lists asks of the system at once") \
  /* Work model (primal_dual.hpp). */ \
  X(Index, cold_work_two_keys, 5, 1, 64, "units", "work of a transport solve for two pairs of job and class") \
  X(Index, cold_work_fixed, 1'000'000, 0, 100'000'000, "units", "work of any transport solve: small problems are always repaired") \
  X(Index, unit_work, 12'000, 1, 1'000'000, "units", "work expected for one unit of excess, before any was routed") \
  /* Cold or warm (round_solver.cpp). */ \
  X(Index, rebuild_share, 125, 0, 4000, "thousandths of a cold solve's work", "a round that has to build the move index is cold if it has more work than this besides") \
  X(Index, early_part, 4, 1, 64, "one part in this many of a cold solve's work", "how long a repair counts as early") \
  X(Index, first_forecast, 20, 1, 1000, "one part in this many of a cold solve's work", "when a repair is first forecast") \
  X(Index, forecasts, 16, 1, 1000, "one part in this many of a cold solve's work", "how often a repair is forecast from then on") \
  X(Index, keep_index_share, 250, 0, 4000, "thousandths of a cold solve's work", "after a cold round the index is kept if reassigning the jobs that moved takes no more than this") \
  /* Memory returned to the system (round_solver.cpp). */ \
  X(Index, trim_after_cold_solves, 8, 1, 1000, "cold solves' work", "work between two returns of free memory to the system") \
  X(Index, trim_after_rounds, 8, 1, 1000, "rounds", "rounds after a large one until its memory is returned: the next may be large too") \
  /* Prefetching (matcher.cpp, state.cpp). */ \
  X(Index, prefetch_members, 8, 0, 1 << 10, "jobs", "jobs by which positions among the members of a class are prefetched ahead") \
  /* Chunks of work for one thread. */ \
  X(Index, rows_chunk, 64, 1, 4096, "rows", "rows of queued jobs that one thread reads at once") \
  X(Index, rows_between_stops, 1024, 1, 65'536, "rows", "rows of queued jobs read between two polls of the stop") \
  X(Index, index_rows, 16, 1, 1024, "rows", "rows read at once while a class is indexed") \
  X(Index, build_block, Index{1} << 14, 1, 1 << 30, "positions", "jobs whose rows all classes read before the next: their columns stay in the cache")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(LiveTuning, kDefaultTuning, kTuningTable, GRIDCOMPUTE_LIVE_TUNING)

}  // namespace gridcompute::live
