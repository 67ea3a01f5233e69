// A CSR matrix in the caller's memory: absent pairs are forbidden, stored zeros are arcs. Column indices within a
// row must be sorted and distinct (Python sorts them), int32 or int64.
#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute {

// The arrays of a CSR matrix.
template <class T, class I>
struct SparseArrays {
  DefaultInitVector<T> values;
  DefaultInitVector<I> columns, starts;
};

// CostSource::merged of a CSR matrix: by a copy of the entries in the columns kept. Classes without any entry are
// equal.
template <class T, class I>
[[nodiscard]] EqualClasses merged_sparse(const T* values, const I* columns, const I* starts, Index n_jobs,
                                         Index n_slots, Index most, Stop& stop, const CostTuning& tuning);

template <class T, class I>
class SparseCost final : public CostSource {
 public:
  SparseCost(const T* values, const I* columns, const I* starts, Index n_jobs, Index n_slots)
      : CostSource(n_jobs, n_slots),
        values_(values),
        columns_(columns),
        starts_(starts),
        per_slot_(1 / static_cast<double>(n_slots + 1)) {}

  // Owns its arrays.
  SparseCost(SparseArrays<T, I> own, Index n_jobs, Index n_slots)
      : CostSource(n_jobs, n_slots),
        own_(std::move(own)),
        values_(own_.values.data()),
        columns_(own_.columns.data()),
        starts_(own_.starts.data()),
        per_slot_(1 / static_cast<double>(n_slots + 1)) {}

  [[nodiscard]] bool real() const noexcept override { return std::is_floating_point_v<T>; }
  void integers(Rows rows, Cost* out) const override { fill(rows, out, kForbidden); }
  void reals(Rows rows, double* out) const override { fill(rows, out, std::numeric_limits<double>::infinity()); }

  [[nodiscard]] Cost integer_at(Index job, Index slot) const override { return at(job, slot, kForbidden); }
  [[nodiscard]] double real_at(Index job, Index slot) const override {
    return at(job, slot, std::numeric_limits<double>::infinity());
  }
  void prefetch(Index job, Index slot) const noexcept override {
    const auto at = starts_[job] + expected_entry(job, slot);
    __builtin_prefetch(columns_ + at);
    __builtin_prefetch(values_ + at);
  }
  [[nodiscard]] Index listed(Index job) const noexcept override {
    return static_cast<Index>(starts_[job + 1] - starts_[job]);
  }
  [[nodiscard]] Slot listed_slot(Index job, Index k) const noexcept override {
    return static_cast<Slot>(columns_[starts_[job] + k]);
  }
  void listed_integers(Index first, Index count, Slot* slots, Cost* costs) const override {
    copy(first, count, slots, costs);
  }
  void listed_reals(Index first, Index count, Slot* slots, double* costs) const override {
    copy(first, count, slots, costs);
  }
  [[nodiscard]] EqualClasses merged(Index most, Pool&, Stop& stop, const CostTuning& tuning) const override {
    return merged_sparse(values_, columns_, starts_, n_jobs(), n_slots(), most, stop, tuning);
  }

 private:
  template <class Out>
  void copy(Index first, Index count, Slot* slots, Out* costs) const {
    const auto from = starts_[first], n = starts_[first + count] - from;
    for (I e = 0; e < n; ++e) slots[e] = static_cast<Slot>(columns_[from + e]);
    for (I e = 0; e < n; ++e) costs[e] = static_cast<Out>(values_[from + e]);
  }

  // Returns the entry of a job where this class would be if its classes were spread evenly.
  [[nodiscard]] Index expected_entry(Index job, Index slot) const noexcept {
    return static_cast<Index>(static_cast<double>(listed(job)) * static_cast<double>(slot) * per_slot_);
  }

  template <class Out>
  Out at(Index job, Index slot, Out forbidden) const {
    // Exponential search from the expected entry: it usually reads little more than one cache line.
    const I *first = columns_ + starts_[job], *last = columns_ + starts_[job + 1],
            *from = first + expected_entry(job, slot);
    const I *to = from, wanted = static_cast<I>(slot);
    for (Index step = 1; from != first && *(from - 1) >= wanted; step *= 2) {
      to = from;
      from -= std::min<Index>(step, from - first);
    }
    for (Index step = 1; to != last && *to < wanted; step *= 2) {
      from = to;
      to += std::min<Index>(step, last - to);
    }
    const I* it = std::lower_bound(from, to, wanted);
    return it != last && *it == wanted ? static_cast<Out>(values_[it - columns_]) : forbidden;
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

  SparseArrays<T, I> own_;
  const T* values_;
  const I* columns_;
  const I* starts_;
  double per_slot_;
};

}  // namespace gridcompute
