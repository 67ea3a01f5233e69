// The active set: groups whose class still depends on prices, as compact lists for many evaluations; all other groups
// as loads.
//
// Problem.  Tuning evaluates the candidates a dozen times. After the first step prices are far better known than the
// box they came with, and most groups have one possible class left: those count as fixed, and the lists get short.
//
// Definitions. Prices are moves m of sets of duplicate columns (duplicates_in_sample.hpp) from the box's center. A
// candidate costs x_c + m_c, x relative to the group's first. Within a range [low, high] of moves a candidate is kept
// iff x_c + low_c <= min_t(x_t + high_t). Floats take half the memory and are exact for integers up to 2^24; they only
// guide the search.
//
// Invariants.  Lists stay in the order of their groups, chunk by chunk of the restricted problem: sums over them do not
// depend on threads. No weight is lost: that of a group with one set left is added to `fixed`.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

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

}  // namespace gridcompute::transport
