// Pricing of many arcs at once: the hot loop of network simplex, vector code with gathers.
//
// An arc is eligible to enter the tree if its reduced cost cost + potential[tail] - potential[head] is negative. Each
// of kPricingLanes lanes keeps the best of its arcs, so one pass gives up to sixteen good arcs in the time of one. Ties
// go to the first arc.
#pragma once

#include <array>

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

inline constexpr Arc kPricingLanes = 16;  // a vector of 16 narrow costs is one or two registers

template <class Int>
struct ArcPrices {
  const Int* cost;
  const Node *tail, *head;
  const Int* potential;
};

// The best arc of each lane (arcs l, l + kPricingLanes, .. of a block); reduced_cost is 0 where none is eligible.
template <class Int>
struct BlockCandidates {
  std::array<Int, kPricingLanes> reduced_cost{};
  std::array<Arc, kPricingLanes> arc{};
};

// Prices arcs [first, first + count).
void price_block(const ArcPrices<std::int32_t>& prices, Arc first, Arc count, BlockCandidates<std::int32_t>& best);
void price_block(const ArcPrices<std::int64_t>& prices, Arc first, Arc count, BlockCandidates<std::int64_t>& best);

// An order of all arcs in groups of kPricingLanes (the last perhaps shorter) in which arcs of one tail are far apart.
// Pricing in this order takes up to a fifth longer than in that of the arrays.
struct ScatteredOrder {
  explicit ScatteredOrder(Arc arcs);
  Arc m, groups, step;
  Arc next = 0;  // group
};

// Prices the next `count` groups.
void price_scattered(const ArcPrices<std::int32_t>& prices, ScatteredOrder& order, Arc count,
                     BlockCandidates<std::int32_t>& best);
void price_scattered(const ArcPrices<std::int64_t>& prices, ScatteredOrder& order, Arc count,
                     BlockCandidates<std::int64_t>& best);

}  // namespace gridcompute::flow
