// Semismooth Newton method on the smoothed dual of a restricted problem: evaluation, steps, and the error of its
// maximiser.
//
// Problem.  Maximise D(p) = sum_g w_g min_c(key_gc + p_c) + fixed.p - u.p within the box. D is piecewise linear; with
// its kinks smoothed at width tau each group splits its weight by projection onto the simplex (quadratic
// regularisation): the smoothed dual is once differentiable, its gradient is load - u, its Hessian minus a graph
// Laplacian over the groups that split.
//
// Definitions.  Duplicate columns (duplicates_in_sample.hpp) share one price and one capacity here: otherwise their
// jobs would split between them at any tau. A class is bound where its price is at an end of its range (the box; 0) and
// its gradient points out of it; others are free. Damping adds |load - u| / radius to the Laplacian's diagonal, so that
// a class that few groups determine moves no further than its radius.
//
// Steps.  evaluate: loads at some prices, and the groups that split. step: Laplacian * step = load - u by conjugate
// gradients with Jacobi preconditioning. narrow: restricts the active set to a box around the accepted prices
// (active_set.hpp).
//
// Complexity.  evaluate: a pass over the active groups, in threads; an iteration of conjugate gradients: the groups
// that split times their lists.
//
// Source.  Lorenz, Manns and Meyer, Appl. Math. Optim. 83 (2021) 1919 (quadratic regularisation); Bertsekas, SIAM J.
// Control Optim. 20 (1982) 221 (projected Newton: the bound variables).
#pragma once

#include <memory>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/active_set.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

class Newton {
 public:
  // `duplicate_of`: for every class the lowest with the same column. After a stop, steps are useless.
  Newton(const RestrictedProblem& problem, std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
         Pool& pool, Stop& stop, const Tuning& tuning = kDefaultTuning);

  // Converts one price a class to one a set of duplicates, and back; within the box and not below 0.
  [[nodiscard]] std::vector<Cost> packed(std::span<const Cost> prices) const;
  void unpack(std::span<const Cost> packed, std::vector<Cost>& prices) const;

  // Returns the gap between cheapest and second-cheapest class below which about `active` groups a class lie.
  [[nodiscard]] double width(std::span<const Cost> packed, Index active);

  // Restricts prices to this part of the box around the accepted ones.
  void narrow(std::span<const Cost> packed, double part);

  // The smoothed dual at some prices; steps start there once it is accepted.
  struct Evaluation {
    std::vector<double> gradient;  // load - u, smoothed
    double imbalance = 0;          // units out of balance, each at its cheapest class
  };
  const Evaluation& evaluate(std::span<const Cost> packed, double tau);
  void accept();
  [[nodiscard]] const std::vector<double>& gradient() const noexcept { return now_.gradient; }

  // step: the move of each class from the accepted prices, an ascent direction. stiffen: after a step that was too
  // long, adds damping to classes whose load changed by more than the Laplacian predicted; it decays.
  [[nodiscard]] std::vector<Cost> step(std::span<const Cost> packed);
  void stiffen(std::span<const Cost> move);

  // Returns for each class the root mean square of the price moves that load errors of sqrt(u) would cause.
  [[nodiscard]] std::vector<double> noise(std::span<const Cost> packed, double tau, std::uint64_t seed);

 private:
  struct ChunkSums {  // sums of a chunk of groups: loads, Laplacian's diagonal, groups that split
    explicit ChunkSums(std::pmr::memory_resource* pages) : memory(pages) {}

    std::pmr::memory_resource* memory;
    std::vector<double> nearest, smooth, diagonal;  // load: each group at its cheapest; what splitting adds
    std::pmr::vector<std::int32_t> at{memory}, size{memory};
    std::pmr::vector<double> stiffness{memory};  // w / tau
    std::pmr::vector<float> gap{memory};
    std::pmr::vector<float> above{memory};  // a group's sets within tau of its cheapest (near), and their gaps (above)
    std::pmr::vector<std::int32_t> near{memory};
  };

  struct Iterate : Evaluation {
    std::vector<double> diagonal;
    std::vector<ChunkSums> parts;
  };

  void split_pairs(const ActiveSet::Chunk& pairs, float tau, ChunkSums& part) const;
  void split(const std::int32_t* set, const float* above, std::int32_t size, double w, float tau,
             ChunkSums& part) const;
  void moves(std::span<const Cost> packed);
  [[nodiscard]] ActiveSet::MoveRange range() const;
  void free_classes(std::span<const Cost> packed);
  [[nodiscard]] std::vector<double> solve(const std::vector<double>& off, int iterations) const;
  void assemble();
  void multiply(const std::vector<double>& x, std::vector<double>& y) const;

  const RestrictedProblem& r_;
  Pool& pool_;
  Stop& stop_;
  const Tuning& tuning_;
  std::size_t n_ = 0;             // sets of duplicate columns
  std::vector<std::int32_t> of_;  // (columns): the set of a class
  std::vector<Slot> lead_;        // (sets): its largest class
  std::vector<double> capacity_, fixed_;
  std::vector<Cost> low_, high_, center_;
  std::vector<float> move_;  // moves of the evaluated prices from the center
  std::unique_ptr<ActiveSet> undecided_;
  std::vector<double> free_, damp_, stiff_;
  Iterate now_, trial_;
  bool assembled_ = false;
  std::vector<double> laplacian_;  // (sets, sets), or empty
};

}  // namespace gridcompute::transport
