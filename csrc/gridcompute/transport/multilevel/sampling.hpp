// The ladder of samples: start prices for the full problem, and how far they may be off.
//
// Steps. Sizes from 4 S to N / 10, each at most eight times the one before. A sample takes one job at random from each
// of its equal strata of the job order, so sorted input is sampled evenly; its capacities are u * m / N, rounded along
// their running sum so that none is lost. The lowest level starts from an auction; each level is solved with the prices
// of the one before and a box as wide as those may be off: the noise of its tuning, scaled by what the last step of the
// ladder really moved. A level may leave one unit in a hundred out of balance; solved more roughly, it costs far more
// later, when outlier classes fall out of the box. Small levels are solved to the end in memory instead
// (small_problem.hpp), and only looked at to learn their noise.
#pragma once

#include <optional>

#include "gridcompute/transport/auction/key_table.hpp"
#include "gridcompute/transport/restricted/price_tuning.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// Sizes below n_jobs, ascending; empty where the full problem is small enough to start with.
[[nodiscard]] std::vector<Index> sample_sizes(Index n_jobs, Index n_slots);

// m of n positions, one from each stratum; ascending.
[[nodiscard]] std::vector<Index> stratified_sample(Index n, Index m, std::uint64_t seed);

// All keys of a level, in lists where its source lists pairs; none after a stop.
[[nodiscard]] std::optional<auction::KeyTable> read_key_table(const QuantisedCost& keys, const Level& level, Stop& stop,
                                                              CostRangeStats& seen);

// Keys of a few jobs of a level, being left out among them; allowed ones.
[[nodiscard]] std::vector<Cost> probe_keys(const QuantisedCost& keys, const Level& level);

// Capacities scaled by the share of the weight that a level has, with their total rounded up.
[[nodiscard]] std::vector<Cost> scale_capacities(std::span<const Cost> capacity, Wide part, Wide whole);

// Those jobs with their part of the capacities; `rows` has to stay where it is.
[[nodiscard]] Level sample_level(const Problem& problem, std::span<const Index> rows, std::span<const Cost> capacity,
                                 Wide weight);

// How wide the next box must be.
class TrustRegion {
 public:
  // After a level: the prices it began with, those it ended with, and its noise (price_tuning.hpp).
  void update(std::span<const Cost> before, std::span<const Cost> after, const std::vector<double>& coupled,
              RankedPriceError ranked);
  // After a level that given prices stand for. They may be far better than its own would be, so that nothing is known
  // of the noise of those that are coupled, nor by the next level's moves.
  void update_from_warm_start(RankedPriceError ranked, double misfit);
  // `most` caps what the coupled noise says.
  [[nodiscard]] PriceBox box(const std::vector<Cost>& prices, Cost most) const;

 private:
  std::vector<double> noise_;  // empty until a level has told
  RankedPriceError ranked_;
  double stretch_ = 4;  // of the noise, until a level has told
};

}  // namespace gridcompute::transport
