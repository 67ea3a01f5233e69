#include "gridcompute/assignment/engines/jv_in_place.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/assignment/input/input_stats.hpp"

namespace gridcompute::assignment {

namespace {

constexpr std::int32_t kRowPollMask = 0x3F;  // rows between two polls of the stop

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE void update_extremes_of(const V* GRIDCOMPUTE_RESTRICT row, Index m, Key<V>* GRIDCOMPUTE_RESTRICT low,
                                           Key<V>& high) {
  using Vector = KeyLanes<kBytes, V>;
  constexpr Index kLanes = Lanes<V, kBytes>::kCount;
  constexpr V kZeroPrices[kLanes] = {};
  Vector most = Vector{} + high, k, l;
  Index j = 0;
  for (; j + kLanes <= m; j += kLanes) {
    reduced<kBytes>(row + j, kZeroPrices, k);
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

#define GRIDCOMPUTE_EXTREMES(V) \
  GRIDCOMPUTE_VERSIONS(void, update_extremes, (const V* row, Index m, Key<V>* low, Key<V>& high), (row, m, low, high))
GRIDCOMPUTE_EXTREMES(double)
GRIDCOMPUTE_EXTREMES(std::int64_t)
GRIDCOMPUTE_VERSIONS(LeastTwo<std::int64_t>, two, (const RowSspState<double>& s, std::int32_t i), (s, i))

// Size beyond which in-place searches get fewer passes (entries).
constexpr Index kInPlaceMidEntries = 1 << 19;
// Rows left free by the greedy start beyond which tied matrices go to the ordered copy (1 / share of rows).
constexpr Index kInPlaceFreeTied = 20;

template <class V>
class InPlaceJv {
 public:
  using K = Key<V>;

  InPlaceJv(const DenseMatrix<V>& cost, std::int32_t* col_of, const AssignmentTuning& tuning)
      : cost_(cost),
        t_(tuning),
        stride_(padded_length(cost.cols)),
        v_(at(stride_)),
        keys_(at(4 * stride_)),
        last_(at(stride_)),
        scanned_(at(cost.cols)),
        s_{cost.data,
           static_cast<std::int32_t>(cost.rows),
           static_cast<std::int32_t>(cost.cols),
           static_cast<std::int32_t>(stride_),
           v_.data(),
           keys_.data(),
           keys_.data() + stride_,
           keys_.data() + 2 * stride_,
           keys_.data() + 3 * stride_,
           scanned_.data(),
           col_of} {
    std::copy_n(cost.data + (cost.rows - 1) * cost.cols, cost.cols, last_.data());
    s_.last = last_.data();
    s_.tuning = &tuning;
  }

  bool run(const Precheck& found, Index most_free, Stop& stop) {
    if (!column_reduction(stop)) return false;
    greedy_start(s_);
    if (const Index free = free_rows();
        found.tied ? free * kInPlaceFreeTied > s_.n : static_cast<double>(free) > t_.in_place_free_start * s_.n)
      return false;
    if (free_rows() > 0) reduce_rows(s_);
    if (free_rows() > most_free) return false;
    const Index size = cost_.rows * cost_.cols;
    Index left = (size > kInPlaceMidEntries && !found.deep ? t_.in_place_passes_large : t_.in_place_passes) * size;
    bool searched = false;
    Index work = 0;  // of the last search
    for (std::int32_t i = 0; i < s_.n; ++i) {
      if (s_.col_of[i] != kUnmatched) continue;
      searched = true;
      if (stop.poll(work) || left < 0 || augment(s_, i) != AugmentStatus::augmented) return false;
      work = Index{s_.collected} * s_.m;
      left -= work;
    }
    check_complete_matching(s_.col_of, s_.mate_of, s_.n, s_.m);
    return gap_is_negligible(searched);
  }

 private:
  [[nodiscard]] Index free_rows() const { return std::count(s_.col_of, s_.col_of + s_.n, kUnmatched); }

  // Sets prices to the column minima, or 0 in a wide matrix. False if costs are out of range, or to stop.
  bool column_reduction(Stop& stop) {
    // Integers up to 2^56 leave room for prices, which the searches watch.
    constexpr double kMost = std::is_floating_point_v<V> ? std::numeric_limits<double>::infinity() : 0x1p56;
    K high = std::numeric_limits<K>::min();
    std::fill_n(s_.label, s_.m, std::numeric_limits<K>::max());
    for (std::int32_t i = 0; i < s_.n; ++i) {
      if ((i & kRowPollMask) == 0 && stop.poll((kRowPollMask + 1) * s_.m)) return false;
      update_extremes(s_.row(i), s_.m, s_.label, high);
    }
    const V least = value_of<V>(*std::min_element(s_.label, s_.label + s_.m)), most = value_of<V>(high);
    if (!(static_cast<double>(least) > -kMost) || !(static_cast<double>(most) <= kMost)) return false;
    if (s_.n < s_.m) {
      zero_prices(s_);
      return true;
    }
    for (std::int32_t j = 0; j < s_.m; ++j) s_.v[j] = s_.label[j] < kMaxLabel<V> ? value_of<V>(s_.label[j]) : V{0};
    s_.price_padding();
    return true;
  }

  // Returns whether the gap that rounding may have left is negligible.
  bool gap_is_negligible(bool searched) {
    if constexpr (!std::is_floating_point_v<V>) {
      return true;
    } else {
      constexpr double kRounding = 0x1p-51;  // of the sums below
      double size = 0, gap = 0;
      const auto cost = [&](std::int32_t i) { return s_.row(i)[s_.col_of[i]]; };
      const auto dual = [&](std::int32_t i) { return cost(i) - s_.v[s_.col_of[i]]; };
      for (std::int32_t i = 0; i < s_.n; ++i) size += std::fabs(cost(i)), gap += kRounding * std::fabs(dual(i));
      if (!searched && gap <= kNegligibleGap * size) return true;
      gap = 0;
      for (std::int32_t i = 0; i < s_.n; ++i) {
        const LeastTwo<K> two_least = two(s_, i);
        const double u = dual(i), least = value_of<double>(two_least.u1);
        if (key_of(u) != two_least.u1)
          gap += (u - least) + kRounding * (std::fabs(u) + std::fabs(least));
        else if (two_least.u2 == two_least.u1)
          gap += kRounding * std::fabs(u);
      }
      return gap <= kNegligibleGap * size;
    }
  }

  const DenseMatrix<V>& cost_;
  const AssignmentTuning& t_;
  Index stride_;
  AlignedVector<V> v_;
  AlignedVector<K> keys_;
  AlignedVector<V> last_;
  std::vector<std::int32_t> scanned_;
  RowSspState<V> s_;
};

}  // namespace

// Sample of the precheck (rows).
constexpr Index kPrecheckRows = 12;
// Sampled rows that need not be mutual for the matrix to count as so (rows).
constexpr Index kPrecheckExceptions = 2;
// How many cheapest costs an assignment is likely to use (costs of a row).
constexpr Index kPrecheckDeepCosts = 6;
// Span of those costs below which no unit of integers resolves them (share of the row's span).
constexpr double kPrecheckDeepShare = 0x1p-52;

template <class T>
Precheck precheck(const DenseMatrix<T>& cost, bool mutually, const AssignmentTuning& tuning) {
  const Index n = cost.rows, m = cost.cols, count = std::min(kPrecheckRows, n);
  Index tied = 0, at_largest = 0, mutual = 0, deep = 0;
  std::vector<double> spreads;
  std::vector<T> least(at(std::min(kPrecheckDeepCosts, m)));
  Precheck found;
  for (Index k = 0; k < count; ++k) {
    const T* row = cost.data + sampled(k, count, n) * m;
    const Index best = std::min_element(row, row + m) - row;
    T most = row[best];
    for (Index j = 0; j < m; ++j) most = row[j] > most && row[j] <= std::numeric_limits<T>::max() ? row[j] : most;
    for (Index j = 0; j < m; ++j) tied += row[j] == row[best] ? 1 : 0;
    for (Index j = 0; j < m && most > row[best]; ++j) at_largest += row[j] == most ? 1 : 0;
    if constexpr (std::is_floating_point_v<T>) {
      found.fractions |= starts_with_fractions(row + best, 1, tuning) ||
                         starts_with_fractions(row, std::min(m, tuning.fraction_costs_first), tuning);
      std::partial_sort_copy(row, row + m, least.begin(), least.end());
      spreads.push_back(static_cast<double>(least.back() - row[best]));
      deep += spreads.back() < kPrecheckDeepShare * static_cast<double>(most - row[best]) ? 1 : 0;
    }
    if (!mutually || k - mutual > kPrecheckExceptions) continue;
    Index i = 0;
    while (i < n && !(cost.data[i * m + best] < row[best])) ++i;
    mutual += i == n ? 1 : 0;
  }
  std::sort(spreads.begin(), spreads.end());
  found.mutual = mutually && count - mutual <= kPrecheckExceptions;
  found.tied = tied > count * std::max(tuning.tied_columns, m / tuning.tied_share);
  found.deep = tuning.precheck_deep_rows * deep > count;
  if (!spreads.empty()) {
    const double middle = spreads[spreads.size() / 2];
    found.scales = spreads.back() > tuning.scale_ratio * middle && middle > tuning.scale_ratio * spreads.front();
  }
  found.blocks = found.tied && at_largest > count * tuning.tied_columns;
  return found;
}

template <class T>
bool jv_in_place(const DenseMatrix<T>& cost, const Precheck& found, Index most_free, Stop& stop, std::int32_t* col_of,
                 const AssignmentTuning& tuning) {
  if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>)
    return cost.cols > kRowLanes && InPlaceJv<T>(cost, col_of, tuning).run(found, most_free, stop);
  else
    return false;
}

#define GRIDCOMPUTE_JV_IN_PLACE(T)                                                               \
  template Precheck precheck(const DenseMatrix<T>&, bool, const AssignmentTuning&);              \
  template bool jv_in_place(const DenseMatrix<T>&, const Precheck&, Index, Stop&, std::int32_t*, \
                            const AssignmentTuning&);
GRIDCOMPUTE_JV_IN_PLACE(std::int16_t)
GRIDCOMPUTE_JV_IN_PLACE(std::int32_t)
GRIDCOMPUTE_JV_IN_PLACE(std::int64_t)
GRIDCOMPUTE_JV_IN_PLACE(float)
GRIDCOMPUTE_JV_IN_PLACE(double)

}  // namespace gridcompute::assignment
