// Pricing: chooses the arc that enters the tree.
//
// Block pricing: the entering arc is the best of a block of arcs, and some more pivots follow from the same block.
//
// Steps.  Price blocks of the order of sqrt(m) arcs, circularly, until one has an eligible arc; enter the arc of least
// reduced cost, and then its other candidates as long as their reduced cost is a fair share of it. Length of a block
// and number of pivots follow the cost of the latest pivots. Where blocks of neighbouring arcs keep having no eligible
// arc, because only arcs of a few nodes are eligible at a time (many parallel arcs), blocks are scattered from then on,
// and each search begins with the arcs out of the two ends of the last pivot's arc.
//
// Complexity.  O(sqrt(m)) per block; a search that finds nothing prices all m arcs once.
// Source.  Grigoriadis, Math. Program. Study 26 (1986) 83 (candidates of a block); Kiraly and Kovacs, Acta Univ.
// Sapientiae Inform. 4 (2012) 67 (block search).
// Deviations.  Length and pivots per block adapt; scattered blocks.
//
// Local pricing, for a warm start: takes the entering arc from the arcs near the changes. From an optimal tree an arc
// can become eligible only by a new cost or by a new potential at one of its ends. A tree on its way to another problem
// therefore lists these arcs (TreeSolution::eligible()): those whose cost changed, then those of each node that moved.
// Passes over all arcs, the last of which finds nothing, are saved. Where many nodes move, such passes are cheaper, and
// block pricing takes over.
#pragma once

#include <optional>

#include "gridcompute/flow/network_simplex/tree_solution.hpp"

namespace gridcompute::flow {

// Block lengths and the position of the search, which are copied with a tree to another width and to a warm start.
struct PricingPace {
  Arc block, min_block;
  Arc cursor = 0;  // where the next block begins
  Index pivots_per_pass;
  PivotCounts measured;  // when length and pivots were last chosen
};

template <class Int>
class BlockPricing {
 public:
  BlockPricing(Arc arcs, const FlowTuning& tuning);
  BlockPricing(const PricingPace& pace, const FlowTuning& tuning) : tuning_(&tuning), pace_(pace) {}

  // Returns the entering arc, or kNoArc if no arc is eligible.
  [[nodiscard]] Arc entering_arc(TreeSolution<Int>& solution);
  [[nodiscard]] const PricingPace& pace() const noexcept { return pace_; }
  // Returns the pace for a warm start: the same cursor, all else as at first.
  [[nodiscard]] PricingPace resumed_pace(const FlowTuning& tuning) const noexcept {
    return {pace_.min_block, pace_.min_block, pace_.cursor, tuning.pivots_per_pass, {}};
  }

 private:
  [[nodiscard]] Arc best_remaining(const TreeSolution<Int>& solution);
  void choose_order(Arc arcs);
  void choose_pace(const TreeSolution<Int>& solution);
  Arc price_next_block(TreeSolution<Int>& solution, Arc left);
  void price_arcs_out_of(TreeSolution<Int>& solution, Node v);

  const FlowTuning* tuning_;
  PricingPace pace_;
  std::optional<ScatteredOrder> scattered_;
  Index blocks_ = 0, productive_blocks_ = 0;  // priced since the order was last examined; with an eligible arc
  BlockCandidates<Int> candidates_;           // of the last block
  Index remaining_pivots_ = 0;                // that may follow from them
  Int threshold_ = 0;                         // a candidate has a reduced cost below it
};

// Returns the best of the arcs listed last, or kNoArc if the list has none that is eligible. Ends tracking, and returns
// kNoArc, once more arcs have been listed or compared than tuning.local_passes allows.
template <class Int>
[[nodiscard]] Arc local_entering_arc(TreeSolution<Int>& solution, const FlowTuning& tuning);

}  // namespace gridcompute::flow
