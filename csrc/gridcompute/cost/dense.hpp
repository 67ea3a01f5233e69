// A matrix in the caller's memory, row after row, read in place: int32, int64, float32 or float64.
#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute {

// Implements CostSource::sketch for a row that is stored as it is.
template <class T>
[[nodiscard]] Sketched sketch_row(const T* row, Index n, double scale, float* out);

// Implements CostSource::merged for a matrix: copies the columns kept.
template <class T>
[[nodiscard]] EqualClasses merged_dense(const T* values, Index n_jobs, Index n_slots, Index most, Pool& pool,
                                        Stop& stop, const CostTuning& tuning);

template <class T>
class DenseCost final : public CostSource {
 public:
  // Reads the caller's matrix. first: the number of the first row's job, where these are some rows of a matrix.
  DenseCost(const T* values, Index n_jobs, Index n_slots, Index first = 0)
      : CostSource(n_jobs, n_slots), values_(values), first_(first) {}
  // Owns its matrix.
  DenseCost(DefaultInitVector<T> values, Index n_jobs, Index n_slots)
      : CostSource(n_jobs, n_slots), own_(std::move(values)), values_(own_.data()) {}

  [[nodiscard]] Index identity(Index row) const noexcept override { return first_ + row; }
  [[nodiscard]] bool real() const noexcept override { return std::is_floating_point_v<T>; }
  [[nodiscard]] bool forbids() const noexcept override { return real(); }
  void integers(Rows rows, Cost* out) const override { fill(rows, out); }
  void reals(Rows rows, double* out) const override { fill(rows, out); }
  [[nodiscard]] Cost integer_at(Index job, Index slot) const override {
    return static_cast<Cost>(values_[job * n_slots() + slot]);
  }
  [[nodiscard]] double real_at(Index job, Index slot) const override {
    return static_cast<double>(values_[job * n_slots() + slot]);
  }
  void reals_at(Index job, std::span<const Slot> slots, double* out) const override {
    const T* row = values_ + job * n_slots();
    for (std::size_t k = 0; k < slots.size(); ++k) out[k] = static_cast<double>(row[slots[k]]);
  }
  [[nodiscard]] bool sketches() const noexcept override { return true; }
  [[nodiscard]] Sketched sketch(Index job, double scale, float* out) const override {
    return sketch_row(values_ + job * n_slots(), n_slots(), scale, out);
  }
  void prefetch(Index job) const noexcept override {
    constexpr Index kLine = 64 / sizeof(T);  // entries of a cache line
    const T* row = values_ + job * n_slots();
    for (Index s = 0; s < n_slots(); s += kLine) __builtin_prefetch(row + s);
  }
  void prefetch(Index job, Index slot) const noexcept override { __builtin_prefetch(values_ + job * n_slots() + slot); }
  [[nodiscard]] const std::int32_t* int32() const noexcept override {
    if constexpr (std::is_same_v<T, std::int32_t>) return values_;
    return nullptr;
  }
  [[nodiscard]] EqualClasses merged(Index most, Pool& pool, Stop& stop, const CostTuning& tuning) const override {
    return merged_dense(values_, n_jobs(), n_slots(), most, pool, stop, tuning);
  }
  [[nodiscard]] const double* float64() const noexcept override {
    if constexpr (std::is_same_v<T, double>) return values_;
    return nullptr;
  }

 private:
  template <class Out>
  void fill(Rows rows, Out* out) const {
    const Index n = n_slots();
    for (Index k = 0; k < rows.count; ++k) {
      const T* row = values_ + rows[k] * n;
      if constexpr (std::is_same_v<T, Out>) {
        std::copy_n(row, n, out + k * n);
      } else {
        for (Index s = 0; s < n; ++s) out[k * n + s] = static_cast<Out>(row[s]);
      }
    }
  }

  DefaultInitVector<T> own_;
  const T* values_;
  Index first_ = 0;
};

}  // namespace gridcompute
