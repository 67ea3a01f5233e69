#include "gridcompute/flow/network_simplex/block_pricing.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::flow {

namespace {

// each(look) calls look(first, count) for runs of at most kLanes arcs.
template <class Int, class Each>
GRIDCOMPUTE_INLINE void price(const Prices<Int>& prices, Candidates<Int>& best, Each&& each) {
  const Int *GRIDCOMPUTE_RESTRICT cost = prices.cost, *GRIDCOMPUTE_RESTRICT potential = prices.potential;
  const Node *GRIDCOMPUTE_RESTRICT tail = prices.tail, *GRIDCOMPUTE_RESTRICT head = prices.head;
  Int least[kLanes] = {};
  Arc row[kLanes] = {};
  const auto look = [&](Arc k, Arc count) GRIDCOMPUTE_FORCED {
    const auto lane = [&](Arc l) GRIDCOMPUTE_FORCED {
      const Int r = cost[k + l] + potential[tail[k + l]] - potential[head[k + l]];
      row[l] = r < least[l] ? k : row[l];
      least[l] = r < least[l] ? r : least[l];
    };
    if (count >= kLanes)
      for (Arc l = 0; l < kLanes; ++l) lane(l);
    else
      for (Arc l = 0; l < count; ++l) lane(l);
  };
  each(look);
  for (Arc l = 0; l < kLanes; ++l) {
    best.reduced[at(l)] = least[l];
    best.arc[at(l)] = row[l] + l;
  }
}

template <class Int>
GRIDCOMPUTE_INLINE void block(const Prices<Int>& prices, Arc first, Arc count, Candidates<Int>& best) {
  price(prices, best, [&](auto&& look) GRIDCOMPUTE_FORCED {
    const Arc end = first + count;
    Arc k = first;
    for (; k + kLanes <= end; k += kLanes) look(k, kLanes);
    look(k, end - k);
  });
}

template <class Int>
GRIDCOMPUTE_INLINE void scattered(const Prices<Int>& prices, Round& round, Arc count, Candidates<Int>& best) {
  price(prices, best, [&](auto&& look) GRIDCOMPUTE_FORCED {
    Arc group = round.next;
    for (; count > 0; --count) {
      look(group * kLanes, round.m - group * kLanes);
      group += round.step;
      if (group >= round.groups) group -= round.groups;
    }
    round.next = group;
  });
}

}  // namespace

// The golden section of the round spreads any number of steps evenly; prime to the round, so that all groups come.
Round::Round(Arc arcs) : m(arcs), groups(std::max<Arc>(1, (arcs + kLanes - 1) / kLanes)), step(1) {
  step = std::max<Arc>(1, static_cast<Arc>(0.618 * groups));
  while (std::gcd(step, groups) != 1) ++step;
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const Prices<std::int32_t>& prices, Arc first, Arc count,
                                                Candidates<std::int32_t>& best) {
  block(prices, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const Prices<std::int64_t>& prices, Arc first, Arc count,
                                                Candidates<std::int64_t>& best) {
  block(prices, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_scattered(const Prices<std::int32_t>& prices, Round& round, Arc count,
                                                    Candidates<std::int32_t>& best) {
  scattered(prices, round, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_scattered(const Prices<std::int64_t>& prices, Round& round, Arc count,
                                                    Candidates<std::int64_t>& best) {
  scattered(prices, round, count, best);
}

}  // namespace gridcompute::flow
