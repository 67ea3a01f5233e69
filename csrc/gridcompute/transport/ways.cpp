#include "gridcompute/transport/ways.hpp"

namespace gridcompute::transport {

namespace {

template <class T, Index kBytes>
using Signed = typename Lanes<T, kBytes>::Signed;

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE LeastAt<T> cheapest_of(const T* row, const T* price, Index n) {
  return least_of<kBytes, T>(
      n, [&](Index b, Signed<T, kBytes>& out) GRIDCOMPUTE_FORCED { sum_at<kBytes>(row + b, price + b, out); });
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void cheapest_each_of(const Matrix<T>& rows, const Member<T>* members, Index count, const T* price,
                                         LeastAt<T>* out) {
  for (Index k = 0; k < count; ++k) out[k] = cheapest_of<kBytes>(rows.row(members[k].row), price, rows.stride);
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE Index next_equal_of(const T* row, const T* price, Index n, LeastAt<T> at) {
  Signed<T, kBytes> v, equal = {};
  Index s = at.at + 1;
  for (Index b = s / Lanes<T, kBytes>::kCount * Lanes<T, kBytes>::kCount; b < n; b += Lanes<T, kBytes>::kCount) {
    sum_at<kBytes>(row + b, price + b, v);
    v -= at.value;
    equal -= v == 0;
  }
  // Most often it is the one already known.
  if (fold(equal, Sum{}) <= (s % Lanes<T, kBytes>::kCount == 0 ? 0 : 1)) return n;
  while (s < n && row[s] + price[s] != at.value) ++s;
  return s;
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE bool decided_by(const T* row, T own, const T* way) {
  Signed<T, kBytes> v, old;
  load(row, v);
  load(way, old);
  v = v - own == old;
  return fold(v, Least{}) != 0;
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void rebuild_of(const Matrix<T>& rows, const Member<T>* members, Index count, bool spare,
                                   const Member<T>* left, T* way) {
  for (Index b = 0; b < rows.stride; b += Lanes<T, kBytes>::kCount) {
    if (left != nullptr && !decided_by<kBytes>(rows.row(left->row) + b, left->own, way + b)) continue;
    Signed<T, kBytes> best = {}, v;
    if (!spare) best += Range<T>::kForbid;
    for (Index k = 0; k < count; ++k) {
      load(rows.row(members[k].row) + b, v);
      v -= members[k].own;
      best = v < best ? v : best;
    }
    store(best, way + b);
  }
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void lower_of(const T* row, T own, Index n, T* way) {
  for (Index b = 0; b < n; b += Lanes<T, kBytes>::kCount) {
    Signed<T, kBytes> best, v;
    load(row + b, v);
    load(way + b, best);
    v -= own;
    best = v < best ? v : best;
    store(best, way + b);
  }
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE LeastAt<T> relax_of(const T* way, T from, T via, const T* price, Index n, T* label, T* parent) {
  return least_of<kBytes, T>(n, [&](Index b, Signed<T, kBytes>& out) GRIDCOMPUTE_FORCED {
    Signed<T, kBytes> v, old, at, p;
    load(way + b, v);
    load(label + b, old);
    load(parent + b, at);
    load(price + b, p);
    v += from;
    at = v < old ? via : at;
    old = v < old ? v : old;
    store(old, label + b);
    store(at, parent + b);
    out = old + p;
  });
}

}  // namespace

GRIDCOMPUTE_VERSIONS(LeastAt<std::int32_t>, cheapest, (const std::int32_t* row, const std::int32_t* price, Index n),
                     (row, price, n))
GRIDCOMPUTE_VERSIONS(LeastAt<Cost>, cheapest, (const Cost* row, const Cost* price, Index n), (row, price, n))

GRIDCOMPUTE_VERSIONS(void, cheapest_each,
                     (const Matrix<std::int32_t>& rows, const Member<std::int32_t>* members, Index count,
                      const std::int32_t* price, LeastAt<std::int32_t>* out),
                     (rows, members, count, price, out))
GRIDCOMPUTE_VERSIONS(void, cheapest_each,
                     (const Matrix<Cost>& rows, const Member<Cost>* members, Index count, const Cost* price,
                      LeastAt<Cost>* out),
                     (rows, members, count, price, out))

GRIDCOMPUTE_VERSIONS(Index, next_equal,
                     (const std::int32_t* row, const std::int32_t* price, Index n, LeastAt<std::int32_t> at),
                     (row, price, n, at))
GRIDCOMPUTE_VERSIONS(Index, next_equal, (const Cost* row, const Cost* price, Index n, LeastAt<Cost> at),
                     (row, price, n, at))

GRIDCOMPUTE_VERSIONS(void, rebuild,
                     (const Matrix<std::int32_t>& rows, const Member<std::int32_t>* members, Index count, bool spare,
                      const Member<std::int32_t>* left, std::int32_t* way),
                     (rows, members, count, spare, left, way))
GRIDCOMPUTE_VERSIONS(void, rebuild,
                     (const Matrix<Cost>& rows, const Member<Cost>* members, Index count, bool spare,
                      const Member<Cost>* left, Cost* way),
                     (rows, members, count, spare, left, way))

GRIDCOMPUTE_VERSIONS(void, lower, (const std::int32_t* row, std::int32_t own, Index n, std::int32_t* way),
                     (row, own, n, way))
GRIDCOMPUTE_VERSIONS(void, lower, (const Cost* row, Cost own, Index n, Cost* way), (row, own, n, way))

GRIDCOMPUTE_VERSIONS(LeastAt<std::int32_t>, relax,
                     (const std::int32_t* way, std::int32_t from, std::int32_t via, const std::int32_t* price, Index n,
                      std::int32_t* label, std::int32_t* parent),
                     (way, from, via, price, n, label, parent))
GRIDCOMPUTE_VERSIONS(LeastAt<Cost>, relax,
                     (const Cost* way, Cost from, Cost via, const Cost* price, Index n, Cost* label, Cost* parent),
                     (way, from, via, price, n, label, parent))

}  // namespace gridcompute::transport
