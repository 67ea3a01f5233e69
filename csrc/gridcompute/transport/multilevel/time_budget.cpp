#include "gridcompute/transport/multilevel/time_budget.hpp"

#include <algorithm>
#include <limits>

#include "gridcompute/base/step_time.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

namespace gridcompute::transport {

namespace {
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
}  // namespace

// Returns the seconds that a pass over all jobs takes, extrapolated from a sample whose result is discarded.
double TimeBudget::measure_pass(const SolverContext& context, const PriceBox& box) const {
  if (all_.shards != nullptr) return 0;  // the shards report when time is over
  const Tuning& tuning = context.tuning;
  const Index some = std::min(all_.n / tuning.timed_share, tuning.timed_jobs * context.pool.threads()) /
                     tuning.timed_run * tuning.timed_run;
  if (some == 0) return 0;
  std::vector<Index> rows;
  for (const Index run : stratified_sample(all_.n / tuning.timed_run, some / tuning.timed_run, seed_))
    for (Index k = 0; k < tuning.timed_run; ++k) rows.push_back(run * tuning.timed_run + k);
  Level level;
  level.rows = rows.data();
  level.n = some;
  RestrictedProblem r;
  CostRangeStats seen;
  const double from = context.stop.seconds();
  if (!pricing_pass(context, level, box, r, seen)) return kNoLimit;
  const double seconds = tuning.timed_longer * (context.stop.seconds() - from) +
                         seconds_of_steps(tuning.timed_candidate * static_cast<double>(r.slot.size()), context.stop);
  return seconds * static_cast<double>(all_.n) / static_cast<double>(some);
}

void TimeBudget::record_level(const SolverContext& context, Index rows, double seconds, const PriceBox& narrowest) {
  if (context.stop.left() == kNoLimit) return;
  level_ = seconds / static_cast<double>(rows);
  narrowest_ = measure_pass(context, narrowest);
}

bool TimeBudget::allows_level(Index rows, const Stop& stop) const {
  return pass_steps(rows, columns_) + pass_steps(all_.n, columns_) <= stop.steps_left() &&
         level_ * static_cast<double>(rows) + narrowest_ + closing_ < stop.left();
}

bool TimeBudget::allows_passes(const SolverContext& context, const PriceBox& box, double times) const {
  if (pass_steps(all_.n, columns_) > context.stop.steps_left()) return false;
  const double left = context.stop.left() - closing_;
  if (left == kNoLimit) return true;
  return times * measure_pass(context, box) < left ||
         times * measure_pass(context, box) < left;  // the first measurement may have been delayed
}

}  // namespace gridcompute::transport
