// Pricing pass: one read of every cost of a level, which gives each job's candidates for prices within a box
// (restricted_problem.hpp).
//
// Steps.  Per row, vectorised: low = min(key + p + up); how many classes have key + p - down <= low, the sum of their
// numbers, and the least of the others. Rows with one such class (most) are done; the others list them. Chunks of rows
// run on all threads and are joined in order. The int32 matrix is read in place with int32 arithmetic as long as prices
// and radii allow; a row whose sums may have wrapped makes the whole pass start again in int64.
//
// Complexity.  N * S evaluations, 2 passes over a row in cache; memory 8 bytes a job and 24 a candidate of groups.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

// Returns the steps of work that a pass over this many jobs counts, at least.
[[nodiscard]] constexpr Index pass_steps(Index jobs, Slot columns) noexcept { return jobs * columns; }

// Runs the pass. False if stopped before every row was read (then `out` is not to be used).
[[nodiscard]] bool pricing_pass(const SolverContext& context, const Level& level, const PriceBox& box,
                                RestrictedProblem& out, CostRangeStats& seen);

// Longer candidate lists: reads jobs again and gives them the columns that the caller marks.
//
// Invariants.  Candidates are only added, and each job keeps its flow: a new list replaces the old one, whose entries
// keep their place without flow. Jobs of a group of several get groups of their own first.

inline constexpr Index kRereadJobs = 64;  // jobs a chunk where rows are read again

// Reads a job's keys, the unplaced column included.
class JobKeyReader {
 public:
  JobKeyReader(const SolverContext& context, const Level& level)
      : context_(context), level_(level), row_(at(context.keys.columns())) {}

  const std::vector<Cost>& read(Index k, CostRangeStats& seen) {
    const Index job = level_.row(k);
    context_.keys.fill(Rows{&job, 0, 1}, row_.data(), scratch_, seen);
    if (context_.keys.optional()) row_.back() = context_.keys.unplaced(job, seen);
    return row_;
  }

 private:
  const SolverContext& context_;
  const Level& level_;
  std::vector<Cost> row_;
  std::vector<double> scratch_;
};

// Marks the classes of a job's new list, given its position and its keys; the classes of the old list are marked on
// entry.
using MarkColumns = std::function<void(Index, const std::vector<Cost>&, std::span<std::uint8_t>)>;

// Reads these jobs again and replaces their lists; false after a stop.
[[nodiscard]] bool extend_lists(const SolverContext& context, const Level& level, std::span<const Index> jobs,
                                RestrictedProblem& r, CostRangeStats& seen, const MarkColumns& mark);

}  // namespace gridcompute::transport
