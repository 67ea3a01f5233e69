// Price tuning: prices at which few units are out of balance, by a damped Newton method on the smoothed dual of the
// restricted problem. Also estimates of the error of a sample's prices.
//
// Steps.  tau begins at an eighth of the median radius of the box. A step is accepted unless the slope along it has
// changed sign and is steep: then it went far past the maximum, classes that proved stiffer than the Laplacian
// predicted get damping of their own, and another step is tried. After each step tau shrinks, down to where about
// width_active groups a class split. The prices of least imbalance are kept; it ends when steps make no progress.
//
// Complexity.  At most `evaluations` (tuning.hpp) passes over the candidates, and the conjugate gradients of
// newton.hpp.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// Improves prices in place; returns the number of units left out of balance. A stop ends it after the current step.
[[nodiscard]] double tune_prices(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                 std::span<const Slot> duplicate_of, std::vector<Cost>& prices, Pool& pool, Stop& stop,
                                 const Tuning& tuning = kDefaultTuning);

// Estimate the error of a sample's prices: the error that loads off by the square root of their capacity would cause,
// as in a sample. Coupled: random right-hand sides solved with the last Laplacian, whose inverse includes what its
// diagonal lacks: classes that nearly tie move together, and far. Ranked: the move of one class's price alone that
// changes its load by that many units, which is right for small classes and heavy tails.
[[nodiscard]] std::vector<double> coupled_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                                      std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                                                      std::uint64_t seed, Pool& pool, Stop& stop,
                                                      const Tuning& tuning = kDefaultTuning);
struct RankedPriceError {
  std::vector<double> down, up;
};
[[nodiscard]] RankedPriceError ranked_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                                  std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                                                  Pool& pool, const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
