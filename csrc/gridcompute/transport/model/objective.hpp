// The cost of an assignment from the original costs: integers in 128 bits, reals by compensated sums.
#pragma once

#include <span>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

struct Total {
  Wide whole = 0;
  double sum = 0, rest = 0, magnitude = 0;
  bool integral = false;  // every cost is an integer: `whole` holds all of it

  [[nodiscard]] double value() const { return static_cast<double>(whole) + (sum + rest); }
  void add(double x);
  void add(Cost cost);
  void join(const Total& other);
};

// Returns whether all costs of leaving jobs unplaced are integers (or +inf) whose sums fit in 128 bits.
[[nodiscard]] bool unplaced_integral(const Problem& problem);

// Sums the cost. assignment: the class of each job; n_slots or a negative number for unplaced jobs, which cost nothing
// where that has no price.
[[nodiscard]] Total total_cost(const Problem& problem, std::span<const std::int32_t> assignment, Pool& pool);

}  // namespace gridcompute::transport
