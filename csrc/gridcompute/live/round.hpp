// The options and the answer of a round, and the data that its stages share.
#pragma once

#include <utility>

#include "gridcompute/live/exact_total.hpp"
#include "gridcompute/live/primal_dual.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::live {

struct MatchOptions {
  int threads = 0;
  std::uint64_t seed = 0;
  Index max_moves = -1;  // -1: no limit
  double gap = 0;        // a warm round may end at this relative gap, once it is proved
};

// A change of a job's placed class.
struct ReportedChange {
  Job job;
  Slot from, to;  // kNone: unplaced
};

struct RoundAnswer {
  transport::Status status = transport::Status::optimal;
  const char* reason = "";  // why the round was cold or had to build the index; empty: warm
  bool cold = false;        // solved by transport
  bool index_built = false;
  bool ended_by_gap = false;
  double objective = 0, bound = 0;  // switching costs of this round's moves included
  double move_cost = 0;             // these switching costs
  Cost slots_added_by_pins = 0;     // pinned jobs beyond the capacities that were set
  bool exact = false;
  std::vector<ReportedChange> changes;  // by job
  Index moves_deferred = 0;             // changes deferred by max_moves; of gangs: tries that it refused
  Index jobs_queued = 0;                // jobs that changes had queued when the round began
  WorkCounts counts;
  transport::Stats stats;  // of the cold solve, and the stages of the round
  std::vector<double> prices;
  std::vector<Cost> load, capacity;  // pinned jobs included
  std::vector<Index> witness_jobs;   // as indices into live_jobs()
  std::vector<Slot> witness_slots;
  // Of gangs, by position of the job store: jobs that the bound counts as running, and those that may not move.
  std::vector<std::uint8_t> held, fixed;
  std::vector<double> limit_prices;  // (n_queues)
};

// The data that the stages of one round share.
struct RoundContext {
  // Adds the time since the last call to the named stage.
  void end_stage(const char* name) {
    const double now = stop.seconds();
    answer.stats.add(name, now - std::exchange(stage_began, now));
  }

  const MatchOptions& options;
  Stop& stop;
  Pool pool;
  RoundAnswer answer;
  std::vector<Job> touched;  // jobs whose placement or costs may have changed; may contain a job twice
  ExactTotal move_cost;      // of the changes reported so far
  double stage_began = 0;
};

}  // namespace gridcompute::live
