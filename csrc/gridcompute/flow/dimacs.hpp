// The DIMACS format for min-cost flow (.min), read and written as text in memory.
//
// Format.  Lines `c ...` are comments; `p min NODES ARCS` comes first and once; `n ID SUPPLY`, at most one a node,
// others 0; `a TAIL HEAD LOWER CAPACITY COST`. Ids count from 1. Blank lines are skipped, CR LF is taken. Anything else
// is an error that names its line. Source: DIMACS, The First Implementation Challenge: general information (1991).
#pragma once

#include <string>
#include <string_view>

#include "gridcompute/flow/problem.hpp"

namespace gridcompute::flow {

struct Dimacs {
  std::vector<std::int64_t> tail, head, lower, capacity, cost, supply;
};

// `name` stands in messages. Errors are invalid_problem with the line as index.
[[nodiscard]] Dimacs read_dimacs(std::string_view text, const std::string& name);
[[nodiscard]] std::string write_dimacs(const Problem& problem);

}  // namespace gridcompute::flow
