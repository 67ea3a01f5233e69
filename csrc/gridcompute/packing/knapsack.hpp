// The most valuable content of one device: the pricing problem of the device-pattern LP.
//
// Problem. Given a value for each part of a device, find the multiset of parts of largest total value that fits on one
// device. This is the column that enters the restricted master, or the proof that no column does.
//
// Steps. In milli: unbounded one-dimensional knapsack, best[c] = max over parts of best[c - weight] + value, for c from
// 0 to 1000; with templates: the longest path of the layout's automaton, whose states are visited fullest first.
//
// Complexity. O(1000 x parts), or O(states x items).
//
// Range proof. Values are at most kMostPrice = 2^40 and a device holds at most 1000 parts: sums stay below 2^50.
//
// Source. Gilmore and Gomory, A Linear Programming Approach to the Cutting-Stock Problem, Operations Research 9 (1961).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/packing/layout.hpp"

namespace gridcompute::packing {

struct Content {
  std::int64_t value = 0;
  std::vector<std::int32_t> count;  // of each part
};

// Solves for parts in milli, each from 1 to 1000. A part of value 0 is never taken; the lowest part wins ties.
[[nodiscard]] Content best_content(std::span<const std::int32_t> milli, std::span<const std::int64_t> value);
// Solves for parts of a template: `value` of each profile.
[[nodiscard]] Content best_content(const Layout& layout, std::span<const std::int64_t> value);

}  // namespace gridcompute::packing
