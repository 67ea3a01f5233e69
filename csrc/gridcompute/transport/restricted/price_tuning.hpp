// Prices that leave few units out of balance: damped Newton on the smoothed dual of the restricted problem.
//
// Steps. tau begins at an eighth of the usual radius of the box. A step is taken as it is unless the slope along it has
// turned and is steep: then it went far past the maximum, classes that proved stiffer than the Laplacian said get
// damping of their own, and another step is tried. After each step tau shrinks, down to where about kActive groups a
// class split. The best prices by imbalance are kept; it ends when steps are of no use.
//
// Complexity. At most kLooks passes over the candidates, and the conjugate gradients of newton.hpp.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// Improves prices in place; how many units they leave out of place. A stop ends it after the step it is at.
[[nodiscard]] double tune_prices(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                 std::span<const Slot> duplicate_of, std::vector<Cost>& prices, Pool& pool, Stop& stop);

// How wrong may a sample's prices be? Both tell the scale of a price's error if loads were off by the square root of
// their capacity, as a sample's are. Coupled: random right-hand sides through the last Laplacian, whose inverse sees
// what its diagonal does not, classes that almost tie move together, and far. By rank: how far the price of one class
// alone would have to move to change that many units, which is right for small classes and heavy tails.
[[nodiscard]] std::vector<double> coupled_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                                      std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                                                      std::uint64_t seed, Pool& pool, Stop& stop);
struct RankedPriceError {
  std::vector<double> down, up;
};
[[nodiscard]] RankedPriceError ranked_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                                  std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                                                  Pool& pool);

}  // namespace gridcompute::transport
