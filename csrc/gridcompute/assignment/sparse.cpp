#include "gridcompute/assignment/sparse.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <type_traits>

#include "gridcompute/assignment/finer.hpp"
#include "gridcompute/assignment/route.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {

namespace {

constexpr int kRetryBits = 8;         // less exact, more room for prices
constexpr int kFineSpread = 1 << 13;  // smaller ones are scaled up to at least half of this

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <class T, class I>
void check(const Sparse<T, I>& cost) {
  const Index arcs = static_cast<Index>(cost.col.size());
  const auto bad = [](const char* field, Index k, const std::string& what) {
    throw Error(ErrorKind::invalid_problem, field, k, what);
  };
  if (static_cast<Index>(cost.start.size()) != cost.rows + 1 || static_cast<Index>(cost.cost.size()) != arcs)
    bad("cost_matrix", -1, "indptr, indices and data of cost_matrix do not belong together");
  for (Index i = 0; i < cost.rows; ++i)
    if (cost.start[at(i)] < 0 || cost.start[at(i)] > cost.start[at(i + 1)] || cost.start[at(i + 1)] > arcs)
      bad("cost_matrix", i,
          "indptr of cost_matrix must rise from 0 to the number of entries, and does not at row " + std::to_string(i));
  for (Index k = 0; k < arcs; ++k)
    if (cost.col[at(k)] < 0 || cost.col[at(k)] >= cost.cols)
      bad("cost_matrix", k,
          "entry " + std::to_string(k) + " of cost_matrix has column " + std::to_string(cost.col[at(k)]) +
              ", which must be 0.." + std::to_string(cost.cols - 1));
}

// By how many bits costs are scaled up: among few values an epsilon of one unit would tell too
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
  // Of finer prices the floors are duals as good: in u_i = c_ij - v_j <= c_ik - v_k two fractions differ by less
  // than 1.
  for (Index j = 0; j < cost.cols; ++j) result.col_dual.push_back(state.v[at(j)] >> fine);
  for (std::int32_t i = 0; i < cost.rows; ++i)
    result.row_dual.push_back((state.mate_cost[at(i)] >> fine) - result.col_dual[at(result.col_of[at(i)])] +
                              all.shift[0]);
  return result;
}

template <class T, class I>
Result solve_once(const Sparse<T, I>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near = {}) {
  Fit fit = Fit::exact;
  if (auto result = attempt<T, I, std::int32_t>(cost, maximize, 0, false, stop, fit, near)) return *result;
  int exponent = 0;
  if constexpr (std::is_floating_point_v<T>) {
    const double most = extent_of(cost.cost.data(), static_cast<Index>(cost.cost.size()), maximize).magnitude();
    // Prices may move by many costs where pairs are missing: spend a few bits on room for them.
    exponent = exponent_for(most) - 4;
  }
  const int tries = std::is_floating_point_v<T> ? 3 : 1;
  for (int k = 0; k < tries && fit != Fit::minus_inf; ++k, exponent -= kRetryBits)
    if (auto result = attempt<T, I, std::int64_t>(cost, maximize, exponent, true, stop, fit, near)) return *result;
  if (fit == Fit::minus_inf)
    throw Error(ErrorKind::invalid_problem, "cost_matrix", -1, "matrix contains invalid numeric entries");
  throw Error(ErrorKind::cost_range, "cost_matrix", -1,
              "cost_matrix spans too wide a range: costs and the prices they lead to may differ by at most 2**60");
}

}  // namespace

template <class T, class I>
Result solve(const Sparse<T, I>& cost, bool maximize, Stop& stop, std::span<const std::int32_t> near) {
  check(cost);
  if constexpr (!std::is_floating_point_v<T>) {
    return solve_once(cost, maximize, stop, near);
  } else {
    const auto arcs_of = [&](Index i, const auto& look) {
      for (auto k = static_cast<Index>(cost.start[at(i)]); k < static_cast<Index>(cost.start[at(i + 1)]); ++k) look(k);
    };
    const auto each = [&](const auto& lower) {
      for (Index i = 0; i < cost.rows; ++i)
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
