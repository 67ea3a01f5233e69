// Warm start: the caller's start prices, and the samples that they fit.
//
// The prices of a sample have a random error that depends on its size: at them, loads of the whole problem differ from
// capacities by about sqrt(capacity) of the sample. Start prices that leave no larger imbalance on a sample are as good
// as its own prices, and it need not be solved: it only measures the error of prices of that quality
// (price_tuning.hpp). So start prices are tried on the samples, smallest first; from the first sample on that they do
// not fit, samples are solved as without them. Prices that fit no sample cost one pass over the smallest sample.
//
// Complexity.  O(columns) a trial once a sample has been read.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/auction/key_table.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

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

}  // namespace gridcompute::transport
