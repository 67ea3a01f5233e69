#include "gridcompute/flow/pricing.hpp"

#include "gridcompute/base/simd.hpp"

namespace gridcompute::flow {

namespace {

template <class Int>
GRIDCOMPUTE_INLINE Int price(const Int* GRIDCOMPUTE_RESTRICT cost, const Node* GRIDCOMPUTE_RESTRICT tail,
                             const Node* GRIDCOMPUTE_RESTRICT head, const Int* GRIDCOMPUTE_RESTRICT potential,
                             Arc count, Int* GRIDCOMPUTE_RESTRICT reduced) {
  Int least = 0;
  for (Arc k = 0; k < count; ++k) {
    const Int r = cost[k] + potential[tail[k]] - potential[head[k]];
    reduced[k] = r;
    least = r < least ? r : least;
  }
  return least;
}

}  // namespace

GRIDCOMPUTE_CLONES std::int32_t price_block(const std::int32_t* cost, const Node* tail, const Node* head,
                                            const std::int32_t* potential, Arc count, std::int32_t* reduced) {
  return price(cost, tail, head, potential, count, reduced);
}

GRIDCOMPUTE_CLONES std::int64_t price_block(const std::int64_t* cost, const Node* tail, const Node* head,
                                            const std::int64_t* potential, Arc count, std::int64_t* reduced) {
  return price(cost, tail, head, potential, count, reduced);
}

}  // namespace gridcompute::flow
