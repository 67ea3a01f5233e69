// The trust region around the prices of a sample: by how much the next level may move them.
//
// The error estimated when prices were tuned (newton.hpp), scaled by how far the last level's prices really
// moved.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/auction.hpp"
#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/restricted/newton.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// The radii of the next box: by how much the prices of a level may be off.
class TrustRegion {
 public:
  explicit TrustRegion(const Tuning& tuning = kDefaultTuning) : tuning_(tuning), stretch_(tuning.radius_first) {}

  // Updates from a level: the prices it began with, those it ended with, and its error estimates (newton.hpp).
  void update(std::span<const Cost> before, std::span<const Cost> after, const std::vector<double>& coupled,
              RankedPriceError ranked);
  // Updates from a level that the start prices fit. They may be far better than the level's own prices, so neither
  // their coupled error nor the next level's moves can be estimated.
  void update_from_warm_start(RankedPriceError ranked, double misfit);
  // Returns the box around these prices. `most` caps the coupled error.
  [[nodiscard]] PriceBox box(const std::vector<Cost>& prices, Cost most) const;

 private:
  [[nodiscard]] double largest_to_ranked(std::size_t classes) const;

  const Tuning& tuning_;
  std::vector<double> noise_;  // coupled error by class; empty until a level was measured
  RankedPriceError ranked_;
  double stretch_;  // radius in price errors
};

// Warm start: the caller's start prices, and the samples that they fit.
//
// The prices of a sample have a random error that depends on its size: at them, loads of the whole problem differ from
// capacities by about sqrt(capacity) of the sample. Start prices that leave no larger imbalance on a sample are as good
// as its own prices, and it need not be solved: it only measures the error of prices of that quality
// (newton.hpp). So start prices are tried on the samples, smallest first; from the first sample on that they do
// not fit, samples are solved as without them. Prices that fit no sample cost one pass over the smallest sample.
//
// Complexity.  O(columns) a trial once a sample has been read.

// Returns the start prices in keys, within their limit; the price of the unplaced column is 0.
[[nodiscard]] std::vector<Cost> warm_start_prices(const double* prices, const IntegerKeys& keys, double per_cost);

// Agreement of the loads at some prices with the capacities.
struct LoadFit {
  bool good = false;
  double misfit = 0;  // units out of place, relative to the number expected by chance
};

// Compares loads with capacities. spread: the mean of weight^2 over that of weight, 1 for unit jobs.
[[nodiscard]] LoadFit fit_loads(std::span<const Cost> load, std::span<const Cost> capacity,
                                std::span<const Slot> duplicate_of, std::span<const Cost> prices, double spread,
                                const Tuning& tuning = kDefaultTuning);
[[nodiscard]] double weight_spread(const Problem& problem, const Level& level);

// The fit of start prices on a sample in memory, a row of keys for each weight.
struct WarmStartTrial {
  bool good = false;
  Cost radius = 1;  // radius of a first box, where they fit
};
[[nodiscard]] WarmStartTrial try_warm_start(const auction::KeyTable& keys, std::span<const Cost> weights,
                                            std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                                            std::span<const Cost> prices, const Tuning& tuning = kDefaultTuning);

// Decides, under a limit of time or of work, for which of the next steps there is enough left. Without a limit, for
// all, and nothing is measured.
//
// Under a limit of work nothing is measured either: a step is taken where at least the work that it will count is left,
// so that a limit that suffices for the whole solve changes nothing.
//
// The time of a pass over all costs within some box is extrapolated from a pass over a sample. Where it is too long, a
// pass in the narrowest box is faster: it keeps no lists to tune and repair, but gives a bound, and a matching near it.

class TimeBudget {
 public:
  // `all`: the level of all jobs; `closing`: seconds reserved for what follows a pass.
  TimeBudget(const Level& all, Slot columns, std::uint64_t seed, double closing)
      : all_(all), columns_(columns), seed_(seed), closing_(closing) {}

  // Records the time of a level, and measures a pass over all jobs at its prices.
  void record_level(const SolverContext& context, Index rows, double seconds, const PriceBox& narrowest);
  // Returns whether there is time for a level of `rows` jobs and then the narrowest pass over all jobs; without that
  // pass a matching has next to no bound.
  [[nodiscard]] bool allows_level(Index rows, const Stop& stop) const;
  // Returns whether there is time for `times` passes over all jobs within this box.
  [[nodiscard]] bool allows_passes(const SolverContext& context, const PriceBox& box, double times) const;

 private:
  [[nodiscard]] double measure_pass(const SolverContext& context, const PriceBox& box) const;

  const Level& all_;
  Slot columns_;
  std::uint64_t seed_;
  double closing_;
  double level_ = 0, narrowest_ = 0;  // seconds a row of the last level, and of a pass in the narrowest box
};

}  // namespace gridcompute::transport
