#include "gridcompute/assignment/sparse.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <type_traits>

#include "gridcompute/assignment/engines/ssp_int128.hpp"
#include "gridcompute/assignment/refine/dual_refinement.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {

namespace {

constexpr int kRetryBits = 8;         // less exact, more room for prices: detours are of few rows,
constexpr int kTries = 6;             // so that 2^42 rows would have room at the last
constexpr int kFineSpread = 1 << 13;  // smaller ones are scaled up to at least half of this

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

[[noreturn]] void refuse(Index where, const std::string& what) {
  throw Error(ErrorKind::invalid_problem, "cost_matrix", where, what);
}

// Rows within the arrays, columns within the matrix, each pair once.
template <class T, class I>
void check(const Sparse<T, I>& cost) {
  const auto arcs = static_cast<Index>(cost.col.size());
  if (cost.rows < 0 || cost.cols < cost.rows || cost.cols > kMostLines)
    refuse(-1, "cost_matrix: found " + std::to_string(cost.rows) + " x " + std::to_string(cost.cols) +
                   ", needed at most " + std::to_string(kMostLines) + " columns, and no more rows");
  if (static_cast<Index>(cost.start.size()) != cost.rows + 1 || static_cast<Index>(cost.cost.size()) != arcs)
    refuse(-1, "cost_matrix: found indptr, indices and data of lengths " + std::to_string(cost.start.size()) + ", " +
                   std::to_string(arcs) + " and " + std::to_string(cost.cost.size()) +
                   ", needed rows + 1 and two alike");
  bool rising = true;
  for (Index i = 0; i < cost.rows; ++i) {
    const I begin = cost.start[at(i)], end = cost.start[at(i + 1)];
    if (begin < 0 || begin > end || end > arcs || (i == 0 && begin != 0))
      refuse(i, "cost_matrix: found indptr " + std::to_string(begin) + " to " + std::to_string(end) + " at row " +
                    std::to_string(i) + ", needed it to rise from 0 to " + std::to_string(arcs));
    I last = -1;
    for (I k = begin; k < end; ++k) {
      const I j = cost.col[at(k)];
      if (j < 0 || j >= cost.cols)
        refuse(i, "cost_matrix: found column " + std::to_string(j) + " in row " + std::to_string(i) + ", needed 0 to " +
                      std::to_string(cost.cols - 1));
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
        refuse(i, "cost_matrix: found a pair of row " + std::to_string(i) + " and column " +
                      std::to_string(cost.col[at(k)]) + " twice, needed each pair once");
      row = i;
    }
}

// Returns by how many bits costs are scaled up: among few values an epsilon of one unit would tell too
// little. Not among very few, where ties are followed.
template <class V>
int finer_by(const std::vector<V>& values) {
  V spread = 1;
  for (const V c : values) spread = c < Range<V>::kForbidden ? std::max(spread, c) : spread;
  int bits = 0;
  if (spread < kTies) return bits;
  while (spread << bits < kFineSpread / 2) ++bits;
  return bits;
}

// Rows keep the column they have in `near` if none costs them less.
template <class V>
void keep_cheapest(Matching<V>& state, const Lists<V>& lists, std::span<const std::int32_t> near) {
  for (std::int32_t i = 0; i < state.n; ++i) {
    const auto list = lists[i];
    V least = Range<V>::kForbidden, kept = least;
    for (Index k = 0; k < list.size; ++k) {
      least = std::min(least, list.cost[k]);
      if (list.col[k] == near[at(i)]) kept = std::min(kept, list.cost[k]);
    }
    if (kept == least && kept < Range<V>::kForbidden) state.match(i, near[at(i)], kept);
  }
}

template <class T, class I, class V>
std::optional<Result> attempt(const Sparse<T, I>& cost, bool maximize, int exponent, bool rounding, Stop& stop,
                              Fit& fit, std::span<const std::int32_t> near) {
  // All values as one row of the dense reader: one shift for all.
  DenseRows<T, V> all(Dense<T>{cost.cost.data(), 1, static_cast<Index>(cost.cost.size())}, maximize, exponent,
                      rounding);
  fit = cost.cost.empty() ? Fit::exact : all.look(0);
  if (fit > Fit::exact) return std::nullopt;
  std::vector<V> values(cost.cost.size());
  if (!values.empty()) all.load(0, values.data());
  const int fine = finer_by(values);
  Lists<V> lists(cost.rows, cost.cols);
  std::vector<std::int32_t> cols;
  std::vector<V> costs;
  V spread = 0;
  for (Index i = 0; i < cost.rows; ++i) {
    cols.clear();
    costs.clear();
    for (Index k = static_cast<Index>(cost.start[at(i)]); k < static_cast<Index>(cost.start[at(i + 1)]); ++k) {
      if (values[at(k)] >= Range<V>::kForbidden) continue;
      cols.push_back(static_cast<std::int32_t>(cost.col[at(k)]));
      costs.push_back(static_cast<V>(values[at(k)] << fine));
      spread = std::max(spread, costs.back());
    }
    lists.append(i, cols, costs);
  }
  Matching<V> state(cost.rows, cost.cols);
  Rereader<V> reread;
  Source<V> source;
  if (!near.empty()) keep_cheapest(state, lists, near);
  source.spread = spread;
  source.pass = 8 * static_cast<Index>(values.size());
  source.square = cost.rows == cost.cols;
  source.first = 6;  // lists cannot go stale, and long detours want large steps
  source.fall = 6;
  source.leave = cost.rows / 1000;
  source.width = [spread](const std::vector<V>&) { return static_cast<double>(spread); };
  Result result;
  try {
    const Searched found = solve_lists(state, lists, reread, source, result.stats, stop, result.witness);
    result.status = found == Searched::complete     ? Status::optimal
                    : found == Searched::infeasible ? Status::infeasible
                                                    : Status::stopped;
  } catch (const PriceRange&) {
    fit = Fit::range;
    return std::nullopt;
  }
  result.stats.bits = static_cast<int>(sizeof(V)) * 8;
  result.exponent = exponent;
  result.col_of = state.col_of;
  if (result.status != Status::optimal) return result;
  check_complete(state.col_of.data(), state.mate_of.data(), state.n, state.m);
  // Of finer prices the floors are duals as good: in u_i = c_ij - v_j <= c_ik - v_k two fractions differ by less
  // than 1.
  for (Index j = 0; j < cost.cols; ++j) result.col_dual.push_back(state.v[at(j)] >> fine);
  for (std::int32_t i = 0; i < cost.rows; ++i)
    result.row_dual.push_back((state.mate_cost[at(i)] >> fine) - result.col_dual[at(result.col_of[at(i)])] +
                              all.shift[0]);
  return result;
}

// Solves integers beyond what 64-bit prices hold.
template <class T, class I>
Result solve_beyond(const Sparse<T, I>& cost, bool maximize, Stop& stop) {
  const std::vector<std::int64_t> start(cost.start.begin(), cost.start.end()), col(cost.col.begin(), cost.col.end()),
      costs(cost.cost.begin(), cost.cost.end());
  const Sparse<std::int64_t, std::int64_t> wide{start, col, costs, cost.rows, cost.cols};
  return solve_wide_sparse(wide, maximize, stop, [&](const Sparse<std::int64_t, std::int64_t>& coarse) {
    Fit fit = Fit::exact;
    return attempt<std::int64_t, std::int64_t, std::int64_t>(coarse, false, 0, true, stop, fit, {});
  });
}

template <class T, class I>
Result solve_once(const Sparse<T, I>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near = {}) {
  Fit fit = Fit::exact;
  if (auto result = attempt<T, I, std::int32_t>(cost, maximize, 0, false, stop, fit, near)) return *std::move(result);
  if constexpr (!std::is_floating_point_v<T>) {
    if (auto result = attempt<T, I, std::int64_t>(cost, maximize, 0, true, stop, fit, near)) return *std::move(result);
    return solve_beyond(cost, maximize, stop);
  } else {
    const double most = extent_of(cost.cost.data(), static_cast<Index>(cost.cost.size()), maximize).magnitude();
    // Prices may move by many costs where pairs are missing: spend a few bits on room for them.
    int exponent = exponent_for(most) - 4;
    for (int k = 0; k < kTries && fit != Fit::minus_inf; ++k, exponent -= kRetryBits)
      if (auto result = attempt<T, I, std::int64_t>(cost, maximize, exponent, true, stop, fit, near))
        return *std::move(result);
    if (fit == Fit::minus_inf) refuse(-1, "matrix contains invalid numeric entries");
    throw Error(ErrorKind::internal, "cost_matrix", -1, "no unit of cost_matrix keeps prices within 64 bits");
  }
}

}  // namespace

namespace {

template <class T, class I>
Result solve_checked(const Sparse<T, I>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near) {
  if constexpr (!std::is_floating_point_v<T>) {
    return solve_once(cost, maximize, stop, near);
  } else {
    const auto arcs_of = [&](Index i, const auto& look) {
      for (auto k = static_cast<Index>(cost.start[at(i)]); k < static_cast<Index>(cost.start[at(i + 1)]); ++k) look(k);
    };
    const auto each = [&](const auto& lower) {
      for (Index i = 0; i < cost.rows && !stop.poll(); ++i)
        arcs_of(i, [&](Index k) { lower(i, static_cast<Index>(cost.col[at(k)]), k); });
    };
    const auto paid = [&](const Result& r, Index i) {
      T best = maximize ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
      arcs_of(i, [&](Index k) {
        const T c = cost.cost[at(k)];
        if (static_cast<std::int32_t>(cost.col[at(k)]) == r.col_of[at(i)])
          best = maximize ? std::max(best, c) : std::min(best, c);
      });
      return best;
    };
    return solve_finer(
        cost.cost.data(), static_cast<Index>(cost.cost.size()), maximize, true, stop,
        [&](const T* costs, const Result*) {
          Sparse<T, I> lowered = cost;
          lowered.cost = {costs, cost.cost.size()};
          return solve_once(lowered, maximize, stop);
        },
        each, paid);
  }
}

}  // namespace

template <class T, class I>
Result solve(const Sparse<T, I>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near) {
  check(cost);
  if (cost.rows == 0) {
    Result none;
    none.col_dual.assign(at(cost.cols), 0);
    return none;
  }
  Result result = solve_checked(cost, maximize, stop, near);
  if (result.status != Status::optimal) result.col_of.assign(at(cost.rows), kFree);
  return result;
}

#define GRIDCOMPUTE_SPARSE(T)                                                                        \
  template Result solve(const Sparse<T, std::int32_t>&, bool, Stop&, std::span<const std::int32_t>); \
  template Result solve(const Sparse<T, std::int64_t>&, bool, Stop&, std::span<const std::int32_t>);
GRIDCOMPUTE_SPARSE(std::int8_t)
GRIDCOMPUTE_SPARSE(std::int16_t)
GRIDCOMPUTE_SPARSE(std::int32_t)
GRIDCOMPUTE_SPARSE(std::int64_t)
GRIDCOMPUTE_SPARSE(float)
GRIDCOMPUTE_SPARSE(double)

}  // namespace gridcompute::assignment
