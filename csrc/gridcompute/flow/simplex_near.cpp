// Pricing near what changed.
//
// From an optimal tree, arcs can come to promise something only by a new cost or a new potential at one of their ends.
// So a tree on its way to another problem lists those that do: the arcs whose cost changed, then those of each node
// that moved. Passes over all arcs, the last of which finds nothing, are saved; where many nodes move they would have
// been cheaper, and are made from then on.
#include <algorithm>

#include "gridcompute/flow/simplex.hpp"

namespace gridcompute::flow {

namespace {

constexpr std::size_t kWindow = 64;  // arcs compared
constexpr Index kPasses = 1;         // arcs looked at, times all there are, before passes take over

}  // namespace

// Lists the arcs of a node whose potential is new.
template <class Int>
void Simplex<Int>::look_around(Node v) {
  if (v == root_) return;
  const ByHead& in = net_.shape->by_head();
  const Arc out_first = net_.start[at(v)], out_last = net_.start[at(v) + 1];
  const Arc in_first = in.start[at(v)], in_last = in.start[at(v) + 1];
  for (Arc e = out_first; e < out_last; ++e)
    if (reduced(e) < 0) promising_.push_back(e);
  for (Arc i = in_first; i < in_last; ++i)
    if (const Arc e = in.arc[at(i)]; reduced(e) < 0) promising_.push_back(e);
  counts_.looks += out_last - out_first + in_last - in_first;
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

template void Simplex<std::int32_t>::look_around(Node);
template void Simplex<std::int64_t>::look_around(Node);
template Arc Simplex<std::int32_t>::entering_near();
template Arc Simplex<std::int64_t>::entering_near();

}  // namespace gridcompute::flow
