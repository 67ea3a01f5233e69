// The steps around the general method: limits on the input, equal columns merged, and the optimum of rounded keys made
// that of the costs.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/memory.hpp"
#include "gridcompute/transport/exact/cycle_canceling.hpp"
#include "gridcompute/transport/exact/resolution_refinement.hpp"
#include "gridcompute/transport/generalized_assignment/whole_job_solver.hpp"
#include "gridcompute/transport/merged_classes.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/strategy.hpp"

namespace gridcompute::transport {

namespace {
constexpr Index kMostJobs = (Index{1} << 31) - 16;  // positions of jobs and of groups of them are int32

// Costs below this multiple of the rounding have lost their ties (roundings).
constexpr double kKeptBits = 0x1p16;

// Returns whether rounding left less than a factor kKeptBits of some cost: then keys that tie need not be ties of
// costs.
bool loses_costs(const Problem& problem, double rounding, Pool& pool, Stop& stop) {
  const double most = rounding * kKeptBits;
  return problem.shards != nullptr ? problem.shards->any_cost_below(most) : any_cost_below(problem, most, pool, stop);
}

// Turns an optimum of rounded keys into one of the costs (exact/cycle_canceling.hpp), or lowers the status to what is
// proved.
void resolve_rounding(const Problem& problem, const Options& options, Effort effort, Pool& pool, Stop& stop,
                      Result& result) {
  if (result.rounding < 0) return;
  const Tuning& tuning = *options.tuning;
  if (stop.requested()) {  // before anything was tried
    if (result.status == Status::optimal && !result.exact)
      result.status = stop.why() == Stop::Why::time_limit ? Status::time_limit : Status::stopped;
    return;
  }
  CancelOutcome end = CancelOutcome::given_up;
  const bool costs_in_memory = problem.shards == nullptr;  // else only candidate lists are
  if (costs_in_memory && (!result.listed || problem.cost->n_jobs() * problem.cost->n_slots() <= tuning.rounding_costs))
    end = cancel_rounding_cycles(problem, result.rounding, kept_of(options), effort, tuning, pool, stop, result);
  if (end == CancelOutcome::improvable || (end == CancelOutcome::given_up && result.status == Status::optimal &&
                                           !result.exact && loses_costs(problem, result.rounding, pool, stop)))
    result.status = Status::feasible;
  if (end != CancelOutcome::given_up) result.rounding = -1;
}

// Solves problems whose jobs take one slot each.
Result solve_units(const Problem& problem, const Options& options, Pool& pool, Stop& stop) {
  Result result;
  const Tuning& tuning = *options.tuning;
  solve_in_one_unit(problem, options, pool, stop, result);
  const bool exact = !(options.resolution > 0) && !(options.gap > 0) && !options.auction;
  resolve_rounding(problem, options, exact ? Effort::little : Effort::much, pool, stop, result);
  const bool coarse = result.status == Status::feasible,
             few = problem.cost->n_jobs() * problem.cost->n_slots() <= tuning.recheck_costs;
  if (problem.shards != nullptr) return result;
  if (exact && coarse) refine_resolution(problem, options, pool, stop, solve_in_one_unit, result);
  if (exact && (coarse || few)) resolve_rounding(problem, options, Effort::much, pool, stop, result);
  return result;
}

}  // namespace

// Jobs from which on freed memory is returned to the system.
constexpr Index kTrimJobs = 30'000;

Result solve(const Problem& problem, const Options& options, Stop& stop) {
  const Index n = problem.cost->n_jobs();
  if (problem.shards == nullptr && n >= kMostJobs)
    throw Error(ErrorKind::invalid_problem, "cost", -1,
                "cost: found " + std::to_string(n) + " jobs, needed fewer than " + std::to_string(kMostJobs));
  const ScopedMallocTrim after(n >= kTrimJobs);
  Pool pool(options.threads);
  if (problem.shards != nullptr) return solve_units(problem, options, pool, stop);
  if (problem.demand != nullptr) {
    Result result;
    solve_whole_jobs(problem, options, pool, stop, solve_in_one_unit, result, *options.whole_jobs);
    return result;
  }
  const MergedClasses merged(problem, options, pool, stop);
  if (!merged.any()) return solve_units(problem, options, pool, stop);
  Result result = solve_units(merged.problem(), merged.options(), pool, stop);
  merged.expand(result);
  return result;
}

}  // namespace gridcompute::transport
