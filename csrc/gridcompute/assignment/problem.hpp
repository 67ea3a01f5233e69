// What the assignment solvers take and give.
//
// Problem. Costs c_ij of rows 0..n-1 and columns 0..m-1, some pairs forbidden; match each line of the shorter side to
// a line of its own on the other at least total cost (or largest, with `maximize`).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

// Rows or columns of a matrix: positions are 32-bit, and vector loops step up to 64 positions beyond the last one.
inline constexpr Index kMostLines = (Index{1} << 31) - 1024;

// A dense matrix where it lies; inf (floating-point types only) forbids.
template <class T>
struct Dense {
  const T* data = nullptr;
  Index rows = 0, cols = 0;
};

// Compressed rows: arcs of row i at start[i]..start[i+1]; absent pairs are forbidden.
template <class T, class I>
struct Sparse {
  std::span<const I> start;
  std::span<const I> col;
  std::span<const T> cost;
  Index rows = 0, cols = 0;
};

struct Stats {
  Index bids = 0;      // of row reduction and auction
  Index searches = 0;  // shortest-path searches
  Index rescans = 0;   // rows read again after the first pass
  Index arcs = 0;      // list entries looked at by the searches
  int phases = 0;      // of the auction; 0: it was not needed
  int bits = 32;       // of the core that answered

  // What was done before these.
  void add(const Stats& before) {
    bids += before.bids;
    searches += before.searches;
    rescans += before.rescans;
    arcs += before.arcs;
    phases += before.phases;
  }
};

enum class Status { optimal, infeasible, stopped };

struct Result {
  Status status = Status::optimal;
  std::vector<std::int32_t> col_of;    // per row: its column or -1; all -1 unless the status is optimal
  std::vector<std::int64_t> row_dual;  // in units of 2^-exponent, of the minimised costs: dual sum <= cost everywhere
  std::vector<std::int64_t> col_dual;  // the longer side's duals are <= 0, and 0 where unmatched
  std::vector<Wide> row_wide;          // the duals where 64 bits do not hold them; row_dual and col_dual are empty then
  std::vector<Wide> col_wide;
  int exponent = 0;                   // 0 for integers
  bool transposed = false;            // solved with rows and columns exchanged: the witness lies on columns then
  std::vector<std::int32_t> witness;  // infeasible: lines of the shorter side with too few partners together
  Stats stats;

  [[nodiscard]] bool wide() const { return !row_wide.empty() || !col_wide.empty(); }
};

}  // namespace gridcompute::assignment
