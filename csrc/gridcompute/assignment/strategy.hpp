// The exact core over lists: greedy, row reduction, searches; with the auction where those would take long, and whole
// rows where lists do not help.
//
// Steps. Rows go greedily to their cheapest columns. Where that, or a short row reduction after it, leaves few rows
// free, searches finish at once. Where lists hardly reach beyond their row's minimum, costs are tied and prices cannot
// tell columns apart: whole rows are searched (ssp_rows.hpp). Else the auction runs on the lists, from an epsilon that
// they can bear (a small part of their reach) down to the least; on costs without structure that takes a few bids a
// row. Where bids or rereads exceed their budgets, as on distances or products, prices must move far beyond any list.
// Then,
//   if row reduction had left at most half of the rows free: searches start over from the first prices, over lists for
//   the time of half a pass, then over whole rows for that of some passes;
//   after that the auction starts over from a large epsilon on whole rows of one converted copy, and returns to lists
//   once those reach far beyond epsilon;
//   if they do not after a few phases, or rereads exceed their budget there: whole rows are searched from its prices,
//   unless row reduction had left most rows free, which would make that as slow as on products.
// Row reduction and searches then make it exact; searches over lists have a budget, too, of a few passes over all rows,
// beyond which whole rows take over.
//
// Which way is quick cannot be told from a matrix's looks, only from work done; hence the budgets, each a small part of
// what the other way costs. A wrong first choice loses that part, never a factor of a hundred.
//
// Deviation. Rectangular matrices go without auction: unmatched columns must keep the price they started with, and
// falling epsilon would have to undo that.
//
// Sources as in row_reduction.hpp and ssp_lists.hpp; the choice by budget is ours.
#pragma once

#include <functional>

#include "gridcompute/assignment/engines/row_reduction.hpp"
#include "gridcompute/assignment/engines/ssp_lists.hpp"

namespace gridcompute::assignment {

// Lists that reach no further above their row's least, or sparse costs: prices cannot tell columns apart.
inline constexpr int kTies = 8;

// What differs between dense and sparse rows.
template <class V>
struct Source {
  // These two throw if a stop leaves some rows without.
  std::function<void(const std::vector<V>& v)> relist;   // fresh lists at prices v
  std::function<const CopiedRows<V>&()> copy;            // whole rows, cheap to read; empty where lists are complete
  std::function<double(const std::vector<V>& v)> width;  // how far lists made at v reach above row minima, typically
  V spread = 0;                                          // largest shifted cost
  Index pass = 0;      // list entries whose reading takes as long as a few passes over all rows
  bool square = true;  // prices may start anywhere
  double first = 20;   // the auction's first epsilon on lists, as a part of their width
  double fall = 8;     // by what epsilon falls there
  Index leave = 0;     // rows that all phases but the last may leave free
};

template <class V>
Searched solve_lists(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Source<V>& source, Stats& stats,
                     Stop& stop, std::vector<std::int32_t>& witness);

}  // namespace gridcompute::assignment
