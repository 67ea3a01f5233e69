// A partial matching with column prices (dual variables): the state that all engines change.
//
// Invariants (row reduction and searches: epsilon = 0; during an auction: up to epsilon, epsilon-complementary
// slackness):
//   (M1) mate_of[j] = i  <=>  col_of[i] = j;
//   (M2) a matched pair is its row's cheapest at the prices: cost - v[j] <= c_ik - v_k for all k;
//   (M3) prices stay within -U..U, and the padding's v[m] is 0;
//   (M4) a column that was never matched has the price it started with.
// Row duals are implied: u_i = mate_cost[i] - v[col_of[i]].
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "gridcompute/assignment/input/costs_to_integers.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/assignment/tuning.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

// Candidate lists: for each row its cheapest columns and a lower bound on all others.
//
// Definitions. Reduced cost r_ij = c_ij - v_j of row i at the column prices v. A list holds some columns of its row
// with their costs; bound(i) <= r_ij for every column j outside the list.
//
// Invariants. Prices only fall while lists live, so reduced costs only rise and a bound once true stays true: lists are
// never repriced. A sparse row is its own list, complete, with bound kUnbounded. holds() checks all of it.
//
// Steps. fill(i) reads the row, subtracts prices, takes minima over interleaved groups of columns (all vectorised),
// sets a threshold near the list_groups-th smallest of these minima, and opens only the groups that reach below it.
// Equal costs are taken from a starting group that differs by row: else ties would send every list to the same low
// columns. Costs are kept beside their columns, so that later bids and searches never touch the matrix.
//
// A list filled again (refill) must raise its bound or hold the whole row; where it would do neither it grows: else a
// search could meet the same bound for ever.
//
// Layout. A row's columns and costs lie side by side in whole cache lines: hardware prefetchers cannot predict the
// order of the rows, and each further line or page of a visit is a wait for memory.
//
// Complexity. O(m) vectorised and O(m / 16 + k) scalar steps a fill; 8 (12) bytes a candidate.
//
// Source. Candidate lists for dense assignment: Volgenant, Computers & OR 23 (1996) 917 (LAPMOD, which prices out in
// full passes). Deviation: a bound is kept with each list, and rows are read again only where it is reached.

template <class V>
class CandidateLists {
 public:
  static constexpr V kUnbounded = std::numeric_limits<V>::max();
  static constexpr Index kLanes = 64 / sizeof(V);  // lists are padded to a multiple of this with (m, kForbidden)

  struct View {
    const std::int32_t* col;
    const V* cost;
    Index size;  // padded
  };

  CandidateLists(Index rows, Index cols, const AssignmentTuning& tuning = kDefaultTuning)
      : n_(rows), m_(cols), t_(&tuning), where_(index(rows)), bound_(index(rows)) {}

  [[nodiscard]] View operator[](Index i) const {
    const Placement& w = where_[at(i)];
    return {cols_of(w), costs_of(w), w.size};
  }
  // Prefetches where the list of row i lies, and then the list: two steps, for the second needs the first.
  void prefetch_place(Index i) const { __builtin_prefetch(where_.data() + i); }
  void prefetch(Index i) const {
    const Placement& w = where_[at(i)];
    __builtin_prefetch(cols_of(w));
    __builtin_prefetch(costs_of(w));
    __builtin_prefetch(bound_.data() + i);
  }
  [[nodiscard]] Index rows() const { return n_; }
  [[nodiscard]] Index max_length() const {
    Index most = 0;
    for (const Placement& w : where_) most = std::max<Index>(most, w.size);
    return most;
  }
  [[nodiscard]] V bound(Index i) const { return bound_[at(i)]; }

  // Reserves a first list for every dense row, so that threads may fill different rows.
  void reserve_lists();

  // Buffers of one thread that fills lists.
  struct Scratch {
    std::vector<V> cost, reduced, group, order;
    std::vector<std::int32_t> hit, open, below, equal;
    V width = 0;  // distance of the last threshold above its row's minimum
  };
  [[nodiscard]] Scratch scratch() const;

  // Makes the first list of row i, at prices v (m + 1 of them). Touches nothing that another row's fill does.
  void fill(Index i, const RowReader<V>& rows, const V* v, Scratch& s);
  // Makes a later list of row i, whose bound is above `above` or which holds the whole row. Returns the passes over the
  // row that this took.
  Index refill(Index i, const RowReader<V>& rows, const V* v, V above, Scratch& s);

  // Lowers all bounds: for prices that have risen by up to `by`.
  void lower_bounds(V by) {
    for (V& b : bound_) b = b == kUnbounded ? b : static_cast<V>(b - by);
  }

  // Sets the complete list of row i, rows in ascending order. Pads it.
  void append(Index i, const std::vector<std::int32_t>& cols, const std::vector<V>& costs);

  [[nodiscard]] bool holds(const RowReader<V>& rows, const std::vector<V>& v) const;

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  struct Placement {
    Index line = 0;                   // where the list begins in block_
    std::int32_t size = 0, room = 0;  // candidates, padded
  };
  static std::size_t index(Index k) { return at(k); }
  static Index lines(Index room) { return (room * static_cast<Index>(sizeof(std::int32_t) + sizeof(V)) + 63) / 64; }
  [[nodiscard]] const std::int32_t* cols_of(const Placement& w) const {
    return reinterpret_cast<const std::int32_t*>(block_.data() + w.line);
  }
  [[nodiscard]] const V* costs_of(const Placement& w) const { return reinterpret_cast<const V*>(cols_of(w) + w.room); }
  // Moves the list of row i, emptied, behind all others, with room for `room` candidates.
  void relocate(Index i, Index room);
  void write(Index i, std::span<const std::int32_t> cols, const auto& cost_of);
  // Selects up to `room` candidates into s.hit; returns the bound of what was left out.
  V select(Index i, const V* cost, const V* v, Index wanted, Index room, Scratch& s) const;
  void store(Index i, const V* cost, const Scratch& s, V bound);

  // Candidates of a first list, in whole vectors.
  [[nodiscard]] Index first_capacity() const { return (t_->list_capacity + kLanes - 1) / kLanes * kLanes; }

  Index n_, m_;
  const AssignmentTuning* t_;
  DefaultInitVector<Line> block_;  // per row: its columns, then their costs
  std::vector<Placement> where_;
  std::vector<V> bound_;
};

// An order of the columns for breaking ties: a row takes, of its tied columns, the one that costs other rows most.
//
// Why. Where several columns cost a row the same, an arbitrary choice may take columns that few other rows can use, and
// long searches have to correct that. Example: jobs with due dates, which pay nothing in any slot before theirs. If
// each takes the last free one of these, almost no search is needed; if each takes the first, a third of the jobs need
// one.
//
// Steps. Columns are ranked by what they cost a sample of rows on average, the dearest first, if these rows have many
// columns at their least cost. The order decides only between tied columns.
//
// Complexity. O(m) a sampled row, and the sorting of columns.

template <class V>
class TieOrder {
 public:
  TieOrder(const RowCopy<V>& rows, const AssignmentTuning& tuning);
  // Returns whether a sample of rows has enough ties for an order to pay.
  [[nodiscard]] bool active() const { return !by_rank_.empty(); }
  // The ranks of columns, to be filled (RowSspState::reset_ranks); the padding ranks last.
  [[nodiscard]] V* rank() { return rank_.data(); }
  [[nodiscard]] const std::int32_t* by_rank() const { return by_rank_.data(); }

 private:
  AlignedVector<V> rank_;
  std::vector<std::int32_t> by_rank_;
};

// How an engine ended: all rows matched; a set of rows with too few columns found (Hall); its budget of work used up,
// in a state that satisfies (M1) to (M4); or a stop.
enum class SearchStatus { complete, infeasible, budget, stopped };

[[nodiscard]] constexpr AssignmentStatus status_of(SearchStatus found) {
  return found == SearchStatus::complete     ? AssignmentStatus::optimal
         : found == SearchStatus::infeasible ? AssignmentStatus::infeasible
                                             : AssignmentStatus::stopped;
}

[[noreturn]] inline void throw_incomplete() {
  throw Error(ErrorKind::internal, "", -1, "an assignment ended without a column of its own for each row");
}

// Checks (M1) of a complete matching: each row has a column, and no two rows have the same. In release builds as well:
// a wrong position would end in a false optimum.
template <class Mates>
void check_complete_matching(const std::int32_t* col_of, const Mates* mate_of, Index n, Index m) {
  for (Index i = 0; i < n; ++i)
    if (col_of[i] < 0 || col_of[i] >= m || mate_of[col_of[i]] != i) throw_incomplete();
}

template <class V>
struct Matching {
  Matching(Index rows, Index cols)
      : n(rows),
        m(cols),
        v(at(cols) + 1),
        mate_of(at(cols), kUnmatched),
        col_of(at(rows), kUnmatched),
        mate_cost(at(rows)) {}

  void match(std::int32_t i, std::int32_t j, V cost) {
    mate_of[at(j)] = i;
    col_of[at(i)] = j;
    mate_cost[at(i)] = cost;
  }
  void clear() {
    std::fill(mate_of.begin(), mate_of.end(), kUnmatched);
    std::fill(col_of.begin(), col_of.end(), kUnmatched);
  }
  [[nodiscard]] V u(std::int32_t i) const { return static_cast<V>(mate_cost[at(i)] - v[at(col_of[at(i)])]); }
  [[nodiscard]] std::vector<std::int32_t> free_rows() const {
    std::vector<std::int32_t> rows;
    for (Index i = 0; i < n; ++i)
      if (col_of[at(i)] == kUnmatched) rows.push_back(static_cast<std::int32_t>(i));
    return rows;
  }
  // Sets v[j]. Every change of a price is checked, here or by its engine: see the range proof in costs_to_integers.hpp.
  void set_price(std::int32_t j, std::int64_t price) {
    if (price > IntRange<V>::kLimit || price < -IntRange<V>::kLimit) throw PriceOverflow();
    v[at(j)] = static_cast<V>(price);
  }
  [[nodiscard]] bool holds() const {
    for (Index i = 0; i < n; ++i) {
      const std::int32_t j = col_of[at(i)];
      if (j != kUnmatched && mate_of[at(j)] != i) return false;
    }
    for (const V price : v)
      if (price > IntRange<V>::kLimit || price < -IntRange<V>::kLimit) return false;
    return v[at(m)] == 0;
  }

  Index n, m;
  std::vector<V> v;
  std::vector<std::int32_t> mate_of, col_of;
  std::vector<V> mate_cost;
};

// Reads rows again for lists whose bound was reached; unused for sparse rows, whose lists are complete.
template <class V>
struct ListRefresher {
  const RowReader<V>* rows = nullptr;  // a copy once there is one
  std::vector<V> buffer;               // reduced costs of one list
  typename CandidateLists<V>::Scratch scratch;
  Index count = 0;

  // Makes a new list of row i as CandidateLists::refill does.
  Index operator()(CandidateLists<V>& lists, std::int32_t i, const V* v, V above) {
    ++count;
    return lists.refill(i, *rows, v, above, scratch);
  }
};

}  // namespace gridcompute::assignment
