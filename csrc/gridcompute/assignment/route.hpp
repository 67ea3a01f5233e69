// The exact core over lists: greedy, row reduction, searches; with the auction where those would take long.
//
// Steps. start() matches rows greedily to cheapest columns at the given prices. exact(budgets) runs row reduction, then
// searches. Which way is quick cannot be told from a matrix's looks, only from work done: so the quick way (row
// reduction and searches at once) runs under budgets, each about the cost of a few passes over the matrix, and where
// one runs out the auction takes over, whose prices then serve a second exact run without budgets. A wrong first
// choice thus costs a constant factor, never more.
//
// Sources as in bids.hpp and paths.hpp; the choice by budget is ours.
#pragma once

#include <functional>

#include "gridcompute/assignment/bids.hpp"
#include "gridcompute/assignment/paths.hpp"

namespace gridcompute::assignment {

// What differs between dense and sparse rows.
template <class V>
struct Source {
  std::function<void(const std::vector<V>& v)> relist;  // fresh lists at prices v
  std::function<void()> copy;                           // makes rereads cheap; empty where lists are complete
  std::function<double(const std::vector<V>& v)> width; // how far fresh lists would reach above row minima, typically
  V spread = 0;            // largest shifted cost
  Index pass = 0;          // list entries whose reading takes as long as one pass over all rows
  bool scalable = true;    // square: prices may start anywhere
};

template <class V>
Searched solve_lists(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats,
                     Stop& stop, std::vector<std::int32_t>& witness);

}  // namespace gridcompute::assignment
