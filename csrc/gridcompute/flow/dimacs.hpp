// The DIMACS format for min-cost flow (.min), read piece by piece and written as text in memory.
//
// Format.  Lines `c ...` are comments; `p min NODES ARCS` comes first and once; `n ID SUPPLY`, at most one a node,
// others 0; `a TAIL HEAD LOWER CAPACITY COST`. Ids count from 1. Blank lines are skipped; CR LF and a
// UTF-8 byte order mark are accepted. Anything else is an error that names its line. Source: DIMACS, The First
// Implementation Challenge: general information (1991).
//
// Memory.  In proportion to the text: the problem line alone allocates nothing. Supplies are allocated at the end, for
// at most kMaxUnnamedNodes nodes more than the text has bytes: nodes that no line names are possible, but few.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

struct Dimacs {
  std::vector<std::int64_t> tail, head, lower, capacity, cost, supply;
};

// Reads a text in pieces. `name` appears in messages. Errors are invalid_problem with the line as index.
class DimacsReader {
 public:
  explicit DimacsReader(std::string name);
  DimacsReader(DimacsReader&&) noexcept;
  DimacsReader& operator=(DimacsReader&&) noexcept;
  ~DimacsReader();

  void feed(std::string_view bytes);  // the next piece, of any length
  [[nodiscard]] Dimacs finish();      // once, after the last piece

 private:
  class State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string write_dimacs(const MinCostFlow& problem);

}  // namespace gridcompute::flow
