// A partial matching with column prices: the state that bids and searches change.
//
// Invariants (row reduction and searches, epsilon = 0; during an auction up to epsilon):
//   (M1) mate_of[j] = i  <=>  col_of[i] = j;
//   (M2) a matched pair is the row's cheapest at the prices: cost - v[j] <= c_ik - v_k for all k;
//   (M3) prices stay within -U..U, and the padding's v[m] is 0;
//   (M4) a column that was never matched has the price it started with.
// Row duals are implied: u_i = mate_cost[i] - v[col_of[i]].
#pragma once

#include <algorithm>
#include <vector>

#include "gridcompute/assignment/engines/candidate_lists.hpp"
#include "gridcompute/base/error.hpp"

namespace gridcompute::assignment {

[[noreturn]] inline void refuse_incomplete() {
  throw Error(ErrorKind::internal, "", -1, "an assignment ended without a column of its own for each row");
}

// Checks (M1) of a complete matching: each row has a column, and no two rows have the same. In release builds as well:
// a wrong position would end in a false optimum.
template <class Mates>
void check_complete(const std::int32_t* col_of, const Mates* mate_of, Index n, Index m) {
  for (Index i = 0; i < n; ++i)
    if (col_of[i] < 0 || col_of[i] >= m || mate_of[col_of[i]] != i) refuse_incomplete();
}

template <class V>
struct Matching {
  Matching(Index rows, Index cols)
      : n(rows),
        m(cols),
        v(static_cast<std::size_t>(cols) + 1),
        mate_of(static_cast<std::size_t>(cols), kFree),
        col_of(static_cast<std::size_t>(rows), kFree),
        mate_cost(static_cast<std::size_t>(rows)) {}

  void match(std::int32_t i, std::int32_t j, V cost) {
    mate_of[static_cast<std::size_t>(j)] = i;
    col_of[static_cast<std::size_t>(i)] = j;
    mate_cost[static_cast<std::size_t>(i)] = cost;
  }
  void clear() {
    std::fill(mate_of.begin(), mate_of.end(), kFree);
    std::fill(col_of.begin(), col_of.end(), kFree);
  }
  [[nodiscard]] V u(std::int32_t i) const {
    return static_cast<V>(mate_cost[static_cast<std::size_t>(i)] -
                          v[static_cast<std::size_t>(col_of[static_cast<std::size_t>(i)])]);
  }
  [[nodiscard]] std::vector<std::int32_t> free_rows() const {
    std::vector<std::int32_t> rows;
    for (Index i = 0; i < n; ++i)
      if (col_of[static_cast<std::size_t>(i)] == kFree) rows.push_back(static_cast<std::int32_t>(i));
    return rows;
  }
  // Every change of a price goes through here: see the range proof in int_ranges.hpp.
  void set_price(std::int32_t j, std::int64_t price) {
    if (price > Range<V>::kUnit || price < -Range<V>::kUnit) throw PriceRange();
    v[static_cast<std::size_t>(j)] = static_cast<V>(price);
  }
  [[nodiscard]] bool holds() const {
    for (Index i = 0; i < n; ++i) {
      const std::int32_t j = col_of[static_cast<std::size_t>(i)];
      if (j != kFree && mate_of[static_cast<std::size_t>(j)] != i) return false;
    }
    for (const V price : v)
      if (price > Range<V>::kUnit || price < -Range<V>::kUnit) return false;
    return v[static_cast<std::size_t>(m)] == 0;
  }

  Index n, m;
  std::vector<V> v;
  std::vector<std::int32_t> mate_of, col_of;
  std::vector<V> mate_cost;
};

// Where lists of dense rows are read again; empty for sparse rows, whose lists are complete.
template <class V>
struct Rereader {
  const Rows<V>* rows = nullptr;  // a copy once there is one
  std::vector<V> buffer;          // reduced costs of one list
  typename Lists<V>::Scratch scratch;
  Index count = 0;

  // As Lists::refill.
  Index operator()(Lists<V>& lists, std::int32_t i, const V* v, V above) {
    ++count;
    return lists.refill(i, *rows, v, above, scratch);
  }
};

}  // namespace gridcompute::assignment
