// Prices that leave few units out of balance: Newton on the smoothed dual of the restricted problem.
//
// Problem.  maximise D(p) = sum_g w_g min_c(key_gc + p_c) + fixed.p - u.p. Its pieces meet in kinks; around a kink of
// width tau each group splits its weight by projection onto the simplex (quadratic regularisation): the smoothed dual
// is once differentiable, its gradient is load - u, its Hessian a graph Laplacian over the groups that split.
//
// Steps. tau from a quantile of the groups' gaps, so that about kActive groups a class split; solve Laplacian * step =
// load - u by conjugate gradients with Jacobi preconditioning, classes at price 0 with room left standing still; step,
// clipped to the box; keep the best by imbalance; halve tau; at most kSteps times.
//
// Complexity. A pass over the candidates a step, and O(active * list) a CG iteration.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted.hpp"

namespace gridcompute::transport {

// Improves prices in place.
void tune(const Restricted& problem, std::span<const Cost> capacity, std::vector<Cost>& prices, Pool& pool);

// How wrong may a sample's prices be? Both tell the scale of a price's error if loads were off by the square root of
// their capacity, as a sample's are. Coupled: random right-hand sides through the last Laplacian, whose inverse sees
// what its diagonal does not, classes that almost tie move together, and far. By rank: how far the price of one class
// alone would have to move to change that many units, which is right for small classes and heavy tails.
[[nodiscard]] std::vector<double> coupled_noise(const Restricted& problem, std::span<const Cost> capacity,
                                                std::span<const Cost> prices, std::uint64_t seed, Pool& pool);
struct RankNoise {
  std::vector<double> down, up;
};
[[nodiscard]] RankNoise rank_noise(const Restricted& problem, std::span<const Cost> capacity,
                                   std::span<const Cost> prices);

}  // namespace gridcompute::transport
