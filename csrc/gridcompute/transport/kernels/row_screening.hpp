// Screening of a row of keys: the least key + price that its cheapest class can have within the box, and the classes
// that can be cheapest.
//
// Plain loops that the compiler vectorises, once for each instruction set. Int32 sums may wrap; pricing_pass.cpp
// detects that afterwards. Real costs become keys on the way, by kRound of integer_keys.hpp. That maps doubles to
// integers in order, so values out of range show in the extremes: +inf alone becomes kInfinite, NaN and values below
// -2^52 lie above that, values above 2^51 below.
#pragma once

#include <span>
#include <type_traits>
#include <vector>

#include "gridcompute/base/types.hpp"

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

}  // namespace gridcompute::transport
