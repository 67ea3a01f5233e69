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
// class, each number halved and doubled alone: rebuild_share changes the time by factors of 1.52 and 0.56, unit_work by
// 0.60 and 1.66, cold_work_two_keys by 1.23 and 0.74 (they decide how soon after a cold round the index is built),
// indexed_moves by 0.91 and 1.16, pool_blocks by 1.01 and 1.11; all others down to early_share by at most 0.07. Those
// below it were not varied.
#pragma once

#include <array>
#include <string_view>

#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

struct Tuning {
  // Resolution of keys.
  Index cost_growth = 4;
  Index cost_shrink = 16;
  // Move index.
  Index all_pairs_classes = 256;
  Index dense_pair_table = Index{1} << 22;
  Index dense_pairs_per_job = 128;
  Index indexed_moves = Index{3} << 19;
  Index smallest_list = 4;
  Index small_list = 16;
  Index largest_list = 1024;
  Index limit_sample = 64;
  Index limit_attempts = 4;
  Index limit_margin = 2;
  Index pool_blocks = 128;
  // Work model.
  Index cold_work_two_keys = 5;
  Index cold_work_job = 40;
  Index cold_work_fixed = 1'000'000;
  Index row_work_key = 3;
  Index row_work_fixed = 800;
  Index column_work_job = 16;
  Index unit_work = 12'000;
  Index arc_work = 4;
  Index class_cost_work = 32;
  // Cold or warm.
  Index queue_share = 500;
  Index rebuild_share = 125;
  Index excess_share = 600;
  Index early_share = 500;
  Index late_share = 900;
  Index early_part = 4;
  Index first_forecast = 20;
  Index forecasts = 16;
  Index keep_index_share = 250;
  // Memory given back to the system.
  Index trim_after_cold_solves = 8;
  Index trim_after_rounds = 8;
  // Chunks of work for one thread.
  Index rows_chunk = 64;
  Index rows_between_stops = 1024;
  Index index_rows = 16;
  Index build_block = Index{1} << 14;
  Index index_chunk = Index{1} << 11;
  Index column_chunk = Index{1} << 13;
  Index price_chunk = Index{1} << 14;
  Index charge_chunk = Index{1} << 14;
};

struct TuningEntry {
  std::string_view name;
  Index Tuning::* value;
  Index low, high;  // every value from low to high gives exact answers
  std::string_view unit, decides;
};

inline constexpr std::array kTuning{
    TuningEntry{"cost_growth", &Tuning::cost_growth, 2, 64, "factor",
                "how far the largest cost may grow before the resolution, and with it every key, changes"},
    TuningEntry{"cost_shrink", &Tuning::cost_shrink, 2, 1024, "factor",
                "how far the largest cost may shrink below that before the resolution becomes finer"},
    TuningEntry{"all_pairs_classes", &Tuning::all_pairs_classes, 0, 1024, "classes",
                "up to this many, moves between all pairs of classes are indexed; beyond, those within a limit"},
    TuningEntry{"dense_pair_table", &Tuning::dense_pair_table, 1, 1 << 24, "pairs",
                "up to this many pairs of classes, their positions are kept in a table (4 bytes each), not in a map"},
    TuningEntry{"dense_pairs_per_job", &Tuning::dense_pairs_per_job, 0, 4096, "pairs for each live job",
                "the same, in proportion to the jobs: at most 512 bytes a job"},
    TuningEntry{"indexed_moves", &Tuning::indexed_moves, 1024, 1 << 24, "moves",
                "entries of all lists if each were full: 16 bytes a move make 24 MB"},
    TuningEntry{"smallest_list", &Tuning::smallest_list, 1, 4, "moves",
                "capacity of a list at first, a power of two; three sizes only, so that freed blocks fit again"},
    TuningEntry{"small_list", &Tuning::small_list, 8, 64, "moves", "capacity of a list then, a power of two"},
    TuningEntry{"largest_list", &Tuning::largest_list, 64, 4096, "moves", "capacity of a list at most, a power of two"},
    TuningEntry{
        "limit_sample", &Tuning::limit_sample, 1, 1024, "jobs",
        "sampled of a class for its limit, which is the longest of their shortest moves; an eighth of that length "
        "made the first rounds ten times as long"},
    TuningEntry{"limit_attempts", &Tuning::limit_attempts, 0, 16, "attempts",
                "after this many extensions a class is indexed without limit"},
    TuningEntry{"limit_margin", &Tuning::limit_margin, 1, 8, "times the length needed",
                "how much farther than a search needs a class is indexed when its limit is extended"},
    TuningEntry{"pool_blocks", &Tuning::pool_blocks, 1, 4096, "blocks",
                "blocks of one size that the memory of the lists asks of the system at once"},
    TuningEntry{"cold_work_two_keys", &Tuning::cold_work_two_keys, 1, 64, "units",
                "work of a transport solve for two pairs of job and class"},
    TuningEntry{"cold_work_job", &Tuning::cold_work_job, 0, 1000, "units", "work of a transport solve for a job"},
    TuningEntry{"cold_work_fixed", &Tuning::cold_work_fixed, 0, 100'000'000, "units",
                "work of any transport solve: small problems are always repaired"},
    TuningEntry{"row_work_key", &Tuning::row_work_key, 1, 64, "units", "work of one key of a row that is read"},
    TuningEntry{"row_work_fixed", &Tuning::row_work_fixed, 0, 10'000, "units",
                "work of a row beside its keys: its evaluation, and the insertion of its moves"},
    TuningEntry{"column_work_job", &Tuning::column_work_job, 1, 1000, "units",
                "work of a job when one class is repriced and single costs can be read"},
    TuningEntry{"unit_work", &Tuning::unit_work, 1, 1'000'000, "units",
                "work expected for one unit of excess, before any was routed"},
    TuningEntry{"arc_work", &Tuning::arc_work, 1, 100, "units", "work of one arc scanned or one cost read by column"},
    TuningEntry{"class_cost_work", &Tuning::class_cost_work, 1, 1000, "units",
                "work of one cost read by column for the members of a class, which lie apart in memory"},
    TuningEntry{"queue_share", &Tuning::queue_share, 0, 4000, "thousandths of a cold solve's work",
                "a round with more work than this in its queue and repricing is cold"},
    TuningEntry{"rebuild_share", &Tuning::rebuild_share, 0, 4000, "thousandths of a cold solve's work",
                "a round that has to build the move index is cold if it has more work than this besides"},
    TuningEntry{"excess_share", &Tuning::excess_share, 0, 4000, "thousandths of a cold solve's work",
                "a round with more work than this in its excess, once all jobs are assigned, is cold"},
    TuningEntry{"early_share", &Tuning::early_share, 0, 4000, "thousandths of a cold solve's work",
                "a repair that is forecast to take more than this is abandoned early on: little is lost then"},
    TuningEntry{"late_share", &Tuning::late_share, 0, 4000, "thousandths of a cold solve's work",
                "the same later, when only the work still to come counts"},
    TuningEntry{"early_part", &Tuning::early_part, 1, 64, "one part in this many of a cold solve's work",
                "how long a repair counts as early"},
    TuningEntry{"first_forecast", &Tuning::first_forecast, 1, 1000, "one part in this many of a cold solve's work",
                "when a repair is first forecast"},
    TuningEntry{"forecasts", &Tuning::forecasts, 1, 1000, "one part in this many of a cold solve's work",
                "how often a repair is forecast from then on"},
    TuningEntry{"keep_index_share", &Tuning::keep_index_share, 0, 4000, "thousandths of a cold solve's work",
                "after a cold round the index is kept if reassigning the jobs that moved takes no more than this"},
    TuningEntry{"trim_after_cold_solves", &Tuning::trim_after_cold_solves, 1, 1000, "cold solves' work",
                "work between two returns of free memory to the system"},
    TuningEntry{"trim_after_rounds", &Tuning::trim_after_rounds, 1, 1000, "rounds",
                "rounds after a large one until its memory is returned: the next may be large too"},
    TuningEntry{"rows_chunk", &Tuning::rows_chunk, 1, 4096, "rows",
                "rows of queued jobs that one thread reads at once"},
    TuningEntry{"rows_between_stops", &Tuning::rows_between_stops, 1, 65'536, "rows",
                "rows of queued jobs read between two polls of the stop"},
    TuningEntry{"index_rows", &Tuning::index_rows, 1, 1024, "rows", "rows read at once while a class is indexed"},
    TuningEntry{"build_block", &Tuning::build_block, 1, 1 << 30, "positions",
                "jobs whose rows all classes read before the next: their columns stay in the cache"},
    TuningEntry{"index_chunk", &Tuning::index_chunk, 1, 1 << 20, "jobs",
                "members of a class that one thread indexes at once"},
    TuningEntry{"column_chunk", &Tuning::column_chunk, 1, 1 << 20, "jobs",
                "jobs whose cost in one class one thread reads at once"},
    TuningEntry{"price_chunk", &Tuning::price_chunk, 1, 1 << 20, "jobs",
                "jobs whose bid for a repriced class one thread computes at once"},
    TuningEntry{"charge_chunk", &Tuning::charge_chunk, 1, 1 << 20, "jobs",
                "jobs whose charge one thread recomputes at once"},
};

}  // namespace gridcompute::live
