#include "gridcompute/flow/network_simplex/network_simplex.hpp"

#include <utility>

namespace gridcompute::flow {

template <class Int>
NetworkSimplex<Int>::NetworkSimplex(Network<Int> net, const Basis& basis, std::vector<Int> artificial_cost,
                                    const FlowTuning& tuning)
    : tuning_(&tuning),
      solution_(std::move(net), basis, std::move(artificial_cost), tuning),
      pricing_(solution_.m(), tuning) {}

template <class Int>
template <class Other>
NetworkSimplex<Int>::NetworkSimplex(Network<Int> net, const NetworkSimplex<Other>& other)
    : tuning_(other.tuning_), solution_(std::move(net), other.solution_), pricing_(other.pricing_.pace(), *tuning_) {}

template <class Int>
NetworkSimplex<Int>::NetworkSimplex(TreeSolution<Int>&& solution, const PricingPace& pace, const FlowTuning& tuning)
    : tuning_(&tuning), solution_(std::move(solution)), pricing_(pace, tuning) {}

template <class Int>
NetworkSimplex<Int> NetworkSimplex<Int>::resumed(const NetworkSimplex& compacted, const FlowTuning& tuning) {
  return NetworkSimplex(TreeSolution<Int>::resumed(compacted.solution_, tuning),
                        compacted.pricing_.resumed_pace(tuning), tuning);
}

// What arcs priced in blocks count (arcs per work unit).
constexpr Index kPricedArcsPerWork = 8;
// What arcs priced one by one count (arcs per work unit).
constexpr Index kListedArcsPerWork = 4;

template <class Int>
Index NetworkSimplex<Int>::work() const noexcept {
  const PivotCounts& c = solution_.counts;
  return c.repriced + c.walked + tuning_->work_per_pivot * c.pivots + c.priced_arcs / kPricedArcsPerWork +
         c.listed_arcs / kListedArcsPerWork;
}

template <class Int>
Arc NetworkSimplex<Int>::entering_arc() {
  if (solution_.tracked()) {
    const Arc e = local_entering_arc(solution_, *tuning_);
    if (solution_.tracked()) return e;
  }
  return pricing_.entering_arc(solution_);
}

// Lets `e` enter; false if the width does not hold the result.
template <class Int>
bool NetworkSimplex<Int>::pivot(Arc e) {
  SpanningTree<Int>& tree = solution_.tree();
  const auto cycle = tree.find_cycle(solution_.tail(e), solution_.head(e), solution_.capacity(e));
  solution_.counts.walked += cycle.length;
  solution_.counts.degenerate += cycle.residual == 0;
  if (solution_.fills_artificial_arc(cycle)) return false;
  if (cycle.residual != 0) solution_.push(e, cycle.apex, cycle.residual);
  if (cycle.leaving == kNoNode) {
    solution_.flip_bound(e);
  } else {
    const Node from = cycle.tail_side ? cycle.leaving : tree.node(cycle.leaving).parent;
    solution_.exchange(e, cycle, from, tree.list_smaller_side(cycle.leaving));
  }
  if (solution_.overflowed()) solution_.compute_potentials();  // perhaps only the root's potential has drifted
  return !solution_.overflowed();
}

template <class Int>
typename NetworkSimplex<Int>::End NetworkSimplex<Int>::run(Stop& stop, Index budget) {
  if (solution_.overflowed()) return End::overflow;
  PivotCounts& counts = solution_.counts;
  Index counted = work();
  for (;;) {
    for (Arc e = entering_arc(); e != kNoArc; e = entering_arc()) {
      ++counts.pivots;
      if (solution_.capacity(e) == 0) {  // listed by local pricing: at its other bound it is not eligible
        solution_.flip_bound(e);
        continue;
      }
      if (!pivot(e)) return End::overflow;
      if (counts.pivots % tuning_->pivots_per_poll != 0) continue;
      const Index now = work();
      if (stop.poll(now - std::exchange(counted, now))) return End::stopped;
      if (now > budget) return End::budget_spent;
    }
    if (solution_.unserved() == 0) return End::optimal;
    if (solution_.separates(solution_.reachable_from_excess())) return End::infeasible;
    if (!solution_.raise_big_cost()) return End::overflow;
  }
}

template class NetworkSimplex<std::int32_t>;
template class NetworkSimplex<std::int64_t>;
template NetworkSimplex<std::int64_t>::NetworkSimplex(Network<std::int64_t>, const NetworkSimplex<std::int32_t>&);

}  // namespace gridcompute::flow
