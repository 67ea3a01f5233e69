#include "gridcompute/transport/merge.hpp"

#include <algorithm>
#include <numeric>

namespace gridcompute::transport {

namespace {

constexpr Index kProbe = 64;  // rows looked at for copies

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  return (hash ^ value) * 0xFF51AFD7ED558CCDULL + (hash >> 29);
}

struct Hashed {
  std::uint64_t hash;
  Index at;
  bool operator<(const Hashed& other) const noexcept { return hash != other.hash ? hash < other.hash : at < other.at; }
};

template <class T>
class Merger {
 public:
  Merger(const std::vector<T>& keys, Index n, Slot columns, Index stride)
      : keys_(keys), n_(n), columns_(columns), stride_(stride) {}

  // For each column the lowest equal one.
  [[nodiscard]] std::vector<Slot> columns() const {
    std::vector<Hashed> hashed(static_cast<std::size_t>(columns_));
    for (Slot s = 0; s < columns_; ++s) hashed[s] = {0, s};
    const Index probe = std::min(n_, kProbe);
    for (Index k = 0; k < probe; ++k) {
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

  // For each row the lowest equal one; empty where a sample has hardly any copies.
  [[nodiscard]] std::vector<std::int32_t> rows() const {
    std::vector<Hashed> hashed;
    const Index probe = std::min(n_, kProbe);
    for (Index k = 0; k < probe; ++k) hashed.push_back(hash_of(n_ * k / probe));
    std::sort(hashed.begin(), hashed.end());
    Index copies = 0;
    for (std::size_t k = 1; k < hashed.size(); ++k) copies += hashed[k].hash == hashed[k - 1].hash ? 1 : 0;
    if (copies * 8 < probe) return {};
    hashed.clear();
    for (Index i = 0; i < n_; ++i) hashed.push_back(hash_of(i));
    return representatives<std::int32_t>(hashed,
                                         [&](Index a, Index b) { return std::equal(at(a), at(a) + columns_, at(b)); });
  }

 private:
  [[nodiscard]] const T* at(Index row) const { return keys_.data() + row * stride_; }

  [[nodiscard]] Hashed hash_of(Index row) const {
    std::uint64_t hash = 0;
    for (Slot s = 0; s < columns_; ++s) hash = mixed(hash, static_cast<std::uint64_t>(at(row)[s]));
    return {hash, row};
  }

  // Those that share a hash with the first of it and are not equal to it stay by themselves.
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

  const std::vector<T>& keys_;
  Index n_;
  Slot columns_;
  Index stride_;
};

// Numbers those that stand for themselves; `of` becomes the number of each. Which they are.
template <class Out>
std::vector<Index> numbered(std::vector<Out>& of) {
  std::vector<Index> kept;
  for (std::size_t k = 0; k < of.size(); ++k) {
    if (of[k] == static_cast<Out>(k)) {
      of[k] = static_cast<Out>(kept.size());
      kept.push_back(static_cast<Index>(k));
    } else {
      of[k] = of[static_cast<std::size_t>(of[k])];  // lower, so numbered already
    }
  }
  return kept;
}

}  // namespace

template <class T>
Merged<T> merge(std::vector<T> keys, Index n, Slot columns, Index stride, Index unit, T pad) {
  const Merger<T> merger(keys, n, columns, stride);
  Merged<T> out;
  out.column_of = merger.columns();
  out.row_of = merger.rows();
  const std::vector<Index> kept_columns = numbered(out.column_of);
  std::vector<Index> kept_rows = numbered(out.row_of);
  out.columns = static_cast<Slot>(kept_columns.size());
  out.stride = (out.columns + unit - 1) / unit * unit;
  if (kept_rows.empty() && out.columns == columns && out.stride == stride) {
    out.rows = n;
    out.keys = std::move(keys);
    return out;
  }
  if (out.row_of.empty()) {
    kept_rows.resize(static_cast<std::size_t>(n));
    std::iota(kept_rows.begin(), kept_rows.end(), Index{0});
  }
  out.rows = static_cast<Index>(kept_rows.size());
  out.keys.assign(static_cast<std::size_t>(out.rows * out.stride), pad);
  for (Index i = 0; i < out.rows; ++i) {
    const T* from = keys.data() + kept_rows[i] * stride;
    T* to = out.keys.data() + i * out.stride;
    for (Slot s = 0; s < out.columns; ++s) to[s] = from[kept_columns[s]];
  }
  return out;
}

template <class T>
Merged<T> unmerged(std::vector<T> keys, Index n, Slot columns, Index stride) {
  Merged<T> out;
  out.keys = std::move(keys);
  out.rows = n, out.stride = stride, out.columns = columns;
  out.column_of.resize(static_cast<std::size_t>(columns));
  std::iota(out.column_of.begin(), out.column_of.end(), Slot{0});
  return out;
}

template Merged<std::int32_t> unmerged(std::vector<std::int32_t>, Index, Slot, Index);
template Merged<Cost> unmerged(std::vector<Cost>, Index, Slot, Index);
template Merged<std::int32_t> merge(std::vector<std::int32_t>, Index, Slot, Index, Index, std::int32_t);
template Merged<Cost> merge(std::vector<Cost>, Index, Slot, Index, Index, Cost);

}  // namespace gridcompute::transport
