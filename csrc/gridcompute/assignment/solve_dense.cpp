#include "gridcompute/assignment/solve_dense.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "gridcompute/assignment/dual_refinement.hpp"
#include "gridcompute/assignment/engines/ssp_int128.hpp"
#include "gridcompute/assignment/input/outlying_costs.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"

namespace gridcompute::assignment {

namespace {

// Floats that need a long auction, or searches over many whole rows, are solved in 32 bits first, by this power of two
// coarser: costs of 24 bits, whose prices are nearly optimal in 64. With 20 and 27 bits geometric costs of 4,000 lines
// take 1.1 and 1.2 times as long.
constexpr int kCoarserBits = 33;

constexpr double kNoCap = std::numeric_limits<double>::infinity();

// Writes the transposed matrix to `out`; false if stopped.
template <class T>
bool transpose(const DenseMatrix<T>& a, T* out, Pool& pool, Stop& stop) {
  constexpr Index kTile = 16;  // a cache line of floats: each line read is used whole
  stop.count(a.rows * a.cols);
  return pool.for_chunks(
      a.rows, 16 * kTile,
      [&](Index, Index begin, Index end) {
        for (Index j0 = 0; j0 < a.cols; j0 += kTile)
          for (Index i0 = begin; i0 < end; i0 += kTile)
            for (Index j = j0; j < std::min(a.cols, j0 + kTile); ++j)
              for (Index i = i0; i < std::min(end, i0 + kTile); ++i) out[j * a.rows + i] = a.data[i * a.cols + j];
      },
      &stop);
}

// Returns the largest finite size of a cost over `rows` sampled rows, of costs up to `cap` above their row's least.
template <class T>
double largest_size(const DenseMatrix<T>& a, bool maximize, Index rows, double cap) {
  double largest = 0;
  for (Index k = 0; k < rows; ++k) {
    CostExtent seen = extent_of(a.data + sampled(k, rows, a.rows) * a.cols, a.cols, maximize);
    seen.largest = std::min(seen.largest, seen.least + cap);
    largest = std::max(largest, seen.magnitude());
  }
  return largest;
}

// The conversion of costs to integers of the core.
struct CostScale {
  int exponent = 0;              // costs are multiplied by 2^exponent
  bool rounding = false;         // the products are rounded down; otherwise they must be integers
  double cap = kNoCap;           // costs farther above their row's least are lowered to this distance
  std::vector<Index> dear = {};  // columns beyond the cap in all rows: reduced first
};

// The result of one solve at one scale.
struct SolveAttempt {
  RowFit fit = RowFit::exact;              // the worst of all rows; out_of_range as well where prices had no room
  std::optional<AssignmentResult> result;  // if costs fit
  bool capped_used = false;                // pairs are matched whose costs were lowered
  bool long_solve_due = false;             // many phases, or searches over many rows, would be next: not wanted

  [[nodiscard]] bool optimal_uncapped() const { return result && !capped_used; }
};

// Solves at `scale` in integers of V. `previous`, if any: the answer to nearly the same costs; `coarse`: the answer to
// these costs in a coarser unit. Without `long_solve` there is no result where one is due.
template <class T, class V>
SolveAttempt attempt(const DenseMatrix<T>& cost, bool maximize, const CostScale& scale, Pool& pool, Stop& stop,
                     const AssignmentResult* previous, const AssignmentTuning& tuning, bool long_solve = true,
                     const AssignmentResult* coarse = nullptr) {
  SolveAttempt made;
  const double cap = std::ldexp(scale.cap, scale.exponent);
  if (scale.cap < kNoCap && !(cap < static_cast<double>(IntRange<V>::kLimit / 2))) return {RowFit::out_of_range, {}};
  DenseRowReader<T, V> rows(cost, maximize, scale.exponent, scale.rounding,
                            scale.cap < kNoCap ? std::max(static_cast<V>(cap), V{1}) : 0);
  if (!scale.dear.empty()) rows.reduce_columns(scale.dear);
  DenseIntegerSolver<V> solver(rows, pool, stop, tuning);
  if (previous != nullptr && cost.rows == cost.cols)
    solver.start_from(*previous, scale.exponent - previous->exponent, rows.column_reductions());
  if (coarse != nullptr) solver.start_from_prices(*coarse, scale.exponent - coarse->exponent);
  const bool whole_rows = solver.choose_start();
  if (!long_solve && whole_rows && cost.rows * cost.cols > tuning.rows_first_entries) {
    made.long_solve_due = true;
    return made;
  }
  const std::optional<RowFit> found = solver.first_pass();
  if (!found) {
    made.result.emplace().status = AssignmentStatus::stopped;
    return made;
  }
  made.fit = *found;
  if (made.fit > RowFit::exact) return made;
  try {
    made.result = solver.solve(long_solve);
  } catch (const PriceOverflow&) {
    made.fit = RowFit::out_of_range;
    return made;
  }
  made.long_solve_due = !made.result;
  if (!made.result) return made;
  made.result->exponent = scale.exponent;
  if (made.result->status != AssignmentStatus::optimal) return made;
  for (const auto& [j, off] : rows.column_reductions()) made.result->col_dual[at(j)] += off;
  for (Index i = 0; i < cost.rows; ++i) made.capped_used |= rows.is_capped(i, made.result->col_of[at(i)]);
  return made;
}

// Sample that guesses whether costs fit 32 bits; the first pass measures all (rows).
constexpr Index kFitRows = 8;

// Returns the worst fit of a few rows as unscaled integers of V.
template <class T, class V>
RowFit sample_fit(const DenseMatrix<T>& cost, bool maximize) {
  DenseRowReader<T, V> rows(cost, maximize, 0);
  RowFit worst = RowFit::exact;
  const Index count = std::min(kFitRows, cost.rows);
  for (Index k = 0; k < count; ++k) worst = std::max(worst, rows.measure(sampled(k, count, cost.rows)));
  return worst;
}

[[noreturn]] void throw_no_unit() {
  throw Error(ErrorKind::internal, "cost_matrix", -1, "no unit of cost_matrix keeps prices within 64 bits");
}

template <class T>
double finite_size(T cost) {
  const double size = std::fabs(static_cast<double>(cost));
  return size < kNoCap ? size : 0;
}

template <class T>
double row_least(const T* row, Index m, bool maximize) {
  if constexpr (std::is_floating_point_v<T>)
    return extent_of(row, m, maximize).least;
  else
    return maximize ? -static_cast<double>(*std::max_element(row, row + m))
                    : static_cast<double>(*std::min_element(row, row + m));
}

// Returns the excess of the pairs' cost over the sum of all rows' least costs, rounded up. No pair that exceeds its
// row's least by more is part of a better assignment.
template <class T>
double cost_above_least(const DenseMatrix<T>& cost, bool maximize, const AssignmentResult& result) {
  double sum = 0;
  for (Index i = 0; i < cost.rows; ++i) {
    const T* row = cost.data + i * cost.cols;
    const auto paid = static_cast<double>(row[result.col_of[at(i)]]);
    sum += (maximize ? -paid : paid) - row_least(row, cost.cols, maximize);
  }
  return sum * (1 + 0x1p-20);
}

// Returns the columns of a square matrix that cost more than `cap` above their row's least in all rows.
template <class T>
std::vector<Index> columns_beyond(const DenseMatrix<T>& cost, bool maximize, double cap) {
  std::vector<Index> left;
  const double sign = maximize ? -1.0 : 1.0;
  for (Index j = 0; j < cost.cols && cost.rows == cost.cols; ++j) left.push_back(j);
  for (Index i = 0; i < cost.rows && !left.empty(); ++i) {
    const T* row = cost.data + i * cost.cols;
    const double limit = row_least(row, cost.cols, maximize) + cap;
    std::erase_if(left, [&](Index j) { return sign * static_cast<double>(row[j]) <= limit; });
  }
  return left;
}

// Solves with costs lowered to scale_of(cap, dear), in 32-bit integers where they fit. Where a lowered pair is used,
// the cap is raised to the excess of the pairs found over their rows' least costs, and all is solved again from there.
template <class T, class ScaleOf>
SolveAttempt attempt_capped(const DenseMatrix<T>& cost, bool maximize, double cap, const ScaleOf& scale_of, Pool& pool,
                            Stop& stop, const AssignmentResult* previous, const AssignmentTuning& tuning) {
  const std::vector<Index> dear = columns_beyond(cost, maximize, cap);
  const auto at_cap = [&](double limit, const AssignmentResult* from) {
    const CostScale scale = scale_of(limit, dear);
    if (!scale.rounding)
      if (SolveAttempt a = attempt<T, std::int32_t>(cost, maximize, scale, pool, stop, from, tuning); a.result)
        return a;
    return attempt<T, std::int64_t>(cost, maximize, scale, pool, stop, from, tuning);
  };
  const SolveAttempt first = at_cap(cap, previous);
  if (!first.capped_used) return first;
  SolveAttempt raised = at_cap(cost_above_least(cost, maximize, *first.result), &*first.result);
  if (raised.result) raised.result->stats.add(first.result->stats);
  return raised;
}

// Solves integers in 32 bits, then 64. Nothing where a row spans more, or an integer lies beyond 2^62.
template <class T>
std::optional<AssignmentResult> solve_in_64_bits(const DenseMatrix<T>& cost, bool maximize, Pool& pool, Stop& stop,
                                                 const AssignmentTuning& tuning) {
  const auto scale_of = [](double cap, const auto& dear) { return CostScale{0, false, cap, dear}; };
  if (sample_fit<T, std::int32_t>(cost, maximize) == RowFit::exact)
    if (SolveAttempt a = attempt<T, std::int32_t>(cost, maximize, {}, pool, stop, nullptr, tuning); a.result)
      return *a.result;
  if (const double cap = outlier_cap(cost, maximize, tuning); cap < kNoCap)
    if (SolveAttempt a = attempt_capped(cost, maximize, cap, scale_of, pool, stop, nullptr, tuning);
        a.optimal_uncapped())
      return *a.result;
  return attempt<T, std::int64_t>(cost, maximize, {}, pool, stop, nullptr, tuning).result;
}

// Solves once, in the width and unit that fit (strategy.hpp, table B). `previous`, for floats: the answer to start
// from, or null.
template <class T>
AssignmentResult solve_once(const DenseMatrix<T>& cost, bool maximize, Pool& pool, Stop& stop,
                            const AssignmentTuning& tuning, const AssignmentResult* = nullptr) {
  if (std::optional<AssignmentResult> result = solve_in_64_bits(cost, maximize, pool, stop, tuning))
    return *std::move(result);
  if constexpr (std::is_same_v<T, std::int64_t>)
    return solve_int128_dense(cost, maximize, pool, stop, [&](const DenseMatrix<std::int64_t>& shifted) {
      return solve_in_64_bits(shifted, false, pool, stop, tuning);
    });
  else
    throw_no_unit();
}

template <class T>
  requires std::is_floating_point_v<T>
AssignmentResult solve_once(const DenseMatrix<T>& cost, bool maximize, Pool& pool, Stop& stop,
                            const AssignmentTuning& tuning, const AssignmentResult* previous = nullptr) {
  if (sample_fit<T, std::int32_t>(cost, maximize) == RowFit::exact)
    if (SolveAttempt a = attempt<T, std::int32_t>(cost, maximize, {}, pool, stop, previous, tuning); a.result)
      return *a.result;
  const auto exponent = [&](double cap, Index rows) { return exponent_for(largest_size(cost, maximize, rows, cap)); };
  if (const double cap = outlier_cap(cost, maximize, tuning); cap < kNoCap) {
    const auto scale_of = [&](double limit, const std::vector<Index>& dear) {
      double most = largest_size(cost, maximize, cost.rows, limit);
      for (const Index j : dear)
        for (Index i = 0; i < cost.rows; ++i) most = std::max(most, finite_size(cost.data[i * cost.cols + j]));
      return CostScale{exponent_for(most) - 1, true, limit, dear};
    };
    if (SolveAttempt a = attempt_capped(cost, maximize, cap, scale_of, pool, stop, previous, tuning);
        a.optimal_uncapped())
      return *a.result;
  }
  // A sample of rows may understate the largest size; and where pairs are missing, prices may need more room than
  // costs.
  const Index sample = std::min(tuning.scale_rows, cost.rows);
  CostScale scale{exponent(kNoCap, sample), true};
  const bool square = cost.rows == cost.cols;
  for (int tries = 0; tries < kTries;
       ++tries, scale.exponent = exponent(kNoCap, cost.rows) - kRetryBits * (tries - 1)) {
    SolveAttempt a = attempt<T, std::int64_t>(cost, maximize, scale, pool, stop, previous, tuning, !square);
    if (a.long_solve_due) {
      const CostScale coarse{scale.exponent - kCoarserBits, true};
      const SolveAttempt first = attempt<T, std::int32_t>(cost, maximize, coarse, pool, stop, nullptr, tuning);
      const bool found = first.result && first.result->status == AssignmentStatus::optimal;
      a = attempt<T, std::int64_t>(cost, maximize, scale, pool, stop, previous, tuning, true,
                                   found ? &*first.result : nullptr);
      if (a.result && found) a.result->stats.add(first.result->stats);
    }
    if (a.result) return *a.result;
    if (a.fit == RowFit::invalid)
      throw Error(ErrorKind::invalid_problem, "cost_matrix", -1, "matrix contains invalid numeric entries");
  }
  throw_no_unit();
}

template <class T>
AssignmentResult solve_wide_or_square(const DenseMatrix<T>& cost, bool maximize, bool duals, Pool& pool, Stop& stop,
                                      const AssignmentTuning& tuning) {
  if constexpr (!std::is_floating_point_v<T>) {
    return solve_once(cost, maximize, pool, stop, tuning);
  } else {
    const auto each = [&](const auto& lower) {
      for (Index i = 0, k = 0; i < cost.rows && !stop.poll(cost.cols); ++i)
        for (Index j = 0; j < cost.cols; ++j, ++k) lower(i, j, k);
    };
    return solve_refined(
        cost.data, cost.rows * cost.cols, maximize, duals, stop,
        [&](const T* costs, const AssignmentResult* previous) {
          return solve_once(DenseMatrix<T>{costs, cost.rows, cost.cols}, maximize, pool, stop, tuning, previous);
        },
        each, [&](const AssignmentResult& r, Index i) { return cost.data[i * cost.cols + r.col_of[at(i)]]; });
  }
}

// Returns the answer without lines on one side: nothing is matched, and all duals are 0.
AssignmentResult empty_result(Index rows, Index cols) {
  AssignmentResult result;
  result.col_of.assign(at(rows), kUnmatched);
  result.row_dual.assign(at(rows), 0);
  result.col_dual.assign(at(cols), 0);
  return result;
}

// Turns the result of the transposed matrix into that of the matrix itself, of `rows` rows.
void transpose_result(AssignmentResult& result, Index rows) {
  std::vector<std::int32_t> col_of(at(rows), kUnmatched);
  for (std::size_t j = 0; j < result.col_of.size(); ++j)
    if (const std::int32_t i = result.col_of[j]; i != kUnmatched) col_of[at(i)] = static_cast<std::int32_t>(j);
  result.col_of = std::move(col_of);
  result.row_dual.swap(result.col_dual);
  result.row_wide.swap(result.col_wide);
  result.transposed = true;
}

}  // namespace

// Size from which waking a thread pays (entries).
constexpr Index kThreadEntries = 1 << 19;

template <class T>
AssignmentResult solve(const DenseMatrix<T>& cost, bool maximize, int threads, Stop& stop, bool duals,
                       const AssignmentTuning& tuning) {
  if (cost.rows == 0 || cost.cols == 0) return empty_result(cost.rows, cost.cols);
  Pool pool(cost.rows * cost.cols < kThreadEntries ? 1 : threads);
  AssignmentResult result;
  if (cost.rows <= cost.cols) {
    result = solve_wide_or_square(cost, maximize, duals, pool, stop, tuning);
  } else {
    DefaultInitVector<T> transposed(at(cost.rows * cost.cols));
    result.status = AssignmentStatus::stopped;
    if (transpose(cost, transposed.data(), pool, stop))
      result = solve_wide_or_square(DenseMatrix<T>{transposed.data(), cost.cols, cost.rows}, maximize, duals, pool,
                                    stop, tuning);
    transpose_result(result, cost.rows);
  }
  if (result.status != AssignmentStatus::optimal) result.col_of.assign(at(cost.rows), kUnmatched);
  return result;
}

#define GRIDCOMPUTE_DENSE(T) \
  template AssignmentResult solve(const DenseMatrix<T>&, bool, int, Stop&, bool, const AssignmentTuning&);
GRIDCOMPUTE_DENSE(std::int16_t)
GRIDCOMPUTE_DENSE(std::int32_t)
GRIDCOMPUTE_DENSE(std::int64_t)
GRIDCOMPUTE_DENSE(float)
GRIDCOMPUTE_DENSE(double)

namespace {

constexpr Index kChunkRows = 64;  // rows of a chunk

// Thrown where a stop left rows without their list or copy, so that the solve cannot continue.
struct PassStopped {};

}  // namespace

template <class V>
template <class Body>
bool DenseIntegerSolver<V>::for_rows(const Body& body) {
  stop_.count(rows_.n * rows_.m);
  return pool_.for_chunks(
      rows_.n, kChunkRows,
      [&](Index, Index begin, Index end) {
        typename CandidateLists<V>::Scratch s = lists_.scratch();
        for (Index i = begin; i < end; ++i) body(i, s);
      },
      &stop_);
}

template <class V>
template <class Body>
void DenseIntegerSolver<V>::for_all_rows(const Body& body) {
  if (!for_rows(body)) throw PassStopped();
}

template <class V>
void DenseIntegerSolver<V>::start_from(const AssignmentResult& previous, int bits,
                                       const std::vector<std::pair<Index, std::int64_t>>& reductions) {
  constexpr double kMost = static_cast<double>(IntRange<V>::kLimit / 4);  // sums of four stay in V
  constexpr double kRounding = 4;  // two costs and two prices, in the coarser unit
  std::vector<double> price(previous.col_dual.begin(), previous.col_dual.end());
  for (const auto& [j, off] : reductions) price[at(j)] -= std::ldexp(static_cast<double>(off), -bits);
  const double most = *std::max_element(price.begin(), price.end());
  for (Index j = 0; j < rows_.m; ++j)
    state_.v[at(j)] = static_cast<V>(-std::min(std::ldexp(most - price[at(j)], bits), kMost));
  const double rounding = std::ldexp(kRounding, std::max(bits, 0));
  warm_ = {previous.col_of, std::min(rounding, kMost / static_cast<double>(8 * rows_.n))};
}

template <class V>
void DenseIntegerSolver<V>::start_from_prices(const AssignmentResult& coarse, int bits) {
  const std::int64_t most = *std::max_element(coarse.col_dual.begin(), coarse.col_dual.end());
  for (Index j = 0; j < rows_.m; ++j) {
    const double price = std::ldexp(static_cast<double>(coarse.col_dual[at(j)] - most), bits);
    state_.v[at(j)] = static_cast<V>(std::max(price, -static_cast<double>(IntRange<V>::kLimit / 4)));
  }
  priced_ = true;
}

template <class V>
bool DenseIntegerSolver<V>::choose_start() {
  const bool warm = !warm_.col_of.empty();
  const InputStats stats = !warm && !priced_ && rows_.n == rows_.m ? sample_input_stats(rows_, t_) : InputStats{};
  if (!priced_) start_ = choose_dense_start(stats, rows_.n, rows_.m, warm, t_);
  return start_.rows_first && !warm;
}

template <class V>
std::optional<RowFit> DenseIntegerSolver<V>::first_pass() {
  if (start_.rows_first) {
    copy_.emplace(rows_.n, rows_.m);
  } else {
    if (start_.reduce_columns) sampled_column_reduction(rows_, pool_, stop_, state_.v, t_);
    lists_.reserve_lists();
  }
  std::atomic<int> worst{0};
  const bool whole = for_rows([&](Index i, typename CandidateLists<V>::Scratch& s) {
    const RowFit fit = rows_.measure(i);
    int seen = worst.load(std::memory_order_relaxed);
    while (static_cast<int>(fit) > seen && !worst.compare_exchange_weak(seen, static_cast<int>(fit))) {
    }
    if (std::max(seen, static_cast<int>(fit)) > static_cast<int>(RowFit::rounded)) return;
    if (start_.rows_first)
      copy_->copy_row(i, rows_);
    else
      lists_.fill(i, rows_, state_.v.data(), s);
  });
  if (!whole) return std::nullopt;
  return static_cast<RowFit>(worst.load());
}

template <class V>
std::optional<AssignmentResult> DenseIntegerSolver<V>::solve(bool long_auction) {
  AssignmentResult result;
  try {
    if (!solve_rows(result, long_auction)) return {};
  } catch (const PassStopped&) {
    result.status = AssignmentStatus::stopped;
  }
  return result;
}

template <class V>
bool DenseIntegerSolver<V>::solve_rows(AssignmentResult& result, bool long_auction) {
  if (start_.rows_first && rows_first_answers(result)) return true;
  ListRefresher<V> refresh{copy_ ? &*copy_ : &rows_, {}, lists_.scratch(), 0};
  RowSource<V> source;
  source.rebuild_lists = [&](const std::vector<V>& v) {
    for_all_rows([&](Index i, typename CandidateLists<V>::Scratch& s) { lists_.fill(i, *refresh.rows, v.data(), s); });
  };
  source.copy_rows = [&]() -> const RowCopy<V>& {
    if (copy_) return *copy_;
    copy_.emplace(rows_.n, rows_.m);
    for_all_rows([&](Index i, typename CandidateLists<V>::Scratch&) { copy_->copy_row(i, rows_); });
    refresh.rows = &*copy_;
    return *copy_;
  };
  source.list_reach = [&](const std::vector<V>& v) {
    return list_reach(v, refresh, static_cast<double>(source.spread));
  };
  source.spread = sampled_spread();
  source.list_budget = rows_.n * rows_.m * t_.list_passes;
  source.square = rows_.n == rows_.m;
  source.epsilon_divisor = t_.list_epsilon;
  source.priced = priced_;
  source.long_auction = long_auction;
  const SearchStatus found = solve_lists(state_, lists_, refresh, source, result.stats, stop_, result.witness, t_);
  if (found == SearchStatus::budget) return false;
  result.stats.rescans = refresh.count;
  write_result(found, result);
  return true;
}

// Searches whole rows within their budget. Returns false if that gave no answer; lists are ready then.
template <class V>
bool DenseIntegerSolver<V>::rows_first_answers(AssignmentResult& result) {
  const SearchStatus found = ssp_rows(state_, *copy_, start_.budget, result.stats, stop_, result.witness, t_,
                                      start_.start, warm_.col_of.empty() ? nullptr : &warm_);
  if (found != SearchStatus::budget) {
    write_result(found, result);
    return true;
  }
  state_.clear();
  std::fill(state_.v.begin(), state_.v.end(), V{0});
  if (start_.reduce_columns) sampled_column_reduction(rows_, pool_, stop_, state_.v, t_);
  lists_.reserve_lists();
  for_all_rows([&](Index i, typename CandidateLists<V>::Scratch& s) { lists_.fill(i, *copy_, state_.v.data(), s); });
  return false;
}

template <class V>
void DenseIntegerSolver<V>::write_result(SearchStatus found, AssignmentResult& result) {
  result.status = status_of(found);
  result.stats.bits = static_cast<int>(sizeof(V)) * 8;
  result.col_of = state_.col_of;
  if (found != SearchStatus::complete) return;
  check_complete_matching(state_.col_of.data(), state_.mate_of.data(), state_.n, state_.m);
  result.col_dual.assign(state_.v.begin(), state_.v.end() - 1);
  for (std::int32_t i = 0; i < rows_.n; ++i) result.row_dual.push_back(state_.u(i) + rows_.shift[at(i)]);
}

// Returns the median reach of lists made at prices v, over a sample of rows; a complete list reaches as far as costs
// do.
template <class V>
double DenseIntegerSolver<V>::list_reach(const std::vector<V>& v, ListRefresher<V>& refresh, double largest) {
  std::vector<double> reach;
  for (Index k = 0; k < t_.width_sample; ++k) {
    const Index i = sampled(k, t_.width_sample, rows_.n);
    lists_.fill(i, *refresh.rows, v.data(), refresh.scratch);
    V least = IntRange<V>::kForbiddenReduced;
    for (Index c = 0; c < lists_[i].size; ++c)
      least = std::min(least, static_cast<V>(lists_[i].cost[c] - v[at(lists_[i].col[c])]));
    reach.push_back(std::min(static_cast<double>(lists_.bound(i)) - static_cast<double>(least), largest));
  }
  const auto middle = reach.begin() + static_cast<std::ptrdiff_t>(reach.size() / 2);
  std::nth_element(reach.begin(), middle, reach.end());
  return *middle;
}

template <class V>
V DenseIntegerSolver<V>::sampled_spread() const {
  V most = 0;
  const Index count = std::min(t_.sample_rows, rows_.n);
  for (Index k = 0; k < count; ++k) most = std::max(most, rows_.spread[at(sampled(k, count, rows_.n))]);
  return most;
}

template class DenseIntegerSolver<std::int32_t>;
template class DenseIntegerSolver<std::int64_t>;

}  // namespace gridcompute::assignment
