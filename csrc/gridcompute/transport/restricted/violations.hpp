// Violations: the jobs for which a class outside their candidates may be cheaper, that is, whose dual constraints may
// not hold.
//
// The box test (O(S)) usually proves that there are none. Otherwise each job's margin is compared with the move of its
// class's price (8 bytes a job).
//
// Repair tests again and again, after small moves of prices. No job's needed shift grows by more than the price that
// rose most, and longer lists only lower it: jobs that were far from a violation at the last full test are skipped
// until the moves since then may have caused one.
#pragma once

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

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

}  // namespace gridcompute::transport
