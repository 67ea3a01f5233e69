#include "gridcompute/transport/small/key_matrix.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/common_factor.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kKeyBlock = 64;          // rows read per block
constexpr Cost kWidest = Cost{1} << 30;  // out of the range of int32 keys, without wrapping

struct Extremes {
  std::int32_t low = 0, high = 0;
};

GRIDCOMPUTE_CLONES void widen(const std::int32_t* of, Index n, Extremes& seen) {
  std::int32_t low = seen.low, high = seen.high;
  for (Index k = 0; k < n; ++k) {
    low = of[k] < low ? of[k] : low;
    high = of[k] > high ? of[k] : high;
  }
  seen = {low, high};
}

// Copies the entries of an int32 matrix as they are.
bool copy(const IntegerKeys& keys, const Level& level, Index stride, KeyMatrix<std::int32_t>& out, Stop& stop,
          CostRangeStats& seen) {
  const Slot n_slots = keys.n_slots();
  Extremes extremes;
  for (Index k = 0; k < level.n; ++k) {
    const std::int32_t* from = keys.int32() + level.row(k) * n_slots;
    if (k % kKeyBlock == 0) {
      if (stop.poll(kKeyBlock * n_slots)) return false;
      if (level.rows == nullptr)
        widen(from, std::min(kKeyBlock, level.n - k) * n_slots, extremes);  // contiguous rows: all of the block at once
    }
    if (level.rows != nullptr) widen(from, n_slots, extremes);
    std::int32_t* to = out.keys.data() + k * stride;
    std::fill(std::copy(from, from + n_slots, to), to + stride, KeyRange<std::int32_t>::kForbid);
    if (!keys.optional()) continue;
    const Cost key = keys.unplaced(level.row(k), seen);
    if (key < kForbidden) to[n_slots] = static_cast<std::int32_t>(std::clamp<Cost>(key, -kWidest, kWidest));
  }
  seen.largest = std::max({seen.largest, -static_cast<double>(extremes.low), static_cast<double>(extremes.high)});
  return keys.possible(seen) && keys.reach(seen) <= KeyRange<std::int32_t>::kKey;
}

// Reads keys block by block. Where a block shows that the unit so far is too coarse, earlier keys are rescaled.
template <class T>
bool convert(const IntegerKeys& keys, const Level& level, Index stride, KeyMatrix<T>& out, Stop& stop,
             CostRangeStats& seen) {
  const Slot n_slots = keys.n_slots();
  std::vector<Cost> some(static_cast<std::size_t>(kKeyBlock * n_slots)), left_out;
  std::vector<double> scratch;
  CommonFactor<T> unit;
  for (Index k = 0; k < level.n; k += kKeyBlock) {
    const Index count = std::min(kKeyBlock, level.n - k);
    if (stop.poll(count * n_slots)) return false;
    const int before = unit.shift();
    keys.fill(level.block(k, count), some.data(), scratch, seen);
    unit.add({some.data(), static_cast<std::size_t>(count * n_slots)});
    left_out.clear();
    for (Index i = 0; keys.optional() && i < count; ++i) left_out.push_back(keys.unplaced(level.row(k + i), seen));
    unit.add(left_out);
    if (!keys.possible(seen) || !unit.holds(keys.reach(seen))) return false;
    T* to = out.keys.data() + k * stride;
    if (unit.shift() < before) std::for_each(out.keys.data(), to, [&](T& key) { key = unit.moved(key, before); });
    for (Index i = 0; i < count; ++i, to += stride) {
      const Cost* from = some.data() + i * n_slots;
      unit.hold(from, n_slots, to);
      std::fill(to + n_slots, to + stride, KeyRange<T>::kForbid);
      if (keys.optional()) to[n_slots] = unit.held(left_out[i]);
    }
  }
  out.shift = unit.shift();
  return true;
}

// Does the same from listed pairs; all other pairs are forbidden.
template <class T>
bool scatter(const IntegerKeys& keys, const Level& level, Index stride, KeyMatrix<T>& out, Stop& stop,
             CostRangeStats& seen) {
  const CostSource& cost = *keys.problem().cost;
  std::vector<Slot> slots;
  std::vector<Cost> some, left_out;
  std::vector<double> scratch;
  CommonFactor<T> unit;
  for (Index first = 0; first < level.n; first += kKeyBlock) {
    const Index count = std::min(kKeyBlock, level.n - first);
    Index pairs = 0;
    for (Index i = 0; i < count; ++i) pairs += cost.listed(first + i);
    if (stop.poll(pairs)) return false;
    slots.resize(static_cast<std::size_t>(pairs));
    some.resize(slots.size());
    keys.fill_listed(first, count, pairs, slots.data(), some.data(), scratch, seen);
    left_out.clear();
    for (Index i = 0; keys.optional() && i < count; ++i) left_out.push_back(keys.unplaced(first + i, seen));
    const int before = unit.shift();
    unit.add(some);
    unit.add(left_out);
    if (!keys.possible(seen) || !unit.holds(keys.reach(seen))) return false;
    T* to = out.keys.data() + first * stride;
    if (unit.shift() < before) std::for_each(out.keys.data(), to, [&](T& key) { key = unit.moved(key, before); });
    std::fill(to, to + count * stride, KeyRange<T>::kForbid);
    std::size_t at = 0;
    for (Index i = 0; i < count; ++i, to += stride) {
      for (Index k = cost.listed(first + i); k > 0; --k, ++at) to[slots[at]] = unit.held(some[at]);
      if (keys.optional()) to[keys.n_slots()] = unit.held(left_out[i]);
    }
  }
  out.shift = unit.shift();
  return true;
}

// Returns whether a key of the first job fits 32 bits in no unit that divides it: then the matrix does not either.
bool too_wide(const IntegerKeys& keys, const Level& level, const Tuning& tuning) {
  if (level.n == 0 || !keys.problem().cost->singles()) return false;
  for (Slot s = 0; s < std::min(keys.n_slots(), tuning.narrow_probe_keys); ++s) {
    const Cost key = keys.at(level.row(0), s);
    if (key >= kForbidden || key == 0) continue;
    const auto size = static_cast<std::uint64_t>(key < 0 ? -key : key);
    if (size >> std::countr_zero(size) > std::uint64_t{KeyRange<std::int32_t>::kKey}) return true;
  }
  return false;
}

}  // namespace

template <class T>
bool read_key_matrix(const IntegerKeys& keys, const Level& level, Index stride, KeyMatrix<T>& out, Stop& stop,
                     CostRangeStats& seen, const Tuning& tuning) {
  if constexpr (std::is_same_v<T, std::int32_t>)
    if (too_wide(keys, level, tuning)) return false;
  out.keys.resize(static_cast<std::size_t>(level.n * stride));
  if constexpr (std::is_same_v<T, std::int32_t>)
    if (keys.int32() != nullptr && keys.perturbation().none()) return copy(keys, level, stride, out, stop, seen);
  const bool listed = level.n > 0 && level.rows == nullptr && keys.problem().cost->listed(0) >= 0;
  if (listed && keys.problem().demand == nullptr && keys.perturbation().none())
    return scatter(keys, level, stride, out, stop, seen);
  return convert(keys, level, stride, out, stop, seen);
}

template bool read_key_matrix(const IntegerKeys&, const Level&, Index, KeyMatrix<std::int32_t>&, Stop&, CostRangeStats&,
                              const Tuning&);
template bool read_key_matrix(const IntegerKeys&, const Level&, Index, KeyMatrix<Cost>&, Stop&, CostRangeStats&,
                              const Tuning&);

}  // namespace gridcompute::transport
