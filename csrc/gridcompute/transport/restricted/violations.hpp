// Which jobs may want a class they have no candidate for.
//
// The box test (O(S)) usually says that there are none. Else each job's slack is compared with what its class has moved
// (8 bytes a job), but for a few odd classes that are compared by their costs.
//
// Repair asks again and again, after prices have moved a little. No job's need grows by more than the price that rose
// most, and longer lists only lower it: those who were far from doubt at the last look at all are not asked until
// prices may have brought them near it.
#pragma once

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

// What classes outside the candidates can cost at some prices: next + shift, but for a few odd classes whose price fell
// so far that they would spoil the bound for all; these were compared one by one.
struct Violations {
  std::vector<Index> jobs;  // whose candidates may not hold the answer; positions, ascending
  Cost shift = 0;
  std::vector<Slot> compared;
};

// key + price of the job at this position at the cheapest of its candidates.
[[nodiscard]] Cost least_listed_cost(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                     std::span<const Cost> prices, Index k);

// Of one scan's lists, which may only grow. With a margin jobs are doubtful for which a class outside their candidates
// may cost as little as the best of these and so much more.
class ViolationFinder {
 public:
  ViolationFinder() = default;
  explicit ViolationFinder(Cost margin) : margin_(margin) {}

  [[nodiscard]] Violations find(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                std::span<const Cost> prices);

 private:
  [[nodiscard]] bool none_possible(const RestrictedProblem& r, std::span<const Cost> prices, double lowest) const;
  void collect_suspects(const SolverContext& context, const RestrictedProblem& r, std::span<const Cost> prices,
                        double lowest);

  std::vector<Index> jobs_;  // all whose need at the prices at_ was above most_; ascending
  std::vector<Cost> at_;     // empty: nobody was asked yet
  double most_ = 0;
  Cost margin_ = 0;
};

}  // namespace gridcompute::transport
