// Input and output of the assignment solvers.
//
// Problem. Costs c_ij of rows 0..n-1 and columns 0..m-1, some pairs forbidden; match each line (row or column) of the
// shorter side to a line of its own on the other side at least total cost (or largest, with `maximize`).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::assignment {

// The most rows or columns of a matrix: positions are 32-bit, and vector loops step up to 64 positions beyond the last.
inline constexpr Index kMaxLines = (Index{1} << 31) - 1024;

// The gap between the cost of the pairs and the sum of the duals, as a part of the sum of the pairs' sizes, that counts
// as none for floating-point costs. A promise to users, not a tuned number.
inline constexpr double kNegligibleGap = 0x1p-40;

// No column, or no row.
inline constexpr std::int32_t kUnmatched = -1;

// A dense matrix in the caller's memory, row by row; inf (floating-point types only) forbids a pair.
template <class T>
struct DenseMatrix {
  const T* data = nullptr;
  Index rows = 0, cols = 0;
};

// Compressed sparse rows: the arcs of row i are start[i]..start[i+1]; absent pairs are forbidden.
template <class T, class I, class Start = I>
struct CsrMatrix {
  std::span<const Start> start;
  std::span<const I> col;
  std::span<const T> cost;
  Index rows = 0, cols = 0;
};
// Compressed sparse rows whose columns are known to be within the matrix, whatever the caller's types of index.
template <class T>
using CheckedCsr = CsrMatrix<T, std::int32_t, std::int64_t>;

// Counts of work. They reach users as `stats`: docs/reference/stats.md has the table.
struct AssignmentStats {
  Index bids = 0;      // of augmenting row reduction and auction
  Index searches = 0;  // shortest augmenting paths, and augmentations of Hopcroft-Karp phases
  Index rescans = 0;   // rows read again after the first pass
  Index arcs = 0;      // pairs (list or matrix entries) that the searches relaxed
  int phases = 0;      // of the auction; 0 if none ran
  int bits = 32;       // width of the integers that the answer was computed in

  // Adds the work of an earlier solve of the same problem.
  void add(const AssignmentStats& before) {
    bids += before.bids;
    searches += before.searches;
    rescans += before.rescans;
    arcs += before.arcs;
    phases += before.phases;
  }
};

enum class AssignmentStatus { optimal, infeasible, stopped };

struct AssignmentResult {
  AssignmentStatus status = AssignmentStatus::optimal;
  std::vector<std::int32_t> col_of;    // per row: its column or -1; all -1 unless the status is optimal
  std::vector<std::int64_t> row_dual;  // in units of 2^-exponent, of the minimised costs: dual sum <= cost everywhere
  std::vector<std::int64_t> col_dual;  // the longer side's duals are <= 0, and 0 where unmatched
  std::vector<Wide> row_wide;          // the duals where 64 bits do not hold them; row_dual and col_dual are empty then
  std::vector<Wide> col_wide;
  int exponent = 0;                   // 0 for integers
  bool transposed = false;            // solved with rows and columns exchanged: the witness lists columns then
  std::vector<std::int32_t> witness;  // infeasible: lines of the shorter side with too few partners together (Hall)
  AssignmentStats stats;

  [[nodiscard]] bool wide() const { return !row_wide.empty() || !col_wide.empty(); }
};

}  // namespace gridcompute::assignment
