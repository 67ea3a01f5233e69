#include "gridcompute/flow/pricing.hpp"

#include "gridcompute/base/simd.hpp"

namespace gridcompute::flow {

namespace {

template <class Int>
GRIDCOMPUTE_INLINE void price(const Int* GRIDCOMPUTE_RESTRICT cost, const Node* GRIDCOMPUTE_RESTRICT tail,
                              const Node* GRIDCOMPUTE_RESTRICT head, const Int* GRIDCOMPUTE_RESTRICT potential,
                              Arc first, Arc count, Candidates<Int>& best) {
  Int least[kLanes] = {};
  Arc row[kLanes] = {};
  const auto look = [&](Arc k, Arc lane) {
    const Int r = cost[k + lane] + potential[tail[k + lane]] - potential[head[k + lane]];
    row[lane] = r < least[lane] ? k : row[lane];
    least[lane] = r < least[lane] ? r : least[lane];
  };
  const Arc end = first + count;
  Arc k = first;
  for (; k + kLanes <= end; k += kLanes)
    for (Arc lane = 0; lane < kLanes; ++lane) look(k, lane);
  for (Arc lane = 0; k + lane < end; ++lane) look(k, lane);
  for (Arc lane = 0; lane < kLanes; ++lane) {
    best.reduced[at(lane)] = least[lane];
    best.arc[at(lane)] = row[lane] + lane;
  }
}

}  // namespace

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const std::int32_t* cost, const Node* tail, const Node* head,
                                                const std::int32_t* potential, Arc first, Arc count,
                                                Candidates<std::int32_t>& best) {
  price(cost, tail, head, potential, first, count, best);
}

GRIDCOMPUTE_CLONES_FOR_GATHERS void price_block(const std::int64_t* cost, const Node* tail, const Node* head,
                                                const std::int64_t* potential, Arc first, Arc count,
                                                Candidates<std::int64_t>& best) {
  price(cost, tail, head, potential, first, count, best);
}

}  // namespace gridcompute::flow
