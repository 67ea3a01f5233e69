#include "gridcompute/flow/network_simplex/entering_arc_pricing.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::flow {

template <class Int>
BlockPricing<Int>::BlockPricing(Arc arcs, const FlowTuning& tuning) : tuning_(&tuning), pace_{} {
  const double length = std::min(tuning.block_factor * std::sqrt(static_cast<double>(arcs)), 1e9);
  pace_.block = pace_.min_block = std::max(static_cast<Arc>(tuning.min_block), static_cast<Arc>(length));
  pace_.pivots_per_pass = tuning.pivots_per_pass;
}

template <class Int>
Arc BlockPricing<Int>::entering_arc(TreeSolution<Int>& solution) {
  if (remaining_pivots_ > 0) {
    --remaining_pivots_;
    const Arc e = best_remaining(solution);
    if (e != kNoArc) return e;
  }
  choose_order(solution.m());
  choose_pace(solution);
  const Arc last = solution.last_pivot_arc();
  int ends = scattered_ && last != kNoArc ? 2 : 0;
  for (Arc left = solution.m(); left > 0;) {
    if (ends > 0)
      price_arcs_out_of(solution, ends-- == 2 ? solution.network().tail[at(last)] : solution.network().head[at(last)]);
    else
      left -= price_next_block(solution, left);
    const auto least = std::min_element(candidates_.reduced_cost.begin(), candidates_.reduced_cost.end());
    if (*least == 0) continue;
    ++productive_blocks_;
    threshold_ = *least / static_cast<Int>(tuning_->fair_share);
    remaining_pivots_ = pace_.pivots_per_pass - 1;
    return candidates_.arc[at(least - candidates_.reduced_cost.begin())];
  }
  return kNoArc;
}

// Returns the best of the last block's candidates at the present potentials, if it is below the threshold.
template <class Int>
Arc BlockPricing<Int>::best_remaining(const TreeSolution<Int>& solution) {
  Int least = threshold_;
  Arc best = kNoArc;
  for (std::size_t lane = 0; lane < candidates_.arc.size(); ++lane) {
    if (candidates_.reduced_cost[lane] == 0) continue;
    const Int r = solution.reduced_cost(candidates_.arc[lane]);
    if (r < least) least = r, best = candidates_.arc[lane];
  }
  if (best == kNoArc) remaining_pivots_ = 0;
  return best;
}

// Decides by the results of the blocks so far whether they are scattered from now on; the graph alone does not show it.
// To be called only between two searches: one that changed its order midway would miss arcs.
template <class Int>
void BlockPricing<Int>::choose_order(Arc arcs) {
  if (scattered_ || blocks_ <= tuning_->scatter_after_rounds * (arcs / pace_.block + 1)) return;
  if (blocks_ > tuning_->scatter_block_share * productive_blocks_) scattered_.emplace(arcs);
  blocks_ = productive_blocks_ = 0;
}

// How many priced arcs a better entering arc is worth (arcs priced per node repriced or walked).
constexpr Index kArcsPerMovedNode = 16;
// Blocks grow where at most this share of the pivots is degenerate (pivots per degenerate pivot).
constexpr Index kLongBlockDegenerateShare = 4;
// Blocks shrink where more than this share is degenerate (pivots per degenerate pivot).
constexpr Index kShortBlockDegenerateShare = 2;
// Blocks shrink where pivots move this much less (times the pace at which blocks grow).
constexpr Index kShortBlockRatio = 4;
// Ratio of the lengths of pricing blocks when they grow or shrink.
constexpr Index kBlockStep = 2;
// Passes give more pivots where at most this share is degenerate (pivots per degenerate pivot).
constexpr Index kCheapDegenerateShare = 2;
// Passes give more pivots where a pivot moves at most this many nodes (nodes per pivot).
constexpr Index kCheapMovedNodes = 16;

// Chooses how many arcs a pass prices and how many pivots follow from it by the cost of the latest pivots: where most
// push units and move many nodes, a better arc is worth a longer pass; where they move few, in a sparse graph, passes
// cost more than pivots.
template <class Int>
void BlockPricing<Int>::choose_pace(const TreeSolution<Int>& solution) {
  const FlowTuning& t = *tuning_;
  const PivotCounts &now = solution.counts, &before = pace_.measured;
  const Index pivots = now.pivots - before.pivots;
  if (pivots < t.pivots_per_pace) return;
  const Index degenerate = now.degenerate - before.degenerate;
  const Index moved = now.repriced + now.walked - before.repriced - before.walked;
  pace_.measured = now;
  const Index worth = kArcsPerMovedNode * moved;
  if (kLongBlockDegenerateShare * degenerate <= pivots && worth > pivots * pace_.block)
    pace_.block =
        std::min(static_cast<Arc>(kBlockStep) * pace_.block, static_cast<Arc>(t.max_block_growth) * pace_.min_block);
  else if (kShortBlockDegenerateShare * degenerate > pivots || kShortBlockRatio * worth < pivots * pace_.block)
    pace_.block = std::max(pace_.min_block, pace_.block / static_cast<Arc>(kBlockStep));
  const bool cheap = kCheapDegenerateShare * degenerate <= pivots && moved <= kCheapMovedNodes * pivots &&
                     solution.m() <= t.cheap_arcs_per_node * solution.n();
  pace_.pivots_per_pass = cheap ? t.pivots_per_pass_cheap : t.pivots_per_pass;
}

// Prices the next block, but not much more than `left` arcs; returns their number.
template <class Int>
Arc BlockPricing<Int>::price_next_block(TreeSolution<Int>& solution, Arc left) {
  const Arc m = solution.m();
  const ArcPrices<Int> prices = solution.prices();
  ++solution.counts.priced_blocks;
  if (scattered_) {
    const Arc groups = std::min(pace_.block / kPricingLanes, (left + kPricingLanes - 1) / kPricingLanes);
    solution.counts.priced_arcs += groups * kPricingLanes;
    price_scattered(prices, *scattered_, groups, candidates_);
    return groups * kPricingLanes;
  }
  const Arc count = std::min({pace_.block, m - pace_.cursor, left});
  price_block(prices, pace_.cursor, count, candidates_);
  solution.counts.priced_arcs += count;
  pace_.cursor += count;
  if (pace_.cursor == m) pace_.cursor = 0;
  ++blocks_;
  return count;
}

// Prices the arcs out of `v`, unless a block is shorter.
template <class Int>
void BlockPricing<Int>::price_arcs_out_of(TreeSolution<Int>& solution, Node v) {
  const auto start = solution.network().start;
  const Arc first = start[at(v)], count = start[at(v) + 1] - first;
  candidates_ = {};
  if (count > pace_.block) return;
  solution.counts.listed_arcs += count;
  price_block(solution.prices(), first, count, candidates_);
}

template class BlockPricing<std::int32_t>;
template class BlockPricing<std::int64_t>;

// How many listed arcs are compared for the entering one (arcs).
constexpr Index kLocalWindow = 64;

// Arcs of the window that are no longer eligible are dropped: they become eligible again only if one of their ends
// moves, and that lists them again.
template <class Int>
Arc local_entering_arc(TreeSolution<Int>& solution, const FlowTuning& tuning) {
  std::vector<Arc>& list = solution.eligible();
  while (!list.empty()) {
    if (solution.counts.listed_arcs > tuning.local_passes * solution.m()) {
      solution.stop_tracking();
      break;
    }
    std::size_t kept = list.size() - std::min(list.size(), at(kLocalWindow));
    solution.counts.listed_arcs += static_cast<Index>(list.size() - kept);
    Int least = 0;
    Arc best = kNoArc;
    for (std::size_t i = kept; i < list.size(); ++i) {
      const Arc e = list[i];
      const Int r = solution.reduced_cost(e);
      if (r >= 0) continue;
      list[kept++] = e;
      if (r < least) least = r, best = e;
    }
    list.resize(kept);
    if (best != kNoArc) return best;
  }
  return kNoArc;
}

template Arc local_entering_arc(TreeSolution<std::int32_t>&, const FlowTuning&);
template Arc local_entering_arc(TreeSolution<std::int64_t>&, const FlowTuning&);

}  // namespace gridcompute::flow
