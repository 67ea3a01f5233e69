// A linear program of a few hundred rows that is solved again and again, a little changed each time.
//
// Problem. min c.x subject to row_low <= A x <= row_high, low <= x <= high, every column's limits finite. Between two
// solves some costs change, or some columns' limits.
//
// Definitions. Row i gets a slack s_i = -(A x)_i with limits [-row_high_i, -row_low_i] and cost 0, so that all rows
// read A x + s = 0. A basis is one variable a row; the others lie at a limit. y solves B'y = c_B, and d = c - A'y are
// the reduced costs; y_i > 0 leans on row_low_i, y_i < 0 on row_high_i.
//
// Steps. After a change of costs the basis stays feasible for the primal: enter the variable of the largest reduced
// cost of the wrong sign, leave by a two-pass ratio test, or jump to the other limit. After a change of limits it stays
// feasible for the dual: leave the variable furthest outside its limits, enter by the least ratio of reduced cost to
// entry. Either is a few steps where the change is small.
//
// The inverse is a product of one eta column for each structural variable of the basis and each step since it was last
// written down afresh. Rows and columns with a single entry left come first: these bases are nearly triangular, so the
// etas are about as sparse as the columns, and a solve costs a microsecond or two.
//
// Invariants (holds()): each row has one basic variable and head_/where_ agree; a variable that is not basic is exactly
// at a finite limit.
//
// Complexity. O(entries of the etas + entries of A) a step.
//
// What it promises. No more than a basis from which it found no further step, within tolerances. Steps are bounded;
// false is returned where they run out, where the matrix is too near singular or where there is no feasible point,
// and the caller asks a solver with more patience. The duals are the caller's proof, not this solver's: with finite
// limits any y gives a true bound.
//
// Source. Dantzig (1951); product form: Dantzig and Orchard-Hays (1954); ratio test: Harris (1973), "Pivot selection
// methods of the Devex LP code", Mathematical Programming 5. Deviation: no first phase, it begins with a given basis.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/types.hpp"

namespace gridcompute::program {

// By columns, rows ascending or not; no entry twice.
struct Matrix {
  Index rows = 0;
  std::vector<std::int32_t> begin, row;  // [column + 1], [entry]
  std::vector<double> value;             // [entry]
};

class Simplex {
 public:
  // basic: one entry a column, then one a row (its slack); there must be as many of them as rows.
  // upper: the same, which of the others begin at their upper limit. Columns of fixed value may be either.
  Simplex(Matrix matrix, std::span<const double> cost, std::span<const double> low, std::span<const double> high,
          std::span<const double> row_low, std::span<const double> row_high, std::span<const std::uint8_t> basic,
          std::span<const std::uint8_t> upper);

  void set_cost(Index column, double cost) { cost_[static_cast<std::size_t>(column)] = cost; }
  void set_limits(Index column, double low, double high);

  // After a change of costs. Returns whether it came to an end.
  bool primal();
  // After a change of limits.
  bool dual();

  [[nodiscard]] Index columns() const noexcept { return n_; }
  [[nodiscard]] Index rows() const noexcept { return m_; }
  [[nodiscard]] Index steps() const noexcept { return steps_; }  // over its life
  [[nodiscard]] double value(Index column) const { return x_[static_cast<std::size_t>(column)]; }
  [[nodiscard]] double row_dual(Index row) const { return y_[static_cast<std::size_t>(row)]; }
  [[nodiscard]] bool holds() const;

 private:
  static constexpr double kDual = 1e-9, kPrimal = 1e-9, kPivot = 1e-9, kSmall = 0.01;
  static constexpr int kRefresh = 60;

  struct Eta {
    std::int32_t row;
    double pivot;
    std::size_t begin, end;  // of its other entries
  };

  bool factor();
  void push_eta(std::int32_t row);  // from work_
  void forward(std::vector<double>& x) const;
  void backward(std::vector<double>& y) const;
  void load_column(std::int32_t variable);  // into work_, then forward
  void place_basics();                      // x of the basis from that of the others
  void price();                             // y and d from scratch
  // Sets line_ to row `p` of the inverse times all columns; the entry of slack i is rho_[i].
  void find_line(std::int32_t p);
  bool step(std::int32_t entering, std::int32_t p, double leaving_value, double move);
  [[nodiscard]] std::int32_t most_wrong() const;

  Index n_, m_;
  Matrix by_column_;
  std::vector<std::int32_t> row_begin_, row_column_;  // the same by rows
  std::vector<double> row_value_;
  std::vector<double> cost_, low_, high_, x_, d_;  // [column, then slack]
  std::vector<double> y_;                          // [row]
  std::vector<std::int32_t> head_;                 // [row]: its basic variable
  std::vector<std::int32_t> where_;                // [variable]: its row, -1 = not basic
  std::vector<std::uint8_t> upper_;                // [variable]: at the upper limit?
  std::vector<Eta> etas_;
  std::vector<std::int32_t> eta_row_;
  std::vector<double> eta_value_;
  std::vector<double> work_, rho_, line_;
  std::size_t fresh_ = 0;  // etas when last written down
  Index steps_ = 0;
};

}  // namespace gridcompute::program
