// One look at a row of keys: what its cheapest class can cost within the box, and which classes may be that.
//
// Plain loops for the compiler, once for each instruction set. Int32 sums may wrap; pricing_pass.cpp tells afterwards.
// Real costs become keys on the way, by kRound of quantised_cost.hpp. That maps doubles to integers in order, so what
// is out of range shows in the extremes: +inf alone has kInfinite, NaN and what is below -2^52 lie above that, what is
// above 2^51 below.
#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

// Half of a T counts classes, the other half holds one.
template <class T>
inline constexpr int kCountBits = 4 * sizeof(T);
// Sums in 32 bits of int32 keys and prices below this wrap to values below its negative.
inline constexpr std::int32_t kInt32Limit = 1 << 30;
inline constexpr Index kInt32Classes = Index{1} << kCountBits<std::int32_t>;  // more need T = Cost

template <class T>
struct ScreenedRow {
  T low;   // min(key + up); comes in as the unplaced column's value, or the largest T
  T next;  // min(key + down) over classes with key + down > low
  std::make_unsigned_t<T>
      count_and_sum;  // of the classes kept, those with key + down <= low: sum of class * 2^kCountBits + 1
  [[nodiscard]] Index count() const noexcept {
    return static_cast<Index>(count_and_sum & ((decltype(count_and_sum){1} << kCountBits<T>)-1));
  }
  [[nodiscard]] Slot single_class() const noexcept {
    return static_cast<Slot>(count_and_sum >> kCountBits<T>);
  }  // if count() is 1
};

// Wraps where it must.
template <class T>
[[nodiscard]] inline T add(T a, T b) {
  return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
}

void screen_rows(const std::int32_t* rows, Index count, Index n, const std::int32_t* up, const std::int32_t* down,
                 ScreenedRow<std::int32_t>* out);
void screen_rows(const Cost* rows, Index count, Index n, const Cost* up, const Cost* down, ScreenedRow<Cost>* out);

// The classes of a row that its look kept, ascending, into out (room for n + 1); how many.
Index list_screened(const std::int32_t* row, const std::int32_t* down, Index n, const ScreenedRow<std::int32_t>& seen,
                    Slot* out);
Index list_screened(const Cost* row, const Cost* down, Index n, const ScreenedRow<Cost>& seen, Slot* out);

// Do the keys of a row at these classes exceed `first` by exactly this much?
bool keys_match(const std::int32_t* row, const Slot* slot, const Cost* above, Index count, std::int32_t first);
bool keys_match(const Cost* row, const Slot* slot, const Cost* above, Index count, Cost first);

// A second look at a row: which classes may matter that its list lacks.
struct ColumnTests {
  std::vector<Cost> up, near, bound;  // (n): added to a key; listed if key + near <= min(key + up) or key + bound < now
};
void mark_candidates(const Cost* row, const ColumnTests& with, Cost now, std::span<std::uint8_t> listed);

// The classes listed, ascending, into out (room for all); how many.
Index list_marked(std::span<const std::uint8_t> listed, Slot* out);

// The least key + base over the classes not listed; kForbidden if none is allowed.
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

// Where costs are known to be in range.
void screen_real_rows(const RealRows& rows, Index count, Index n, const Cost* up, const Cost* down,
                      ScreenedRow<Cost>* out);
// Where that must be found out; keys mean nothing if they are not.
[[nodiscard]] KeyExtremes screen_real_rows_checked(const RealRows& rows, Index count, Index n, const Cost* up,
                                                   const Cost* down, ScreenedRow<Cost>* out);

}  // namespace gridcompute::transport
