// Pricing near what changed.
//
// From an optimal tree, arcs can come to promise something only by a new cost or a new potential at one of their ends.
// So a tree on its way to another problem lists those that do: the arcs whose cost changed, then those of each node
// that moved. Passes over all arcs, the last of which finds nothing, are saved; where many nodes move they would have
// been cheaper, and are made from then on.
#include <algorithm>

#include "gridcompute/flow/network_simplex/simplex.hpp"

namespace gridcompute::flow {

namespace {

constexpr std::size_t kWindow = 64;  // arcs compared
constexpr Index kPasses = 1;         // arcs looked at, times all there are, before passes take over

}  // namespace

// Lists the arcs of a node whose potential is new.
template <class Int>
void Simplex<Int>::look_around(Node v) {
  if (v == root_) return;
  const std::span<const Arc> in = net_.shape->by_head().of(v);
  for (Arc e = net_.start[at(v)]; e < net_.start[at(v) + 1]; ++e)
    if (reduced(e) < 0) promising_.push_back(e);
  for (const Arc e : in)
    if (reduced(e) < 0) promising_.push_back(e);
  counts_.looks += net_.start[at(v) + 1] - net_.start[at(v)] + std::ssize(in);
}

// Those of a subtree that moved.
template <class Int>
void Simplex<Int>::look_below(Node top) {
  for (Node v = top;; v = next_[at(v)]) {
    look_around(v);
    if (v == link_[at(top)].last) break;
  }
}

// The best of those listed last. Others that promise nothing any more are dropped: an end would have to move first.
template <class Int>
Arc Simplex<Int>::entering_near() {
  while (!promising_.empty()) {
    if (counts_.looks > kPasses * net_.m()) {
      near_ = false;
      break;
    }
    std::size_t kept = promising_.size() - std::min(promising_.size(), kWindow);
    counts_.looks += static_cast<Index>(promising_.size() - kept);
    Int least = 0;
    Arc best = kNoArc;
    for (std::size_t i = kept; i < promising_.size(); ++i) {
      const Arc e = promising_[i];
      const Int r = reduced(e);
      if (r >= 0) continue;
      promising_[kept++] = e;
      if (r < least) least = r, best = e;
    }
    promising_.resize(kept);
    if (best != kNoArc) return best;
  }
  return kNoArc;
}

template <class Int>
Index Simplex<Int>::promising() const {
  if (near_) return std::ssize(promising_);
  Index count = 0;
  for (Arc e = 0; e < net_.m(); ++e) count += reduced(e) < 0;
  return count;
}

template void Simplex<std::int32_t>::look_around(Node);
template void Simplex<std::int64_t>::look_around(Node);
template void Simplex<std::int32_t>::look_below(Node);
template void Simplex<std::int64_t>::look_below(Node);
template Arc Simplex<std::int32_t>::entering_near();
template Arc Simplex<std::int64_t>::entering_near();
template Index Simplex<std::int32_t>::promising() const;
template Index Simplex<std::int64_t>::promising() const;

}  // namespace gridcompute::flow
