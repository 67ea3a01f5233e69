#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"

namespace gridcompute::transport {

namespace {

template <class T, Index kBytes>
using Signed = typename Lanes<T, kBytes>::Signed;

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE LeastAt<T> least_cost_of(const T* row, const T* price, Index n) {
  return least_of<kBytes, T>(
      n, [&](Index b, Signed<T, kBytes>& out) GRIDCOMPUTE_FORCED { sum_at<kBytes>(row + b, price + b, out); });
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void least_costs_of(const DenseKeyRows<T>& rows, const JobUnits<T>* members, Index count,
                                       const T* price, LeastAt<T>* out) {
  for (Index k = 0; k < count; ++k) out[k] = least_cost_of<kBytes>(rows.row(members[k].row), price, rows.stride);
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE Index next_minimiser_of(const T* row, const T* price, Index n, LeastAt<T> at) {
  Signed<T, kBytes> v, equal = {};
  Index s = at.at + 1;
  for (Index b = s / Lanes<T, kBytes>::kCount * Lanes<T, kBytes>::kCount; b < n; b += Lanes<T, kBytes>::kCount) {
    sum_at<kBytes>(row + b, price + b, v);
    v -= at.value;
    equal -= v == 0;
  }
  // In most rows the minimum is unique.
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
GRIDCOMPUTE_INLINE void rebuild_exchange_row_of(const DenseKeyRows<T>& rows, const JobUnits<T>* members, Index count,
                                                bool spare, const JobUnits<T>* left, T* way) {
  for (Index b = 0; b < rows.stride; b += Lanes<T, kBytes>::kCount) {
    if (left != nullptr && !decided_by<kBytes>(rows.row(left->row) + b, left->own, way + b)) continue;
    Signed<T, kBytes> best = {}, v;
    if (!spare) best += KeyRange<T>::kForbid;
    for (Index k = 0; k < count; ++k) {
      load(rows.row(members[k].row) + b, v);
      v -= members[k].own;
      best = v < best ? v : best;
    }
    store(best, way + b);
  }
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void lower_exchange_row_of(const T* row, T own, Index n, T* way) {
  for (Index b = 0; b < n; b += Lanes<T, kBytes>::kCount) {
    Signed<T, kBytes> best, v;
    load(row + b, v);
    load(way + b, best);
    v -= own;
    best = v < best ? v : best;
    store(best, way + b);
  }
}

// Relaxes the arcs from `via`, whose label is `from`, to one vector of classes; returns their distances in `out`.
template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void relax_at(const T* way, T from, T via, Index b, ShortestPathTree<T>& tree,
                                 Signed<T, kBytes>& out) {
  Signed<T, kBytes> v, old, at;
  load(way + b, v);
  load(tree.label.data() + b, old);
  load(tree.parent.data() + b, at);
  load(tree.open.data() + b, out);
  v += from;
  at = v < old ? via : at;
  old = v < old ? v : old;
  store(old, tree.label.data() + b);
  store(at, tree.parent.data() + b);
  out += old;
}

template <class T>
GRIDCOMPUTE_INLINE void settle_class(ShortestPathTree<T>& tree, Slot s, T distance, T label) {
  tree.label[s] = label;
  tree.open[s] = KeyRange<T>::kSettled;
  tree.settled.push_back({s, distance});
}

template <Index kBytes, class T>
GRIDCOMPUTE_INLINE void grow_tree_of(const ExchangeGraph<T>& net, Cost left, ShortestPathTree<T>& tree) {
  const Index n = net.stride;
  std::fill_n(tree.label.data(), n, KeyRange<T>::kForbid);
  std::fill_n(tree.parent.data(), n, T{kNone});
  std::copy_n(net.price, n, tree.open.data());
  tree.settled.clear();
  tree.targets.clear();
  for (Slot s = 0; s < net.columns; ++s) {
    if (net.load[s] > net.capacity[s]) settle_class(tree, s, T{0}, static_cast<T>(-net.price[s]));
  }
  LeastAt<T> nearest{KeyRange<T>::kForbid, 0};
  for (std::size_t k = 0; k < tree.settled.size() && left > 0; ++k) {
    const Slot from = tree.settled[k].slot;
    const bool on = k + 1 == tree.settled.size();  // every settled class has been relaxed
    if (net.line[from] != kNone) {
      const T* way = net.ways + net.line[from] * n;
      const T label = tree.label[from];
      if (!on) {
        Signed<T, kBytes> ignored;
        for (Index b = 0; b < n; b += Lanes<T, kBytes>::kCount) relax_at<kBytes, T>(way, label, from, b, tree, ignored);
        continue;
      }
      nearest = least_of<kBytes, T>(n, [&](Index b, Signed<T, kBytes>& out)
                                           GRIDCOMPUTE_FORCED { relax_at<kBytes, T>(way, label, from, b, tree, out); });
    } else if (on) {
      nearest = least_of<kBytes, T>(n, [&](Index b, Signed<T, kBytes>& out) GRIDCOMPUTE_FORCED {
        sum_at<kBytes>(tree.label.data() + b, tree.open.data() + b, out);
      });
    }
    if (!on) continue;
    tree.beyond = nearest.value >= KeyRange<T>::kKey;
    if (tree.beyond) return;
    const auto s = static_cast<Slot>(nearest.at);
    settle_class(tree, s, nearest.value, tree.label[s]);
    if (net.load[s] >= net.capacity[s]) continue;
    tree.targets.push_back(s);
    tree.last = nearest.value;
    left += net.load[s] - net.capacity[s];
  }
}

}  // namespace

GRIDCOMPUTE_VERSIONS(LeastAt<std::int32_t>, least_cost, (const std::int32_t* row, const std::int32_t* price, Index n),
                     (row, price, n))
GRIDCOMPUTE_VERSIONS(LeastAt<Cost>, least_cost, (const Cost* row, const Cost* price, Index n), (row, price, n))

GRIDCOMPUTE_VERSIONS(void, least_costs,
                     (const DenseKeyRows<std::int32_t>& rows, const JobUnits<std::int32_t>* members, Index count,
                      const std::int32_t* price, LeastAt<std::int32_t>* out),
                     (rows, members, count, price, out))
GRIDCOMPUTE_VERSIONS(void, least_costs,
                     (const DenseKeyRows<Cost>& rows, const JobUnits<Cost>* members, Index count, const Cost* price,
                      LeastAt<Cost>* out),
                     (rows, members, count, price, out))

GRIDCOMPUTE_VERSIONS(Index, next_minimiser,
                     (const std::int32_t* row, const std::int32_t* price, Index n, LeastAt<std::int32_t> at),
                     (row, price, n, at))
GRIDCOMPUTE_VERSIONS(Index, next_minimiser, (const Cost* row, const Cost* price, Index n, LeastAt<Cost> at),
                     (row, price, n, at))

GRIDCOMPUTE_VERSIONS(void, rebuild_exchange_row,
                     (const DenseKeyRows<std::int32_t>& rows, const JobUnits<std::int32_t>* members, Index count,
                      bool spare, const JobUnits<std::int32_t>* left, std::int32_t* way),
                     (rows, members, count, spare, left, way))
GRIDCOMPUTE_VERSIONS(void, rebuild_exchange_row,
                     (const DenseKeyRows<Cost>& rows, const JobUnits<Cost>* members, Index count, bool spare,
                      const JobUnits<Cost>* left, Cost* way),
                     (rows, members, count, spare, left, way))

GRIDCOMPUTE_VERSIONS(void, lower_exchange_row, (const std::int32_t* row, std::int32_t own, Index n, std::int32_t* way),
                     (row, own, n, way))
GRIDCOMPUTE_VERSIONS(void, lower_exchange_row, (const Cost* row, Cost own, Index n, Cost* way), (row, own, n, way))

GRIDCOMPUTE_VERSIONS(void, grow_tree,
                     (const ExchangeGraph<std::int32_t>& net, Cost left, ShortestPathTree<std::int32_t>& tree),
                     (net, left, tree))
GRIDCOMPUTE_VERSIONS(void, grow_tree, (const ExchangeGraph<Cost>& net, Cost left, ShortestPathTree<Cost>& tree),
                     (net, left, tree))

}  // namespace gridcompute::transport
