// A cost given by a C function that fills blocks of rows: a Numba kernel, or any compiled code. It must be pure and
// safe to call from several threads at once.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "gridcompute/base/forced_unwind.hpp"
#include "gridcompute/cost/source.hpp"

namespace gridcompute {

// out is (n_rows, n_slots), row after row; +inf forbids; NaN is found by the solver and reported.
using FillRows = void (*)(void* context, const Index* rows, Index n_rows, double* out);

class CallbackCost final : public CostSource {
 public:
  CallbackCost(FillRows fill, void* context, Index n_jobs, Index n_slots)
      : CostSource(n_jobs, n_slots), fill_(fill), context_(context) {}
  // A source of some of all jobs, from job `first` on. Owns `words`, the memory that the formula reads as its context.
  CallbackCost(FillRows fill, std::vector<std::uint64_t> words, Index n_jobs, Index n_slots, Index first)
      : CostSource(n_jobs, n_slots), fill_(fill), own_(std::move(words)), context_(own_.data()), first_(first) {}

  [[nodiscard]] Index identity(Index row) const noexcept override { return first_ + row; }
  [[nodiscard]] bool real() const noexcept override { return true; }
  [[nodiscard]] bool singles() const noexcept override { return false; }
  void reals(Rows rows, double* out) const override {
    if (rows.list != nullptr) return call(rows.list, rows.count, out);
    std::vector<Index> list(static_cast<std::size_t>(rows.count));
    for (Index k = 0; k < rows.count; ++k) list[static_cast<std::size_t>(k)] = rows.first + k;
    call(list.data(), rows.count, out);
  }

 private:
  // A kernel that raises takes the GIL to report it, and CPython may end its thread there.
  void call(const Index* rows, Index count, double* out) const {
    stay_alive([&] { fill_(context_, rows, count, out); });
  }

  FillRows fill_;
  std::vector<std::uint64_t> own_;
  void* context_;
  Index first_ = 0;
};

}  // namespace gridcompute
