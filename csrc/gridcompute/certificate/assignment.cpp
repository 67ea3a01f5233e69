#include "gridcompute/certificate/assignment.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/certificate/exact_numbers.hpp"

namespace gridcompute::certificate {

namespace {

constexpr double kLargest = 0x1p62;                        // range of integers
constexpr Wide kMostDual = Wide{1} << 100;                 // sums of 2^26 stay in 127 bits
constexpr std::int64_t kNearDual = std::int64_t{1} << 61;  // sums of two fit 63 bits
constexpr double kNearUnits = 0x1p61;                      // the same of a cost in units
constexpr double kRound = 0x1.8p52;             // plus a double below 2^51: the nearest integer in the last bits
constexpr Index kBlock = 512;                   // costs converted at a time: they stay in the nearest cache
constexpr Index kPollEntries = Index{1} << 18;  // entries between two polls of the stop

// The objective's term of a cost that exceeds the range of units: more than any bound.
constexpr Wide kBeyond = Wide{1} << 95;

// Returns one cost in units, rounded down and up. `known`: false if it has no upper bound.
template <class D>
struct Units {
  D low, high;
  bool allowed = true, known = true;
};

// What a block of costs in units has among them.
struct BlockOfUnits {
  bool odd = false;      // costs that are forbidden, underflow, or are too large
  bool rounded = false;  // costs that are no integers
};

// Vector code for dense rows of plain numbers, which compilers make from these loops. `sign`: -1 negates integers, 0
// does not.
//
// A double is rounded down without a conversion, which not all machines have for vectors: x = high * 2^32 + low, high
// an integer, and a sum with 1.5 * 2^52 has the nearest integer in its last bits. Exact below 2^62. What is odd is
// found in the bits of a double; a branch, or a conditional value, would keep the loop from becoming vector code.
GRIDCOMPUTE_INLINE std::uint64_t bits_of(double x) { return std::bit_cast<std::uint64_t>(x); }
GRIDCOMPUTE_INLINE BlockOfUnits units_in(const double* GRIDCOMPUTE_RESTRICT cost, Index count, double half, double rest,
                                         std::int64_t, std::int64_t* GRIDCOMPUTE_RESTRICT units) {
  std::uint64_t underflow = 0, rounded = 0;
  std::int64_t largest = 0;  // bits of positive doubles are in order; infinities and NaN are beyond them
  for (Index k = 0; k < count; ++k) {
    const double x = cost[k] * half * rest;
    largest = std::max(largest, static_cast<std::int64_t>(bits_of(std::abs(x))));
    underflow |= bits_of(x == 0.0 ? cost[k] : 0.0) << 1;  // without the sign of a 0
    const double high = (x * 0x1p-32 + kRound) - kRound, low = x - high * 0x1p32;
    const double near = (low + kRound) - kRound, floor = near > low ? near - 1 : near;
    rounded |= bits_of(near - low);
    units[k] = static_cast<std::int64_t>(((bits_of(high + kRound) - bits_of(kRound)) << 32) + bits_of(floor + kRound) -
                                         bits_of(kRound));
  }
  return {largest >= static_cast<std::int64_t>(bits_of(kNearUnits)) || underflow != 0, rounded != 0};
}
template <class T>
GRIDCOMPUTE_INLINE BlockOfUnits units_in(const T* GRIDCOMPUTE_RESTRICT cost, Index count, double, double,
                                         std::int64_t sign, std::int64_t* GRIDCOMPUTE_RESTRICT units) {
  constexpr auto kNear = static_cast<std::uint64_t>(kNearDual);
  std::uint64_t odd = 0;
  for (Index k = 0; k < count; ++k) {
    const auto x = static_cast<std::uint64_t>(static_cast<std::int64_t>(cost[k]));
    if constexpr (sizeof(T) == 8) odd |= static_cast<std::uint64_t>(x + kNear >= 2 * kNear);
    const auto flip = static_cast<std::uint64_t>(sign);
    units[k] = static_cast<std::int64_t>((x ^ flip) - flip);
  }
  return {odd != 0, false};
}
#define GRIDCOMPUTE_UNITS(T)                                                                                        \
  GRIDCOMPUTE_CLONES BlockOfUnits units_of(const T* cost, Index count, double half, double rest, std::int64_t sign, \
                                           std::int64_t* units) {                                                   \
    return units_in(cost, count, half, rest, sign, units);                                                          \
  }
GRIDCOMPUTE_UNITS(std::int32_t)
GRIDCOMPUTE_UNITS(std::int64_t)
GRIDCOMPUTE_UNITS(double)

// Returns the least of `least` and units less duals, none of which overflows.
GRIDCOMPUTE_CLONES std::int64_t least_reduced(const std::int64_t* units, const std::int64_t* dual, Index count,
                                              std::int64_t least) {
  for (Index k = 0; k < count; ++k) least = std::min(least, units[k] - dual[k]);
  return least;
}
// Lowers each of `least` to its units less the dual.
GRIDCOMPUTE_CLONES void lower_to_reduced(const std::int64_t* units, std::int64_t dual, Index count,
                                         std::int64_t* least) {
  for (Index k = 0; k < count; ++k) least[k] = std::min(least[k], units[k] - dual);
}

template <class D>
class Scale {
 public:
  Scale(int exponent, bool maximize)
      : half_(std::ldexp(maximize ? -1.0 : 1.0, exponent / 2)),
        rest_(std::ldexp(1.0, exponent - exponent / 2)),
        negate_(maximize) {}

  template <class T>
  [[nodiscard]] Units<D> operator()(T cost) const {
    if constexpr (std::is_floating_point_v<T>) {
      constexpr D kFar = static_cast<D>(std::int64_t{1} << 62);  // range of integers
      const double x = static_cast<double>(cost) * half_ * rest_;
      // From 2^62 on, 2^62 is a lower bound of the cost. Below -2^62, and for NaN, there is none.
      if (x >= kLargest && std::isinf(cost)) return {0, 0, false, false};
      if (x >= kLargest) return {kFar, 0, true, false};
      if (!(x > -kLargest)) return {-kFar, 0, true, false};
      if (x == 0.0 && cost != T{0})  // the product underflowed
        return std::signbit(x) ? Units<D>{-1, 0} : Units<D>{0, 1};
      const double floor = std::floor(x);
      const auto low = static_cast<std::int64_t>(floor);
      return {low, floor == x ? low : low + 1};
    } else {
      const D c = static_cast<std::int64_t>(cost);
      if constexpr (sizeof(D) > 8) {
        return {negate_ ? -c : c, negate_ ? -c : c};
      } else {  // the least integer is its own negative
        const D x = negate_ ? static_cast<D>(0 - static_cast<std::uint64_t>(c)) : c;
        return {x, x};
      }
    }
  }

  // Returns whether this is the one 64-bit cost whose negative overflows.
  template <class T>
  [[nodiscard]] bool wraps(T cost) const {
    return negate_ && cost == std::numeric_limits<T>::min();
  }

  // Writes `count` costs in units, rounded down; where the result is `odd`, some of them are not what operator()
  // returns.
  template <class T>
  [[nodiscard]] BlockOfUnits block(const T* cost, Index count, std::int64_t* units) const {
    return units_of(cost, count, half_, rest_, negate_ ? -1 : 0, units);
  }

 private:
  double half_, rest_;  // 2^exponent itself may be beyond the largest double
  bool negate_;
};

// Whether a cost less a dual may overflow 64 bits; other cost types cannot while duals are within 2^61.
template <class T, class D>
inline constexpr bool kMayWrap = std::is_same_v<T, std::int64_t> && sizeof(D) == 8;  // sums of 64 bits

// The type that costs are converted to for the check: the check is compiled for three types instead of six.
template <class T>
using Checked =
    std::conditional_t<std::is_same_v<T, float>, double, std::conditional_t<(sizeof(T) < 4), std::int32_t, T>>;

// The costs once their form was checked, whatever the caller's types of costs and indices.
template <class T>
struct CheckedCosts {
  const void* cost;
  // Converts `count` costs from the first-th on; null: they are of type T and read in place.
  void (*convert)(const void* cost, Index first, Index count, T* out);
  Index rows, cols;
  std::vector<Index> start;  // empty: dense
  std::span<const std::int32_t> col;
  bool maximize;
};

// Returns whether costs, starts and columns have the lengths that the shape needs, and rows are within the arrays.
template <class T, class I>
bool well_formed(const AssignmentCosts<T, I>& a) {
  constexpr Index kMost = std::numeric_limits<std::int32_t>::max();
  if (a.rows < 0 || a.cols < 0 || a.rows > kMost || a.cols > kMost) return false;
  const auto costs = static_cast<Index>(a.cost.size());
  if (a.start.empty()) return costs == a.rows * a.cols;
  if (static_cast<Index>(a.start.size()) != a.rows + 1 || static_cast<Index>(a.col.size()) != costs) return false;
  if (a.start.front() != 0 || static_cast<Index>(a.start.back()) != costs) return false;
  return std::is_sorted(a.start.begin(), a.start.end());
}

// Returns the costs of well_formed() ones; nothing at a column outside the matrix. `room` holds columns that had to be
// narrowed.
template <class T, class I>
std::optional<CheckedCosts<Checked<T>>> checked(const AssignmentCosts<T, I>& a, std::vector<std::int32_t>& room) {
  if (!well_formed(a)) return std::nullopt;
  const auto outside = [&](I j) { return j < 0 || static_cast<Index>(j) >= a.cols; };
  if (std::any_of(a.col.begin(), a.col.end(), outside)) return std::nullopt;
  CheckedCosts<Checked<T>> out{a.cost.data(), nullptr, a.rows, a.cols, {a.start.begin(), a.start.end()}, {},
                               a.maximize};
  if constexpr (!std::is_same_v<T, Checked<T>>)
    out.convert = [](const void* cost, Index first, Index count, Checked<T>* to) {
      std::copy_n(static_cast<const T*>(cost) + first, count, to);
    };
  if constexpr (std::is_same_v<I, std::int32_t>) {
    out.col = a.col;
  } else {
    room.reserve(a.col.size());
    for (const I j : a.col) room.push_back(static_cast<std::int32_t>(j));
    out.col = room;
  }
  return out;
}

// Calls visit(row, costs, count, column) for each row, where column(k) is the column of its k-th cost. Returns false if
// stopped.
template <class T, class Visit>
bool each_row(const CheckedCosts<T>& a, Stop& stop, const Visit& visit) {
  Index seen = 0;
  std::vector<T> row;
  const auto costs_from = [&](Index first, Index count) -> const T* {
    if (a.convert == nullptr) return static_cast<const T*>(a.cost) + first;
    if (row.size() < at(count)) row.resize(at(count));
    a.convert(a.cost, first, count, row.data());
    return row.data();
  };
  for (Index i = 0; i < a.rows; ++i) {
    Index count = a.cols;
    if (a.start.empty()) {
      visit(i, costs_from(i * a.cols, count), count, [](Index k) { return k; });
    } else {
      const Index begin = a.start[at(i)];
      count = a.start[at(i + 1)] - begin;
      const std::int32_t* col = a.col.data() + begin;
      visit(i, costs_from(begin, count), count, [col](Index k) { return Index{col[k]}; });
    }
    if ((seen += count) < kPollEntries) continue;
    if (stop.poll()) return false;
    seen = 0;
  }
  return true;
}

// Minima and sums from a pass over all costs, whatever their type.
template <class D>
struct Readings {
  Readings(std::size_t lines, Index rows)
      : least(lines, kNever), paid(at(rows)), allowed(at(rows)), cheapest(at(rows), kInf) {}

  // Above every sum of duals.
  static constexpr D kNever =
      sizeof(D) == 8 ? static_cast<D>(std::numeric_limits<std::int64_t>::max()) : static_cast<D>(Wide{1} << 120);

  std::vector<D> least;  // of a line of the shorter side, the least cost less the other side's dual
  std::vector<Wide> paid;
  std::vector<char> allowed;
  std::vector<double> cheapest;       // of the pair that is matched
  bool lost = false, broken = false;  // see Units: a cost without a bound from below, one that is no integer
};

// Concludes on the matching and the duals from a pass over the costs. own: the duals of the shorter side; other: of the
// longer one.
template <class D>
AssignmentCheck judge(const Readings<D>& read, std::span<const std::int32_t> col_of, std::span<const D> own,
                      std::span<const D> other, Index n_rows, Index n_cols) {
  AssignmentCheck check;
  std::vector<bool> taken(at(n_cols));
  ExactSum total;
  Index pairs = 0;
  check.feasible = true;
  for (Index i = 0; i < n_rows; ++i) {
    const std::int32_t j = col_of[at(i)];
    if (j == -1) continue;
    ++pairs;
    if (j < 0 || j >= n_cols || taken[at(j)] || read.allowed[at(i)] == 0 || std::isinf(read.cheapest[at(i)])) {
      check.feasible = false;
      continue;
    }
    taken[at(j)] = true;
    check.objective += read.paid[at(i)];
    total.add(read.cheapest[at(i)]);
  }
  check.feasible = check.feasible && pairs == std::min(n_rows, n_cols);
  check.total = total.up();
  check.whole = !read.broken;
  check.duals_feasible = !read.lost;
  Wide by_duals = 0, by_least = 0;
  for (std::size_t k = 0; k < own.size(); ++k) {
    by_least += read.least[k], by_duals += own[k];
    check.duals_feasible = check.duals_feasible && own[k] <= read.least[k];
  }
  for (const D dual : other) {
    by_least += dual, by_duals += dual;
    if (n_rows != n_cols) check.duals_feasible = check.duals_feasible && dual <= 0;
  }
  check.bound = check.duals_feasible ? by_duals : by_least;
  return check;
}

// Checks with reduced costs of type D. `near`: all duals are within 2^61. `overflow`: reduced costs do not fit D, and
// the result is undefined.
template <class T, class D>
AssignmentCheck check_in(const CheckedCosts<T>& a, std::span<const std::int32_t> col_of, std::span<const D> row_dual,
                         std::span<const D> col_dual, int exponent, Stop& stop, bool near, bool& overflow) {
  const Scale<D> scale(exponent, a.maximize);
  const bool tall = a.rows > a.cols;
  const auto& other = tall ? row_dual : col_dual;
  const auto& own = tall ? col_dual : row_dual;
  Readings<D> read(own.size(), a.rows);
  bool wide = false, lost = false, broken = false;
  // Lowers `into` to the cost less a dual, if the pair is allowed.
  const auto reduce = [&](T cost, D dual, D& into) {
    const Units<D> units = scale(cost);
    D reduced;
    if constexpr (kMayWrap<T, D>)
      wide |= __builtin_sub_overflow(units.low, dual, &reduced) || scale.wraps(cost);
    else
      reduced = units.low - dual;
    if constexpr (std::is_floating_point_v<T>) {
      lost |= units.allowed && !units.known && units.low < 0;
      broken |= units.low != units.high;
      if (!units.allowed) return;
    }
    into = std::min(into, reduced);
  };
  const auto pay = [&](Index i, T cost) {
    const Units<D> units = scale(cost);
    if (!units.allowed) return;
    const Wide high = units.known ? Wide{units.high} : kBeyond;
    read.paid[at(i)] = read.allowed[at(i)] != 0 ? std::min(read.paid[at(i)], high) : high;
    read.allowed[at(i)] = 1;
    const double real = a.maximize ? -static_cast<double>(cost) : static_cast<double>(cost);
    read.cheapest[at(i)] = std::min(read.cheapest[at(i)], real == real ? real : kInf);
  };
  // Lowers the minima to the plain numbers of a dense row. False, for all of it to be read again, if there are others.
  const auto reduce_plain = [&](Index i, const T* costs, Index count) {
    if constexpr (sizeof(D) == 8) {
      if (!near || !a.start.empty()) return false;
      std::int64_t units[kBlock];
      for (Index k = 0; k < count; k += kBlock) {
        const Index size = std::min(kBlock, count - k);
        const BlockOfUnits block = scale.block(costs + k, size, units);
        if (block.odd) return false;
        broken |= block.rounded;
        if (tall)
          lower_to_reduced(units, other[at(i)], size, read.least.data() + k);
        else
          read.least[at(i)] = least_reduced(units, other.data() + k, size, read.least[at(i)]);
      }
      return true;
    }
    return false;
  };
  const auto reduce_any = [&](Index i, const T* costs, Index count, const auto& column) {
    const D* dual = other.data();
    if (tall) {
      D* into = read.least.data();
      for (Index k = 0; k < count; ++k) reduce(costs[k], dual[i], into[column(k)]);
    } else {
      D into = read.least[at(i)];
      for (Index k = 0; k < count; ++k) reduce(costs[k], dual[column(k)], into);
      read.least[at(i)] = into;
    }
  };
  const bool whole = each_row(a, stop, [&](Index i, const T* costs, Index count, const auto& column) {
    if (!reduce_plain(i, costs, count)) reduce_any(i, costs, count, column);
    const Index j = col_of[at(i)];
    if (j < 0 || j >= a.cols) return;
    if (a.start.empty()) return pay(i, costs[j]);
    for (Index k = 0; k < count; ++k)
      if (column(k) == j) pay(i, costs[k]);
  });
  overflow = wide;
  AssignmentCheck check;
  if (whole && !wide) {
    read.lost = lost, read.broken = broken;
    check = judge<D>(read, col_of, own, other, a.rows, a.cols);
  }
  check.stopped = stop.requested();
  return check;
}

// Checks in 64 bits, and again in 128 where that overflows.
template <class T, class D>
AssignmentCheck check_duals(const CheckedCosts<T>& a, std::span<const std::int32_t> col_of, std::span<const D> row_dual,
                            std::span<const D> col_dual, int exponent, Stop& stop) {
  const auto far = [](D dual) { return sizeof(D) > 8 && (dual < -kMostDual || dual > kMostDual); };
  if (std::any_of(row_dual.begin(), row_dual.end(), far) || std::any_of(col_dual.begin(), col_dual.end(), far))
    return {};
  const auto is_near = [](D dual) { return dual >= -D{kNearDual} && dual <= D{kNearDual}; };
  const bool near =
      std::all_of(row_dual.begin(), row_dual.end(), is_near) && std::all_of(col_dual.begin(), col_dual.end(), is_near);
  bool overflow = sizeof(D) == 8 && !kMayWrap<T, D> && !near;
  if (!overflow) {
    const AssignmentCheck check = check_in(a, col_of, row_dual, col_dual, exponent, stop, near, overflow);
    if (!overflow) return check;
  }
  const std::vector<Wide> rows(row_dual.begin(), row_dual.end()), cols(col_dual.begin(), col_dual.end());
  return check_in<T, Wide>(a, col_of, rows, cols, exponent, stop, near, overflow);
}

// Counts the partners of a witness's lines.
template <class T>
HallCheck check_lines(const CheckedCosts<T>& a, std::span<const std::int32_t> lines, Stop& stop) {
  const bool tall = a.rows > a.cols;
  const Scale<std::int64_t> scale(0, a.maximize);
  const Index own = tall ? a.cols : a.rows;
  std::vector<bool> inside(at(own)), partner(at(tall ? a.rows : a.cols));
  HallCheck check;
  for (const std::int32_t line : lines) {
    if (line < 0 || line >= own || inside[at(line)]) return {};
    inside[at(line)] = true;
    ++check.lines;
  }
  const bool whole = each_row(a, stop, [&](Index i, const T* costs, Index count, const auto& column) {
    for (Index k = 0; k < count; ++k)
      if (inside[at(tall ? column(k) : i)] && scale(costs[k]).allowed) partner[at(tall ? i : column(k))] = true;
  });
  if (!whole) return {};
  check.partners = std::count(partner.begin(), partner.end(), true);
  check.violated = check.partners < check.lines;
  return check;
}

}  // namespace

template <class T, class I, class D>
AssignmentCheck check_assignment(const AssignmentCosts<T, I>& costs, std::span<const std::int32_t> col_of,
                                 std::span<const D> row_dual, std::span<const D> col_dual, int exponent, Stop& stop) {
  std::vector<std::int32_t> room;
  const auto known = checked(costs, room);
  if (!known || static_cast<Index>(col_of.size()) != costs.rows || static_cast<Index>(row_dual.size()) != costs.rows ||
      static_cast<Index>(col_dual.size()) != costs.cols || exponent < -1100 || exponent > 1200)
    return {};
  return check_duals(*known, col_of, row_dual, col_dual, exponent, stop);
}

template <class T, class I>
HallCheck check_witness(const AssignmentCosts<T, I>& costs, std::span<const std::int32_t> lines, Stop& stop) {
  std::vector<std::int32_t> room;
  const auto known = checked(costs, room);
  return known ? check_lines(*known, lines, stop) : HallCheck{};
}

#define GRIDCOMPUTE_CHECK(T, I)                                                                                        \
  template AssignmentCheck check_assignment(const AssignmentCosts<T, I>&, std::span<const std::int32_t>,               \
                                            std::span<const std::int64_t>, std::span<const std::int64_t>, int, Stop&); \
  template AssignmentCheck check_assignment(const AssignmentCosts<T, I>&, std::span<const std::int32_t>,               \
                                            std::span<const Wide>, std::span<const Wide>, int, Stop&);                 \
  template HallCheck check_witness(const AssignmentCosts<T, I>&, std::span<const std::int32_t>, Stop&);
#define GRIDCOMPUTE_CHECKS(T)        \
  GRIDCOMPUTE_CHECK(T, std::int32_t) \
  GRIDCOMPUTE_CHECK(T, std::int64_t)
GRIDCOMPUTE_CHECKS(std::int16_t)
GRIDCOMPUTE_CHECKS(std::int32_t)
GRIDCOMPUTE_CHECKS(std::int64_t)
GRIDCOMPUTE_CHECKS(float)
GRIDCOMPUTE_CHECKS(double)

}  // namespace gridcompute::certificate
