// Lists of a job's cheapest classes, from assignment: rows of keys for them, read anew each time, and looks at them.
#pragma once

#include <mutex>

#include "gridcompute/assignment/engines/candidate_lists.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"

namespace gridcompute::transport {

using Bounds = assignment::IntRange<Cost>;
using Lists = assignment::CandidateLists<Cost>;
inline constexpr Cost kFar = std::numeric_limits<Cost>::max();

// Being left out is the last column. Threads may read different rows; what was seen is joined.
class KeyRows final : public assignment::RowReader<Cost> {
 public:
  KeyRows(const QuantisedCost& keys, CostRangeStats& seen)
      : assignment::RowReader<Cost>(keys.n_jobs(), keys.columns()),
        keys_(keys),
        narrow_(keys.optional() || !keys.perturbation().none() ? nullptr : keys.int32()),
        seen_(seen) {}

  assignment::RowFit measure(Index) override { return assignment::RowFit::exact; }

  void load(Index i, Cost* out) const override;

 private:
  const QuantisedCost& keys_;
  const std::int32_t* narrow_;
  CostRangeStats& seen_;
  mutable std::mutex mutex_;
};

// The least of a list's key + price, the second, and which entry is the least.
struct Two {
  Cost first, second;
  Index at;
};

// Does the list hold a job's least, if that is what it shows as its own?
[[nodiscard]] inline bool reaches(Cost least, Cost bound) {
  return least <= bound || bound >= Bounds::kForbiddenReduced;
}

// Without class `beside`.
[[nodiscard]] Two least_two(const Lists::View& list, const Cost* price, Slot beside);

}  // namespace gridcompute::transport
