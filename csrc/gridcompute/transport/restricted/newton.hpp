// Semismooth Newton method on the smoothed dual of a restricted problem: evaluation, steps, and the error of its
// maximiser.
//
// Problem.  Maximise D(p) = sum_g w_g min_c(key_gc + p_c) + fixed.p - u.p within the box. D is piecewise linear; with
// its kinks smoothed at width tau each group splits its weight by projection onto the simplex (quadratic
// regularisation): the smoothed dual is once differentiable, its gradient is load - u, its Hessian minus a graph
// Laplacian over the groups that split.
//
// Definitions.  Duplicate columns (stratified_sampling.hpp) share one price and one capacity here: otherwise their
// jobs would split between them at any tau. A class is bound where its price is at an end of its range (the box; 0) and
// its gradient points out of it; others are free. Damping adds |load - u| / radius to the Laplacian's diagonal, so that
// a class that few groups determine moves no further than its radius.
//
// Steps.  evaluate: loads at some prices, and the groups that split. step: Laplacian * step = load - u by conjugate
// gradients with Jacobi preconditioning. narrow: restricts the active set to a box around the accepted prices
//.
//
// Complexity.  evaluate: a pass over the active groups, in threads; an iteration of conjugate gradients: the groups
// that split times their lists.
//
// Source.  Lorenz, Manns and Meyer, Appl. Math. Optim. 83 (2021) 1919 (quadratic regularisation); Bertsekas, SIAM J.
// Control Optim. 20 (1982) 221 (projected Newton: the bound variables).
#pragma once

#include <memory>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// The active set: groups whose class still depends on prices, as compact lists for many evaluations; all other groups
// as loads.
//
// Problem.  Tuning evaluates the candidates a dozen times. After the first step prices are far better known than the
// box they came with, and most groups have one possible class left: those count as fixed, and the lists get short.
//
// Definitions. Prices are moves m of sets of duplicate columns (stratified_sampling.hpp) from the box's center. A
// candidate costs x_c + m_c, x relative to the group's first. Within a range [low, high] of moves a candidate is kept
// iff x_c + low_c <= min_t(x_t + high_t). Floats take half the memory and are exact for integers up to 2^24; they only
// guide the search.
//
// Invariants.  Lists stay in the order of their groups, chunk by chunk of the restricted problem: sums over them do not
// depend on threads. No weight is lost: that of a group with one set left is added to `fixed`.

class ActiveSet {
 public:
  struct MoveRange {
    std::vector<float> low, high;  // (sets): moves
  };

  struct Chunk {  // of some consecutive groups
    explicit Chunk(std::pmr::memory_resource* pages) : memory(pages) {}

    std::pmr::memory_resource* memory;
    // Groups between two sets, the majority: `apart` is second - first, at no moves.
    std::pmr::vector<std::int32_t> first{memory}, second{memory};
    std::pmr::vector<float> apart{memory}, weight{memory};
    // All other groups, one after the other.
    std::pmr::vector<std::int32_t> set{memory}, size{memory};
    std::pmr::vector<float> above{memory}, weights{memory};
    std::vector<double> fixed;  // (sets): weight of the groups decided

    [[nodiscard]] Index groups() const noexcept { return static_cast<Index>(first.size() + size.size()); }
  };

  // `set`: the set of each class; `center`: the price of each set at no moves.
  ActiveSet(const RestrictedProblem& problem, std::span<const std::int32_t> set, std::span<const Cost> center,
            const MoveRange& range, Pool& pool);

  // Drops the candidates that a smaller range excludes.
  void narrow(const MoveRange& range, Pool& pool);

  [[nodiscard]] const std::vector<Chunk>& parts() const noexcept { return parts_; }
  [[nodiscard]] Index groups() const noexcept;

 private:
  std::vector<Chunk> parts_;
};

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

// Price tuning: prices at which few units are out of balance, by a damped Newton method on the smoothed dual of the
// restricted problem. Also estimates of the error of a sample's prices.
//
// Steps.  tau begins at an eighth of the median radius of the box. A step is accepted unless the slope along it has
// changed sign and is steep: then it went far past the maximum, classes that proved stiffer than the Laplacian
// predicted get damping of their own, and another step is tried. After each step tau shrinks, down to where about
// width_active groups a class split. The prices of least imbalance are kept; it ends when steps make no progress.
//
// Complexity.  At most `evaluations` (tuning.hpp) passes over the candidates, and the conjugate gradients of the steps.

// Improves prices in place; returns the number of units left out of balance. A stop ends it after the current step.
[[nodiscard]] double tune_prices(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                 std::span<const Slot> duplicate_of, std::vector<Cost>& prices, Pool& pool, Stop& stop,
                                 const Tuning& tuning = kDefaultTuning);

// Estimate the error of a sample's prices: the error that loads off by the square root of their capacity would cause,
// as in a sample. Coupled: random right-hand sides that sum to 0, as a sample's do, solved with the last Laplacian,
// whose inverse includes what its diagonal lacks: classes that nearly tie move together, and far. Ranked: the move of
// one class's price alone that changes its load by that many units, which is right for small classes and heavy tails.
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
