#include "gridcompute/transport/small/aggregate.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/base/hash.hpp"

namespace gridcompute::transport {

namespace {

// Returns odd factors of a multilinear row hash, which vectorises; a chain of hashed() does not.
std::vector<std::uint64_t> factors(Slot n) {
  std::vector<std::uint64_t> out(static_cast<std::size_t>(n));
  std::uint64_t last = kHashSeed;
  for (std::uint64_t& x : out) x = (last = hashed(last, last >> 32)) | 1;
  return out;
}

template <class T>
class Aggregator {
 public:
  Aggregator(const DefaultInitVector<T>& keys, Index n, Slot columns, Index stride, const Tuning& tuning)
      : keys_(keys),
        n_(n),
        columns_(columns),
        stride_(stride),
        tuning_(tuning),
        probe_(std::min(n, tuning.duplicate_probe_rows)),
        factors_(factors(columns)) {}

  // Returns for each column the lowest column equal to it.
  [[nodiscard]] std::vector<Slot> columns() const {
    std::vector<std::uint64_t> hashes(static_cast<std::size_t>(columns_), 0);
    for (Index k = 0; k < probe_; ++k) {
      if (k == tuning_.duplicate_first_rows && more_differ(hashes, columns_ - 1)) break;
      const T* row = at(n_ * k / probe_);
      for (Slot s = 0; s < columns_; ++s) hashes[s] = hashed(hashes[s], static_cast<std::uint64_t>(row[s]));
    }
    return representatives(hashes, [&](Index a, Index b) {
      for (Index i = 0; i < n_; ++i) {
        if (at(i)[a] != at(i)[b]) return false;
      }
      return true;
    });
  }

  // Returns for each row the lowest row equal to it; empty where too few of the sampled rows have a duplicate.
  [[nodiscard]] std::vector<std::int32_t> rows() const {
    const Index copies = (probe_ + tuning_.duplicate_rows_share - 1) / tuning_.duplicate_rows_share;
    std::vector<std::uint64_t> hashes;
    for (const Slot some : {std::min(static_cast<Slot>(tuning_.duplicate_first_rows), columns_), columns_}) {
      hashes.clear();
      for (Index k = 0; k < probe_; ++k) hashes.push_back(hash_of(n_ * k / probe_, some));
      if (more_differ(hashes, probe_ - copies)) return {};
    }
    hashes.clear();
    for (Index i = 0; i < n_; ++i) hashes.push_back(hash_of(i, columns_));
    return representatives(hashes, [&](Index a, Index b) { return std::equal(at(a), at(a) + columns_, at(b)); });
  }

 private:
  [[nodiscard]] const T* at(Index row) const { return keys_.data() + row * stride_; }

  // Hashes the first `columns` entries of a row.
  [[nodiscard]] std::uint64_t hash_of(Index row, Slot columns) const {
    std::uint64_t hash = 0;
    for (Slot s = 0; s < columns; ++s) hash += static_cast<std::uint64_t>(at(row)[s]) * factors_[s];
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
  const Tuning& tuning_;
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
      of[k] = of[static_cast<std::size_t>(of[k])];  // the representative has a lower index, so it is numbered already
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
  keys.resize(static_cast<std::size_t>(out.rows * out.stride));
  out.keys = std::move(keys);
  return out;
}

template <class T>
AggregatedMatrix<T> not_aggregated(DefaultInitVector<T> keys, Index n, Slot columns, Index stride) {
  AggregatedMatrix<T> out;
  out.keys = std::move(keys);
  out.rows = n, out.stride = stride, out.columns = columns;
  out.column_of.resize(static_cast<std::size_t>(columns));
  std::iota(out.column_of.begin(), out.column_of.end(), Slot{0});
  return out;
}

template AggregatedMatrix<std::int32_t> not_aggregated(DefaultInitVector<std::int32_t>, Index, Slot, Index);
template AggregatedMatrix<Cost> not_aggregated(DefaultInitVector<Cost>, Index, Slot, Index);
template AggregatedMatrix<std::int32_t> aggregate(DefaultInitVector<std::int32_t>, Index, Slot, Index, Index,
                                                  std::int32_t, const Tuning&);
template AggregatedMatrix<Cost> aggregate(DefaultInitVector<Cost>, Index, Slot, Index, Index, Cost, const Tuning&);

}  // namespace gridcompute::transport
