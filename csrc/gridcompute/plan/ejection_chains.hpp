// Ejection chains: exchanges that go on where an ejected job ejects others in turn.
//
// Definitions. The *ejection cost* of a job is the cost at guide prices of its next best allowed option, with or
// without capacity, less the cost of its present one: a long chain makes the capacity.
//
// Steps. The job is removed into a pool. While the pool has jobs, the largest (in accelerator-hours) is placed where
// its cost at guide prices plus the ejection costs of the jobs ejected for it is least; these go into the pool. Each
// job is ejected at most chain_ejections times, at a cost that rises each time, so that chains end. The real cost
// decides (placement_state.hpp): unless the pool is empty and the cost has fallen, all moves are undone. A job that
// takes the hours of a gang on a full day starts a hundred small moves that end in the last free hours.
//
// Invariants. Each accepted chain lowers the real cost, so the search ends; the order does not depend on threads.
//
// Complexity. At most chain_steps placements, each O(options * occupants of a class in the hours).
//
// Source. Yagiura, Ibaraki and Glover (2004), "An ejection chain approach for the generalized assignment problem",
// INFORMS J. Computing 16(2). The pool of ejected jobs, whose cost rises with each ejection: Nagata and Braysy (2009),
// "A powerful route minimization heuristic for the vehicle routing problem with time windows", Operations Research
// Letters 37(5). Deviations. Sets of occupants are ejected in place of one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/plan/placement_state.hpp"

namespace gridcompute::plan {

class EjectionChains {
 public:
  EjectionChains(PlacementState& state, const PlanTuning& tuning);

  // Starts a chain with each of the jobs at `positions` in this order. Returns the number of chains accepted.
  Index run(std::span<const std::int32_t> positions);

 private:
  // Runs one chain; true if it is accepted.
  bool run_chain(std::int32_t position);
  // Places a job of the pool and ejects jobs for it where necessary; returns the change of the real cost.
  double place_with_ejections(std::int32_t position);
  // Removes the job into the pool; returns the change of the real cost.
  double eject(std::int32_t position);
  // Chooses the jobs to eject for `target`; returns the sum of their costs, inf from `most` on.
  [[nodiscard]] double choose_ejections(const PackedJob& job, const JobOption& target, double most);
  [[nodiscard]] double ejection_cost(std::int32_t position);

  PlacementState& state_;
  const PlanTuning& tuning_;
  std::vector<JobOption> options_;
  std::vector<PlacementChange> changes_;
  std::vector<std::int32_t> pool_, chosen_, best_chosen_;
  std::vector<std::int32_t> ejections_;  // [position], in this chain
};

}  // namespace gridcompute::plan
