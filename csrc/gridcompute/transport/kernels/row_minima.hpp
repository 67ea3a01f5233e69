// Computes the least key + price of each job (an evaluation of the dual function) in a pass over all costs that stores
// nothing else.
//
// Over an int32 matrix sums are taken in 32 bits, in the unit of the matrix, where prices are whole numbers of it. Such
// a sum may wrap; as prices are below 2^30 it then is below -2^30, and that row is read again in 64 bits.
#pragma once

#include <algorithm>
#include <optional>

#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/level.hpp"
#include "gridcompute/transport/model/solver_context.hpp"

namespace gridcompute::transport {

class RowMinima {
 public:
  static constexpr Index kBlock = 64;  // jobs at a time, at most
  struct Scratch {
    std::vector<Cost> keys, low;  // low: the answer
    std::vector<double> costs;
    std::vector<ScreenedRow<Cost>> screened;
    std::vector<ScreenedRow<std::int32_t>> narrow;
  };

  RowMinima(const SolverContext& context, const Level& level, std::span<const Cost> prices);

  // Computes scratch.low of `count` jobs from this position on; kForbidden or more where no class is allowed.
  void compute(Index begin, Index count, Scratch& scratch) const;

  // Calls use(position, minimum) for the jobs [begin, end).
  template <class Use>
  void for_each(Index begin, Index end, const Use& use) const {
    Scratch scratch;
    for (Index b = begin; b < end; b += kBlock) {
      const Index count = std::min(kBlock, end - b);
      compute(b, count, scratch);
      for (Index k = 0; k < count; ++k) use(b + k, scratch.low[k]);
    }
  }

 private:
  void compute_wide(Index begin, Index count, Cost* low, Scratch& scratch) const;

  const SolverContext& context_;
  const Level& level_;
  std::span<const Cost> prices_;
  const std::int32_t* matrix_ = nullptr;  // null where 32 bits do not suffice
  std::vector<std::int32_t> units_;       // prices in the matrix's unit
};

// Returns the sum of weight * least; empty if stopped.
[[nodiscard]] std::optional<Wide> dual_value(const SolverContext& context, const Level& level,
                                             std::span<const Cost> prices);

}  // namespace gridcompute::transport
