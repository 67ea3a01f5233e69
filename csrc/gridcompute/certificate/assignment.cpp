#include "gridcompute/certificate/assignment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "gridcompute/certificate/exact_sum.hpp"

namespace gridcompute::certificate {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr double kLargest = 0x1p62;

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// One cost in units, downwards and upwards; kNever if forbidden.
struct Units {
  std::int64_t low, high;
};

class Scale {
 public:
  Scale(int exponent, bool maximize)
      : half_(std::ldexp(maximize ? -1.0 : 1.0, exponent / 2)),
        rest_(std::ldexp(1.0, exponent - exponent / 2)),
        negate_(maximize) {}

  template <class T>
  [[nodiscard]] Units operator()(T cost) const {
    if constexpr (std::is_floating_point_v<T>) {
      const double x = static_cast<double>(cost) * half_ * rest_;
      // From 2^62 on a cost is that at least. Below -2^62, and of NaN, nothing can be claimed.
      if (x >= kLargest && std::isinf(cost)) return {kNever, kNever};
      if (x >= kLargest) return {static_cast<std::int64_t>(kLargest), kNever / 2};
      if (!(x > -kLargest)) return {-(kNever / 2), kNever / 2};
      if (x == 0.0 && cost != T{0}) return std::signbit(x) ? Units{-1, 0} : Units{0, 1};  // the product underflowed
      const double floor = std::floor(x);
      const auto low = static_cast<std::int64_t>(floor);
      return {low, floor == x ? low : low + 1};
    } else {
      const auto c = static_cast<std::int64_t>(cost);
      return negate_ ? Units{-c, -c} : Units{c, c};
    }
  }

 private:
  double half_, rest_;  // 2^exponent itself may be beyond the largest double
  bool negate_;
};

// Calls look(row, column, cost) for every stored pair.
template <class T, class I, class Look>
void each(const AssignmentCosts<T, I>& a, const Look& look) {
  for (Index i = 0; i < a.rows; ++i) {
    if (a.start.empty()) {
      for (Index j = 0; j < a.cols; ++j) look(i, j, a.cost[at(i * a.cols + j)]);
    } else {
      for (auto k = static_cast<Index>(a.start[at(i)]); k < static_cast<Index>(a.start[at(i + 1)]); ++k)
        look(i, static_cast<Index>(a.col[at(k)]), a.cost[at(k)]);
    }
  }
}

}  // namespace

template <class T, class I>
AssignmentCheck check_assignment(const AssignmentCosts<T, I>& a, std::span<const std::int32_t> col_of,
                                 std::span<const std::int64_t> row_dual, std::span<const std::int64_t> col_dual,
                                 int exponent) {
  AssignmentCheck check;
  const Scale scale(exponent, a.maximize);
  const bool tall = a.rows > a.cols;
  if (static_cast<Index>(col_of.size()) != a.rows || static_cast<Index>(row_dual.size()) != a.rows ||
      static_cast<Index>(col_dual.size()) != a.cols)
    return check;
  // least[k]: the shorter side's lines, their least cost less the other side's dual.
  const auto& other = tall ? row_dual : col_dual;
  const auto& own = tall ? col_dual : row_dual;
  std::vector<std::int64_t> least(own.size(), kNever), paid(at(a.rows), kNever);
  std::vector<double> cheapest(at(a.rows), std::numeric_limits<double>::infinity());  // of the pair that is matched
  each(a, [&](Index i, Index j, T cost) {
    const Units units = scale(cost);
    if (units.low == kNever) return;
    const Index line = tall ? j : i;
    least[at(line)] = std::min(least[at(line)], units.low - other[at(tall ? i : j)]);
    if (col_of[at(i)] != j) return;
    paid[at(i)] = std::min(paid[at(i)], units.high);
    cheapest[at(i)] = std::min(cheapest[at(i)], a.maximize ? -static_cast<double>(cost) : static_cast<double>(cost));
  });
  std::vector<bool> taken(at(a.cols));
  ExactSum total;
  Index pairs = 0;
  check.feasible = true;
  for (Index i = 0; i < a.rows; ++i) {
    const std::int32_t j = col_of[at(i)];
    if (j < 0) continue;
    ++pairs;
    if (j >= a.cols || taken[at(j)] || paid[at(i)] == kNever) {
      check.feasible = false;
      continue;
    }
    taken[at(j)] = true;
    check.objective += paid[at(i)];
    total.add(cheapest[at(i)]);
  }
  check.feasible = check.feasible && pairs == std::min(a.rows, a.cols);
  check.total = total.up();
  check.duals_feasible = true;
  for (std::size_t k = 0; k < own.size(); ++k) {
    check.bound += least[k];
    check.duals_feasible = check.duals_feasible && own[k] <= least[k];
  }
  for (const std::int64_t dual : other) {
    check.bound += dual;
    if (a.rows != a.cols) check.duals_feasible = check.duals_feasible && dual <= 0;
  }
  return check;
}

template <class T, class I>
HallCheck check_witness(const AssignmentCosts<T, I>& a, std::span<const std::int32_t> lines) {
  const bool tall = a.rows > a.cols;
  const Scale scale(0, a.maximize);
  const Index own = tall ? a.cols : a.rows;
  std::vector<bool> inside(at(own)), partner(at(tall ? a.rows : a.cols));
  HallCheck check;
  for (const std::int32_t line : lines) {
    if (line < 0 || line >= own || inside[at(line)]) return {};
    inside[at(line)] = true;
    ++check.lines;
  }
  each(a, [&](Index i, Index j, T cost) {
    if (inside[at(tall ? j : i)] && scale(cost).low != kNever) partner[at(tall ? i : j)] = true;
  });
  check.partners = std::count(partner.begin(), partner.end(), true);
  check.violated = check.partners < check.lines;
  return check;
}

#define GRIDCOMPUTE_CHECK(T, I)                                                                                 \
  template AssignmentCheck check_assignment(const AssignmentCosts<T, I>&, std::span<const std::int32_t>,        \
                                            std::span<const std::int64_t>, std::span<const std::int64_t>, int); \
  template HallCheck check_witness(const AssignmentCosts<T, I>&, std::span<const std::int32_t>);
#define GRIDCOMPUTE_CHECKS(T)        \
  GRIDCOMPUTE_CHECK(T, std::int32_t) \
  GRIDCOMPUTE_CHECK(T, std::int64_t)
GRIDCOMPUTE_CHECKS(std::int8_t)
GRIDCOMPUTE_CHECKS(std::int16_t)
GRIDCOMPUTE_CHECKS(std::int32_t)
GRIDCOMPUTE_CHECKS(std::int64_t)
GRIDCOMPUTE_CHECKS(float)
GRIDCOMPUTE_CHECKS(double)

}  // namespace gridcompute::certificate
