// A CSR matrix in the caller's memory: absent pairs are forbidden, stored zeros are arcs. Column indices within a
// row must be sorted and distinct (the Python face makes them so), int32 or int64.
#pragma once

#include <algorithm>
#include <type_traits>

#include "gridcompute/cost/source.hpp"

namespace gridcompute {

template <class T, class I>
class SparseCost final : public CostSource {
 public:
  SparseCost(const T* values, const I* columns, const I* starts, Index n_jobs, Index n_slots)
      : CostSource(n_jobs, n_slots), values_(values), columns_(columns), starts_(starts) {}

  [[nodiscard]] bool real() const noexcept override { return std::is_floating_point_v<T>; }
  void integers(Rows rows, Cost* out) const override { fill(rows, out, kForbidden); }
  void reals(Rows rows, double* out) const override { fill(rows, out, std::numeric_limits<double>::infinity()); }

  [[nodiscard]] Cost integer_at(Index job, Index slot) const override { return at(job, slot, kForbidden); }
  [[nodiscard]] double real_at(Index job, Index slot) const override {
    return at(job, slot, std::numeric_limits<double>::infinity());
  }

 private:
  template <class Out>
  Out at(Index job, Index slot, Out forbidden) const {
    const I *from = columns_ + starts_[job], *to = columns_ + starts_[job + 1];
    const I* it = std::lower_bound(from, to, static_cast<I>(slot));
    return it != to && *it == static_cast<I>(slot) ? static_cast<Out>(values_[it - columns_]) : forbidden;
  }

  template <class Out>
  void fill(Rows rows, Out* out, Out forbidden) const {
    const Index n = n_slots();
    for (Index k = 0; k < rows.count; ++k) {
      Out* row = out + k * n;
      std::fill(row, row + n, forbidden);
      const Index job = rows[k];
      for (auto e = starts_[job]; e < starts_[job + 1]; ++e) row[columns_[e]] = static_cast<Out>(values_[e]);
    }
  }

  const T* values_;
  const I* columns_;
  const I* starts_;
};

}  // namespace gridcompute
