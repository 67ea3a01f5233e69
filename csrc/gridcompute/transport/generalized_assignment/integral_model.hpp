// Gangs in memory, for the search: integer costs above the cheapest of each job, and what prices say of them.
//
// A pair is left out where its reduced cost alone exceeds the gap: no cheaper plan has it. What is left sets the unit,
// so that costs of 1e15 for "rather not" do not drown the others once there is a plan without them.
//
// Leaving out a job that must be placed costs more than any change of classes gains, the more the larger the job is.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

struct IntegralModel {
  static constexpr Cost kMostKey = Cost{1} << 34;            // of a pair; windows of 64 jobs stay below kMust
  static constexpr Cost kUnassignedPenalty = Cost{1} << 41;  // the least cost of leaving out a job that must be placed
  static constexpr Slot kPreferred = 8;                      // classes a job that are listed

  std::vector<Index> job;              // (jobs) which of the problem's
  std::vector<Cost> weight, capacity;  // (jobs), (classes): what jobs that are not here leave
  std::vector<Cost> key;               // (jobs, classes + 1), last: left out; kForbidden: no better plan has it
  std::vector<double> guide;           // (classes + 1): prices in the unit of keys
  std::vector<Slot> preferred;         // (jobs, kPreferred): cheapest first, prices counted; kNone at the end
  std::vector<char> required;          // (jobs): has no cost of being left out
  std::vector<double> least;           // (jobs) the cost that keys are above
  double base = 0, scale = 1;          // a plan costs base + keys / scale, rounded

  void list_preferred();
  [[nodiscard]] Index jobs() const noexcept { return static_cast<Index>(weight.size()); }
  [[nodiscard]] Slot classes() const noexcept { return static_cast<Slot>(capacity.size()); }
  [[nodiscard]] Slot out() const noexcept { return classes(); }
  [[nodiscard]] const Cost* row(Index i) const noexcept { return key.data() + i * (classes() + 1); }
  [[nodiscard]] double guided(Index i, Slot s) const noexcept {
    return static_cast<double>(row(i)[s]) +
           static_cast<double>(weight[static_cast<std::size_t>(i)]) * guide[static_cast<std::size_t>(s)];
  }
};

// Of these jobs, the others staying where `assignment` has them (-1: left out). gap: what a better plan may save at
// most, +inf where nothing is known. Nothing after a stop.
[[nodiscard]] std::optional<IntegralModel> build_integral_model(const Problem& problem,
                                                                std::span<const std::int32_t> assignment,
                                                                std::span<const double> prices, std::vector<Index> jobs,
                                                                double gap, Stop& stop);

}  // namespace gridcompute::transport
