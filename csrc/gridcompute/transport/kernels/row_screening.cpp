#include "gridcompute/transport/kernels/row_screening.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "gridcompute/base/simd_lanes.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::transport {

namespace {

constexpr Cost kInfinite = integer_of(std::numeric_limits<double>::infinity());

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE T least(const T* row, const T* up, Index n, T low) {
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  if (n < lanes) {
    for (Index s = 0; s < n; ++s) {
      const T v = add(row[s], up[s]);
      low = v < low ? v : low;
    }
    return low;
  }
  typename Lanes<T, kBytes>::Signed v, best;
  sum_at<kBytes>(row, up, best);
  for (Index b = lanes; b + lanes <= n; b += lanes) {
    sum_at<kBytes>(row + b, up + b, v);
    best = v < best ? v : best;
  }
  sum_at<kBytes>(row + n - lanes, up + n - lanes, v);
  best = v < best ? v : best;
  return std::min(low, fold(best, Least{}));
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE ScreenedRow<T> kept(const T* row, const T* down, Index n, T low) {
  using Signed = typename Lanes<T, kBytes>::Signed;
  using Unsigned = typename Lanes<T, kBytes>::Unsigned;
  using U = std::make_unsigned_t<T>;
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  constexpr T top = std::numeric_limits<T>::max();
  T next = top;
  U count_and_sum = 0;
  if (n < lanes) {
    for (Index s = 0; s < n; ++s) {
      const T v = add(row[s], down[s]);
      if (v <= low) {
        count_and_sum += (static_cast<U>(s) << kCountBits<T>)+1;
      } else {
        next = std::min(next, v);
      }
    }
    return {low, next, count_and_sum};
  }
  Unsigned lane;
  for (Index k = 0; k < lanes; ++k) lane[k] = static_cast<U>(k);
  const Unsigned none = lane - lane;
  const Signed limit = (Signed)(none + static_cast<U>(low)), most = (Signed)(none + static_cast<U>(top));
  Signed v, least_other = most;
  Unsigned tag = (lane << kCountBits<T>)+U{1}, sum = none;
  for (Index b = 0; b + lanes <= n; b += lanes) {
    sum_at<kBytes>(row + b, down + b, v);
    sum += (Unsigned)(v <= limit) & tag;
    tag += static_cast<U>(lanes) << kCountBits<T>;
    v = v <= limit ? most : v;
    least_other = v < least_other ? v : least_other;
  }
  // The lanes that were not processed yet are the last n % lanes.
  const auto seen = static_cast<U>(lanes - n % lanes);
  sum_at<kBytes>(row + n - lanes, down + n - lanes, v);
  const Unsigned keep = (Unsigned)(v <= limit) & (Unsigned)(lane >= seen);
  sum += keep & (((lane + static_cast<U>(n - lanes)) << kCountBits<T>)+U{1});
  v = v <= limit ? most : v;
  least_other = v < least_other ? v : least_other;
  return {low, fold(least_other, Least{}), fold(sum, Sum{})};
}

// Lists two or three candidates: the first, the last, and the third by the sum of all.
template <Index kBytes, class T>
GRIDCOMPUTE_INLINE Index list_few(const T* row, const T* down, Index n, const ScreenedRow<T>& seen, Slot* out) {
  using Signed = typename Lanes<T, kBytes>::Signed;
  constexpr Index lanes = Lanes<T, kBytes>::kCount;
  Signed at, v;
  for (Index k = 0; k < lanes; ++k) at[k] = static_cast<T>(k);
  const Signed none = at - at, limit = none + seen.low, beyond = none + std::numeric_limits<T>::max(),
               step = none + T{lanes};
  Signed first = beyond, last = beyond;  // the latter as the length of the row from there on
  Signed rest = none + static_cast<T>(n) - at;
  const auto visit = [&](Index b) GRIDCOMPUTE_FORCED {
    sum_at<kBytes>(row + b, down + b, v);
    const Signed here = v <= limit ? at : beyond, left = v <= limit ? rest : beyond;
    first = here < first ? here : first;
    last = left < last ? left : last;
  };
  for (Index b = 0; b + lanes <= n; b += lanes) {
    visit(b);
    at += step;
    rest -= step;
  }
  for (Index k = 0; k < lanes; ++k) at[k] = static_cast<T>(n - lanes + k), rest[k] = static_cast<T>(lanes - k);
  visit(n - lanes);
  const auto a = static_cast<Slot>(fold(first, Least{})),
             z = static_cast<Slot>(n) - static_cast<Slot>(fold(last, Least{}));
  constexpr auto kClass = (std::uint64_t{1} << kCountBits<T>)-1;  // sums are modulo that
  out[0] = a;
  if (seen.count() == 3)
    out[1] = static_cast<Slot>((static_cast<std::uint64_t>(seen.single_class()) - static_cast<std::uint64_t>(a) -
                                static_cast<std::uint64_t>(z)) &
                               kClass);
  out[seen.count() - 1] = z;
  return seen.count();
}

// Lists candidates. Most classes are none: blocks without any are skipped, in the others each class has a byte, and
// eight are tested at a time.
template <Index kBytes, class T>
GRIDCOMPUTE_INLINE Index list_screened_of(const T* row, const T* down, Index n, const ScreenedRow<T>& seen,
                                          Slot* GRIDCOMPUTE_RESTRICT out) {
  using Signed = typename Lanes<T, kBytes>::Signed;  // kBlock, kWord: bytes tested together
  constexpr Index lanes = Lanes<T, kBytes>::kCount, kBlock = 8 * static_cast<Index>(sizeof(T)), kWord = 8;
  if (n >= lanes && (seen.count() == 2 || seen.count() == 3)) return list_few<kBytes>(row, down, n, seen, out);
  const T low = seen.low;
  Index count = 0;
  if (n < kBlock) {
    for (Index s = 0; s < n; ++s) {
      out[count] = static_cast<Slot>(s);
      count += add(row[s], down[s]) <= low ? 1 : 0;
    }
    return count;
  }
  const auto block = [&](Index b, Index from) {
    Signed x, y;
    sum_at<kBytes>(row + b, down + b, x);
    for (Index k = lanes; k < kBlock; k += lanes) {
      sum_at<kBytes>(row + b + k, down + b + k, y);
      x = x < y ? x : y;
    }
    if (fold(x, Least{}) > low) return;
    std::uint8_t keep[kBlock];
    for (Index k = 0; k < kBlock; ++k) keep[k] = add(row[b + k], down[b + k]) <= low ? 1 : 0;
    for (Index w = 0; w < kBlock; w += kWord) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, keep + w, kWord);
      if (eight == 0) continue;
      for (Index k = std::max(w, from); k < w + kWord; ++k) {
        out[count] = static_cast<Slot>(b + k);
        count += keep[k];
      }
    }
  };
  Index b = 0;
  for (; b + kBlock <= n; b += kBlock) block(b, 0);
  if (b < n) block(n - kBlock, kBlock - (n - b));
  return count;
}

GRIDCOMPUTE_INLINE Cost least_real(const double* GRIDCOMPUTE_RESTRICT cost, double scale,
                                   const Cost* GRIDCOMPUTE_RESTRICT up, Index n, Cost low,
                                   Cost* GRIDCOMPUTE_RESTRICT key) {
  for (Index s = 0; s < n; ++s) {
    Cost k = integer_of(cost[s] * scale + kRound);
    k = k < kInfinite ? k : kForbidden;
    key[s] = k;
    const Cost v = k + up[s];
    low = v < low ? v : low;
  }
  return low;
}

GRIDCOMPUTE_INLINE void extremes(const double* GRIDCOMPUTE_RESTRICT cost, double scale, Index n, KeyExtremes& all) {
  Cost low = all.low, high = all.high, inexact = 0;
  for (Index s = 0; s < n; ++s) {
    const double x = cost[s] * scale, shifted = x + kRound;
    // A pair is forbidden where its cost is +inf, not where the scale takes it there; underflow to 0 is a change as
    // well.
    const Cost allowed = -static_cast<Cost>(cost[s] != kInf), key = integer_of(shifted) & allowed;
    low = key < low ? key : low;
    high = key > high ? key : high;
    inexact |=
        (static_cast<Cost>(shifted - kRound != x) | (static_cast<Cost>(x == 0) & static_cast<Cost>(cost[s] != 0))) &
        allowed;
  }
  all = {low, high, all.inexact || inexact != 0};
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void screen_rows_of(const T* rows, Index count, Index n, const T* up, const T* down,
                                       ScreenedRow<T>* out) {
  for (Index k = 0; k < count; ++k) {
    const T* row = rows + k * n;
    out[k] = kept<kBytes>(row, down, n, least<kBytes>(row, up, n, out[k].low));
  }
}

template <Index kBytes>
GRIDCOMPUTE_INLINE void mark_candidates_of(const Cost* row, const ColumnTests& with, Cost now,
                                           std::span<std::uint8_t> listed) {
  const auto n = static_cast<Index>(listed.size());
  const Cost* near = with.near.data();
  const Cost* bound = with.bound.data();
  std::uint8_t* out = listed.data();
  const Cost low = least<kBytes>(row, with.up.data(), n, kForbidden);
  for (Index s = 0; s < n; ++s) {
    const bool close = row[s] + near[s] <= low, cheaper = row[s] + bound[s] < now, allowed = row[s] < kForbidden;
    out[s] = static_cast<std::uint8_t>(
        out[s] | (static_cast<int>(allowed) & (static_cast<int>(close) | static_cast<int>(cheaper))));
  }
}

template <Index kBytes>
GRIDCOMPUTE_INLINE void screen_real_rows_of(const RealRows& rows, Index count, Index n, const Cost* up,
                                            const Cost* down, ScreenedRow<Cost>* out) {
  for (Index k = 0; k < count; ++k) {
    Cost* key = rows.key + k * n;
    out[k] = kept<kBytes>(key, down, n, least_real(rows.cost + k * n, rows.scale[k], up, n, out[k].low, key));
  }
}

template <Index kBytes>
GRIDCOMPUTE_INLINE KeyExtremes screen_real_rows_checked_of(const RealRows& rows, Index count, Index n, const Cost* up,
                                                           const Cost* down, ScreenedRow<Cost>* out) {
  KeyExtremes all;
  for (Index k = 0; k < count; ++k) {
    Cost* key = rows.key + k * n;
    extremes(rows.cost + k * n, rows.scale[k], n, all);
    out[k] = kept<kBytes>(key, down, n, least_real(rows.cost + k * n, rows.scale[k], up, n, out[k].low, key));
  }
  return all;
}

}  // namespace

GRIDCOMPUTE_VERSIONS(void, screen_rows,
                     (const std::int32_t* rows, Index count, Index n, const std::int32_t* up, const std::int32_t* down,
                      ScreenedRow<std::int32_t>* out),
                     (rows, count, n, up, down, out))
GRIDCOMPUTE_VERSIONS(void, screen_rows,
                     (const Cost* rows, Index count, Index n, const Cost* up, const Cost* down, ScreenedRow<Cost>* out),
                     (rows, count, n, up, down, out))

GRIDCOMPUTE_VERSIONS(Index, list_screened,
                     (const std::int32_t* row, const std::int32_t* down, Index n, const ScreenedRow<std::int32_t>& seen,
                      Slot* out),
                     (row, down, n, seen, out))
GRIDCOMPUTE_VERSIONS(Index, list_screened,
                     (const Cost* row, const Cost* down, Index n, const ScreenedRow<Cost>& seen, Slot* out),
                     (row, down, n, seen, out))

GRIDCOMPUTE_VERSIONS(void, screen_real_rows,
                     (const RealRows& rows, Index count, Index n, const Cost* up, const Cost* down,
                      ScreenedRow<Cost>* out),
                     (rows, count, n, up, down, out))
GRIDCOMPUTE_VERSIONS(KeyExtremes, screen_real_rows_checked,
                     (const RealRows& rows, Index count, Index n, const Cost* up, const Cost* down,
                      ScreenedRow<Cost>* out),
                     (rows, count, n, up, down, out))

GRIDCOMPUTE_VERSIONS(void, mark_candidates,
                     (const Cost* row, const ColumnTests& with, Cost now, std::span<std::uint8_t> listed),
                     (row, with, now, listed))

GRIDCOMPUTE_CLONES bool keys_match(const std::int32_t* row, const Slot* slot, const Cost* above, Index count,
                                   std::int32_t first) {
  Cost unlike = 0;
  for (Index c = 0; c < count; ++c) unlike |= (Cost{row[slot[c]]} - first) ^ above[c];
  return unlike == 0;
}

GRIDCOMPUTE_CLONES bool keys_match(const Cost* row, const Slot* slot, const Cost* above, Index count, Cost first) {
  Cost unlike = 0;
  for (Index c = 0; c < count; ++c) unlike |= (row[slot[c]] - first) ^ above[c];
  return unlike == 0;
}

Index list_marked(std::span<const std::uint8_t> listed, Slot* out) {
  constexpr std::size_t kWord = 8;  // bytes tested together
  Index count = 0;
  for (std::size_t b = 0; b < listed.size(); b += kWord) {
    const std::size_t end = std::min(listed.size(), b + kWord);
    std::uint64_t eight = 0;
    std::memcpy(&eight, listed.data() + b, end - b);
    if (eight == 0) continue;
    for (std::size_t s = b; s < end; ++s) {
      if (listed[s] != 0) out[count++] = static_cast<Slot>(s);
    }
  }
  return count;
}

GRIDCOMPUTE_CLONES Cost least_unlisted(const Cost* row, const Cost* base, std::span<const std::uint8_t> listed) {
  const std::uint8_t* skip = listed.data();
  const auto n = static_cast<Index>(listed.size());
  Cost low = kForbidden;
  for (Index s = 0; s < n; ++s) {
    const Cost out = -static_cast<Cost>(skip[s] != 0 || row[s] >= kForbidden);
    const Cost v = ((row[s] + base[s]) & ~out) | (kForbidden & out);
    low = v < low ? v : low;
  }
  return low;
}

}  // namespace gridcompute::transport
