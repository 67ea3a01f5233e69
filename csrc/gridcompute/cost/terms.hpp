// An implicit cost, never stored: cost[i, s] = sum_k coef_k[i] * table_k[key_k[i], s].
//
// Evaluated left to right, each product rounded, then each sum, without fused multiply-add (the build says
// -ffp-contract=off): the bits are numpy's bits. A result that is not finite forbids the pair, so a table's +inf
// forbids under any coefficient, 0 and negative ones included.
//
// Sketches come from copies of the tables in float32, each row divided by a power of two that brings it into [-1, 1]:
// with a = coef * scale * that power, K terms are off by less than (K + 3) * 2^-24 * sum |a|, for the roundings of a,
// of the entry, of their product, and of K - 1 sums.
//
// Rounding is monotone, so the same sum over each term's least (or largest) entry is not above any cost of the row.
#pragma once

#include <tuple>
#include <vector>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute {

struct Term {
  const double* table;  // (n_keys, n_slots)
  Index n_keys;
  const std::int32_t* key;  // (n_jobs), or null: row 0
  const double* coef;       // (n_jobs), or null: 1
};

// The whole problem, where a source holds some of its jobs only: its number of jobs, and the largest |coef| of each
// term. Ranges and sketches are then those of a source of all jobs.
struct TermsScope {
  Index n_jobs = 0;
  std::vector<double> coef;  // (terms)
  Index first = 0;           // the number of the first row's job

  static auto parts(auto& scope) { return std::tie(scope.n_jobs, scope.coef); }
};

class TermsCost final : public CostSource {
 public:
  // own: tables of some terms that the source owns. of: the whole problem; null where these are all jobs.
  TermsCost(std::vector<Term> terms, Index n_jobs, Index n_slots, std::vector<DefaultInitVector<double>> own = {},
            const TermsScope* of = nullptr, const CostTuning& tuning = kDefaultCostTuning);

  [[nodiscard]] Index identity(Index row) const noexcept override { return first_ + row; }
  [[nodiscard]] bool real() const noexcept override { return true; }
  void reals(Rows rows, double* out) const override;
  [[nodiscard]] double real_at(Index job, Index slot) const override;
  void reals_at(Index job, std::span<const Slot> slots, double* out) const override;
  [[nodiscard]] bool sketches() const noexcept override { return !float_tables_.empty(); }
  [[nodiscard]] Sketched sketch(Index job, double scale, float* out) const override;
  void column(Rows rows, Index slot, double* out) const override;
  [[nodiscard]] bool least(Rows rows, double* out) const override;
  [[nodiscard]] bool forbids() const noexcept override { return !finite_; }
  // Merges classes whose columns are equal in every table.
  [[nodiscard]] EqualClasses merged(Index most, Pool& pool, Stop& stop, const CostTuning& tuning) const override;
  [[nodiscard]] double known_bound() const noexcept override { return bound_; }

 private:
  struct FloatTable {
    AlignedVector<float> table;         // (n_keys, sketch_width(n_slots))
    std::vector<double> unit;           // (n_keys): the power of two that its rows are divided by
    std::vector<double> low, high;      // (n_keys): the least and largest finite entry
    std::vector<std::uint8_t> forbids;  // (n_keys): some entry is +inf
  };
  [[nodiscard]] FloatTable float_table(const Term& term) const;

  std::vector<DefaultInitVector<double>> own_;
  std::vector<Term> terms_;
  std::vector<FloatTable> float_tables_;  // of all terms, or empty
  double bound_;
  Index first_ = 0;
  bool finite_ = true;  // no pair is forbidden
};

}  // namespace gridcompute
