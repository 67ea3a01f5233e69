#include "gridcompute/assignment/engines/ssp_int128.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <queue>
#include <vector>

#include "gridcompute/assignment/engines/ssp_lists.hpp"
#include "gridcompute/base/default_init.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {

namespace {

constexpr int kCoreBits = 59;         // the 64-bit core takes complete matrices that span less than this power of two
constexpr Index kPollWork = 1 << 16;  // arcs between two looks at the stop
constexpr Index kRows = 64;           // of a chunk

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// Reverses the order of all 64-bit integers where costs are maximised: the minimised cost less 1. Never overflows.
std::int64_t key_of(std::int64_t cost, bool maximize) { return maximize ? ~cost : cost; }
Wide minimised(std::int64_t cost, bool maximize) { return maximize ? -Wide{cost} : Wide{cost}; }
std::uint64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}

struct DenseArcs {
  const Dense<std::int64_t>& cost;
  bool maximize;

  template <class Look>
  Index each(std::int32_t i, const Look& look) const {
    const std::int64_t* row = cost.data + i * cost.cols;
    for (Index j = 0; j < cost.cols; ++j) look(static_cast<std::int32_t>(j), minimised(row[j], maximize));
    return cost.cols;
  }
};

struct SparseArcs {
  const Sparse<std::int64_t, std::int64_t>& cost;
  bool maximize;

  template <class Look>
  Index each(std::int32_t i, const Look& look) const {
    const std::int64_t begin = cost.start[at(i)], end = cost.start[at(Index{i} + 1)];
    for (std::int64_t k = begin; k < end; ++k)
      look(static_cast<std::int32_t>(cost.col[at(k)]), minimised(cost.cost[at(k)], maximize));
    return end - begin;
  }
};

// Definitions and invariants as ssp_rows.hpp: (M1) to (M4) of matching.hpp hold before and after each search.
template <class Arcs>
class WidePaths {
 public:
  WidePaths(const Arcs& arcs, Index n, Index m, Stop& stop)
      : arcs_(arcs),
        stop_(stop),
        v_(at(m)),
        label_(at(m)),
        mate_cost_(at(n)),
        col_of_(at(n), kFree),
        mate_of_(at(m), kFree),
        from_(at(m)),
        from_cost_(at(m)),
        seen_(at(m)),
        done_(at(m)) {}

  // Takes over the prices of a square problem; `near` is the column of each row that is likely to stay.
  void start_at(std::span<const std::int64_t> price, int bits, const std::vector<std::int32_t>& near) {
    for (std::size_t j = 0; j < v_.size(); ++j) v_[j] = Wide{price[j]} << bits;
    for (std::int32_t i = 0; i < rows(); ++i) take(i, near[at(i)]);
  }

  Searched run(Stats& stats, std::vector<std::int32_t>& witness) {
    for (std::int32_t i = 0; i < rows(); ++i)
      if (col_of_[at(i)] == kFree) take(i, kFree);
    for (std::int32_t i = 0; i < rows(); ++i) {
      if (col_of_[at(i)] != kFree) continue;
      if (stop_.poll()) return Searched::stopped;
      ++stats.searches;
      const Index before = work_;
      const Searched found = search(i);
      stats.arcs += work_ - before;
      if (found == Searched::infeasible) witness = reached_;
      if (found != Searched::complete) return found;
    }
    return Searched::complete;
  }

  void write(Result& result) const {
    check_complete(col_of_.data(), mate_of_.data(), rows(), static_cast<Index>(v_.size()));
    result.col_of = col_of_;
    result.col_wide = v_;
    for (std::int32_t i = 0; i < rows(); ++i) result.row_wide.push_back(mate_cost_[at(i)] - v_[at(col_of_[at(i)])]);
  }

 private:
  struct Item {
    Wide label;
    std::int32_t col;
    friend bool operator<(const Item& a, const Item& b) {
      return a.label > b.label || (a.label == b.label && a.col > b.col);
    }
  };

  [[nodiscard]] std::int32_t rows() const { return static_cast<std::int32_t>(col_of_.size()); }
  void match(std::int32_t i, std::int32_t j, Wide cost) {
    col_of_[at(i)] = j;
    mate_of_[at(j)] = i;
    mate_cost_[at(i)] = cost;
  }

  // Matches row i to a free column at its least reduced cost, if there is one; to `wanted` alone if that is given.
  void take(std::int32_t i, std::int32_t wanted) {
    bool some = false;
    Wide least = 0, paid = 0;
    std::int32_t best = kFree;
    arcs_.each(i, [&](std::int32_t j, Wide cost) {
      const Wide r = cost - v_[at(j)];
      if (!some || r < least) best = kFree, least = r, some = true;
      if (r == least && best == kFree && mate_of_[at(j)] == kFree && (wanted == kFree || j == wanted))
        best = j, paid = cost;
    });
    if (best != kFree) match(i, best, paid);
  }

  Searched search(std::int32_t source) {
    ++round_;
    queue_ = {};
    settled_.clear();
    reached_.assign(1, source);
    bool some = false;
    Wide u = 0;
    work_ += arcs_.each(source, [&](std::int32_t j, Wide cost) {
      const Wide r = cost - v_[at(j)];
      if (!some || r < u) u = r, some = true;
    });
    sink_ = kFree;
    offer(source, -u);
    Index polled = work_;
    while (!queue_.empty()) {
      const Item next = queue_.top();
      if (sink_ != kFree && next.label >= best_) break;
      queue_.pop();
      const std::int32_t j = next.col;
      if (done_[at(j)] == round_ || next.label != label_[at(j)]) continue;
      done_[at(j)] = round_;
      settled_.push_back(j);
      const std::int32_t i = mate_of_[at(j)];
      reached_.push_back(i);
      offer(i, next.label - (mate_cost_[at(i)] - v_[at(j)]));
      if (work_ - polled > kPollWork) {
        if (stop_.poll()) return Searched::stopped;
        polled = work_;
      }
    }
    if (sink_ == kFree) return Searched::infeasible;
    for (const std::int32_t j : settled_) v_[at(j)] += label_[at(j)] - best_;
    for (std::int32_t j = sink_; j != kFree;) {
      const std::int32_t i = from_[at(j)], next = i == source ? kFree : col_of_[at(i)];
      match(i, j, from_cost_[at(j)]);
      j = next;
    }
    return Searched::complete;
  }

  // Row i offers base + its reduced costs to its columns.
  void offer(std::int32_t i, Wide base) {
    work_ += arcs_.each(i, [&](std::int32_t j, Wide cost) {
      const Wide h = base + (cost - v_[at(j)]);
      if ((sink_ != kFree && h >= best_) || (seen_[at(j)] == round_ && h >= label_[at(j)])) return;
      seen_[at(j)] = round_;
      label_[at(j)] = h;
      from_[at(j)] = i;
      from_cost_[at(j)] = cost;
      if (mate_of_[at(j)] == kFree)
        best_ = h, sink_ = j;
      else
        queue_.push({h, j});
    });
  }

  Arcs arcs_;
  Stop& stop_;
  std::vector<Wide> v_, label_, mate_cost_;
  std::vector<std::int32_t> col_of_, mate_of_, from_;  // from_: the row that gave the label, and the cost of that pair
  std::vector<Wide> from_cost_;
  std::vector<std::int32_t> seen_, done_;  // per column: the last search that labelled it, that settled it
  std::vector<std::int32_t> settled_, reached_;
  std::priority_queue<Item> queue_;
  std::int32_t round_ = 0, sink_ = kFree;
  Wide best_ = 0;
  Index work_ = 0;
};

// Keeps the duals in 64 bits where these hold all of them.
void narrow(Result& result) {
  const auto fits = [](Wide d) { return d == static_cast<std::int64_t>(d); };
  if (!std::all_of(result.row_wide.begin(), result.row_wide.end(), fits) ||
      !std::all_of(result.col_wide.begin(), result.col_wide.end(), fits))
    return;
  for (const Wide d : result.row_wide) result.row_dual.push_back(static_cast<std::int64_t>(d));
  for (const Wide d : result.col_wide) result.col_dual.push_back(static_cast<std::int64_t>(d));
  result.row_wide.clear();
  result.col_wide.clear();
}

Result stopped() {
  Result result;
  result.status = Status::stopped;
  return result;
}

template <class Arcs>
Result finish(WidePaths<Arcs>& paths, const std::optional<Result>& near) {
  Result result;
  if (near) result.stats.add(near->stats);
  result.stats.bits = 128;
  const Searched found = paths.run(result.stats, result.witness);
  result.status = found == Searched::complete     ? Status::optimal
                  : found == Searched::infeasible ? Status::infeasible
                                                  : Status::stopped;
  if (found == Searched::complete) {
    paths.write(result);
    narrow(result);
  }
  return result;
}

}  // namespace

Result solve_wide_dense(const Dense<std::int64_t>& cost, bool maximize, Pool& pool, Stop& stop,
                        const std::function<std::optional<Result>(const Dense<std::int64_t>&)>& solve) {
  const Index n = cost.rows, m = cost.cols;
  std::vector<std::int64_t> least(at(n));
  std::vector<std::uint64_t> spread(at(n));
  bool whole = pool.for_chunks(
      n, kRows,
      [&](Index, Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          const std::int64_t* row = cost.data + i * m;
          const auto [lo, hi] = std::minmax_element(row, row + m);
          least[at(i)] = key_of(maximize ? *hi : *lo, maximize);
          spread[at(i)] = difference(*hi, *lo);
        }
      },
      &stop);
  if (!whole) return stopped();
  const int bits = static_cast<int>(std::bit_width(*std::max_element(spread.begin(), spread.end())));
  const int down = std::max(0, bits - kCoreBits);
  std::optional<Result> near;
  if (down == 0 || n == m) {
    UnwrittenVector<std::int64_t> shifted(at(n * m));
    whole = pool.for_chunks(
        n, kRows,
        [&](Index, Index begin, Index end) {
          for (Index i = begin; i < end; ++i)
            for (Index j = 0; j < m; ++j)
              shifted[at(i * m + j)] =
                  static_cast<std::int64_t>(difference(key_of(cost.data[i * m + j], maximize), least[at(i)]) >> down);
        },
        &stop);
    if (!whole) return stopped();
    near = solve({shifted.data(), n, m});
    if (near && near->status == Status::stopped) return stopped();
  }
  if (near && near->status == Status::optimal && down == 0) {
    for (Index i = 0; i < n; ++i)
      near->row_wide.push_back(Wide{near->row_dual[at(i)]} + least[at(i)] + (maximize ? 1 : 0));
    near->col_wide.assign(near->col_dual.begin(), near->col_dual.end());
    near->row_dual.clear();
    near->col_dual.clear();
    narrow(*near);
    return *near;
  }
  WidePaths<DenseArcs> paths({cost, maximize}, n, m, stop);
  if (near && near->status == Status::optimal && n == m) paths.start_at(near->col_dual, down, near->col_of);
  return finish(paths, near);
}

Result solve_wide_sparse(const Sparse<std::int64_t, std::int64_t>& cost, bool maximize, Stop& stop,
                         const std::function<std::optional<Result>(const Sparse<std::int64_t, std::int64_t>&)>& solve) {
  const Index n = cost.rows;
  std::optional<Result> near;
  int down = 0;
  if (n == cost.cols && !cost.cost.empty()) {
    // Paths may add up a difference for each row.
    const auto [lo, hi] = std::minmax_element(cost.cost.begin(), cost.cost.end());
    const int bits = static_cast<int>(std::bit_width(difference(*hi, *lo))),
              rows = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n)));
    down = std::max(1, bits + rows - kCoreBits);
    const std::int64_t least = key_of(maximize ? *hi : *lo, maximize);
    std::vector<std::int64_t> coarse(cost.cost.size());
    for (std::size_t k = 0; k < coarse.size(); ++k)
      coarse[k] = static_cast<std::int64_t>(difference(key_of(cost.cost[k], maximize), least) >> down);
    near = solve({cost.start, cost.col, coarse, cost.rows, cost.cols});
    if (near && near->status == Status::stopped) return stopped();
    if (near && near->status == Status::infeasible) return *near;
  }
  WidePaths<SparseArcs> paths({cost, maximize}, n, cost.cols, stop);
  if (near) paths.start_at(near->col_dual, down, near->col_of);
  return finish(paths, near);
}

}  // namespace gridcompute::assignment
