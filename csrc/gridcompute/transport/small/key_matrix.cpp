#include "gridcompute/transport/small/key_matrix.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <type_traits>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/base/simd.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

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
  std::vector<Cost> some(at(kKeyBlock * n_slots)), left_out;
  std::vector<double> scratch;
  CommonFactor<T> unit;
  for (Index k = 0; k < level.n; k += kKeyBlock) {
    const Index count = std::min(kKeyBlock, level.n - k);
    if (stop.poll(count * n_slots)) return false;
    const int before = unit.shift();
    keys.fill(level.block(k, count), some.data(), scratch, seen);
    unit.add({some.data(), at(count * n_slots)});
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

// Keys of one job that may show that 32 bits do not suffice.
constexpr Slot kNarrowProbeKeys = 4;

// Returns whether a key of the first job fits 32 bits in no unit that divides it: then the matrix does not either.
bool too_wide(const IntegerKeys& keys, const Level& level) {
  if (level.n == 0 || !keys.problem().cost->singles()) return false;
  for (Slot s = 0; s < std::min(keys.n_slots(), kNarrowProbeKeys); ++s) {
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
                     CostRangeStats& seen) {
  if constexpr (std::is_same_v<T, std::int32_t>)
    if (too_wide(keys, level)) return false;
  out.keys.resize(at(level.n * stride));
  if constexpr (std::is_same_v<T, std::int32_t>)
    if (keys.int32() != nullptr && keys.perturbation().none()) return copy(keys, level, stride, out, stop, seen);
  const bool listed = level.n > 0 && level.rows == nullptr && keys.problem().cost->listed(0) >= 0;
  if (listed && keys.problem().demand == nullptr && keys.perturbation().none())
    return scatter(keys, level, stride, out, stop, seen);
  return convert(keys, level, stride, out, stop, seen);
}

template bool read_key_matrix(const IntegerKeys&, const Level&, Index, KeyMatrix<std::int32_t>&, Stop&,
                              CostRangeStats&);
template bool read_key_matrix(const IntegerKeys&, const Level&, Index, KeyMatrix<Cost>&, Stop&, CostRangeStats&);

namespace {

constexpr Index kCsrBlock = 256;  // jobs read per block

Index pairs_of(const IntegerKeys& keys) {
  const CostSource& cost = *keys.problem().cost;
  Index pairs = keys.optional() ? keys.n_jobs() : 0;
  for (Index i = 0; i < keys.n_jobs(); ++i) pairs += cost.listed(i);
  return pairs;
}

}  // namespace

// Keys scanned in vectors in the time of one list entry.
constexpr Index kListedLanes = 6;
// Pairs that are held in memory, at most.
constexpr Index kListedPairs = 1 << 24;

bool csr_keys_pay(const IntegerKeys& keys, Index stride) {
  if (keys.n_jobs() == 0 || keys.problem().cost->listed(0) < 0 || !keys.perturbation().none()) return false;
  const Index pairs = pairs_of(keys);
  return pairs <= kListedPairs && pairs * kListedLanes <= keys.n_jobs() * stride;
}

template <class T>
bool CsrKeys<T>::read(const IntegerKeys& keys, Stop& stop, CostRangeStats& seen) {
  const CostSource& cost = *keys.problem().cost;
  const Index n = keys.n_jobs();
  arcs_.resize(static_cast<std::size_t>(pairs_of(keys)));
  auto* to = arcs_.data();
  begin_.assign(1, 0);
  begin_.reserve(static_cast<std::size_t>(n) + 1);
  std::vector<Slot> slots;
  std::vector<Cost> some, left_out;
  std::vector<double> scratch;
  for (Index first = 0; first < n; first += kCsrBlock) {
    const Index last = std::min(n, first + kCsrBlock);
    Index pairs = 0;
    for (Index i = first; i < last; ++i) pairs += cost.listed(i);
    if (stop.poll(pairs)) return false;
    slots.resize(static_cast<std::size_t>(pairs));
    some.resize(slots.size());
    keys.fill_listed(first, last - first, pairs, slots.data(), some.data(), scratch, seen);
    left_out.clear();
    for (Index i = first; keys.optional() && i < last; ++i) left_out.push_back(keys.unplaced(i, seen));
    const int before = unit_.shift();
    unit_.add(some);
    unit_.add(left_out);
    if (!keys.possible(seen) || !unit_.holds(keys.reach(seen))) return false;
    if (unit_.shift() < before)
      for (auto* arc = arcs_.data(); arc != to; ++arc) arc->key = unit_.moved(arc->key, before);
    std::size_t at = 0;
    for (Index i = first; i < last; ++i) {
      for (Index k = cost.listed(i); k > 0; --k, ++at)
        if (some[at] < kForbidden) *to++ = {slots[at], unit_.held(some[at])};
      if (keys.optional() && left_out[i - first] < kForbidden)
        *to++ = {keys.n_slots(), unit_.held(left_out[i - first])};
      begin_.push_back(static_cast<std::int32_t>(to - arcs_.data()));
    }
  }
  return true;
}

// Duplicates in a sample from which aggregation pays (1 / share of rows).
constexpr Index kDuplicateRowsShare = 8;

template <class T>
bool CsrKeys<T>::mostly_copies(const Tuning& tuning) const {
  const CsrKeyRows<T> all = rows(0);
  const Index n = static_cast<Index>(begin_.size()) - 1, probe = std::min(n, tuning.duplicate_probe_rows);
  std::vector<std::int32_t> order;
  for (Index k = 0; k < probe; ++k) order.push_back(static_cast<std::int32_t>(n * k / probe));
  const auto less = [&](std::int32_t a, std::int32_t b) {
    return std::ranges::lexicographical_compare(all.row(a), all.row(b), [](const auto& x, const auto& y) {
      return x.slot != y.slot ? x.slot < y.slot : x.key < y.key;
    });
  };
  std::sort(order.begin(), order.end(), less);
  Index copies = 0;
  for (std::size_t k = 1; k < order.size(); ++k) copies += less(order[k - 1], order[k]) ? 0 : 1;
  return copies * kDuplicateRowsShare >= probe;
}

template class CsrKeys<std::int32_t>;
template class CsrKeys<Cost>;

namespace {

// Returns odd factors of a multilinear row hash, which vectorises; a chain of hashed() does not.
std::vector<std::uint64_t> factors(Slot n) {
  std::vector<std::uint64_t> out(at(n));
  std::uint64_t last = kHashSeed;
  for (std::uint64_t& x : out) x = (last = hashed(last, last >> 32)) | 1;
  return out;
}

// Rows or entries of the sample that most often show that there are no duplicates.
constexpr Index kDuplicateFirstRows = 8;

template <class T>
class Aggregator {
 public:
  Aggregator(const DefaultInitVector<T>& keys, Index n, Slot columns, Index stride, const Tuning& tuning)
      : keys_(keys),
        n_(n),
        columns_(columns),
        stride_(stride),
        probe_(std::min(n, tuning.duplicate_probe_rows)),
        factors_(factors(columns)) {}

  // Returns for each column the lowest column equal to it.
  [[nodiscard]] std::vector<Slot> columns() const {
    std::vector<std::uint64_t> hashes(at(columns_), 0);
    for (Index k = 0; k < probe_; ++k) {
      if (k == kDuplicateFirstRows && more_differ(hashes, columns_ - 1)) break;
      const T* row = row_at(n_ * k / probe_);
      for (Slot s = 0; s < columns_; ++s) hashes[s] = hashed(hashes[s], static_cast<std::uint64_t>(row[s]));
    }
    return representatives(hashes, [&](Index a, Index b) {
      for (Index i = 0; i < n_; ++i) {
        if (row_at(i)[a] != row_at(i)[b]) return false;
      }
      return true;
    });
  }

  // Returns for each row the lowest row equal to it; empty where too few of the sampled rows have a duplicate.
  [[nodiscard]] std::vector<std::int32_t> rows() const {
    const Index copies = (probe_ + kDuplicateRowsShare - 1) / kDuplicateRowsShare;
    std::vector<std::uint64_t> hashes;
    for (const Slot some : {std::min(static_cast<Slot>(kDuplicateFirstRows), columns_), columns_}) {
      hashes.clear();
      for (Index k = 0; k < probe_; ++k) hashes.push_back(hash_of(n_ * k / probe_, some));
      if (more_differ(hashes, probe_ - copies)) return {};
    }
    hashes.clear();
    for (Index i = 0; i < n_; ++i) hashes.push_back(hash_of(i, columns_));
    return representatives(hashes,
                           [&](Index a, Index b) { return std::equal(row_at(a), row_at(a) + columns_, row_at(b)); });
  }

 private:
  [[nodiscard]] const T* row_at(Index row) const { return keys_.data() + row * stride_; }

  // Hashes the first `columns` entries of a row.
  [[nodiscard]] std::uint64_t hash_of(Index row, Slot columns) const {
    std::uint64_t hash = 0;
    for (Slot s = 0; s < columns; ++s) hash += static_cast<std::uint64_t>(row_at(row)[s]) * factors_[s];
    return hash;
  }

  // Returns each item's representative. An item whose hash collides with an unequal one stays by itself.
  template <class Equal>
  static std::vector<Slot> representatives(std::span<const std::uint64_t> hashes, const Equal& equal) {
    std::vector<Slot> out = lowest_equal(hashes);
    for (std::size_t k = 0; k < out.size(); ++k) {
      const auto item = static_cast<Slot>(k);
      if (out[k] != item && !equal(out[k], item)) out[k] = item;
    }
    return out;
  }

  const DefaultInitVector<T>& keys_;
  Index n_;
  Slot columns_;
  Index stride_;
  Index probe_;                         // rows sampled
  std::vector<std::uint64_t> factors_;  // (columns)
};

// Numbers the representatives and replaces each entry of `of` by its number; returns the representatives.
std::vector<Index> numbered(std::vector<Slot>& of) {
  std::vector<Index> kept;
  for (std::size_t k = 0; k < of.size(); ++k) {
    if (of[k] == static_cast<Slot>(k)) {
      of[k] = static_cast<Slot>(kept.size());
      kept.push_back(static_cast<Index>(k));
    } else {
      of[k] = of[at(of[k])];  // the representative has a lower index, so it is numbered already
    }
  }
  return kept;
}

// A run of kept columns that stay adjacent.
struct Run {
  Index from, to, size;
};
std::vector<Run> runs_of(std::span<const Index> kept) {
  std::vector<Run> runs;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    if (k == 0 || kept[k] != kept[k - 1] + 1) runs.push_back({kept[k], static_cast<Index>(k), 0});
    ++runs.back().size;
  }
  return runs;
}

}  // namespace

template <class T>
AggregatedMatrix<T> aggregate(DefaultInitVector<T> keys, Index n, Slot columns, Index stride, Index unit, T pad,
                              const Tuning& tuning) {
  const Aggregator<T> merger(keys, n, columns, stride, tuning);
  AggregatedMatrix<T> out;
  out.column_of = merger.columns();
  out.row_of = merger.rows();
  const std::vector<Index> kept_columns = numbered(out.column_of);
  const std::vector<Index> kept_rows = numbered(out.row_of);
  out.columns = static_cast<Slot>(kept_columns.size());
  out.stride = (out.columns + unit - 1) / unit * unit;
  if (kept_rows.empty() && out.columns == columns && out.stride == stride) {
    out.rows = n;
    out.keys = std::move(keys);
    return out;
  }
  out.rows = out.row_of.empty() ? n : static_cast<Index>(kept_rows.size());
  const std::vector<Run> runs = runs_of(kept_columns);
  for (Index i = 0; i < out.rows; ++i) {  // in place: each row moves to an address no later than its own
    const T* from = keys.data() + (out.row_of.empty() ? i : kept_rows[i]) * stride;
    T* to = keys.data() + i * out.stride;
    for (const Run& run : runs) std::copy(from + run.from, from + run.from + run.size, to + run.to);
    std::fill(to + out.columns, to + out.stride, pad);
  }
  keys.resize(at(out.rows * out.stride));
  out.keys = std::move(keys);
  return out;
}

template <class T>
AggregatedMatrix<T> not_aggregated(DefaultInitVector<T> keys, Index n, Slot columns, Index stride) {
  AggregatedMatrix<T> out;
  out.keys = std::move(keys);
  out.rows = n, out.stride = stride, out.columns = columns;
  out.column_of.resize(at(columns));
  std::iota(out.column_of.begin(), out.column_of.end(), Slot{0});
  return out;
}

template AggregatedMatrix<std::int32_t> not_aggregated(DefaultInitVector<std::int32_t>, Index, Slot, Index);
template AggregatedMatrix<Cost> not_aggregated(DefaultInitVector<Cost>, Index, Slot, Index);
template AggregatedMatrix<std::int32_t> aggregate(DefaultInitVector<std::int32_t>, Index, Slot, Index, Index,
                                                  std::int32_t, const Tuning&);
template AggregatedMatrix<Cost> aggregate(DefaultInitVector<Cost>, Index, Slot, Index, Index, Cost, const Tuning&);

}  // namespace gridcompute::transport
