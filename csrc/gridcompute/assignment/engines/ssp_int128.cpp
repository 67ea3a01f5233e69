#include "gridcompute/assignment/engines/ssp_int128.hpp"

#include <algorithm>
#include <bit>
#include <queue>
#include <utility>
#include <vector>

#include "gridcompute/assignment/engines/matching.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/memory.hpp"

namespace gridcompute::assignment {

namespace {

constexpr int kCoreBits = 59;  // the 64-bit core takes complete matrices that span less than this power of two
constexpr Index kArcPollWork = 1 << 16;  // arcs between two polls of the stop
constexpr Index kRows = 64;              // of a chunk

// Reverses the order of all 64-bit integers where costs are maximised: the minimised cost less 1. Never overflows.
std::int64_t key_of(std::int64_t cost, bool maximize) { return maximize ? ~cost : cost; }
Wide minimised(std::int64_t cost, bool maximize) { return maximize ? -Wide{cost} : Wide{cost}; }
std::uint64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}

struct DenseArcs {
  const DenseMatrix<std::int64_t>& cost;
  bool maximize;

  template <class Visit>
  Index each(std::int32_t i, const Visit& visit) const {
    const std::int64_t* row = cost.data + i * cost.cols;
    for (Index j = 0; j < cost.cols; ++j) visit(static_cast<std::int32_t>(j), minimised(row[j], maximize));
    return cost.cols;
  }
};

struct SparseArcs {
  const CheckedCsr<std::int64_t>& cost;
  bool maximize;

  template <class Visit>
  Index each(std::int32_t i, const Visit& visit) const {
    const std::int64_t begin = cost.start[at(i)], end = cost.start[at(Index{i} + 1)];
    for (std::int64_t k = begin; k < end; ++k) visit(cost.col[at(k)], minimised(cost.cost[at(k)], maximize));
    return end - begin;
  }
};

// Definitions and invariants as ssp_rows.hpp: (M1) to (M4) of matching.hpp hold before and after each search.
template <class Arcs>
class Int128Ssp {
 public:
  Int128Ssp(const Arcs& arcs, Index n, Index m, Stop& stop)
      : arcs_(arcs),
        stop_(stop),
        v_(at(m)),
        label_(at(m)),
        mate_cost_(at(n)),
        col_of_(at(n), kUnmatched),
        mate_of_(at(m), kUnmatched),
        from_(at(m)),
        from_cost_(at(m)),
        labelled_in_(at(m)),
        scanned_in_(at(m)) {}

  // Starts from the prices of a square problem; `coarse_answer` is the column of each row that is likely to stay.
  void start_from(std::span<const std::int64_t> price, int bits, const std::vector<std::int32_t>& coarse_answer) {
    for (std::size_t j = 0; j < v_.size(); ++j) v_[j] = Wide{price[j]} << bits;
    for (std::int32_t i = 0; i < rows(); ++i) greedy_match(i, coarse_answer[at(i)]);
  }

  SearchStatus run(AssignmentStats& stats, std::vector<std::int32_t>& witness) {
    for (std::int32_t i = 0; i < rows(); ++i)
      if (col_of_[at(i)] == kUnmatched) greedy_match(i, kUnmatched);
    for (std::int32_t i = 0; i < rows(); ++i) {
      if (col_of_[at(i)] != kUnmatched) continue;
      if (stop_.poll(work_ - std::exchange(counted_, work_))) return SearchStatus::stopped;
      ++stats.searches;
      const Index before = work_;
      const SearchStatus found = search(i);
      stats.arcs += work_ - before;
      if (found == SearchStatus::infeasible) witness = reached_;
      if (found != SearchStatus::complete) return found;
    }
    return SearchStatus::complete;
  }

  void write(AssignmentResult& result) const {
    check_complete_matching(col_of_.data(), mate_of_.data(), rows(), static_cast<Index>(v_.size()));
    result.col_of = col_of_;
    result.col_wide = v_;
    for (std::int32_t i = 0; i < rows(); ++i) result.row_wide.push_back(mate_cost_[at(i)] - v_[at(col_of_[at(i)])]);
  }

 private:
  struct QueuedLabel {
    Wide label;
    std::int32_t col;
    friend bool operator<(const QueuedLabel& a, const QueuedLabel& b) {
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
  void greedy_match(std::int32_t i, std::int32_t wanted) {
    bool some = false;
    Wide least = 0, paid = 0;
    std::int32_t best = kUnmatched;
    arcs_.each(i, [&](std::int32_t j, Wide cost) {
      const Wide r = cost - v_[at(j)];
      if (!some || r < least) best = kUnmatched, least = r, some = true;
      if (r == least && best == kUnmatched && mate_of_[at(j)] == kUnmatched && (wanted == kUnmatched || j == wanted))
        best = j, paid = cost;
    });
    if (best != kUnmatched) match(i, best, paid);
  }

  SearchStatus search(std::int32_t source) {
    ++search_id_;
    queue_ = {};
    scanned_.clear();
    reached_.assign(1, source);
    bool some = false;
    Wide u = 0;
    work_ += arcs_.each(source, [&](std::int32_t j, Wide cost) {
      const Wide r = cost - v_[at(j)];
      if (!some || r < u) u = r, some = true;
    });
    sink_ = kUnmatched;
    relax(source, -u);
    while (!queue_.empty()) {
      const QueuedLabel next = queue_.top();
      if (sink_ != kUnmatched && next.label >= best_) break;
      queue_.pop();
      const std::int32_t j = next.col;
      if (scanned_in_[at(j)] == search_id_ || next.label != label_[at(j)]) continue;
      scanned_in_[at(j)] = search_id_;
      scanned_.push_back(j);
      const std::int32_t i = mate_of_[at(j)];
      reached_.push_back(i);
      relax(i, next.label - (mate_cost_[at(i)] - v_[at(j)]));
      if (work_ - counted_ > kArcPollWork && stop_.poll(work_ - std::exchange(counted_, work_)))
        return SearchStatus::stopped;
    }
    if (sink_ == kUnmatched) return SearchStatus::infeasible;
    for (const std::int32_t j : scanned_) v_[at(j)] += label_[at(j)] - best_;
    for (std::int32_t j = sink_; j != kUnmatched;) {
      const std::int32_t i = from_[at(j)], next = i == source ? kUnmatched : col_of_[at(i)];
      match(i, j, from_cost_[at(j)]);
      j = next;
    }
    return SearchStatus::complete;
  }

  // Relaxes the columns of row i by base + its reduced costs.
  void relax(std::int32_t i, Wide base) {
    work_ += arcs_.each(i, [&](std::int32_t j, Wide cost) {
      const Wide h = base + (cost - v_[at(j)]);
      if ((sink_ != kUnmatched && h >= best_) || (labelled_in_[at(j)] == search_id_ && h >= label_[at(j)])) return;
      labelled_in_[at(j)] = search_id_;
      label_[at(j)] = h;
      from_[at(j)] = i;
      from_cost_[at(j)] = cost;
      if (mate_of_[at(j)] == kUnmatched)
        best_ = h, sink_ = j;
      else
        queue_.push({h, j});
    });
  }

  Arcs arcs_;
  Stop& stop_;
  std::vector<Wide> v_, label_, mate_cost_;
  std::vector<std::int32_t> col_of_, mate_of_, from_;   // the row whose relaxation gave the label
  std::vector<Wide> from_cost_;                         // the cost of that pair
  std::vector<std::int32_t> labelled_in_, scanned_in_;  // per column: the last search that labelled it, that scanned it
  std::vector<std::int32_t> scanned_, reached_;
  std::priority_queue<QueuedLabel> queue_;
  std::int32_t search_id_ = 0, sink_ = kUnmatched;
  Wide best_ = 0;
  Index work_ = 0, counted_ = 0;  // counted_: of work_, by the stop
};

// Stores the duals in 64 bits where all of them fit.
void narrow(AssignmentResult& result) {
  const auto fits = [](Wide d) { return d == static_cast<std::int64_t>(d); };
  if (!std::all_of(result.row_wide.begin(), result.row_wide.end(), fits) ||
      !std::all_of(result.col_wide.begin(), result.col_wide.end(), fits))
    return;
  for (const Wide d : result.row_wide) result.row_dual.push_back(static_cast<std::int64_t>(d));
  for (const Wide d : result.col_wide) result.col_dual.push_back(static_cast<std::int64_t>(d));
  result.row_wide.clear();
  result.col_wide.clear();
}

AssignmentResult stopped() {
  AssignmentResult result;
  result.status = AssignmentStatus::stopped;
  return result;
}

template <class Arcs>
AssignmentResult finish(Int128Ssp<Arcs>& paths, const std::optional<AssignmentResult>& coarse_answer) {
  AssignmentResult result;
  if (coarse_answer) result.stats.add(coarse_answer->stats);
  result.stats.bits = 128;
  const SearchStatus found = paths.run(result.stats, result.witness);
  result.status = status_of(found);
  if (found == SearchStatus::complete) {
    paths.write(result);
    narrow(result);
  }
  return result;
}

}  // namespace

AssignmentResult solve_int128_dense(
    const DenseMatrix<std::int64_t>& cost, bool maximize, Pool& pool, Stop& stop,
    const std::function<std::optional<AssignmentResult>(const DenseMatrix<std::int64_t>&)>& solve) {
  const Index n = cost.rows, m = cost.cols;
  std::vector<std::int64_t> least(at(n));
  std::vector<std::uint64_t> spread(at(n));
  stop.count(n * m);
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
  std::optional<AssignmentResult> coarse_answer;
  if (down == 0 || n == m) {
    DefaultInitVector<std::int64_t> shifted(at(n * m));
    stop.count(n * m);
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
    coarse_answer = solve({shifted.data(), n, m});
    if (coarse_answer && coarse_answer->status == AssignmentStatus::stopped) return stopped();
  }
  if (coarse_answer && coarse_answer->status == AssignmentStatus::optimal && down == 0) {
    for (Index i = 0; i < n; ++i)
      coarse_answer->row_wide.push_back(Wide{coarse_answer->row_dual[at(i)]} + least[at(i)] + (maximize ? 1 : 0));
    coarse_answer->col_wide.assign(coarse_answer->col_dual.begin(), coarse_answer->col_dual.end());
    coarse_answer->row_dual.clear();
    coarse_answer->col_dual.clear();
    narrow(*coarse_answer);
    return *coarse_answer;
  }
  Int128Ssp<DenseArcs> paths({cost, maximize}, n, m, stop);
  if (coarse_answer && coarse_answer->status == AssignmentStatus::optimal && n == m)
    paths.start_from(coarse_answer->col_dual, down, coarse_answer->col_of);
  return finish(paths, coarse_answer);
}

AssignmentResult solve_int128_sparse(
    const CheckedCsr<std::int64_t>& cost, bool maximize, Stop& stop,
    const std::function<std::optional<AssignmentResult>(const CheckedCsr<std::int64_t>&)>& solve) {
  const Index n = cost.rows;
  std::optional<AssignmentResult> coarse_answer;
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
    coarse_answer = solve({cost.start, cost.col, coarse, cost.rows, cost.cols});
    if (coarse_answer && coarse_answer->status == AssignmentStatus::stopped) return stopped();
    if (coarse_answer && coarse_answer->status == AssignmentStatus::infeasible) return *coarse_answer;
  }
  Int128Ssp<SparseArcs> paths({cost, maximize}, n, cost.cols, stop);
  if (coarse_answer) paths.start_from(coarse_answer->col_dual, down, coarse_answer->col_of);
  return finish(paths, coarse_answer);
}

}  // namespace gridcompute::assignment
