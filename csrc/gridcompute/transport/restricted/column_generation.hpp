// Column generation on one level: a pricing pass, price tuning, then repair and pricing in turn until no dual
// constraint is violated. Samples and the full problem take the same steps; a sample may end early, since its prices
// only guide the next level.
//
// Steps of ColumnGeneration::run.  price_all: candidates for prices in a box, Newton on the smoothed dual. repair_plan:
// shortest paths to the restricted optimum, continued in wider boxes. reprice: the jobs that a class outside their
// candidates may violate; they get columns, or, where they are many, all jobs are priced again. add_escapes: columns
// for classes that are too full and have no path, or the proof that there is no plan (infeasibility_proof.hpp).
#pragma once

#include <functional>

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct LevelOutcome {
  enum class Kind { optimal, close, infeasible, stopped, out_of_range } kind = Kind::optimal;
  std::vector<Slot> classes;  // infeasible: the jobs in these classes fit in no other class
};

// Called once prices are tuned, before repair; returns whether a matching at these prices suffices.
using AcceptPrices = std::function<bool(RestrictedProblem& r)>;

// Solves a level. `start` is the box of the first pass, around the first prices; `prices` returns the last. Where it is
// stopped after a pass, `r` and `prices` are still valid: units at their cheapest candidates, prices that bound.
[[nodiscard]] LevelOutcome solve_level(const SolverContext& context, const Level& level, const PriceBox& start,
                                       bool sample, std::vector<Cost>& prices, RestrictedProblem& r,
                                       CostRangeStats& seen, Stats& stats, const AcceptPrices& enough = {});

// Reoptimises a plan on the present lists, at prices that are nearly optimal, without a pricing pass first: every
// repair is followed by a pass over all costs.
[[nodiscard]] LevelOutcome reoptimise(const SolverContext& context, const Level& level, std::vector<Cost>& prices,
                                      RestrictedProblem& r, CostRangeStats& seen, Stats& stats);

// Violations: the jobs for which a class outside their candidates may be cheaper, that is, whose dual constraints may
// not hold.
//
// The box test (O(S)) usually proves that there are none. Otherwise each job's margin is compared with the move of its
// class's price (8 bytes a job).
//
// Repair tests again and again, after small moves of prices. No job's needed shift grows by more than the price that
// rose most, and longer lists only lower it: jobs that were far from a violation at the last full test are skipped
// until the moves since then may have caused one.

// The jobs that may have a violation, and the bound on all others: classes outside the candidates cost next + shift or
// more.
struct Violations {
  std::vector<Index> jobs;  // positions, ascending
  Cost shift = 0;
};

// Returns key + price of the job at this position at the cheapest of its candidates.
[[nodiscard]] Cost least_listed_cost(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                     std::span<const Cost> prices, Index k);

// Returns the shift that bounds all classes outside candidates, rounded down: a job whose margin is below its class's
// price move (plus a margin asked for) less this shift may have a violation.
[[nodiscard]] double lowest_shift(const RestrictedProblem& r, std::span<const Cost> prices);

// Lists the jobs of shards that find() may return; does nothing where all jobs are in memory. Returns whether any was
// listed.
bool list_doubtful_jobs(const Level& level, std::span<const Cost> prices, Cost margin, RestrictedProblem& r);

// Finds violations on the lists of one pricing pass, which may only grow. With a margin a job counts from where a class
// outside its candidates may cost as little as the best of these plus the margin.
class ViolationFinder {
 public:
  ViolationFinder() = default;
  explicit ViolationFinder(Cost margin) : margin_(margin) {}

  [[nodiscard]] Violations find(const SolverContext& context, const RestrictedProblem& r, std::span<const Cost> prices);

 private:
  [[nodiscard]] bool none_possible(const RestrictedProblem& r, std::span<const Cost> prices, double lowest) const;
  void collect_suspects(const SolverContext& context, const RestrictedProblem& r, std::span<const Cost> prices,
                        double lowest);

  std::vector<Index> jobs_;  // suspects: jobs whose needed shift at at_ exceeded most_; ascending
  std::vector<Cost> at_;     // empty: no test yet
  std::size_t known_ = 0;    // jobs listed at that test
  double most_ = 0;
  Cost margin_ = 0;
};

// Adds columns to the restricted problem: candidates for jobs whose dual constraints are violated
//.
//
// These jobs are read again, and every class that the bound does not exclude is added to their list: at these prices
// they have no violation left. Terminates: candidates are only added. Groups of several jobs are split first.
//
// Where lists have no path for units at all, infeasibility_proof.hpp adds columns or proves that no plan exists.

// Returns the jobs that violate dual feasibility at `prices`, found by reading every cost; few false positives.
[[nodiscard]] Violations find_violations_exact(const SolverContext& context, const Level& level,
                                               const RestrictedProblem& r, std::span<const Cost> prices);

// Returns the fall of the price of `slot`, `most` at most, at which it is the cheapest class for about `units` more.
[[nodiscard]] Cost price_drop_needed(const SolverContext& context, const Level& level, RestrictedProblem& r,
                                     std::span<const Cost> prices, Slot slot, Cost units, Cost most);

// Reads the violating jobs again, at these prices, and adds columns. Returns whether any of them is cheaper than a
// job's candidates.
enum class AddedColumns { none, better, stopped };
[[nodiscard]] AddedColumns add_improving_columns(const SolverContext& context, const Level& level,
                                                 const Violations& violations, std::span<const Cost> prices,
                                                 RestrictedProblem& r, CostRangeStats& seen);

}  // namespace gridcompute::transport
