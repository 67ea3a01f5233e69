#include "gridcompute/assignment/solve_sparse.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <type_traits>

#include "gridcompute/assignment/dual_refinement.hpp"
#include "gridcompute/assignment/engines/ssp_int128.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {

namespace {

[[noreturn]] void throw_invalid(Index where, const std::string& what) {
  throw Error(ErrorKind::invalid_problem, "cost_matrix", where, what);
}

// The positions of a matrix's arcs: all that does not depend on the type of its costs.
template <class I>
struct Pattern {
  std::span<const I> start, col;
  Index rows, cols;
};

// Checks that rows are within the arrays, columns within the matrix, and each pair is stored once.
template <class I>
void check(const Pattern<I>& cost, std::size_t values) {
  const auto arcs = static_cast<Index>(cost.col.size());
  if (cost.rows < 0 || cost.cols < cost.rows || cost.cols > kMaxLines)
    throw_invalid(-1, "cost_matrix: found " + std::to_string(cost.rows) + " x " + std::to_string(cost.cols) +
                          ", needed at most " + std::to_string(kMaxLines) + " columns, and no more rows");
  if (static_cast<Index>(cost.start.size()) != cost.rows + 1 || static_cast<Index>(values) != arcs)
    throw_invalid(-1, "cost_matrix: found indptr, indices and data of lengths " + std::to_string(cost.start.size()) +
                          ", " + std::to_string(arcs) + " and " + std::to_string(values) +
                          ", needed rows + 1 and two alike");
  bool rising = true;
  for (Index i = 0; i < cost.rows; ++i) {
    const I begin = cost.start[at(i)], end = cost.start[at(i + 1)];
    if (begin < 0 || begin > end || end > arcs || (i == 0 && begin != 0))
      throw_invalid(i, "cost_matrix: found indptr " + std::to_string(begin) + " to " + std::to_string(end) +
                           " at row " + std::to_string(i) + ", needed it to rise from 0 to " + std::to_string(arcs));
    I last = -1;
    for (I k = begin; k < end; ++k) {
      const I j = cost.col[at(k)];
      if (j < 0 || j >= cost.cols)
        throw_invalid(i, "cost_matrix: found column " + std::to_string(j) + " in row " + std::to_string(i) +
                             ", needed 0 to " + std::to_string(cost.cols - 1));
      rising = rising && j > last;
      last = j;
    }
  }
  if (rising) return;
  std::vector<Index> seen(at(cost.cols), -1);  // the last row with an entry there
  for (Index i = 0; i < cost.rows; ++i)
    for (I k = cost.start[at(i)]; k < cost.start[at(i + 1)]; ++k) {
      Index& row = seen[at(cost.col[at(k)])];
      if (row == i)
        throw_invalid(i, "cost_matrix: found a pair of row " + std::to_string(i) + " and column " +
                             std::to_string(cost.col[at(k)]) + " twice, needed each pair once");
      row = i;
    }
}

// Spreads below this are scaled up to at least half of it: an epsilon of one unit would resolve too little.
constexpr int kScaledSpread = 1 << 13;

// Returns by how many bits costs are scaled up: where they span few units, an epsilon of one unit would resolve too
// little. Not where ties are common enough that Hopcroft-Karp phases match along them.
template <class V>
int scale_up_bits(std::span<const V> values, const AssignmentTuning& tuning) {
  V spread = 1;
  for (const V c : values) spread = c < IntRange<V>::kForbidden ? std::max(spread, c) : spread;
  int bits = 0;
  if (spread < tuning.tie_spread) return bits;
  while (spread << bits < kScaledSpread / 2) ++bits;
  return bits;
}

// Matches rows to their column in `near`, unless another pair of the row costs less.
template <class V>
void keep_cheapest(Matching<V>& state, const CandidateLists<V>& lists, std::span<const std::int32_t> near) {
  for (std::int32_t i = 0; i < state.n; ++i) {
    const auto list = lists[i];
    V least = IntRange<V>::kForbidden, kept = least;
    for (Index k = 0; k < list.size; ++k) {
      least = std::min(least, list.cost[k]);
      if (list.col[k] == near[at(i)]) kept = std::min(kept, list.cost[k]);
    }
    if (kept == least && kept < IntRange<V>::kForbidden) state.match(i, near[at(i)], kept);
  }
}

// Solves costs that were read as integers, each less `shift`.
template <class V>
std::optional<AssignmentResult> solve_values(const CheckedCsr<V>& cost, std::int64_t shift, int exponent, Stop& stop,
                                             RowFit& fit, std::span<const std::int32_t> near,
                                             const AssignmentTuning& tuning) {
  const int scaled_bits = scale_up_bits(cost.cost, tuning);
  CandidateLists<V> lists(cost.rows, cost.cols, tuning);
  std::vector<std::int32_t> cols;
  std::vector<V> costs;
  V spread = 0;
  for (Index i = 0; i < cost.rows; ++i) {
    cols.clear();
    costs.clear();
    for (Index k = cost.start[at(i)]; k < cost.start[at(i + 1)]; ++k) {
      if (cost.cost[at(k)] >= IntRange<V>::kForbidden) continue;
      cols.push_back(cost.col[at(k)]);
      costs.push_back(static_cast<V>(cost.cost[at(k)] << scaled_bits));
      spread = std::max(spread, costs.back());
    }
    lists.append(i, cols, costs);
  }
  Matching<V> state(cost.rows, cost.cols);
  ListRefresher<V> refresh;
  RowSource<V> source;
  if (!near.empty()) keep_cheapest(state, lists, near);
  source.spread = spread;
  source.square = cost.rows == cost.cols;
  source.epsilon_divisor = tuning.sparse_epsilon;
  source.epsilon_fall = tuning.sparse_epsilon_fall;
  source.leave_free = cost.rows / tuning.sparse_leave;
  source.list_reach = [spread](const std::vector<V>&) { return static_cast<double>(spread); };
  AssignmentResult result;
  try {
    const SearchStatus found = solve_lists(state, lists, refresh, source, result.stats, stop, result.witness, tuning);
    result.status = status_of(found);
  } catch (const PriceOverflow&) {
    fit = RowFit::out_of_range;
    return std::nullopt;
  }
  result.stats.bits = static_cast<int>(sizeof(V)) * 8;
  result.exponent = exponent;
  result.col_of = state.col_of;
  if (result.status != AssignmentStatus::optimal) return result;
  check_complete_matching(state.col_of.data(), state.mate_of.data(), state.n, state.m);
  // The floors of scaled-up prices are duals as well: in u_i = c_ij - v_j <= c_ik - v_k two fractions differ by less
  // than 1.
  for (Index j = 0; j < cost.cols; ++j) result.col_dual.push_back(state.v[at(j)] >> scaled_bits);
  for (std::int32_t i = 0; i < cost.rows; ++i)
    result.row_dual.push_back((state.mate_cost[at(i)] >> scaled_bits) - result.col_dual[at(result.col_of[at(i)])] +
                              shift);
  return result;
}

template <class T, class V>
std::optional<AssignmentResult> attempt(const CheckedCsr<T>& cost, bool maximize, int exponent, bool rounding,
                                        Stop& stop, RowFit& fit, std::span<const std::int32_t> near,
                                        const AssignmentTuning& tuning) {
  // All values are read as one row of the dense reader: one shift for all.
  DenseRowReader<T, V> all(DenseMatrix<T>{cost.cost.data(), 1, static_cast<Index>(cost.cost.size())}, maximize,
                           exponent, rounding);
  fit = cost.cost.empty() ? RowFit::exact : all.measure(0);
  if (fit > RowFit::exact) return std::nullopt;
  std::vector<V> values(cost.cost.size());
  if (!values.empty()) all.load(0, values.data());
  return solve_values<V>({cost.start, cost.col, values, cost.rows, cost.cols}, all.shift[0], exponent, stop, fit, near,
                         tuning);
}

// Solves integers whose prices exceed 64 bits.
AssignmentResult solve_in_128_bits(const CheckedCsr<std::int64_t>& cost, bool maximize, Stop& stop,
                                   const AssignmentTuning& tuning) {
  return solve_int128_sparse(cost, maximize, stop, [&](const CheckedCsr<std::int64_t>& coarse) {
    RowFit fit = RowFit::exact;
    return attempt<std::int64_t, std::int64_t>(coarse, false, 0, true, stop, fit, {}, tuning);
  });
}

template <class T>
AssignmentResult solve_once(const CheckedCsr<T>& cost, bool maximize, Stop& stop, const AssignmentTuning& tuning,
                            std::span<const std::int32_t> near = {}) {
  RowFit fit = RowFit::exact;
  if (auto result = attempt<T, std::int32_t>(cost, maximize, 0, false, stop, fit, near, tuning))
    return *std::move(result);
  if constexpr (!std::is_floating_point_v<T>) {
    if (auto result = attempt<T, std::int64_t>(cost, maximize, 0, true, stop, fit, near, tuning))
      return *std::move(result);
    const std::vector<std::int64_t> costs(cost.cost.begin(), cost.cost.end());
    return solve_in_128_bits({cost.start, cost.col, costs, cost.rows, cost.cols}, maximize, stop, tuning);
  } else {
    const double most = extent_of(cost.cost.data(), static_cast<Index>(cost.cost.size()), maximize).magnitude();
    int exponent = exponent_for(most) - tuning.sparse_price_bits;
    for (int k = 0; k < kTries && fit != RowFit::invalid; ++k, exponent -= kRetryBits)
      if (auto result = attempt<T, std::int64_t>(cost, maximize, exponent, true, stop, fit, near, tuning))
        return *std::move(result);
    if (fit == RowFit::invalid) throw_invalid(-1, "matrix contains invalid numeric entries");
    throw Error(ErrorKind::internal, "cost_matrix", -1, "no unit of cost_matrix keeps prices within 64 bits");
  }
}

template <class T>
AssignmentResult solve_checked(const CheckedCsr<T>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near,
                               const AssignmentTuning& tuning) {
  if constexpr (!std::is_floating_point_v<T>) {
    return solve_once(cost, maximize, stop, tuning, near);
  } else {
    const auto arcs_of = [&](Index i, const auto& look) {
      for (Index k = cost.start[at(i)]; k < cost.start[at(i + 1)]; ++k) look(k);
    };
    const auto each = [&](const auto& lower) {
      const auto row = [&](Index i) { return static_cast<Index>(cost.start[at(i + 1)] - cost.start[at(i)]); };
      for (Index i = 0; i < cost.rows && !stop.poll(row(i)); ++i)
        arcs_of(i, [&](Index k) { lower(i, cost.col[at(k)], k); });
    };
    const auto paid = [&](const AssignmentResult& r, Index i) {
      T best = maximize ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
      arcs_of(i, [&](Index k) {
        const T c = cost.cost[at(k)];
        if (cost.col[at(k)] == r.col_of[at(i)]) best = maximize ? std::max(best, c) : std::min(best, c);
      });
      return best;
    };
    return solve_refined(
        cost.cost.data(), static_cast<Index>(cost.cost.size()), maximize, true, stop,
        [&](const T* costs, const AssignmentResult*) {
          CheckedCsr<T> lowered = cost;
          lowered.cost = {costs, cost.cost.size()};
          return solve_once(lowered, maximize, stop, tuning);
        },
        each, paid);
  }
}

}  // namespace

template <class T, class I>
AssignmentResult solve(const CsrMatrix<T, I>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near,
                       const AssignmentTuning& tuning) {
  check(Pattern<I>{cost.start, cost.col, cost.rows, cost.cols}, cost.cost.size());
  if (cost.rows == 0) {
    AssignmentResult none;
    none.col_dual.assign(at(cost.cols), 0);
    return none;
  }
  // Everything from here on is compiled for one type of index. Wide columns are rare: scipy narrows what it can.
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> col;
  CheckedCsr<T> checked{{}, {}, cost.cost, cost.rows, cost.cols};
  if constexpr (std::is_same_v<I, std::int32_t>) {
    start.assign(cost.start.begin(), cost.start.end());
    checked.start = start, checked.col = cost.col;
  } else {
    col.reserve(cost.col.size());
    for (const I j : cost.col) col.push_back(static_cast<std::int32_t>(j));
    checked.start = cost.start, checked.col = col;
  }
  AssignmentResult result = solve_checked(checked, maximize, stop, near, tuning);
  if (result.status != AssignmentStatus::optimal) result.col_of.assign(at(cost.rows), kUnmatched);
  return result;
}

#define GRIDCOMPUTE_SPARSE(T)                                                                                    \
  template AssignmentResult solve(const CsrMatrix<T, std::int32_t>&, bool, Stop&, std::span<const std::int32_t>, \
                                  const AssignmentTuning&);                                                      \
  template AssignmentResult solve(const CsrMatrix<T, std::int64_t>&, bool, Stop&, std::span<const std::int32_t>, \
                                  const AssignmentTuning&);
GRIDCOMPUTE_SPARSE(std::int16_t)
GRIDCOMPUTE_SPARSE(std::int32_t)
GRIDCOMPUTE_SPARSE(std::int64_t)
GRIDCOMPUTE_SPARSE(float)
GRIDCOMPUTE_SPARSE(double)

}  // namespace gridcompute::assignment
