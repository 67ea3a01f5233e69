#include "gridcompute/assignment/engines/jv_in_place.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/input/column_stats.hpp"
#include "gridcompute/assignment/input/row_reader.hpp"
#include "gridcompute/assignment/refine/dual_refinement.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kLooked = 12;        // rows
constexpr Index kApart = 2;          // of them may not be mutual
constexpr Index kMidSize = 1 << 19;  // entries up to which rows may be searched
constexpr Index kPasses = 60;        // for the time of so many passes over them;
constexpr Index kFewPasses = 12;     // of larger matrices
constexpr Index kFewFree = 20;       // one in so many rows: tied columns are best taken in an order (tie_order.hpp)
constexpr double kHopeful = 0.75;    // of the rows free at column minima: more is as on products
constexpr Index kDeepest = 6;        // costs of a row that matter to most assignments,
constexpr double kDeep = 0x1p-52;    // and what part of its span they may reach at least

constexpr std::int32_t kPollMask = 0x3F;  // rows between two looks at the stop

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void lower_of(const V* GRIDCOMPUTE_RESTRICT row, Index m, Key<V>* GRIDCOMPUTE_RESTRICT low,
                                 Key<V>& high) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr Index kLanes = Lanes<V, kBytes>::kCount;
  constexpr V kNothing[kLanes] = {};
  Vector most = Vector{} + high, k, l;
  Index j = 0;
  for (; j + kLanes <= m; j += kLanes) {
    reduced<kBytes>(row + j, kNothing, k);
    load(low + j, l);
    l = k < l ? k : l;
    most = k > most ? k : most;
    store(l, low + j);
  }
  for (Index a = 0; a < kLanes; ++a) high = std::max(high, most[a]);
  for (; j < m; ++j) {
    const Key<V> key = key_of(row[j]);
    low[j] = std::min(low[j], key);
    high = std::max(high, key);
  }
}

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void take_cheapest_of(Whole<V>& s) {
  if (s.n == s.m)
    take_priced<kBytes>(s);
  else
    take<kBytes>(s);
}

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void bid_some_of(Whole<V>& s) {
  bid<kBytes>(s, kFirstBids * s.n);
}

#define GRIDCOMPUTE_DIRECT(V)                                                                                \
  GRIDCOMPUTE_VERSIONS(void, lower, (const V* row, Index m, Key<V>* low, Key<V>& high), (row, m, low, high)) \
  GRIDCOMPUTE_VERSIONS(void, take_cheapest, (Whole<V> & s), (s))                                             \
  GRIDCOMPUTE_VERSIONS(void, bid_some, (Whole<V> & s), (s))                                                  \
  GRIDCOMPUTE_VERSIONS(Augmented, augment, (Whole<V> & s, std::int32_t source), (s, source))
GRIDCOMPUTE_DIRECT(double)
GRIDCOMPUTE_DIRECT(std::int64_t)
GRIDCOMPUTE_VERSIONS(Two<std::int64_t>, two, (const Whole<double>& s, std::int32_t i), (s, i))

template <class V>
class Direct {
 public:
  using K = Key<V>;

  Direct(const Dense<V>& cost, std::int32_t* col_of)
      : cost_(cost),
        stride_(padded_length(cost.cols)),
        v_(at(stride_)),
        keys_(at(4 * stride_)),
        last_(at(stride_)),
        settled_(at(cost.cols)),
        s_{cost.data,
           static_cast<std::int32_t>(cost.rows),
           static_cast<std::int32_t>(cost.cols),
           static_cast<std::int32_t>(stride_),
           v_.data(),
           keys_.data(),
           keys_.data() + stride_,
           keys_.data() + 2 * stride_,
           keys_.data() + 3 * stride_,
           settled_.data(),
           col_of} {
    std::copy_n(cost.data + (cost.rows - 1) * cost.cols, cost.cols, last_.data());
    s_.last = last_.data();
  }

  bool run(const Promise& promise, Index most, Stop& stop) {
    if (!price_columns(stop)) return false;
    take_cheapest(s_);
    if (const Index free = free_rows();
        promise.tied ? free * kFewFree > s_.n : static_cast<double>(free) > kHopeful * s_.n)
      return false;
    if (free_rows() > 0) bid_some(s_);
    if (free_rows() > most) return false;
    const Index size = cost_.rows * cost_.cols;
    Index left = (size > kMidSize && !promise.deep ? kFewPasses : kPasses) * size;
    bool searched = false;
    for (std::int32_t i = 0; i < s_.n; ++i) {
      if (s_.col_of[i] != kFree) continue;
      searched = true;
      if (stop.poll() || left < 0 || augment(s_, i) != Augmented::yes) return false;
      left -= Index{s_.collected} * s_.m;
    }
    check_complete(s_.col_of, s_.mate_of, s_.n, s_.m);
    return proved(searched);
  }

 private:
  [[nodiscard]] Index free_rows() const { return std::count(s_.col_of, s_.col_of + s_.n, kFree); }

  // False if costs are not what this solver takes, or to stop.
  bool price_columns(Stop& stop) {
    constexpr double kMost = std::is_floating_point_v<V> ? std::numeric_limits<double>::infinity() : 0x1p56;
    K high = std::numeric_limits<K>::min();
    std::fill_n(s_.label, s_.m, std::numeric_limits<K>::max());
    for (std::int32_t i = 0; i < s_.n; ++i) {
      if ((i & kPollMask) == 0 && stop.poll()) return false;
      lower(s_.row(i), s_.m, s_.label, high);
    }
    const V least = value_of<V>(*std::min_element(s_.label, s_.label + s_.m)), most = value_of<V>(high);
    if (!(static_cast<double>(least) > -kMost) || !(static_cast<double>(most) <= kMost)) return false;
    if (s_.n < s_.m) {
      price_nothing(s_);
      return true;
    }
    for (std::int32_t j = 0; j < s_.m; ++j) s_.v[j] = s_.label[j] < kMostLabel<V> ? value_of<V>(s_.label[j]) : V{0};
    s_.price_padding();
    return true;
  }

  // Is the gap that rounding may have left too small to count?
  bool proved(bool searched) {
    if constexpr (!std::is_floating_point_v<V>) {
      return true;
    } else {
      constexpr double kRounding = 0x1p-51;
      double paid = 0, doubt = 0;
      const auto cost = [&](std::int32_t i) { return s_.row(i)[s_.col_of[i]]; };
      const auto dual = [&](std::int32_t i) { return cost(i) - s_.v[s_.col_of[i]]; };
      for (std::int32_t i = 0; i < s_.n; ++i) paid += std::fabs(cost(i)), doubt += kRounding * std::fabs(dual(i));
      if (!searched && doubt <= kDrowned * paid) return true;
      doubt = 0;
      for (std::int32_t i = 0; i < s_.n; ++i) {
        const Two<K> two_least = two(s_, i);
        const double u = dual(i), least = value_of<double>(two_least.u1);
        if (key_of(u) != two_least.u1)
          doubt += (u - least) + kRounding * (std::fabs(u) + std::fabs(least));
        else if (two_least.u2 == two_least.u1)
          doubt += kRounding * std::fabs(u);
      }
      return doubt <= kDrowned * paid;
    }
  }

  const Dense<V>& cost_;
  Index stride_;
  AlignedVector<V> v_;
  AlignedVector<K> keys_;
  AlignedVector<V> last_;
  std::vector<std::int32_t> settled_;
  Whole<V> s_;
};

}  // namespace

template <class T>
Promise look_at(const Dense<T>& cost, bool mutually) {
  const Index n = cost.rows, m = cost.cols, count = std::min(kLooked, n);
  Index tied = 0, topped = 0, mutual = 0, deep = 0;
  std::vector<double> spreads;
  std::vector<T> least(at(std::min(kDeepest, m)));
  Promise promise;
  for (Index k = 0; k < count; ++k) {
    const T* row = cost.data + sampled(k, count, n) * m;
    const Index best = std::min_element(row, row + m) - row;
    T most = row[best];
    for (Index j = 0; j < m; ++j) most = row[j] > most && row[j] <= std::numeric_limits<T>::max() ? row[j] : most;
    for (Index j = 0; j < m; ++j) tied += row[j] == row[best] ? 1 : 0;
    for (Index j = 0; j < m && most > row[best]; ++j) topped += row[j] == most ? 1 : 0;
    if constexpr (std::is_floating_point_v<T>) {
      promise.fractions |= shows_fractions(row + best, 1) || shows_fractions(row, 4);
      std::partial_sort_copy(row, row + m, least.begin(), least.end());
      spreads.push_back(static_cast<double>(least.back() - row[best]));
      deep += spreads.back() < kDeep * static_cast<double>(most - row[best]) ? 1 : 0;
    }
    if (!mutually || k - mutual > kApart) continue;
    Index i = 0;
    while (i < n && !(cost.data[i * m + best] < row[best])) ++i;
    mutual += i == n ? 1 : 0;
  }
  std::sort(spreads.begin(), spreads.end());
  promise.mutual = mutually && count - mutual <= kApart;
  promise.tied = tied > count * std::max(kListed, m / kTiedShare);
  promise.deep = 2 * deep > count;
  if (!spreads.empty()) {
    const double middle = spreads[spreads.size() / 2];
    promise.scales = spreads.back() > kScales * middle && middle > kScales * spreads.front();
  }
  promise.blocks = promise.tied && topped > count * kListed;
  return promise;
}

template <class T>
bool solve_direct(const Dense<T>& cost, const Promise& promise, Index most, Stop& stop, std::int32_t* col_of) {
  if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>)
    return Direct<T>(cost, col_of).run(promise, most, stop);
  else
    return false;
}

#define GRIDCOMPUTE_SOLVE_DIRECT(T)                \
  template Promise look_at(const Dense<T>&, bool); \
  template bool solve_direct(const Dense<T>&, const Promise&, Index, Stop&, std::int32_t*);
GRIDCOMPUTE_SOLVE_DIRECT(std::int8_t)
GRIDCOMPUTE_SOLVE_DIRECT(std::int16_t)
GRIDCOMPUTE_SOLVE_DIRECT(std::int32_t)
GRIDCOMPUTE_SOLVE_DIRECT(std::int64_t)
GRIDCOMPUTE_SOLVE_DIRECT(float)
GRIDCOMPUTE_SOLVE_DIRECT(double)

}  // namespace gridcompute::assignment
