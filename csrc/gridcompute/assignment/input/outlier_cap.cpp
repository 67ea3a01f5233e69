#include "gridcompute/assignment/input/outlier_cap.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

template <class T>
GRIDCOMPUTE_INLINE Index count_in(const T* GRIDCOMPUTE_RESTRICT c, Index m, double sign, double limit) {
  Index count = 0;
  for (Index j = 0; j < m; ++j) count += static_cast<double>(c[j]) * sign <= limit ? 1 : 0;
  return count;
}

#define GRIDCOMPUTE_COUNT(T) \
  GRIDCOMPUTE_CLONES Index count(const T* c, Index m, double sign, double limit) { return count_in(c, m, sign, limit); }
GRIDCOMPUTE_COUNT(std::int16_t)
GRIDCOMPUTE_COUNT(std::int32_t)
GRIDCOMPUTE_COUNT(std::int64_t)
GRIDCOMPUTE_COUNT(float)
GRIDCOMPUTE_COUNT(double)

template <class T>
CostExtent extent_of_row(const T* row, Index m, bool maximize) {
  if constexpr (std::is_floating_point_v<T>) {
    return extent_of(row, m, maximize);
  } else {
    const auto [low, high] = std::minmax_element(row, row + m);
    const double sign = maximize ? -1.0 : 1.0, a = sign * static_cast<double>(*low),
                 b = sign * static_cast<double>(*high);
    return {std::min(a, b), std::max(a, b), false, false};
  }
}

}  // namespace

template <class T>
RowTail row_tail(const T* row, Index m, Index wanted, const CostExtent& extent, bool maximize,
                 const AssignmentTuning& tuning) {
  const double span = extent.largest - extent.least, sign = maximize ? -1.0 : 1.0;
  if (extent.invalid || !(span >= 0) || std::isinf(span)) return {};
  const auto enough_within = [&](double share) { return count(row, m, sign, extent.least + share * span) >= wanted; };
  double share = tuning.cap_first_share;
  if (!enough_within(share) || enough_within(0)) return {span, span};
  while (enough_within(share * tuning.cap_step)) share *= tuning.cap_step;
  return {tuning.cap_factor * share * span, span};
}

template <class T>
double outlier_cap(const DenseMatrix<T>& cost, bool maximize, const AssignmentTuning& tuning) {
  RowTail most;
  const Index count = std::min(tuning.cap_rows, cost.rows), m = cost.cols;
  for (Index k = 0; k < count; ++k) {
    const T* row = cost.data + k * cost.rows / count * m;
    const RowTail tail = row_tail(row, m, std::min(tuning.cap_costs, (m + tuning.cap_share - 1) / tuning.cap_share),
                                  extent_of_row(row, m, maximize), maximize, tuning);
    most = {std::max(most.reach, tail.reach), std::max(most.span, tail.span)};
  }
  return most.reach < most.span * tuning.cap_tail_share ? most.reach : std::numeric_limits<double>::infinity();
}

template RowTail row_tail(const float*, Index, Index, const CostExtent&, bool, const AssignmentTuning&);
template RowTail row_tail(const double*, Index, Index, const CostExtent&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<std::int16_t>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<std::int32_t>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<std::int64_t>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<float>&, bool, const AssignmentTuning&);
template double outlier_cap(const DenseMatrix<double>&, bool, const AssignmentTuning&);

}  // namespace gridcompute::assignment
