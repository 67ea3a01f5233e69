// Jobs that are held in shards: in files, by other processes, on other machines.
//
// A level whose jobs are in shards lists the few that the solver needs one by one: jobs with several candidates within
// the box of the last pricing pass, and jobs that may get a second one. Rows of the cost source are the listed jobs, in
// the order of all jobs. The others are unlisted: their weight and keys are part of `fixed` and `base` of the
// restricted problem, and their rows, classes and margins stay with the shards. Before a step that would need an
// unlisted job it calls this interface, which lists the jobs in question. So each step is the same for jobs in memory,
// and ends with the same bits.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/model/solver_context.hpp"

namespace gridcompute::transport {

struct RestrictedProblem;

class JobShards {
 public:
  virtual ~JobShards() = default;

  // Begins a solve of `all`, the level of all jobs, whose n and unlisted are kept up to date from now on.
  virtual void attach(Level& all) = 0;

  // Returns the rows of sampled jobs in the cost source. positions: ascending.
  [[nodiscard]] virtual std::vector<Index> rows_of(std::span<const Index> positions) const = 0;

  // Returns the largest finite |cost| of all pairs, and of leaving a job unplaced, by a pass over all of them.
  [[nodiscard]] virtual double largest_cost() = 0;

  // Runs a pricing pass over all jobs, and lists those with several candidates. False if stopped.
  [[nodiscard]] virtual bool price(const SolverContext& context, const PriceBox& box, RestrictedProblem& out,
                                   CostRangeStats& seen) = 0;

  // The following functions list more jobs; they return whether any job was listed, and do nothing after a stop.

  // Lists the jobs for which a class outside their candidates may cost less than the best of these plus `margin`.
  virtual bool list_doubtful(std::span<const Cost> prices, Cost margin, RestrictedProblem& r) = 0;
  // Lists every step-th job.
  virtual bool list_every(Index step, RestrictedProblem& r) = 0;
  // Lists the jobs in these classes whose next class costs least, with `units` of weight or more where there are as
  // many.
  virtual bool list_escaping(std::span<const Slot> classes, std::span<const Cost> prices, Cost units,
                             RestrictedProblem& r) = 0;
  // Lists the jobs that are not in their cheapest class at these prices, by a pass over all of them.
  virtual bool list_misplaced(std::span<const Cost> prices, RestrictedProblem& r) = 0;

  // Returns the place of every step-th job among the listed ones; to be called after list_every.
  [[nodiscard]] virtual Index listed_at(Index position) const = 0;

  // Subtracts the perturbation from the keys and margins of unlisted jobs.
  virtual void remove_perturbation(const KeyPerturber& perturber, RestrictedProblem& r) = 0;

  // Returns the cost of all jobs, with the listed ones in these classes; sends the shards the classes of their jobs.
  [[nodiscard]] virtual Total total(std::span<const std::int32_t> assignment) = 0;

  // Returns whether some cost other than 0 is at most this.
  [[nodiscard]] virtual bool any_cost_below(double most) = 0;
};

}  // namespace gridcompute::transport
