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
#include <vector>

#include "gridcompute/assignment/engines/candidate_lists.hpp"
#include "gridcompute/assignment/problem.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {

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
        v(static_cast<std::size_t>(cols) + 1),
        mate_of(static_cast<std::size_t>(cols), kUnmatched),
        col_of(static_cast<std::size_t>(rows), kUnmatched),
        mate_cost(static_cast<std::size_t>(rows)) {}

  void match(std::int32_t i, std::int32_t j, V cost) {
    mate_of[static_cast<std::size_t>(j)] = i;
    col_of[static_cast<std::size_t>(i)] = j;
    mate_cost[static_cast<std::size_t>(i)] = cost;
  }
  void clear() {
    std::fill(mate_of.begin(), mate_of.end(), kUnmatched);
    std::fill(col_of.begin(), col_of.end(), kUnmatched);
  }
  [[nodiscard]] V u(std::int32_t i) const {
    return static_cast<V>(mate_cost[static_cast<std::size_t>(i)] -
                          v[static_cast<std::size_t>(col_of[static_cast<std::size_t>(i)])]);
  }
  [[nodiscard]] std::vector<std::int32_t> free_rows() const {
    std::vector<std::int32_t> rows;
    for (Index i = 0; i < n; ++i)
      if (col_of[static_cast<std::size_t>(i)] == kUnmatched) rows.push_back(static_cast<std::int32_t>(i));
    return rows;
  }
  // Sets v[j]. Every change of a price is checked, here or by its engine: see the range proof in costs_to_integers.hpp.
  void set_price(std::int32_t j, std::int64_t price) {
    if (price > IntRange<V>::kLimit || price < -IntRange<V>::kLimit) throw PriceOverflow();
    v[static_cast<std::size_t>(j)] = static_cast<V>(price);
  }
  [[nodiscard]] bool holds() const {
    for (Index i = 0; i < n; ++i) {
      const std::int32_t j = col_of[static_cast<std::size_t>(i)];
      if (j != kUnmatched && mate_of[static_cast<std::size_t>(j)] != i) return false;
    }
    for (const V price : v)
      if (price > IntRange<V>::kLimit || price < -IntRange<V>::kLimit) return false;
    return v[static_cast<std::size_t>(m)] == 0;
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
