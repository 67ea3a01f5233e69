#include "gridcompute/assignment/dense.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>

#include "gridcompute/assignment/engines/ssp_int128.hpp"
#include "gridcompute/assignment/engines/ssp_rows.hpp"
#include "gridcompute/assignment/input/column_stats.hpp"
#include "gridcompute/assignment/input/outlier_cap.hpp"
#include "gridcompute/assignment/refine/dual_refinement.hpp"
#include "gridcompute/assignment/refine/warm_start.hpp"
#include "gridcompute/assignment/strategy.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kThreaded = Index{1} << 19;  // entries from which waking a thread pays
constexpr Index kChunk = 64;                 // rows
constexpr double kNoReach = std::numeric_limits<double>::infinity();
constexpr int kRetryBits = 8;            // less exact, more room for prices: detours are of few rows,
constexpr int kTries = 7;                // so that 2^46 rows would have room at the last
constexpr Index kWholeFirst = 1 << 19;   // entries up to which whole rows are searched first,
constexpr Index kWholeUneven = 1 << 20;  // or up to here, if columns or rows are uneven, or any if tied,
constexpr Index kFirstPasses = 60;       // in the time of so many passes over them,
constexpr Index kEasyPasses = 2;         // or of so many, if columns draw rows to the same few

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// A stop left rows without their list or copy: nothing may go on from there.
struct CutShort {};

template <class V>
class DenseSolve {
 public:
  DenseSolve(Rows<V>& rows, Pool& pool, Stop& stop)
      : rows_(rows), pool_(pool), stop_(stop), lists_(rows.n, rows.m), state_(rows.n, rows.m) {}

  // Start from the answer to nearly the same square matrix, whose unit is 2^bits of this one's.
  void begin_at(const Result& near, int bits, const std::vector<std::pair<Index, std::int64_t>>& leveled) {
    constexpr double kMost = static_cast<double>(Range<V>::kUnit / 4);
    constexpr double kRounding = 4;  // two costs and two prices, of the coarser unit
    std::vector<double> price(near.col_dual.begin(), near.col_dual.end());
    for (const auto& [j, off] : leveled) price[at(j)] -= std::ldexp(static_cast<double>(off), -bits);
    const double most = *std::max_element(price.begin(), price.end());
    for (Index j = 0; j < rows_.m; ++j)
      state_.v[at(j)] = static_cast<V>(-std::min(std::ldexp(most - price[at(j)], bits), kMost));
    const double rounding = std::ldexp(kRounding, std::max(bits, 0));
    nearby_ = {near.col_of, std::min(rounding, kMost / static_cast<double>(8 * rows_.n))};
  }

  // The worst fit over all rows, or stopped (nullopt); with lists, unless whole rows are to be tried first.
  std::optional<Fit> first_pass() {
    const Shape shape = nearby_.col_of.empty() && rows_.n == rows_.m ? look_at_some(rows_) : Shape{};
    const Index most = shape.uneven || shape.scales ? kWholeUneven : kWholeFirst;
    differ_ = shape.differ;
    tied_ = shape.tied && !differ_;
    whole_first_ = !nearby_.col_of.empty() || rows_.n * rows_.m <= (differ_ ? kWholeFirst : most) || tied_;
    if (whole_first_) {
      copy_.emplace(rows_.n, rows_.m);
    } else {
      if (differ_) price_columns(rows_, pool_, stop_, state_.v);
      lists_.make_room();
    }
    std::atomic<int> worst{0};
    const bool whole = each_chunk([&](Index i, typename Lists<V>::Scratch& s) {
      const Fit fit = rows_.look(i);
      int seen = worst.load(std::memory_order_relaxed);
      while (static_cast<int>(fit) > seen && !worst.compare_exchange_weak(seen, static_cast<int>(fit))) {
      }
      if (std::max(seen, static_cast<int>(fit)) > static_cast<int>(Fit::rounded)) return;
      if (whole_first_)
        copy_->take(i, rows_);
      else
        lists_.fill(i, rows_, state_.v.data(), s);
    });
    if (!whole) return std::nullopt;
    return static_cast<Fit>(worst.load());
  }

  Result solve() {
    Result result;
    try {
      solve_rows(result);
    } catch (const CutShort&) {
      result.status = Status::stopped;
    }
    return result;
  }

 private:
  void solve_rows(Result& result) {
    if (whole_first_ && !search_first(result)) return;
    Rereader<V> reread{copy_ ? &*copy_ : &rows_, {}, lists_.scratch(), 0};
    Source<V> source;
    source.relist = [&](const std::vector<V>& v) {
      each_row([&](Index i, typename Lists<V>::Scratch& s) { lists_.fill(i, *reread.rows, v.data(), s); });
    };
    source.copy = [&]() -> const CopiedRows<V>& {
      if (copy_) return *copy_;
      copy_.emplace(rows_.n, rows_.m);
      each_row([&](Index i, typename Lists<V>::Scratch&) { copy_->take(i, rows_); });
      reread.rows = &*copy_;
      return *copy_;
    };
    source.width = [&](const std::vector<V>& v) { return width(v, reread, static_cast<double>(source.spread)); };
    source.spread = spread();
    source.pass = rows_.n * rows_.m * 2;
    source.square = rows_.n == rows_.m;
    const Searched found = solve_lists(state_, lists_, reread, source, result.stats, stop_, result.witness);
    result.stats.rescans = reread.count;
    finish(found, result);
  }

  // False if whole rows have answered within their budget; else lists take over.
  bool search_first(Result& result) {
    const Index size = rows_.n * rows_.m,
                limit = tied_ ? std::numeric_limits<Index>::max() : (differ_ ? kEasyPasses : kFirstPasses) * size;
    const bool anew = nearby_.col_of.empty();
    const Begin begin = !anew ? Begin::here : differ_ ? Begin::if_easy : Begin::anew;
    const Searched found =
        search_whole(state_, *copy_, limit, result.stats, stop_, result.witness, begin, anew ? nullptr : &nearby_);
    if (found != Searched::budget) {
      finish(found, result);
      return false;
    }
    state_.clear();
    std::fill(state_.v.begin(), state_.v.end(), V{0});
    if (differ_) price_columns(rows_, pool_, stop_, state_.v);
    lists_.make_room();
    each_row([&](Index i, typename Lists<V>::Scratch& s) { lists_.fill(i, *copy_, state_.v.data(), s); });
    return true;
  }

  void finish(Searched found, Result& result) {
    result.status = found == Searched::complete     ? Status::optimal
                    : found == Searched::infeasible ? Status::infeasible
                                                    : Status::stopped;
    result.stats.bits = static_cast<int>(sizeof(V)) * 8;
    result.col_of = state_.col_of;
    if (found != Searched::complete) return;
    check_complete(state_.col_of.data(), state_.mate_of.data(), state_.n, state_.m);
    result.col_dual.assign(state_.v.begin(), state_.v.end() - 1);
    for (std::int32_t i = 0; i < rows_.n; ++i) result.row_dual.push_back(state_.u(i) + rows_.shift[at(i)]);
  }

  template <class Body>
  void each_row(const Body& body) {
    if (!each_chunk(body)) throw CutShort();
  }
  // False if stopped before all rows had their turn.
  template <class Body>
  bool each_chunk(const Body& body) {
    return pool_.for_chunks(
        rows_.n, kChunk,
        [&](Index, Index begin, Index end) {
          typename Lists<V>::Scratch s = lists_.scratch();
          for (Index i = begin; i < end; ++i) body(i, s);
        },
        &stop_);
  }

  // The typical reach of a list made at prices v, over a few rows; complete lists reach as far as costs do.
  double width(const std::vector<V>& v, Rereader<V>& reread, double most) {
    std::vector<double> reach;
    for (Index k = 0; k < 15; ++k) {
      const Index i = sampled(k, 15, rows_.n);
      lists_.fill(i, *reread.rows, v.data(), reread.scratch);
      V low = Range<V>::kHopeless;
      for (Index c = 0; c < lists_[i].size; ++c)
        low = std::min(low, static_cast<V>(lists_[i].cost[c] - v[at(lists_[i].col[c])]));
      reach.push_back(std::min(static_cast<double>(lists_.bound(i)) - static_cast<double>(low), most));
    }
    std::nth_element(reach.begin(), reach.begin() + 7, reach.end());
    return reach[7];
  }

  V spread() const {
    V most = 0;
    const Index count = std::min(kSample, rows_.n);
    for (Index k = 0; k < count; ++k) most = std::max(most, rows_.spread[at(sampled(k, count, rows_.n))]);
    return most;
  }

  Rows<V>& rows_;
  Pool& pool_;
  Stop& stop_;
  Lists<V> lists_;
  std::optional<CopiedRows<V>> copy_;
  bool whole_first_ = false, differ_ = false, tied_ = false;
  Nearby nearby_;  // empty: begin anew
  Matching<V> state_;
};

// Writes the transposed matrix to `out`; false if stopped.
template <class T>
bool transpose(const Dense<T>& a, T* out, Pool& pool, Stop& stop) {
  constexpr Index kTile = 16;
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

// The largest finite magnitude over all rows, or over a few, of costs up to `reach` above their row's least.
template <class T>
double magnitude(const Dense<T>& a, bool maximize, Index rows, double reach) {
  double most = 0;
  for (Index k = 0; k < rows; ++k) {
    Extent seen = extent_of(a.data + sampled(k, rows, a.rows) * a.cols, a.cols, maximize);
    seen.most = std::min(seen.most, seen.least + reach);
    most = std::max(most, seen.magnitude());
  }
  return most;
}

struct Unit {
  int exponent = 0;              // costs are multiplied by 2 to that
  bool rounding = false;         // to integers; else they are integers
  double reach = kNoReach;       // costs farther than that above their row's least are lowered to there
  std::vector<Index> dear = {};  // columns beyond that in all rows: leveled first
};

// What an attempt came to.
struct Attempt {
  Fit fit = Fit::exact;          // of the worst row; `range` as well where prices had no room
  std::optional<Result> result;  // if costs fit
  bool dear = false;             // pairs are used whose costs were lowered

  [[nodiscard]] bool holds() const { return result && !dear; }
};

// `near`, if any: the answer to nearly the same costs.
template <class T, class V>
Attempt attempt(const Dense<T>& cost, bool maximize, const Unit& unit, Pool& pool, Stop& stop, const Result* near) {
  Attempt made;
  const double most = std::ldexp(unit.reach, unit.exponent);
  if (unit.reach < kNoReach && !(most < static_cast<double>(Range<V>::kUnit / 2))) return {Fit::range, {}, false};
  DenseRows<T, V> rows(cost, maximize, unit.exponent, unit.rounding,
                       unit.reach < kNoReach ? std::max(static_cast<V>(most), V{1}) : 0);
  if (!unit.dear.empty()) rows.level(unit.dear);
  DenseSolve<V> solve(rows, pool, stop);
  if (near != nullptr && cost.rows == cost.cols) solve.begin_at(*near, unit.exponent - near->exponent, rows.leveled());
  const std::optional<Fit> found = solve.first_pass();
  if (!found) {
    made.result.emplace().status = Status::stopped;
    return made;
  }
  made.fit = *found;
  if (made.fit > Fit::exact) return made;
  try {
    made.result = solve.solve();
  } catch (const PriceRange&) {
    made.fit = Fit::range;
    return made;
  }
  made.result->exponent = unit.exponent;
  if (made.result->status != Status::optimal) return made;
  for (const auto& [j, off] : rows.leveled()) made.result->col_dual[at(j)] += off;
  for (Index i = 0; i < cost.rows; ++i) made.dear |= rows.lowered(i, made.result->col_of[at(i)]);
  return made;
}

// Do a few rows hold integers that 32 bits take?
template <class T, class V>
Fit sample(const Dense<T>& cost, bool maximize) {
  DenseRows<T, V> rows(cost, maximize, 0);
  Fit worst = Fit::exact;
  const Index count = std::min<Index>(8, cost.rows);
  for (Index k = 0; k < count; ++k) worst = std::max(worst, rows.look(sampled(k, count, cost.rows)));
  return worst;
}

[[noreturn]] void out_of_range() {
  throw Error(ErrorKind::internal, "cost_matrix", -1, "no unit of cost_matrix keeps prices within 64 bits");
}

template <class T>
double finite_size(T cost) {
  const double size = std::fabs(static_cast<double>(cost));
  return size < kNoReach ? size : 0;
}

template <class T>
double row_least(const T* row, Index m, bool maximize) {
  if constexpr (std::is_floating_point_v<T>)
    return extent_of(row, m, maximize).least;
  else
    return maximize ? -static_cast<double>(*std::max_element(row, row + m))
                    : static_cast<double>(*std::min_element(row, row + m));
}

// How much more the pairs cost than each row's least together. No pair that costs more than that above its row's least
// is part of a better assignment.
template <class T>
double paid_above_least(const Dense<T>& cost, bool maximize, const Result& result) {
  double sum = 0;
  for (Index i = 0; i < cost.rows; ++i) {
    const T* row = cost.data + i * cost.cols;
    const auto paid = static_cast<double>(row[result.col_of[at(i)]]);
    sum += (maximize ? -paid : paid) - row_least(row, cost.cols, maximize);
  }
  return sum * (1 + 0x1p-20);
}

// Columns of a square matrix that cost more than `reach` above their row's least in all rows.
template <class T>
std::vector<Index> dear_columns(const Dense<T>& cost, bool maximize, double reach) {
  std::vector<Index> left;
  const double sign = maximize ? -1.0 : 1.0;
  for (Index j = 0; j < cost.cols && cost.rows == cost.cols; ++j) left.push_back(j);
  for (Index i = 0; i < cost.rows && !left.empty(); ++i) {
    const T* row = cost.data + i * cost.cols;
    const double limit = row_least(row, cost.cols, maximize) + reach;
    std::erase_if(left, [&](Index j) { return sign * static_cast<double>(row[j]) <= limit; });
  }
  return left;
}

// With costs lowered to `unit_of(reach)`, of integers in 32 bits where these do; where that was too low, to what the
// pairs found cost.
template <class T, class UnitOf>
Attempt attempt_lowered(const Dense<T>& cost, bool maximize, double reach, const UnitOf& unit_of, Pool& pool,
                        Stop& stop, const Result* near) {
  const std::vector<Index> dear = dear_columns(cost, maximize, reach);
  const auto at_reach = [&](double far, const Result* from) {
    const Unit unit = unit_of(far, dear);
    if (!unit.rounding)
      if (Attempt a = attempt<T, std::int32_t>(cost, maximize, unit, pool, stop, from); a.result) return a;
    return attempt<T, std::int64_t>(cost, maximize, unit, pool, stop, from);
  };
  const Attempt first = at_reach(reach, near);
  if (!first.dear) return first;
  Attempt raised = at_reach(paid_above_least(cost, maximize, *first.result), &*first.result);
  if (raised.result) raised.result->stats.add(first.result->stats);
  return raised;
}

// Integers: 32 bits, then 64. Nothing where a row spans more, or an integer lies beyond 2^62.
template <class T>
std::optional<Result> solve_in_64_bits(const Dense<T>& cost, bool maximize, Pool& pool, Stop& stop) {
  const auto unit_of = [](double reach, const auto& dear) { return Unit{0, false, reach, dear}; };
  if (sample<T, std::int32_t>(cost, maximize) == Fit::exact)
    if (Attempt a = attempt<T, std::int32_t>(cost, maximize, {}, pool, stop, nullptr); a.result) return *a.result;
  if (const double reach = reach_of(cost, maximize); reach < kNoReach)
    if (Attempt a = attempt_lowered(cost, maximize, reach, unit_of, pool, stop, nullptr); a.holds()) return *a.result;
  return attempt<T, std::int64_t>(cost, maximize, {}, pool, stop, nullptr).result;
}

template <class T>
Result solve_wide(const Dense<T>& cost, bool maximize, Pool& pool, Stop& stop, const Result* = nullptr) {
  if (std::optional<Result> result = solve_in_64_bits(cost, maximize, pool, stop)) return *std::move(result);
  if constexpr (std::is_same_v<T, std::int64_t>)
    return solve_wide_dense(cost, maximize, pool, stop, [&](const Dense<std::int64_t>& shifted) {
      return solve_in_64_bits(shifted, false, pool, stop);
    });
  else
    out_of_range();
}

template <class T>
  requires std::is_floating_point_v<T>
Result solve_wide(const Dense<T>& cost, bool maximize, Pool& pool, Stop& stop, const Result* near = nullptr) {
  if (sample<T, std::int32_t>(cost, maximize) == Fit::exact)
    if (Attempt a = attempt<T, std::int32_t>(cost, maximize, {}, pool, stop, near); a.result) return *a.result;
  const auto exponent = [&](double reach, Index rows) { return exponent_for(magnitude(cost, maximize, rows, reach)); };
  if (const double reach = reach_of(cost, maximize); reach < kNoReach) {
    const auto unit_of = [&](double far, const std::vector<Index>& dear) {
      double most = magnitude(cost, maximize, cost.rows, far);
      for (const Index j : dear)
        for (Index i = 0; i < cost.rows; ++i) most = std::max(most, finite_size(cost.data[i * cost.cols + j]));
      return Unit{exponent_for(most) - 1, true, far, dear};
    };
    if (Attempt a = attempt_lowered(cost, maximize, reach, unit_of, pool, stop, near); a.holds()) return *a.result;
  }
  // A few rows may understate the magnitude; and where pairs are missing, prices may need more room than costs.
  const Index some = std::min<Index>(16, cost.rows);
  Unit unit{exponent(kNoReach, some), true};
  for (int tries = 0; tries < kTries;
       ++tries, unit.exponent = exponent(kNoReach, cost.rows) - kRetryBits * (tries - 1)) {
    Attempt a = attempt<T, std::int64_t>(cost, maximize, unit, pool, stop, near);
    if (a.result) return *a.result;
    if (a.fit == Fit::minus_inf)
      throw Error(ErrorKind::invalid_problem, "cost_matrix", -1, "matrix contains invalid numeric entries");
  }
  out_of_range();
}

template <class T>
Result solve_fine(const Dense<T>& cost, bool maximize, bool duals, Pool& pool, Stop& stop) {
  if constexpr (!std::is_floating_point_v<T>) {
    return solve_wide(cost, maximize, pool, stop);
  } else {
    const auto each = [&](const auto& lower) {
      for (Index i = 0, k = 0; i < cost.rows && !stop.poll(); ++i)
        for (Index j = 0; j < cost.cols; ++j, ++k) lower(i, j, k);
    };
    return solve_finer(
        cost.data, cost.rows * cost.cols, maximize, duals, stop,
        [&](const T* costs, const Result* near) {
          return solve_wide(Dense<T>{costs, cost.rows, cost.cols}, maximize, pool, stop, near);
        },
        each, [&](const Result& r, Index i) { return cost.data[i * cost.cols + r.col_of[at(i)]]; });
  }
}

// Without lines on one side nothing is matched: all duals are 0.
Result empty(Index rows, Index cols) {
  Result result;
  result.col_of.assign(at(rows), kFree);
  result.row_dual.assign(at(rows), 0);
  result.col_dual.assign(at(cols), 0);
  return result;
}

// The result of the transposed matrix as that of the matrix itself, of `rows` rows.
void turn(Result& result, Index rows) {
  std::vector<std::int32_t> col_of(at(rows), kFree);
  for (std::size_t j = 0; j < result.col_of.size(); ++j)
    if (const std::int32_t i = result.col_of[j]; i != kFree) col_of[at(i)] = static_cast<std::int32_t>(j);
  result.col_of = std::move(col_of);
  result.row_dual.swap(result.col_dual);
  result.row_wide.swap(result.col_wide);
  result.transposed = true;
}

}  // namespace

template <class T>
Result solve(const Dense<T>& cost, bool maximize, int threads, Stop& stop, bool duals) {
  if (cost.rows == 0 || cost.cols == 0) return empty(cost.rows, cost.cols);
  Pool pool(cost.rows * cost.cols < kThreaded ? 1 : threads);
  Result result;
  if (cost.rows <= cost.cols) {
    result = solve_fine(cost, maximize, duals, pool, stop);
  } else {
    UnwrittenVector<T> turned(at(cost.rows * cost.cols));
    result.status = Status::stopped;
    if (transpose(cost, turned.data(), pool, stop))
      result = solve_fine(Dense<T>{turned.data(), cost.cols, cost.rows}, maximize, duals, pool, stop);
    turn(result, cost.rows);
  }
  if (result.status != Status::optimal) result.col_of.assign(at(cost.rows), kFree);
  return result;
}

template Result solve(const Dense<std::int8_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<std::int16_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<std::int32_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<std::int64_t>&, bool, int, Stop&, bool);
template Result solve(const Dense<float>&, bool, int, Stop&, bool);
template Result solve(const Dense<double>&, bool, int, Stop&, bool);

}  // namespace gridcompute::assignment
