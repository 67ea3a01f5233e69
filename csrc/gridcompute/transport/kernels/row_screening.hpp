// Screening of a row of keys: the least key + price that its cheapest class can have within the box, and the classes
// that can be cheapest.
//
// Plain loops that the compiler vectorises, once for each instruction set. Int32 sums may wrap; pricing_pass.cpp
// detects that afterwards. Real costs become keys on the way, by kRound of integer_keys.hpp. That maps doubles to
// integers in order, so values out of range show in the extremes: +inf alone becomes kInfinite, NaN and values below
// -2^52 lie above that, values above 2^51 below.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// Half of the bits of a T count classes, the other half hold the sum of their numbers.
template <class T>
inline constexpr int kCountBits = 4 * sizeof(T);  // half of T
// Sums in 32 bits of int32 keys and prices below this wrap to values below its negative.
inline constexpr std::int32_t kInt32Limit = 1 << 30;
inline constexpr Index kInt32Classes = Index{1}
                                       << kCountBits<std::int32_t>;  // rows of this many classes or more need T = Cost

template <class T>
struct ScreenedRow {
  T low;                                  // min(key + up); on entry the unplaced column's value, or the largest T
  T next;                                 // min(key + down) over classes with key + down > low
  std::make_unsigned_t<T> count_and_sum;  // sum over the candidates (key + down <= low) of class * 2^kCountBits + 1
  [[nodiscard]] Index count() const noexcept {
    return static_cast<Index>(count_and_sum & ((decltype(count_and_sum){1} << kCountBits<T>)-1));
  }
  [[nodiscard]] Slot single_class() const noexcept {
    return static_cast<Slot>(count_and_sum >> kCountBits<T>);
  }  // if count() is 1
};

// Adds with wrap-around.
template <class T>
[[nodiscard]] inline T add(T a, T b) {
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
}

void screen_rows(const std::int32_t* rows, Index count, Index n, const std::int32_t* up, const std::int32_t* down,
                 ScreenedRow<std::int32_t>* out);
void screen_rows(const Cost* rows, Index count, Index n, const Cost* up, const Cost* down, ScreenedRow<Cost>* out);

// Writes the candidates of a screened row, ascending, into out (room for n + 1); returns their number.
Index list_screened(const std::int32_t* row, const std::int32_t* down, Index n, const ScreenedRow<std::int32_t>& seen,
                    Slot* out);
Index list_screened(const Cost* row, const Cost* down, Index n, const ScreenedRow<Cost>& seen, Slot* out);

// Returns whether the keys of a row at these classes exceed `first` by exactly these amounts.
bool keys_match(const std::int32_t* row, const Slot* slot, const Cost* above, Index count, std::int32_t first);
bool keys_match(const Cost* row, const Slot* slot, const Cost* above, Index count, Cost first);

// The tests by which classes join a job's list: key + near <= min(key + up), or key + bound < now.
struct ColumnTests {
  std::vector<Cost> up, near, bound;  // (n): added to a key
};
void mark_candidates(const Cost* row, const ColumnTests& with, Cost now, std::span<std::uint8_t> listed);

// Writes the marked classes, ascending, into out (room for all); returns their number.
Index list_marked(std::span<const std::uint8_t> listed, Slot* out);

// Returns the least key + base over the classes not listed; kForbidden if none is allowed.
Cost least_unlisted(const Cost* row, const Cost* base, std::span<const std::uint8_t> listed);

struct RealRows {
  const double* cost;   // (count, n)
  const double* scale;  // (count): keys per cost
  Cost* key;            // (count, n), out; kForbidden for +inf
};

struct KeyExtremes {
  Cost low = 0, high = 0;  // of the keys, +inf left out
  bool inexact = false;    // some key differs from its cost * scale
  [[nodiscard]] bool within(Cost limit) const noexcept { return -limit <= low && high <= limit; }
};

// Screens rows of real costs that are known to be in range.
void screen_real_rows(const RealRows& rows, Index count, Index n, const Cost* up, const Cost* down,
                      ScreenedRow<Cost>* out);
// Screens rows whose range is not known, and returns it; the keys are invalid where it exceeds the limit.
[[nodiscard]] KeyExtremes screen_real_rows_checked(const RealRows& rows, Index count, Index n, const Cost* up,
                                                   const Cost* down, ScreenedRow<Cost>* out);

// A float32 filter of rows: it excludes nearly all classes, and the few that are left are read exactly.
//
// Within a box (restricted_problem.hpp) class s is a candidate iff key_s + down_s <= low = min_t(key_t + up_t). The
// float32 row w is within e of the keys before rounding, so a class with w_s + down_s > min(w_t + up_t) + 2 (e + 1) is
// no candidate, however values were rounded: prices are rounded outwards by twice the rounding error of a float32, and
// the 1 covers the rounding of two keys. The candidates are therefore exactly those of a pass over all keys; only
// `next`, the least key + down of the others, may be lower by e + 1.

// The candidates of a row.
struct FilteredRow {
  Cost low = 0;            // min(key + up)
  Cost next = 0;           // at most min(key + down) over the other classes; kForbidden if there are none
  std::vector<Slot> slot;  // ascending
  std::vector<Cost> key;
};

class FloatFilter {
 public:
  // Buffers of one thread.
  struct Scratch {
    AlignedVector<float> row;
    std::vector<float> least;  // of each block of the row
    std::vector<Slot> slot;
    std::vector<double> cost;
  };

  // Returns whether the source has float32 rows, long enough for the filter to save time.
  [[nodiscard]] static bool serves(const IntegerKeys& keys, const Tuning& tuning = kDefaultTuning);

  FloatFilter(const IntegerKeys& keys, const PriceBox& box);

  // Finds the candidates of a job. Returns false where too many classes are left: all keys of the row must be read.
  // `outside`: key + up of the unplaced column, or the largest Cost.
  [[nodiscard]] bool screen(Index job, Cost outside, Scratch& scratch, FilteredRow& out) const;

 private:
  const IntegerKeys& keys_;
  Index n_, width_;
  double limit_;                        // largest |key| that is exact
  std::vector<Cost> up_, down_;         // (n_slots): added to a key
  AlignedVector<float> above_, below_;  // (width): the same, rounded outwards
};

// Computes the least key + price of each job (an evaluation of the dual function) in a pass over all costs that stores
// nothing else.
//
// Over an int32 matrix sums are taken in 32 bits, in the unit of the matrix, where prices are whole numbers of it. Such
// a sum may wrap; as prices are below 2^30 it then is below -2^30, and that row is read again in 64 bits.

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

  // Computes scratch.low of `count` jobs from this position on; kForbidden or more where no class is allowed.
  void compute(Index begin, Index count, Scratch& scratch) const;

  // Calls use(position, minimum) for the jobs [begin, end).
  template <class Use>
  void for_each(Index begin, Index end, const Use& use) const {
    Scratch scratch;
    for (Index b = begin; b < end; b += kBlock) {
      const Index count = std::min(kBlock, end - b);
      compute(b, count, scratch);
      for (Index k = 0; k < count; ++k) use(b + k, scratch.low[k]);
    }
  }

 private:
  void compute_wide(Index begin, Index count, Cost* low, Scratch& scratch) const;

  const SolverContext& context_;
  const Level& level_;
  std::span<const Cost> prices_;
  const std::int32_t* matrix_ = nullptr;  // null where 32 bits do not suffice
  std::vector<std::int32_t> units_;       // prices in the matrix's unit
};

// Returns the sum of weight * least; empty if stopped.
[[nodiscard]] std::optional<Wide> dual_value(const SolverContext& context, const Level& level,
                                             std::span<const Cost> prices);

}  // namespace gridcompute::transport
