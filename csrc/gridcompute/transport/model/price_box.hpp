// The box of prices around a center within which a pricing pass is valid (restricted/restricted_problem.hpp).
#pragma once

#include <span>
#include <tuple>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

struct PriceBox {
  std::vector<Cost> center, down, up;  // (columns): how far a price may fall, and rise

  // Returns the largest k such that p_s >= center_s - down_s + k for every class.
  [[nodiscard]] Cost shift(std::span<const Cost> prices) const noexcept;
  // Returns whether the box alone proves that every job's cheapest class is among its candidates.
  [[nodiscard]] bool holds(std::span<const Cost> prices) const noexcept;
  static auto parts(auto& box) { return std::tie(box.center, box.down, box.up); }
};

}  // namespace gridcompute::transport
