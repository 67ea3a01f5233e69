// Exchanges: a job moves to a cheaper option, and occupants of that option make room for it.
//
// Definitions. At guide prices, the *regret* of a job is the cost of its present option less that of its cheapest
// allowed one; its *relocation cost* is the cost of its cheapest other option with capacity, less that of its present
// one.
//
// Steps. Regrets and relocation costs of all jobs, in threads. Jobs are then tried by descending regret: the job is
// removed; for each option that is cheaper at guide prices, cheapest first: if it has capacity, the job takes it; else
// occupants of the hours that lack capacity are chosen one by one, the least relocation cost per accelerator-hour
// covered first (relocation costs are computed again as they are used), until the job fits, while their sum stays below
// the gain of the job. They are removed, the job is placed, and they go to their cheapest available options. The real
// cost (placement_state.hpp) decides: without a gain all moves are undone.
//
// Invariants. Each accepted exchange lowers the real cost, so the search ends; the order does not depend on threads.
//
// Complexity. O(options) per job for regrets, O(options_tried * (occupants of a class in the hours + evictions_tried *
// options)) for a job tried.
//
// Source. Ejection of sets in place of single jobs, after Yagiura, Ibaraki and Glover (ejection_chains.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/plan/placement_state.hpp"

namespace gridcompute::plan {

class Exchanges {
 public:
  Exchanges(PlacementState& state, const PlanTuning& tuning);

  // Computes all regrets and relocation costs; returns the positions of jobs whose regret is above `least`, by
  // descending regret. With `placed_only`, only those of placed jobs are computed.
  [[nodiscard]] std::vector<std::int32_t> regrets(double least, bool placed_only, Pool& pool);
  // Tries the jobs at `positions` in this order. Returns the number of exchanges accepted.
  Index run(std::span<const std::int32_t> positions);

 private:
  bool improve(std::int32_t position);
  [[nodiscard]] bool choose_evictions(std::int32_t position, const JobOption& target, double gain);
  [[nodiscard]] double relocation_cost(std::int32_t position, double& regret) const;

  PlacementState& state_;
  const PlanTuning& tuning_;
  std::vector<double> relocation_cost_, regret_;  // [position]
  std::vector<std::int32_t> computed_in_;         // [position]: the trial that computed its relocation cost last
  std::int32_t trial_ = 0;
  std::vector<JobOption> cheaper_;
  std::vector<std::int32_t> evicted_;
  std::vector<double> excess_;  // by quota row of the job: its excess over the row's limit
  std::vector<PlacementChange> changes_;
};

}  // namespace gridcompute::plan
