// One block of arcs priced at once: the hot loop of the network simplex, vector code with gathers.
#pragma once

#include <array>

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

inline constexpr Arc kLanes = 16;

// The best arc of each lane: lane l looks at arcs l, l + kLanes, ..; reduced is 0 where none of them is negative. One
// pass gives sixteen good arcs for the price of one.
template <class Int>
struct Candidates {
  std::array<Int, kLanes> reduced{};
  std::array<Arc, kLanes> arc{};
};

// Arcs [first, first + count), with reduced cost cost + potential[tail] - potential[head]. Ties go to the lowest arc of
// a lane.
void price_block(const std::int32_t* cost, const Node* tail, const Node* head, const std::int32_t* potential, Arc first,
                 Arc count, Candidates<std::int32_t>& best);
void price_block(const std::int64_t* cost, const Node* tail, const Node* head, const std::int64_t* potential, Arc first,
                 Arc count, Candidates<std::int64_t>& best);

}  // namespace gridcompute::flow
