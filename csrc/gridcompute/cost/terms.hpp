// An implicit cost, never stored: cost[i, s] = sum_k coef_k[i] * table_k[key_k[i], s].
//
// Evaluated left to right, each product rounded, then each sum, without fused multiply-add (the build says
// -ffp-contract=off): the bits are numpy's bits. A result that is not finite forbids the pair, so a table's +inf
// forbids under any coefficient, 0 and negative ones included.
#pragma once

#include <vector>

#include "gridcompute/cost/source.hpp"

namespace gridcompute {

struct Term {
  const double* table;  // (n_keys, n_slots)
  Index n_keys;
  const std::int32_t* key;  // (n_jobs), or null: row 0
  const double* coef;       // (n_jobs), or null: 1
};

class TermsCost final : public CostSource {
 public:
  TermsCost(std::vector<Term> terms, Index n_jobs, Index n_slots);

  [[nodiscard]] bool real() const noexcept override { return true; }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] double real_at(Index job, Index slot) const override;
  [[nodiscard]] double known_bound() const noexcept override { return bound_; }

 private:
  std::vector<Term> terms_;
  double bound_;
  bool finite_ = true;  // no pair is forbidden
};

}  // namespace gridcompute
