// Adapter of quantised costs to the candidate lists of the assignment solver (assignment/engines/candidate_lists.hpp).
#pragma once

#include <mutex>

#include "gridcompute/assignment/engines/candidate_lists.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::transport {

using AssignmentRange = assignment::IntRange<Cost>;
using CandidateKeyLists = assignment::CandidateLists<Cost>;
inline constexpr Cost kUnreached = std::numeric_limits<Cost>::max();

// Reads rows of keys for candidate lists; "unplaced" is the last column. Threads may read different rows at once: the
// range statistics are joined under a lock.
class KeyRowReader final : public assignment::RowReader<Cost> {
 public:
  KeyRowReader(const IntegerKeys& keys, CostRangeStats& seen)
      : assignment::RowReader<Cost>(keys.n_jobs(), keys.columns()),
        keys_(keys),
        narrow_(keys.optional() || !keys.perturbation().none() ? nullptr : keys.int32()),
        seen_(seen) {}

  assignment::RowFit measure(Index) override { return assignment::RowFit::exact; }

  void load(Index i, Cost* out) const override;

 private:
  const IntegerKeys& keys_;
  const std::int32_t* narrow_;
  CostRangeStats& seen_;
  mutable std::mutex mutex_;
};

// The least and the second least key + price of a list, and the position of the least.
struct TwoCheapest {
  Cost first, second;
  Index at;
};

// Returns whether the least key + price of a list is the least over all classes, `bound` being that of the rest.
[[nodiscard]] inline bool list_suffices(Cost least, Cost bound) {
  return least <= bound || bound >= AssignmentRange::kForbiddenReduced;
}

// Returns the two cheapest entries of a list, class `beside` excluded.
[[nodiscard]] TwoCheapest two_cheapest(const CandidateKeyLists::View& list, const Cost* price, Slot beside);

}  // namespace gridcompute::transport
