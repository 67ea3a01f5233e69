#include "gridcompute/flow/problem.hpp"

#include <algorithm>

namespace gridcompute::flow {

std::optional<Wide> total_cost(const MinCostFlow& p, std::span<const std::int64_t> flow) {
  Wide sum = 0;
  bool over = false;
  for (std::size_t e = 0; e < flow.size(); ++e)
    over |= __builtin_add_overflow(sum, static_cast<Wide>(flow[e]) * p.cost[e], &sum);
  return over ? std::nullopt : std::optional(sum);
}

Index unserved_units(const MinCostFlow& p, const Topology& t, std::span<const std::int64_t> flow) {
  std::vector<Wide> left(p.supply.begin(), p.supply.end());
  for (std::size_t e = 0; e < flow.size(); ++e) {
    left[at(t.caller_tail[e])] -= flow[e];
    left[at(t.caller_head[e])] += flow[e];
  }
  Wide units = 0;
  for (const Wide excess : left) units += std::max<Wide>(excess, 0);
  return static_cast<Index>(std::min<Wide>(units, std::numeric_limits<Index>::max()));
}

bool proves_optimal(const MinCostFlow& p, const Topology& t, std::span<const std::int64_t> flow,
                    std::span<const std::int64_t> potential) {
  std::vector<Wide> left(p.supply.begin(), p.supply.end());
  bool holds = true;
  for (std::size_t e = 0; e < flow.size(); ++e) {
    const std::size_t tail = at(t.caller_tail[e]), head = at(t.caller_head[e]);
    const Wide reduced = static_cast<Wide>(p.cost[e]) + potential[tail] - potential[head];
    const bool low = flow[e] > p.lower_bound(e), high = flow[e] < p.capacity[e];
    holds &= flow[e] >= p.lower_bound(e) && flow[e] <= p.capacity[e];
    holds &= !(reduced < 0 && high) && !(reduced > 0 && low);
    left[tail] -= flow[e], left[head] += flow[e];
  }
  return holds && std::ranges::all_of(left, [](Wide units) { return units == 0; });
}

}  // namespace gridcompute::flow
