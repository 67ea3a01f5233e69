// The cost of an assignment from the original costs: integers in 128 bits, reals by compensated sums.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <tuple>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

struct Total {
  Wide whole = 0;
  double sum = 0, rest = 0, magnitude = 0;
  bool integral = false;  // every cost is an integer: `whole` is the whole sum

  [[nodiscard]] double value() const { return static_cast<double>(whole) + (sum + rest); }
  void add(double x);
  void add(Cost cost);
  void join(const Total& other);
  static auto parts(auto& t) { return std::tie(t.whole, t.sum, t.rest, t.magnitude, t.integral); }
};

// Jobs a chunk of a total; fixed, as it fixes the order of the sums.
inline constexpr Index kTotalRows = 1 << 14;

// Returns whether all costs of leaving jobs unplaced are integers (or +inf) whose sums fit in 128 bits.
[[nodiscard]] bool unplaced_integral(const Problem& problem);

// Returns the real cost that a job adds to the total, in this class (as below); nullopt where it adds none.
[[nodiscard]] inline std::optional<double> cost_of_job(const Problem& problem, Index job, std::int32_t at) {
  if (at >= 0 && at < problem.cost->n_slots()) return problem.cost->real_at(job, at);
  if (problem.unplaced == nullptr) return std::nullopt;
  const double out = problem.unplaced[job * problem.unplaced_stride];
  return std::fabs(out) < std::numeric_limits<double>::infinity() ? std::optional(out) : std::nullopt;
}

// Sums the cost. assignment: the class of each job; n_slots or a negative number for unplaced jobs, which cost nothing
// where leaving a job unplaced has no price.
[[nodiscard]] Total total_cost(const Problem& problem, std::span<const std::int32_t> assignment, Pool& pool,
                               const Tuning& tuning = kDefaultTuning);

// Returns whether some cost other than 0, of a pair or of leaving a job unplaced, is at most this; true after a stop.
[[nodiscard]] bool any_cost_below(const Problem& problem, double most, Pool& pool, Stop& stop);

}  // namespace gridcompute::transport
