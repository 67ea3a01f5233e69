#include "gridcompute/flow/network_simplex/local_pricing.hpp"

#include <algorithm>

namespace gridcompute::flow {

// Arcs of the window that are no longer eligible are dropped: before they can be so again one of their ends has to
// move, and that lists them again.
template <class Int>
Arc local_entering_arc(TreeSolution<Int>& solution, const FlowTuning& tuning) {
  std::vector<Arc>& list = solution.eligible();
  while (!list.empty()) {
    if (solution.counts.listed_arcs > tuning.local_passes * solution.m()) {
      solution.stop_tracking();
      break;
    }
    std::size_t kept = list.size() - std::min(list.size(), at(tuning.local_window));
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
