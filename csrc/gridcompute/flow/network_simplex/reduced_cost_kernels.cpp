#include "gridcompute/flow/network_simplex/reduced_cost_kernels.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::flow {

namespace {

// Prices the runs of at most kPricingLanes arcs for which `each_run` calls its argument with (first, count).
template <class Int, class EachRun>
GRIDCOMPUTE_INLINE void price_runs(const ArcPrices<Int>& prices, BlockCandidates<Int>& best, EachRun&& each_run) {
  const Int *GRIDCOMPUTE_RESTRICT cost = prices.cost, *GRIDCOMPUTE_RESTRICT potential = prices.potential;
  const Node *GRIDCOMPUTE_RESTRICT tail = prices.tail, *GRIDCOMPUTE_RESTRICT head = prices.head;
  Int least[kPricingLanes] = {};
  Arc row[kPricingLanes] = {};
  const auto price_run = [&](Arc k, Arc count) GRIDCOMPUTE_FORCED {
    const auto lane = [&](Arc l) GRIDCOMPUTE_FORCED {
      const Int r = cost[k + l] + potential[tail[k + l]] - potential[head[k + l]];
      row[l] = r < least[l] ? k : row[l];
      least[l] = r < least[l] ? r : least[l];
    };
    if (count >= kPricingLanes)
      for (Arc l = 0; l < kPricingLanes; ++l) lane(l);
    else
      for (Arc l = 0; l < count; ++l) lane(l);
  };
  each_run(price_run);
  for (Arc l = 0; l < kPricingLanes; ++l) {
    best.reduced_cost[at(l)] = least[l];
    best.arc[at(l)] = row[l] + l;
  }
}

template <class Int>
GRIDCOMPUTE_INLINE void block(const ArcPrices<Int>& prices, Arc first, Arc count, BlockCandidates<Int>& best) {
  price_runs(prices, best, [&](auto&& price_run) GRIDCOMPUTE_FORCED {
    const Arc end = first + count;
    Arc k = first;
    for (; k + kPricingLanes <= end; k += kPricingLanes) price_run(k, kPricingLanes);
    price_run(k, end - k);
  });
}

template <class Int>
GRIDCOMPUTE_INLINE void scattered(const ArcPrices<Int>& prices, ScatteredOrder& order, Arc count,
                                  BlockCandidates<Int>& best) {
  price_runs(prices, best, [&](auto&& price_run) GRIDCOMPUTE_FORCED {
    Arc group = order.next;
    for (; count > 0; --count) {
      price_run(group * kPricingLanes, order.m - group * kPricingLanes);
      group += order.step;
      if (group >= order.groups) group -= order.groups;
    }
    order.next = group;
  });
}

}  // namespace

// Steps by the golden section of the number of groups spread any number of consecutive groups evenly; a step coprime to
// that number visits them all.
ScatteredOrder::ScatteredOrder(Arc arcs)
    : m(arcs), groups(std::max<Arc>(1, (arcs + kPricingLanes - 1) / kPricingLanes)), step(1) {
  constexpr double kGoldenSection = 0.618;  // (sqrt(5) - 1) / 2
  step = std::max<Arc>(1, static_cast<Arc>(kGoldenSection * groups));
  while (std::gcd(step, groups) != 1) ++step;
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const ArcPrices<std::int32_t>& prices, Arc first, Arc count,
                                                BlockCandidates<std::int32_t>& best) {
  block(prices, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const ArcPrices<std::int64_t>& prices, Arc first, Arc count,
                                                BlockCandidates<std::int64_t>& best) {
  block(prices, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_scattered(const ArcPrices<std::int32_t>& prices, ScatteredOrder& order,
                                                    Arc count, BlockCandidates<std::int32_t>& best) {
  scattered(prices, order, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_scattered(const ArcPrices<std::int64_t>& prices, ScatteredOrder& order,
                                                    Arc count, BlockCandidates<std::int64_t>& best) {
  scattered(prices, order, count, best);
}

}  // namespace gridcompute::flow
