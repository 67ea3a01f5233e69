#include "gridcompute/transport/small/assignment_rows_adapter.hpp"

#include <algorithm>

namespace gridcompute::transport {

void KeyRowReader::load(Index i, Cost* out) const {
  if (narrow_ != nullptr) {
    std::copy_n(narrow_ + i * m, m, out);
    return;
  }
  std::vector<double> scratch;
  CostRangeStats seen;
  keys_.fill(gridcompute::Rows{nullptr, i, 1}, out, scratch, seen);
  if (keys_.optional()) out[keys_.n_slots()] = keys_.unplaced(i, seen);
  for (Index s = 0; s < m; ++s) out[s] = out[s] < kForbidden ? out[s] : AssignmentRange::kForbidden;
  const std::lock_guard lock(mutex_);
  seen_.join(seen);
}

TwoCheapest two_cheapest(const CandidateKeyLists::View& list, const Cost* price, Slot beside) {
  TwoCheapest out{kUnreached, kUnreached, 0};
  for (Index k = 0; k < list.size; ++k) {
    const Cost x = list.col[k] == beside ? kUnreached : list.cost[k] + price[list.col[k]];
    const Cost worse = x > out.first ? x : out.first;
    out.second = worse < out.second ? worse : out.second;
    out.at = x < out.first ? k : out.at;
    out.first = x < out.first ? x : out.first;
  }
  return out;
}

}  // namespace gridcompute::transport
