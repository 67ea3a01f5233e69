// Classes that cost every job the same, solved as one.
//
// Copies of a class come where a caller lists slots, or hours at one tariff, without counting them. Solved apart they
// tie for all jobs: lists of candidates grow by all of them, and so does the work. CostSource::merged proves which are
// equal. One class with the capacity of all takes their place; its jobs are dealt to the copies in their order, lowest
// first, and its price is that of all: objective, bound and optimality are those of the merged problem. The jobs of a
// gang have to be in one class, so that problems with gangs are left as they are.
#pragma once

#include <memory>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

class MergedClasses {
 public:
  // Finds equal classes, where a third of them or more are copies of others.
  MergedClasses(const Problem& problem, const Options& options, Pool& pool, Stop& stop);
  MergedClasses(const MergedClasses&) = delete;
  MergedClasses& operator=(const MergedClasses&) = delete;

  [[nodiscard]] bool any() const noexcept { return cost_ != nullptr; }
  // Only if any().
  [[nodiscard]] const Problem& problem() const noexcept { return merged_; }
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  // Makes the result of the merged problem that of the problem as it was.
  void expand(Result& result) const;

 private:
  const Problem& problem_;
  std::vector<Slot> class_of_;  // (n_slots) the number of the merged class
  std::unique_ptr<CostSource> cost_;
  std::vector<Cost> capacity_;
  std::vector<double> prices_;
  Problem merged_;
  Options options_;
  double seconds_ = 0;  // of the search
};

}  // namespace gridcompute::transport
