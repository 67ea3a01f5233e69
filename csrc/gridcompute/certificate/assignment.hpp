// Checks an assignment against its costs alone: it shares no code with any solver.
//
// Problem. Given costs c_ij, a matching and integers u_i, v_j in units of 2^-exponent: find the cost of the matching,
// and a lower bound on the cost of every matching.
//
// Bound. For any v, let w_i = min over allowed j of (c_ij - v_j). If each row must be matched and each column at most
// once, every matching costs at least sum w_i + sum v_j, provided v_j <= 0 for all j where columns outnumber rows.
// (Tall matrices: exchange the sides.) w is computed here from the costs; where u_i <= w_i for all i, the sum of u and
// v is a bound as well.
//
// Exactness. Multiplied by 2^exponent a double is still exact (checked: no overflow, no underflow), and so is its
// floor. Sums are 128-bit integers. The objective is rounded up and the bound down, each cost by less than one unit, so
// that [bound, objective] is rigorous for the original floating-point costs; integers are not rounded at all. Reduced
// costs are 64-bit integers; where one would overflow, or duals are given in 128 bits, all are 128-bit integers.
//
// Trust. Nothing is assumed of costs, matching, duals or lines: lengths and positions that do not fit make the check
// fail, and no array is read outside its bounds. Duals beyond 2^100 are refused.
//
// Witness. Lines of the shorter side with fewer neighbours (lines that an allowed pair joins to one of them) than
// lines: no matching covers the shorter side (Hall).
//
// Complexity. One pass over the costs.
#pragma once

#include <cstdint>
#include <span>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::certificate {

// Costs: dense if start is empty, otherwise compressed rows.
template <class T, class I>
struct AssignmentCosts {
  std::span<const T> cost;
  Index rows = 0, cols = 0;
  std::span<const I> start;
  std::span<const I> col;
  bool maximize = false;
};

struct AssignmentCheck {
  bool stopped = false;         // before the end: the other fields are undefined
  bool feasible = false;        // only allowed pairs, no line twice, the shorter side covered
  bool duals_feasible = false;  // u_i + v_j <= c_ij for every allowed pair, signs as needed
  bool whole = false;           // all costs are integers in units of 2^-exponent
  Wide objective = 0;           // in units of 2^-exponent of the minimised costs, rounded up
  Wide bound = 0;               // the sum of all duals if feasible; otherwise the bound of the longer side's duals
  double total = 0;             // the sum of the minimised floating-point costs, rounded up once
};

// D: std::int64_t or Wide.
template <class T, class I, class D>
[[nodiscard]] AssignmentCheck check_assignment(const AssignmentCosts<T, I>& costs, std::span<const std::int32_t> col_of,
                                               std::span<const D> row_dual, std::span<const D> col_dual, int exponent,
                                               Stop& stop);

struct HallCheck {
  bool violated = false;
  Index lines = 0, partners = 0;
};

// Checks a witness; lines are rows, or columns if the matrix has more rows than columns.
template <class T, class I>
[[nodiscard]] HallCheck check_witness(const AssignmentCosts<T, I>& costs, std::span<const std::int32_t> lines,
                                      Stop& stop);

}  // namespace gridcompute::certificate
