// The smoothed dual of a restricted problem: value by its slope, Newton steps, and how sure its maximum is.
//
// Problem.  maximise D(p) = sum_g w_g min_c(key_gc + p_c) + fixed.p - u.p within the box. Its pieces meet in kinks;
// with kinks of width tau each group splits its weight by projection onto the simplex (quadratic regularisation): the
// smoothed dual is once differentiable, its gradient is load - u, its Hessian minus a graph Laplacian over the groups
// that split.
//
// Definitions.  Classes that are alike (duplicate_columns.hpp) share one price and one capacity here: else their jobs
// would split between them at any tau. A class stands still where its price is at an end of its range (the box; 0) and
// its load pulls it out of it. Damping adds |load - u| / radius to the Laplacian's diagonal, so that a class that few
// groups hold in place moves no further than its radius.
//
// Steps.  look: loads at some prices, the groups that split. step: Laplacian * step = load - u by conjugate gradients
// with Jacobi preconditioning. narrow: what is left to decide near the accepted prices (active_set.hpp).
//
// Complexity.  look: a pass over the undecided groups, in threads; an iteration of conjugate gradients: the groups that
// split times their lists.
//
// Source.  Lorenz, Manns and Meyer, Appl. Math. Optim. 83 (2021) 1919 (quadratic regularisation); Bertsekas, SIAM J.
// Control Optim. 20 (1982) 221 (projected Newton: who stands still).
#pragma once

#include <memory>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/active_set.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

class Newton {
 public:
  // `alike` names for every class the one it is taken for. Once stopped, steps are of no use.
  Newton(const RestrictedProblem& problem, std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
         Pool& pool, Stop& stop);

  // One price a class to one a set of alike classes, and back; within the box and not below 0.
  [[nodiscard]] std::vector<Cost> packed(std::span<const Cost> prices) const;
  void unpack(std::span<const Cost> packed, std::vector<Cost>& prices) const;

  // The gap between best and second best below which about `active` groups a class lie.
  [[nodiscard]] double width(std::span<const Cost> packed, Index active);

  // From here on prices stay within this part of the box around the accepted ones.
  void narrow(std::span<const Cost> packed, double part);

  // Loads at some prices, and who splits; the next step starts from there once it is accepted.
  struct Evaluation {
    std::vector<double> gradient;  // load - u, smoothed
    double imbalance = 0;          // units out of place, each at its cheapest
  };
  const Evaluation& evaluate(std::span<const Cost> packed, double tau);
  void accept();
  [[nodiscard]] const std::vector<double>& gradient() const noexcept { return now_.gradient; }

  // The move of each class from the accepted prices: an ascent direction. After one that was too long, classes whose
  // load changed by more than the Laplacian told are stiffer; that wears off.
  [[nodiscard]] std::vector<Cost> step(std::span<const Cost> packed);
  void stiffen(std::span<const Cost> move);

  // Root mean square of the price moves that load errors of sqrt(u) would cause; one a class.
  [[nodiscard]] std::vector<double> noise(std::span<const Cost> packed, double tau, std::uint64_t seed);

 private:
  struct ChunkSums {  // what one chunk of groups adds: loads, the Laplacian's diagonal, and the groups that split, flat
    explicit ChunkSums(std::pmr::memory_resource* pages) : memory(pages) {}

    std::pmr::memory_resource* memory;
    std::vector<double> nearest, smooth, diagonal;  // load: each at its cheapest; what splitting adds to that
    std::pmr::vector<std::int32_t> at{memory}, size{memory};
    std::pmr::vector<double> stiffness{memory};  // w / tau
    std::pmr::vector<float> gap{memory};
    std::pmr::vector<float> above{memory};  // of a group's sets that are near its best, and who they are
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
  std::size_t n_ = 0;             // sets of alike classes
  std::vector<std::int32_t> of_;  // (columns): the set of a class
  std::vector<Slot> lead_;        // (sets): its largest class
  std::vector<double> capacity_, fixed_;
  std::vector<Cost> low_, high_, center_;
  std::vector<float> move_;  // of the prices being looked at, from the center
  std::unique_ptr<ActiveSet> undecided_;
  std::vector<double> free_, damp_, stiff_;
  Iterate now_, trial_;
  bool assembled_ = false;
  std::vector<double> laplacian_;  // (sets, sets) where it pays
};

}  // namespace gridcompute::transport
