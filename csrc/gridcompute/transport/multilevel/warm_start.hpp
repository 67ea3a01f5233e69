// Start prices of the caller's, yesterday's perhaps: for which samples do they stand?
//
// A sample's own prices are off by what its size leaves to chance: loads of the whole at them differ from capacities by
// about sqrt(capacity) of the sample. Prices that leave no more than that out of place on a sample are as good as those
// it would give, and it need not be solved: it only tells how far prices of that quality may be off (price_tuning.hpp).
// So given prices are tried on the ladder's samples, smallest first; from the first one where they do not fit on,
// samples are solved as ever. Prices that fit nowhere have cost a look at the smallest.
//
// Complexity. O(columns) a trial once a sample has been read.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/auction/key_table.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// In keys, within their limit; those of being left out is 0.
[[nodiscard]] std::vector<Cost> warm_start_prices(const double* prices, const QuantisedCost& keys, double per_cost);

// How well loads at some prices match capacities.
struct LoadFit {
  bool good = false;
  double misfit = 0;  // units out of place over those that chance leaves
};

// spread: the mean of weight^2 over that of weight, 1 for unit jobs.
[[nodiscard]] LoadFit fit_loads(std::span<const Cost> load, std::span<const Cost> capacity,
                                std::span<const Slot> duplicate_of, std::span<const Cost> prices, double spread);
[[nodiscard]] double weight_spread(const Problem& problem, const Level& level);

// Of a sample in memory, a row of keys for each weight.
struct WarmStartTrial {
  bool good = false;
  Cost radius = 1;  // how far good prices may be off, for a first box
};
[[nodiscard]] WarmStartTrial try_warm_start(const auction::KeyTable& keys, std::span<const Cost> weights,
                                            std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                                            std::span<const Cost> prices);

}  // namespace gridcompute::transport
