#include "gridcompute/transport/multilevel/time_budget.hpp"

#include <algorithm>
#include <limits>

#include "gridcompute/transport/multilevel/sampling.hpp"

namespace gridcompute::transport {

namespace {
constexpr Index kTried = 1 << 12;      // jobs a thread, so that all have work,
constexpr Index kRun = 1 << 7;         // so many of them side by side, since all are read in order
constexpr Index kPart = 32;            // but of all jobs one in so many, or it would take too long itself
constexpr double kLonger = 1.15;       // than it seems, for memory that is new
constexpr double kCandidate = 1.5e-8;  // seconds: for the first steps with one on a list, and to leave it
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
}  // namespace

// Seconds; what comes of it is thrown away.
double TimeBudget::measure_pass(const SolverContext& context, const PriceBox& box) const {
  const Index some = std::min(all_.n / kPart, kTried * context.pool.threads()) / kRun * kRun;
  if (some == 0) return 0;
  std::vector<Index> rows;
  for (const Index run : stratified_sample(all_.n / kRun, some / kRun, seed_))
    for (Index k = 0; k < kRun; ++k) rows.push_back(run * kRun + k);
  Level level;
  level.rows = rows.data();
  level.n = some;
  RestrictedProblem r;
  CostRangeStats seen;
  const double from = context.stop.seconds();
  if (!pricing_pass(context, level, box, r, seen)) return kNoLimit;
  const double seconds = kLonger * (context.stop.seconds() - from) + kCandidate * static_cast<double>(r.slot.size());
  return seconds * static_cast<double>(all_.n) / static_cast<double>(some);
}

void TimeBudget::record_level(const SolverContext& context, Index rows, double seconds, const PriceBox& narrowest) {
  if (context.stop.left() == kNoLimit) return;
  level_ = seconds / static_cast<double>(rows);
  narrowest_ = measure_pass(context, narrowest);
}

bool TimeBudget::allows_level(Index rows, const Stop& stop) const {
  return level_ * static_cast<double>(rows) + narrowest_ + closing_ < stop.left();
}

bool TimeBudget::allows_passes(const SolverContext& context, const PriceBox& box, double times) const {
  const double left = context.stop.left() - closing_;
  if (left == kNoLimit) return true;
  return times * measure_pass(context, box) < left ||
         times * measure_pass(context, box) < left;  // the first may have been held up
}

}  // namespace gridcompute::transport
