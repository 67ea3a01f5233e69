// Lists of a job's cheapest classes, from assignment: rows of keys for them, read anew each time, and looks at them.
#pragma once

#include <mutex>

#include "gridcompute/assignment/engines/candidate_lists.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"

namespace gridcompute::transport {

using KeyRange = assignment::IntRange<Cost>;
using CandidateKeyLists = assignment::CandidateLists<Cost>;
inline constexpr Cost kUnreached = std::numeric_limits<Cost>::max();

// Being left out is the last column. Threads may read different rows; what was seen is joined.
class KeyRowReader final : public assignment::RowReader<Cost> {
 public:
  KeyRowReader(const QuantisedCost& keys, CostRangeStats& seen)
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
struct TwoCheapest {
  Cost first, second;
  Index at;
};

// Does the list hold a job's least, if that is what it shows as its own?
[[nodiscard]] inline bool list_suffices(Cost least, Cost bound) {
  return least <= bound || bound >= KeyRange::kForbiddenReduced;
}

// Without class `beside`.
[[nodiscard]] TwoCheapest two_cheapest(const CandidateKeyLists::View& list, const Cost* price, Slot beside);

}  // namespace gridcompute::transport
