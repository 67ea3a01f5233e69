// The groups that prices may still decide, as compact lists for many looks; the others as loads.
//
// Problem. Tuning looks at the candidates a dozen times. After the first step prices are far better known than the box
// they came with, and most groups can only go where they are: those count as fixed, and the lists get short.
//
// Definitions. Prices are moves m of sets of alike classes (duplicate_columns.hpp) from the box's center. A candidate
// costs x_c + m_c, x relative to the group's first. Within a range [low, high] of moves a candidate is kept iff x_c +
// low_c <= min_t(x_t + high_t). Floats: half as much to read, exact for integers up to 2^24, and only advice comes of
// it.
//
// Invariants. Lists stay in the order of their groups, chunk by chunk of the restricted problem: sums over them do not
// depend on threads. Weight is never lost: that of a group with one set left goes to `fixed`.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

class ActiveSet {
 public:
  struct MoveRange {
    std::vector<float> low, high;  // (sets): moves
  };

  struct Chunk {  // of one chunk of groups
    explicit Chunk(std::pmr::memory_resource* pages) : memory(pages) {}

    std::pmr::memory_resource* memory;
    // Groups between two sets, most of them: second - first, at no moves.
    std::pmr::vector<std::int32_t> first{memory}, second{memory};
    std::pmr::vector<float> apart{memory}, weight{memory};
    // The others, one after the other.
    std::pmr::vector<std::int32_t> set{memory}, size{memory};
    std::pmr::vector<float> above{memory}, weights{memory};
    std::vector<double> fixed;  // (sets): weight of the groups decided

    [[nodiscard]] Index groups() const noexcept { return static_cast<Index>(first.size() + size.size()); }
  };

  // `set` names the set of each class, `center` the price of each set at no moves.
  ActiveSet(const RestrictedProblem& problem, std::span<const std::int32_t> set, std::span<const Cost> center,
            const MoveRange& range, Pool& pool);

  // Keeps what a smaller range leaves open.
  void narrow(const MoveRange& range, Pool& pool);

  [[nodiscard]] const std::vector<Chunk>& parts() const noexcept { return parts_; }
  [[nodiscard]] Index groups() const noexcept;

 private:
  std::vector<Chunk> parts_;
};

}  // namespace gridcompute::transport
