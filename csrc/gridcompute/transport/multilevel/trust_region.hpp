// The trust region around the prices of a sample: by how much the next level may move them.
//
// The error estimated when prices were tuned (price_tuning.hpp), scaled by how far the last level's prices really
// moved.
#pragma once

#include "gridcompute/transport/model/price_box.hpp"
#include "gridcompute/transport/restricted/price_tuning.hpp"

namespace gridcompute::transport {

// The radii of the next box: by how much the prices of a level may be off.
class TrustRegion {
 public:
  explicit TrustRegion(const Tuning& tuning = kDefaultTuning) : tuning_(tuning), stretch_(tuning.radius_first) {}

  // Updates from a level: the prices it began with, those it ended with, and its error estimates (price_tuning.hpp).
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

}  // namespace gridcompute::transport
