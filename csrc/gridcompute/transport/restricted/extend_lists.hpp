// Longer candidate lists: reads jobs again and gives them the columns that the caller marks.
//
// Invariants.  Candidates are only added, and each job keeps its flow: a new list replaces the old one, whose entries
// keep their place without flow. Jobs of a group of several get groups of their own first.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gridcompute/transport/model/level.hpp"
#include "gridcompute/transport/model/solver_context.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

inline constexpr Index kRereadJobs = 64;  // jobs a chunk where rows are read again

// Reads a job's keys, the unplaced column included.
class JobKeyReader {
 public:
  JobKeyReader(const SolverContext& context, const Level& level)
      : context_(context), level_(level), row_(static_cast<std::size_t>(context.keys.columns())) {}

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
