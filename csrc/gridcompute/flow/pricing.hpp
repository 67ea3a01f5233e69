// One block of arcs priced at once: the hot loop of the network simplex, vector code with gathers.
#pragma once

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

// reduced[k] = cost[k] + potential[tail[k]] - potential[head[k]] for k in [0, count); returns the least of them, or 0
// if none is negative.
std::int32_t price_block(const std::int32_t* cost, const Node* tail, const Node* head, const std::int32_t* potential,
                         Arc count, std::int32_t* reduced);
std::int64_t price_block(const std::int64_t* cost, const Node* tail, const Node* head, const std::int64_t* potential,
                         Arc count, std::int64_t* reduced);

}  // namespace gridcompute::flow
