#include "gridcompute/transport/small/aggregate.hpp"

#include <algorithm>
#include <bitset>
#include <numeric>

namespace gridcompute::transport {

namespace {

constexpr Index kProbe = 64;  // rows sampled in the search for duplicates
constexpr Slot kFirst = 8;    // sampled rows, or entries of a row, that usually suffice to rule duplicates out

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  return (hash ^ value) * 0xFF51AFD7ED558CCDULL + (hash >> 29);
}

// Returns odd factors of a multilinear row hash, which vectorises; a chain of mixed() does not.
std::vector<std::uint64_t> factors(Slot n) {
  std::vector<std::uint64_t> out(static_cast<std::size_t>(n));
  std::uint64_t last = 0x9E3779B97F4A7C15ULL;
  for (std::uint64_t& x : out) x = (last = mixed(last, last >> 32)) | 1;
  return out;
}

struct Hashed {
  std::uint64_t hash;
  Index at;
  bool operator<(const Hashed& other) const noexcept { return hash != other.hash ? hash < other.hash : at < other.at; }
};

template <class T>
class Aggregator {
 public:
  Aggregator(const DefaultInitVector<T>& keys, Index n, Slot columns, Index stride)
      : keys_(keys), n_(n), columns_(columns), stride_(stride), factors_(factors(columns)) {}

  // Returns for each column the lowest column equal to it.
  [[nodiscard]] std::vector<Slot> columns() const {
    std::vector<Hashed> hashed(static_cast<std::size_t>(columns_));
    for (Slot s = 0; s < columns_; ++s) hashed[s] = {0, s};
    const Index probe = std::min(n_, kProbe);
    for (Index k = 0; k < probe; ++k) {
      if (k == kFirst && copies(hashed) == 0) break;
      const T* row = at(n_ * k / probe);
      for (Slot s = 0; s < columns_; ++s) hashed[s].hash = mixed(hashed[s].hash, static_cast<std::uint64_t>(row[s]));
    }
    return representatives<Slot>(hashed, [&](Index a, Index b) {
      for (Index i = 0; i < n_; ++i) {
        if (at(i)[a] != at(i)[b]) return false;
      }
      return true;
    });
  }

  // Returns for each row the lowest row equal to it; empty where fewer than an eighth of the sampled rows have a
  // duplicate.
  [[nodiscard]] std::vector<std::int32_t> rows() const {
    std::vector<Hashed> hashed;
    const Index probe = std::min(n_, kProbe);
    for (const Slot some : {std::min(kFirst, columns_), columns_}) {
      hashed.clear();
      for (Index k = 0; k < probe; ++k) hashed.push_back(hash_of(n_ * k / probe, some));
      if (copies_at_most(hashed) * 8 < probe || copies(hashed) * 8 < probe) return {};
    }
    hashed.clear();
    for (Index i = 0; i < n_; ++i) hashed.push_back(hash_of(i, columns_));
    return representatives<std::int32_t>(hashed,
                                         [&](Index a, Index b) { return std::equal(at(a), at(a) + columns_, at(b)); });
  }

 private:
  [[nodiscard]] const T* at(Index row) const { return keys_.data() + row * stride_; }

  [[nodiscard]] static Index copies(std::vector<Hashed> hashed) {
    std::sort(hashed.begin(), hashed.end());
    Index count = 0;
    for (std::size_t k = 1; k < hashed.size(); ++k) count += hashed[k].hash == hashed[k - 1].hash ? 1 : 0;
    return count;
  }

  // Returns an upper bound on copies(), from a bitmap of hash prefixes: no sort.
  [[nodiscard]] static Index copies_at_most(std::span<const Hashed> hashed) {
    constexpr int kBits = 10;
    std::bitset<std::size_t{1} << kBits> met;
    for (const Hashed& h : hashed) met.set(h.hash * 0x9E3779B97F4A7C15ULL >> (64 - kBits));
    return static_cast<Index>(hashed.size()) - static_cast<Index>(met.count());
  }

  // Hashes the first `columns` entries of a row.
  [[nodiscard]] Hashed hash_of(Index row, Slot columns) const {
    std::uint64_t hash = 0;
    for (Slot s = 0; s < columns; ++s) hash += static_cast<std::uint64_t>(at(row)[s]) * factors_[s];
    return {hash, row};
  }

  // Returns each item's representative. An item whose hash collides with an unequal one stays by itself.
  template <class Out, class Equal>
  static std::vector<Out> representatives(std::vector<Hashed>& hashed, const Equal& equal) {
    std::vector<Out> out(hashed.size());
    std::iota(out.begin(), out.end(), Out{0});
    std::sort(hashed.begin(), hashed.end());
    std::size_t first = 0;
    for (std::size_t k = 1; k < hashed.size(); ++k) {
      if (hashed[k].hash != hashed[first].hash) {
        first = k;
      } else if (equal(hashed[first].at, hashed[k].at)) {
        out[static_cast<std::size_t>(hashed[k].at)] = static_cast<Out>(hashed[first].at);
      }
    }
    return out;
  }

  const DefaultInitVector<T>& keys_;
  Index n_;
  Slot columns_;
  Index stride_;
  std::vector<std::uint64_t> factors_;  // (columns)
};

// Numbers the representatives and replaces each entry of `of` by its number; returns the representatives.
template <class Out>
std::vector<Index> numbered(std::vector<Out>& of) {
  std::vector<Index> kept;
  for (std::size_t k = 0; k < of.size(); ++k) {
    if (of[k] == static_cast<Out>(k)) {
      of[k] = static_cast<Out>(kept.size());
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
AggregatedMatrix<T> aggregate(DefaultInitVector<T> keys, Index n, Slot columns, Index stride, Index unit, T pad) {
  const Aggregator<T> merger(keys, n, columns, stride);
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
                                                  std::int32_t);
template AggregatedMatrix<Cost> aggregate(DefaultInitVector<Cost>, Index, Slot, Index, Index, Cost);

}  // namespace gridcompute::transport
