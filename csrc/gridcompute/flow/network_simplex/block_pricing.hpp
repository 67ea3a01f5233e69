// Arcs priced many at once: the hot loop of the network simplex, vector code with gathers.
#pragma once

#include <array>

#include "gridcompute/flow/network.hpp"

namespace gridcompute::flow {

inline constexpr Arc kLanes = 16;

template <class Int>
struct Prices {
  const Int* cost;
  const Node *tail, *head;
  const Int* potential;  // reduced cost: cost + potential[tail] - potential[head]
};

// The best arc of each lane: lane l looks at arcs l, l + kLanes, ..; reduced is 0 where none of them is negative. One
// pass gives sixteen good arcs for the price of one. Ties go to the one seen first.
template <class Int>
struct Candidates {
  std::array<Int, kLanes> reduced{};
  std::array<Arc, kLanes> arc{};
};

// Arcs [first, first + count).
void price_block(const Prices<std::int32_t>& prices, Arc first, Arc count, Candidates<std::int32_t>& best);
void price_block(const Prices<std::int64_t>& prices, Arc first, Arc count, Candidates<std::int64_t>& best);

// A round through m arcs in groups of kLanes, the last perhaps short, with steps so wide that arcs of one tail are far
// apart. Memory serves them up to a fifth slower than neighbours.
struct Round {
  explicit Round(Arc arcs);
  Arc m, groups, step;
  Arc next = 0;  // group
};

// The next `count` groups of it.
void price_scattered(const Prices<std::int32_t>& prices, Round& round, Arc count, Candidates<std::int32_t>& best);
void price_scattered(const Prices<std::int64_t>& prices, Round& round, Arc count, Candidates<std::int64_t>& best);

}  // namespace gridcompute::flow
