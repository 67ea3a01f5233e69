#include "gridcompute/flow/warm_start/forest_from_flow.hpp"

namespace gridcompute::flow {

template <class Int>
void add_free_arcs(const MinCostFlow& problem, const Network<Int>& net, std::span<const std::int64_t> flow,
                   Basis& basis) {
  std::vector<std::vector<Arc>> free(at(net.n));
  for (Arc k = 0; k < net.m(); ++k) {
    const std::size_t e = at(net.topology->original[at(k)]);
    const Wide over = static_cast<Wide>(flow[e]) - problem.lower_bound(e);
    if (over <= 0 || over >= net.capacity[at(k)]) continue;
    free[at(net.tail[at(k)])].push_back(k);
    free[at(net.head[at(k)])].push_back(k);
  }
  std::vector<bool> seen(at(net.n), false);
  std::vector<Node> queue;
  for (Node root = 0; root < net.n; ++root) {
    if (seen[at(root)]) continue;
    seen[at(root)] = true;
    queue.assign(1, root);
    for (std::size_t i = 0; i < queue.size(); ++i)
      for (const Arc k : free[at(queue[i])]) {
        const Node w = net.tail[at(k)] == queue[i] ? net.head[at(k)] : net.tail[at(k)];
        if (seen[at(w)]) continue;
        seen[at(w)] = true;
        basis.tree_arc[at(w)] = k;
        queue.push_back(w);
      }
  }
}

template void add_free_arcs(const MinCostFlow&, const Network<std::int32_t>&, std::span<const std::int64_t>, Basis&);
template void add_free_arcs(const MinCostFlow&, const Network<std::int64_t>&, std::span<const std::int64_t>, Basis&);

}  // namespace gridcompute::flow
