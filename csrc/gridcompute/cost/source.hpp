// Sources of costs: one interface, read by blocks of rows.
//
// A source has n_jobs x n_slots costs, either all integers (int64, exact) or all reals (double, exact: float32 and
// Terms widen without rounding). It is read by blocks of rows, from several threads at once, and is pure: the same
// row is the same bits whenever and wherever it is read. Forbidden pairs are kForbidden, or +inf.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/cost/tuning.hpp"

namespace gridcompute {

// The rows of a block: `count` rows from `first`, or the `count` rows listed.
struct Rows {
  const Index* list = nullptr;
  Index first = 0;
  Index count = 0;

  [[nodiscard]] Index operator[](Index k) const noexcept { return list != nullptr ? list[k] : first + k; }
};

// The largest error of a sketch (a row in float32), including 2^-24 of the largest |cost * scale|, and a bound on the
// latter; both +inf if a row cannot be sketched.
struct Sketched {
  double error, largest;
};

class CostSource;

// Classes that cost every job the same, each once.
struct EqualClasses {
  std::vector<Slot> of;              // (n_slots) the lowest class that is equal
  std::unique_ptr<CostSource> cost;  // of the classes with of[s] == s, in their order; null: nothing was merged
};

class CostSource {
 public:
  CostSource(Index n_jobs, Index n_slots) : n_jobs_(n_jobs), n_slots_(n_slots) {}
  virtual ~CostSource() = default;
  CostSource(const CostSource&) = delete;
  CostSource& operator=(const CostSource&) = delete;

  [[nodiscard]] Index n_jobs() const noexcept { return n_jobs_; }
  [[nodiscard]] Index n_slots() const noexcept { return n_slots_; }

  // Returns the number of a row's job among all jobs. It differs from `row` where a source holds the rows of some jobs
  // only.
  [[nodiscard]] virtual Index identity(Index row) const noexcept { return row; }

  // Fill the costs of rows, integers or reals as the source has; the other one is an internal error (a dense matrix
  // does both).
  [[nodiscard]] virtual bool real() const noexcept = 0;
  virtual void integers(Rows rows, Cost* out) const;
  virtual void reals(Rows rows, double* out) const;

  // Return whether reading one cost is cheaper than reading its row, and one cost, the same bits as in its row.
  [[nodiscard]] virtual bool singles() const noexcept { return true; }
  [[nodiscard]] virtual Cost integer_at(Index job, Index slot) const;
  [[nodiscard]] virtual double real_at(Index job, Index slot) const;
  virtual void reals_at(Index job, std::span<const Slot> slots, double* out) const;

  // Returns whether rows can be sketched: read in float32, which halves the bytes and doubles the lanes.
  [[nodiscard]] virtual bool sketches() const noexcept { return false; }
  // Writes the costs of a job times `scale`, +inf where forbidden. out: (sketch_width(n_slots())), 64-byte aligned;
  // padded with 0.
  [[nodiscard]] virtual Sketched sketch(Index job, double scale, float* out) const;
  // Prefetch a row, or one cost, that will be read some jobs later, where that helps.
  virtual void prefetch(Index) const noexcept {}
  virtual void prefetch(Index, Index) const noexcept {}
  // Fills one column of reals for the rows given; the same bits again.
  virtual void column(Rows rows, Index slot, double* out) const;

  // Returns the matrix itself, row after row, where it is stored as int32; else null.
  [[nodiscard]] virtual const std::int32_t* int32() const noexcept { return nullptr; }
  // Returns the matrix itself, row after row, where it is stored as float64; else null.
  [[nodiscard]] virtual const double* float64() const noexcept { return nullptr; }

  // Returns whether a pair may be forbidden. Where not, an integer equal to kForbidden is a cost, and out of range.
  [[nodiscard]] virtual bool forbids() const noexcept { return true; }

  // For sources that list the allowed pairs: return the number of a job's pairs, and the class of its k-th pair. The
  // number is negative where a source has all pairs.
  [[nodiscard]] virtual Index listed(Index) const noexcept { return -1; }
  [[nodiscard]] virtual Slot listed_slot(Index, Index) const noexcept { return kNone; }
  // Fill all listed pairs of `count` jobs from `first`.
  virtual void listed_integers(Index first, Index count, Slot* slots, Cost* costs) const;
  virtual void listed_reals(Index first, Index count, Slot* slots, double* costs) const;

  // Finds classes whose columns are equal, bit for bit except for the sign of a zero, and makes a source of one class
  // of each set, if these are no more than `most`. Where they are more, reading a few rows usually shows it. Returns
  // nothing after a stop, or for a source whose columns cannot be compared.
  [[nodiscard]] virtual EqualClasses merged(Index most, Pool& pool, Stop& stop, const CostTuning& tuning) const;

  // Writes lower bounds on the costs of rows, without reading these; false where there are none.
  [[nodiscard]] virtual bool least(Rows, double*) const { return false; }

  // Returns an upper bound on |cost| that is known without reading the costs, or a negative number.
  [[nodiscard]] virtual double known_bound() const noexcept { return -1.0; }

 private:
  Index n_jobs_, n_slots_;
};

// Returns n rounded up to whole vectors.
[[nodiscard]] constexpr Index sketch_width(Index n) noexcept { return (n + 15) / 16 * 16; }

// The magnitude of all costs, from one pass over them; where known_bound() is negative there is no cheaper way.
struct CostMagnitude {
  double largest = 0;  // finite |cost|
  Index invalid = -1;  // the first row with NaN or -inf
};
[[nodiscard]] CostMagnitude measure_magnitude(const CostSource& cost, Pool& pool);

// A cost given by a C function that fills blocks of rows: a Numba kernel, or any compiled code. It must be pure and
// safe to call from several threads at once.

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
    std::vector<Index> list(at(rows.count));
    for (Index k = 0; k < rows.count; ++k) list[at(k)] = rows.first + k;
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
