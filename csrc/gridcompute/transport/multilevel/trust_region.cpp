#include "gridcompute/transport/multilevel/trust_region.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

namespace gridcompute::transport {

// Classes of which radius_tail times the ranked price error is the largest.
constexpr double kRadiusTailClasses = 100;
// Increase of radius_tail for ten times as many classes.
constexpr double kRadiusTailDecade = 0.5;

// Returns the largest of the price errors of this many classes, up to the one that one class in kRadiusRank exceeds:
// the distribution has a long tail, and the more classes there are, the likelier is one beyond the box, whose jobs are
// then read again. A wider box has more candidates.
double TrustRegion::largest_to_ranked(std::size_t classes) const {
  const double decades = std::log10(static_cast<double>(classes) / kRadiusTailClasses);
  return std::max(tuning_.radius_tail, tuning_.radius_tail + kRadiusTailDecade * decades);
}

// Ratio of a class's price error to the median's, at most.
constexpr double kRadiusOutlier = 16;
// Radius after a level that the warm start fitted (price errors).
constexpr double kRadiusWarm = 2;
// Least radius of a box (price errors).
constexpr double kRadiusLeast = 0.5;
// Largest radius of a box (price errors).
constexpr double kRadiusMost = 8;
// Classes that exceed the price error that is measured (1 / share).
constexpr std::size_t kRadiusRank = 50;

void TrustRegion::update(std::span<const Cost> before, std::span<const Cost> after, const std::vector<double>& coupled,
                         RankedPriceError ranked) {
  if (!noise_.empty()) {
    std::vector<double> moves;
    for (std::size_t s = 0; s < after.size(); ++s) {
      if (noise_[s] > 0)
        moves.push_back(std::fabs(static_cast<double>(after[s] - before[s])) /
                        std::max(noise_[s], after[s] > before[s] ? ranked_.up[s] : ranked_.down[s]));
    }
    if (!moves.empty()) {
      const auto rank = moves.begin() + static_cast<std::ptrdiff_t>(moves.size() - 1 - moves.size() / kRadiusRank);
      std::nth_element(moves.begin(), rank, moves.end());
      stretch_ = std::clamp(largest_to_ranked(after.size()) * *rank, kRadiusLeast, kRadiusMost);
    }
  } else if (!ranked_.up.empty()) {
    stretch_ = kRadiusWarm;
  }
  noise_ = coupled;
  ranked_ = std::move(ranked);
  std::vector<double> known;
  for (const double x : noise_) {
    if (x > 0) known.push_back(x);
  }
  double usual = 0;
  if (!known.empty()) {
    const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
    std::nth_element(known.begin(), middle, known.end());
    usual = *middle;
  }
  for (double& x : noise_) x = x > 0 ? std::clamp(x, usual / kRadiusOutlier, usual * kRadiusOutlier) : usual;
}

void TrustRegion::update_from_warm_start(RankedPriceError ranked, double misfit) {
  noise_.clear();
  ranked_ = std::move(ranked);
  stretch_ = 1 + std::sqrt(std::max(0.0, misfit * misfit - 1));  // misfit beyond chance is error of the prices
}

PriceBox TrustRegion::box(const std::vector<Cost>& prices, Cost most) const {
  PriceBox out{prices, prices, prices};
  const auto radius = [&](std::size_t s, double ranked) {
    const double coupled = noise_.empty() ? 0 : std::min(stretch_ * noise_[s], static_cast<double>(most));
    const double r = std::ceil(std::max(coupled, std::max(1.0, stretch_) * ranked));
    return std::max<Cost>(1, static_cast<Cost>(std::min(r, static_cast<double>(kCostLimit / 8))));
  };
  for (std::size_t s = 0; s < prices.size(); ++s) {
    out.down[s] = radius(s, ranked_.down[s]);
    out.up[s] = radius(s, ranked_.up[s]);
  }
  return out;
}

namespace {

constexpr double kChance = 0.8;  // mean absolute value of a standard normal variable, sqrt(2 / pi)

}  // namespace

std::vector<Cost> warm_start_prices(const double* prices, const IntegerKeys& keys, double per_cost) {
  std::vector<Cost> out(at(keys.columns()), 0);
  const auto most = static_cast<double>(keys.limit());
  for (Slot s = 0; s < keys.n_slots(); ++s)
    out[s] = static_cast<Cost>(std::min(std::nearbyint(std::max(0.0, prices[s]) * per_cost), most));
  return out;
}

// Radius of the first box around start prices that fit (median margins).
constexpr Cost kWarmMargins = 4;

WarmStartTrial try_warm_start(const auction::KeyTable& keys, std::span<const Cost> weights,
                              std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                              std::span<const Cost> prices, const Tuning& tuning) {
  const std::size_t n = prices.size();
  std::vector<Cost> load(n, 0), margins, scratch;
  double sum = 0, squares = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::span<const Cost> row = keys.row(static_cast<Index>(k), scratch);
    Cost least = kForbidden, second = kForbidden;
    std::size_t at = n;
    for (std::size_t s = 0; s < n; ++s) {
      if (row[s] >= kForbidden) continue;
      const Cost v = row[s] + prices[s];
      const bool nearer = v < least || (v == least && load[at] >= capacity[at] && load[s] < capacity[s]);
      if (duplicate_of[s] == static_cast<Slot>(s)) second = std::min(second, nearer ? std::max(least, v) : v);
      if (nearer) least = v, at = s;
    }
    if (at == n) continue;
    const auto w = static_cast<double>(weights[k]);
    load[at] += weights[k];
    sum += w, squares += w * w;
    if (second < kForbidden) margins.push_back(second - least);
  }
  WarmStartTrial out;
  if (margins.empty()) return out;
  const auto middle = margins.begin() + static_cast<std::ptrdiff_t>(margins.size() / 2);
  std::nth_element(margins.begin(), middle, margins.end());
  out.radius = std::max<Cost>(1, std::min(*middle, kCostLimit / 64) * kWarmMargins);
  out.good = fit_loads(load, capacity, duplicate_of, prices, squares / sum, tuning).good;
  return out;
}

double weight_spread(const Problem& problem, const Level& level) {
  double sum = 0, squares = 0;
  for (Index k = 0; k < level.n; ++k) {
    const auto w = static_cast<double>(problem.weight(level.row(k)));
    sum += w, squares += w * w;
  }
  return sum > 0 ? squares / sum : 1;
}

// Imbalance above chance allowed with few classes, times the root of their number.
constexpr double kMisfitFew = 1.5;

LoadFit fit_loads(std::span<const Cost> load, std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                  std::span<const Cost> prices, double spread, const Tuning& tuning) {
  std::vector<double> off(prices.size(), 0), room(prices.size(), 0);
  std::vector<char> priced(prices.size(), 1);
  for (std::size_t s = 0; s < prices.size(); ++s) {
    const auto set = at(duplicate_of[s]);
    off[set] += static_cast<double>(load[s] - capacity[s]);
    room[set] += static_cast<double>(capacity[s]);
    priced[set] = static_cast<char>(priced[set] != 0 && prices[s] > 0);
  }
  double out_of_place = 0, chance = 0, classes = 0;
  for (std::size_t s = 0; s < prices.size(); ++s) {
    if (duplicate_of[s] != static_cast<Slot>(s)) continue;
    const double by_chance = kChance * std::sqrt(std::max(1.0, room[s]) * spread);
    if (priced[s] != 0) {
      chance += by_chance;
      ++classes;
    }
    out_of_place += priced[s] != 0 ? std::fabs(off[s]) : std::max(0.0, off[s]);
  }
  const double most = 1 + tuning.misfit_more + kMisfitFew / std::sqrt(std::max(1.0, classes));
  return {out_of_place <= chance * most, chance > 0 ? out_of_place / chance : 1.0};
}

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
