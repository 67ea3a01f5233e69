// Where a cost comes from: one concept, filled in blocks of rows.
//
// A source has n_jobs x n_slots costs, either all integers (int64, exact) or all reals (double, exact: float32 and
// Terms widen without rounding). It is read by blocks of rows, from several threads at once, and is pure: the same
// row is the same bits whenever and wherever it is read. Forbidden pairs are kForbidden, or +inf.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute {

// Which rows of a block: `count` rows from `first`, or the `count` rows listed.
struct Rows {
  const Index* list = nullptr;
  Index first = 0;
  Index count = 0;

  [[nodiscard]] Index operator[](Index k) const noexcept { return list != nullptr ? list[k] : first + k; }
};

// How far a sketch may be off, 2^-24 of the largest |cost * scale| included, and a bound on that; both +inf if a row
// cannot be sketched.
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

  // A source answers the fill of its own kind; the other one is an internal error (a dense matrix answers both).
  [[nodiscard]] virtual bool real() const noexcept = 0;
  virtual void integers(Rows rows, Cost* out) const;
  virtual void reals(Rows rows, double* out) const;

  // One cost, the same bits as in its row; is that cheaper than the row?
  [[nodiscard]] virtual bool singles() const noexcept { return true; }
  [[nodiscard]] virtual Cost integer_at(Index job, Index slot) const;
  [[nodiscard]] virtual double real_at(Index job, Index slot) const;
  virtual void reals_at(Index job, std::span<const Slot> slots, double* out) const;

  // May rows be sketched: read in float32, which halves the bytes and doubles the lanes?
  [[nodiscard]] virtual bool sketches() const noexcept { return false; }
  // The costs of a job times `scale`, +inf where forbidden. out: (sketch_width(n_slots())), 64-byte aligned; what
  // follows the costs is 0.
  [[nodiscard]] virtual Sketched sketch(Index job, double scale, float* out) const;
  // Will be read soon: where that helps, asks for the row, or the one cost.
  virtual void fetch(Index) const noexcept {}
  virtual void fetch(Index, Index) const noexcept {}
  // One column of reals, for these rows; the same bits again.
  virtual void column(Rows rows, Index slot, double* out) const;

  // The matrix itself, row after row, where it is held as int32; else null.
  [[nodiscard]] virtual const std::int32_t* int32() const noexcept { return nullptr; }
  // The same as float64.
  [[nodiscard]] virtual const double* float64() const noexcept { return nullptr; }

  // May a pair be forbidden? Where not, an integer equal to kForbidden is a cost, and out of range.
  [[nodiscard]] virtual bool forbids() const noexcept { return true; }

  // Where only some pairs are listed and all others forbidden: how many a job has, and which is its k-th. Negative
  // where all are.
  [[nodiscard]] virtual Index listed(Index) const noexcept { return -1; }
  [[nodiscard]] virtual Slot listed_slot(Index, Index) const noexcept { return kNone; }
  // All those of `count` jobs from `first`.
  virtual void listed_integers(Index first, Index count, Slot* slots, Cost* costs) const;
  virtual void listed_reals(Index first, Index count, Slot* slots, double* costs) const;

  // Finds classes that cost every job the same, bit for bit but for the sign of a zero, and makes a source of one of
  // each, of no more than `most`. Where there are more, as a rule a few rows are read to find that out. Nothing after a
  // stop, or where a source has no such columns that could be compared.
  [[nodiscard]] virtual EqualClasses merged(Index most, Pool& pool, Stop& stop) const;

  // A lower bound on each row's costs, by no look at them; false where there is none.
  [[nodiscard]] virtual bool least(Rows, double*) const { return false; }

  // An upper bound on |cost| that is known without reading the costs, or a negative number.
  [[nodiscard]] virtual double known_bound() const noexcept { return -1.0; }

 private:
  Index n_jobs_, n_slots_;
};

// n rounded up to whole vectors.
[[nodiscard]] constexpr Index sketch_width(Index n) noexcept { return (n + 15) / 16 * 16; }

// What only a look at every cost can tell, where known_bound() does not.
struct Reach {
  double most = 0;     // the largest finite |cost|
  Index invalid = -1;  // the first row with NaN or -inf
};
[[nodiscard]] Reach reach_of(const CostSource& cost, Pool& pool);

}  // namespace gridcompute
