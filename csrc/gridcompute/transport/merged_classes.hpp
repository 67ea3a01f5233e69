// Classes with equal columns, solved as one.
//
// Copies of a class are common where a caller lists slots, or hours at one tariff, without counting them. Solved
// separately they tie for all jobs, and candidate lists and work grow with their number. CostSource::merged proves
// which columns are equal. One class with their total capacity replaces them; its jobs are assigned to the copies in
// job order, lowest copy first, and all copies get its price: objective, bound and optimality are those of the merged
// problem. A job with demand > 1 must be in one class as a whole, so such problems are left as they are.
#pragma once

#include <memory>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

class MergedClasses {
 public:
  // Finds equal classes; merges only where a third of them or more are copies.
  MergedClasses(const Problem& problem, const Options& options, Pool& pool, Stop& stop);
  MergedClasses(const MergedClasses&) = delete;
  MergedClasses& operator=(const MergedClasses&) = delete;

  [[nodiscard]] bool any() const noexcept { return cost_ != nullptr; }
  // Only if any().
  [[nodiscard]] const Problem& problem() const noexcept { return merged_; }
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  // Turns a result of the merged problem into one of the original.
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
