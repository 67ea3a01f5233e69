// The invariants S1 to S4 of the simplex, checked from scratch: for tests and debug builds.
#include <algorithm>

#include "gridcompute/flow/network_simplex/simplex.hpp"

namespace gridcompute::flow {

template <class Int>
bool Simplex<Int>::holds() const {
  const Node n = net_.n;
  Node seen = 0;
  std::vector<Node> last(at(n) + 1);
  for (Node v = 0; v <= n; ++v) last[at(v)] = v;
  for (Node v = next_[at(root_)]; v != root_ && seen <= n; v = next_[at(v)], ++seen)
    if (next_[at(prev_[at(v)])] != v) return false;
  if (seen != n) return false;
  std::vector<Int> excess(supply_.begin(), supply_.end());
  for (Arc e = 0; e < net_.m(); ++e)
    if (tail(e) != net_.tail[at(e)] && link_[at(tail(e))].pred != e && link_[at(head(e))].pred != e)
      excess[at(net_.tail[at(e)])] -= cap(e), excess[at(net_.head[at(e)])] += cap(e);
  for (Node v = prev_[at(root_)]; v != root_; v = prev_[at(v)]) {
    const Step& r = node_[at(v)];
    const Arc e = link_[at(v)].pred;
    const auto p = at(r.parent);
    if (r.up <= 0 || r.down < 0 || last[at(v)] != link_[at(v)].last) return false;
    if (last[p] == r.parent) last[p] = last[at(v)];  // the last child comes first, backwards
    if (e < 0) {
      if (r.parent != root_ || excess[at(v)] != (e == kUp ? r.down : -r.up)) return false;
      if (potential_[at(v)] != potential_[at(root_)] + (base_.empty() ? 0 : base_[at(v)]) + (e == kDown ? big_ : 0))
        return false;
      continue;
    }
    const Node t = tail(e), h = head(e);
    if ((t != v || h != r.parent) && (h != v || t != r.parent)) return false;
    if (r.up + r.down != cap(e)) return false;
    if (cost_[at(e)] + potential_[at(t)] - potential_[at(h)] != 0) return false;
    const Int f = net_.tail[at(e)] == v ? r.down : -r.up;  // out of v
    excess[at(v)] -= f;
    if (excess[at(v)] != 0) return false;
    if (r.parent != root_) excess[p] += f;
  }
  if (near_)
    for (Arc e = 0; e < net_.m(); ++e)
      if (cap(e) != 0 && reduced(e) < 0 && std::ranges::find(promising_, e) == promising_.end()) return false;
  return true;
}

template bool Simplex<std::int32_t>::holds() const;
template bool Simplex<std::int64_t>::holds() const;

}  // namespace gridcompute::flow
