// The least key + price of each job: a look at every cost that keeps nothing else.
//
// Over an int32 matrix sums are taken in 32 bits, in the unit of the matrix, where prices are whole numbers of it. Such
// a sum may wrap; as prices are below 2^30 it then is below -2^30, and that row is read again in 64 bits.
#pragma once

#include <optional>

#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"

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

  // scratch.low of `count` jobs from this position on; kForbidden or more where nothing is allowed.
  void compute(Index begin, Index count, Scratch& scratch) const;

 private:
  void compute_wide(Index begin, Index count, Cost* low, Scratch& scratch) const;

  const SolverContext& context_;
  const Level& level_;
  std::span<const Cost> prices_;
  const std::int32_t* matrix_ = nullptr;  // if sums in 32 bits do
  std::vector<std::int32_t> units_;       // prices in its unit
};

// The sum of weight * least; nothing if stopped.
[[nodiscard]] std::optional<Wide> dual_value(const SolverContext& context, const Level& level,
                                             std::span<const Cost> prices);

}  // namespace gridcompute::transport
