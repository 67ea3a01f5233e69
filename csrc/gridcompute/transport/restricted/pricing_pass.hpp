// One look at every cost of a level: the candidates of each job for prices within a box. See restricted_problem.hpp.
//
// Steps. Per row, vectorised: low = min(key + p + r); how many classes have key + p - r <= low, the last of them, and
// the least of the others. Rows with one such class (most) are done; the rest collect their list. Chunks of rows run on
// all threads and are joined in order. The int32 matrix is read in place with int32 arithmetic as long as prices and
// radii allow; a row whose sums may have wrapped sends the whole scan to int64.
//
// Complexity. N * S evaluations, 2 passes over a row in cache; memory 8 bytes a job and 24 a candidate of groups.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// The jobs of a level: all of them, or a sample's positions.
struct Level {
  const Index* rows = nullptr;  // null: all
  Index n = 0;
  std::vector<Cost> capacity;  // (columns)

  [[nodiscard]] Index row(Index k) const noexcept { return rows != nullptr ? rows[k] : k; }
  [[nodiscard]] Rows block(Index first, Index count) const noexcept {
    return rows != nullptr ? Rows{rows + first, 0, count} : Rows{nullptr, first, count};
  }
};

// What solving a level needs beside the level; `share` groups jobs with equal lists.
struct SolverContext {
  const QuantisedCost& keys;
  Pool& pool;
  Stop& stop;
  bool share = false;
  std::span<const Slot> duplicate_of;  // (columns): see duplicate_columns.hpp
};

// False if stopped before every row was read (then `out` is not to be used).
[[nodiscard]] bool pricing_pass(const SolverContext& context, const Level& level, const PriceBox& box,
                                RestrictedProblem& out, CostRangeStats& seen);

}  // namespace gridcompute::transport
