// Which arc enters: the best of a block, and of the same block again.
#include <algorithm>

#include "gridcompute/flow/network_simplex/simplex.hpp"

namespace gridcompute::flow {

namespace {

// Pivots follow from one pass as long as they promise a fair part of what the first did.
constexpr int kFairPart = 4;

// Blocks are scattered if in so many rounds fewer than one in kFewLooks had an arc to enter.
constexpr Index kRounds = 4, kFewLooks = 4;

// The pace is chosen anew after so many pivots. A node moved costs as much as kDear arcs of the block that found its
// pivot are worth; few are kFewMoved a pivot; no block is longer than the first, times kLongest.
constexpr Index kPivotsPerPace = 256, kDear = 16, kFewMoved = 16;
constexpr Arc kLongest = 4;

}  // namespace

template <class Int>
Arc Simplex<Int>::entering() {
  if (near_) {
    const Arc e = entering_near();
    if (near_) return e;
  }
  if (again_ > 0) {
    --again_;
    const Arc e = best_again();
    if (e != kNoArc) return e;
  }
  choose_order();
  choose_pace();
  int ends = round_ && last_ != kNoArc ? 2 : 0;
  for (Arc left = net_.m(); left > 0;) {
    if (ends > 0)
      price_beside(ends-- == 2 ? net_.tail[at(last_)] : net_.head[at(last_)]);
    else
      left -= price_next(left);
    const auto least = std::min_element(found_.reduced.begin(), found_.reduced.end());
    if (*least == 0) continue;
    ++good_looks_;
    least_fair_ = *least / kFairPart;
    again_ = per_block_ - 1;
    return found_.arc[at(least - found_.reduced.begin())];
  }
  return kNoArc;
}

// Where blocks of neighbours keep promising nothing, because only arcs of a few nodes do at a time (many parallel
// arcs), blocks are scattered from then on, after a look at the arcs out of the ends of the one that left last: that is
// seen from what happened, not guessed from the graph. Only between two searches: one that changed its order midway
// would miss arcs.
template <class Int>
void Simplex<Int>::choose_order() {
  const Arc m = net_.m();
  if (round_ || looks_ <= kRounds * (m / block_ + 1)) return;
  if (looks_ > kFewLooks * good_looks_) round_.emplace(m);
  looks_ = good_looks_ = 0;
}

// How many arcs a pass prices, and how many pivots follow from it, by what the latest pivots cost: where nearly all
// push and move many nodes, a better arc is worth a longer pass; where they move few, in a sparse graph, passes are
// what costs.
template <class Int>
void Simplex<Int>::choose_pace() {
  const Index pivots = counts_.pivots - paced_.pivots;
  if (pivots < kPivotsPerPace) return;
  const Index degenerate = counts_.degenerate - paced_.degenerate;
  const Index moved = counts_.repriced + counts_.walked - paced_.repriced - paced_.walked;
  paced_ = counts_;
  if (4 * degenerate <= pivots && kDear * moved > pivots * block_)
    block_ = std::min(2 * block_, kLongest * least_block_);
  else if (2 * degenerate > pivots || 4 * kDear * moved < pivots * block_)
    block_ = std::max(least_block_, block_ / 2);
  const bool cheap = 2 * degenerate <= pivots && moved <= kFewMoved * pivots && net_.m() <= 16 * Index{net_.n};
  per_block_ = cheap ? 2 * kPivotsPerBlock : kPivotsPerBlock;
}

// Prices the next block, but not much more than `left` arcs; how many that were.
template <class Int>
Arc Simplex<Int>::price_next(Arc left) {
  const Arc m = net_.m();
  if (tail_.empty()) lay_ends();
  const Prices<Int> prices{cost_.data(), tail_.data(), head_.data(), potential_.data()};
  ++counts_.priced_blocks;
  if (round_) {
    const Arc groups = std::min(block_ / kLanes, (left + kLanes - 1) / kLanes);
    counts_.priced += groups * kLanes;
    price_scattered(prices, *round_, groups, found_);
    return groups * kLanes;
  }
  const Arc count = std::min({block_, m - cursor_, left});
  price_block(prices, cursor_, count, found_);
  counts_.priced += count;
  cursor_ += count;
  if (cursor_ == m) cursor_ = 0;
  ++looks_;
  return count;
}

// Prices the arcs out of `v`, unless a block is less.
template <class Int>
void Simplex<Int>::price_beside(Node v) {
  const Arc first = net_.start[at(v)], count = net_.start[at(v) + 1] - first;
  found_ = {};
  if (count > block_) return;
  counts_.looks += count;
  price_block({cost_.data(), tail_.data(), head_.data(), potential_.data()}, first, count, found_);
}

// The best of the last block's candidates at the potentials of now, if it is good enough.
template <class Int>
Arc Simplex<Int>::best_again() {
  Int least = least_fair_;
  Arc best = kNoArc;
  for (std::size_t lane = 0; lane < found_.arc.size(); ++lane) {
    if (found_.reduced[lane] == 0) continue;
    const Int r = reduced(found_.arc[lane]);
    if (r < least) least = r, best = found_.arc[lane];
  }
  if (best == kNoArc) again_ = 0;
  return best;
}

template Arc Simplex<std::int32_t>::entering();
template Arc Simplex<std::int64_t>::entering();

}  // namespace gridcompute::flow
