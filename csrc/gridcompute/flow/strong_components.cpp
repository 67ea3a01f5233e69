#include "gridcompute/flow/strong_components.hpp"

#include <algorithm>

namespace gridcompute::flow {

namespace {

template <class Int>
class StrongComponents {
 public:
  explicit StrongComponents(const Network<Int>& net)
      : net_(net),
        current_arc_(net.start.begin(), net.start.end() - 1),
        number_(at(net.n), 0),
        low_(at(net.n), 0),
        parent_(at(net.n), kNone),
        component_(at(net.n), kNone) {
    for (Node v = 0; v < net.n; ++v)
      if (number_[at(v)] == 0) search(v);
  }
  [[nodiscard]] bool same(Node a, Node b) const noexcept { return component_[at(a)] == component_[at(b)]; }

 private:
  static constexpr Node kNone = -1;  // no node

  void search(Node first) {
    enter(first);
    for (Node v = first; v != kNone;) {
      if (current_arc_[at(v)] == net_.start[at(v) + 1]) {
        leave(v);
        v = parent_[at(v)];
        continue;
      }
      const Arc e = current_arc_[at(v)]++;
      const Node w = net_.head[at(e)];
      if (net_.capacity[at(e)] == 0) continue;
      if (number_[at(w)] == 0) {
        parent_[at(w)] = v;
        enter(w);
        v = w;
      } else if (component_[at(w)] == kNone) {
        low_[at(v)] = std::min(low_[at(v)], number_[at(w)]);
      }
    }
  }

  void enter(Node v) {
    number_[at(v)] = low_[at(v)] = ++count_;
    stack_.push_back(v);
  }

  void leave(Node v) {
    if (parent_[at(v)] != kNone) low_[at(parent_[at(v)])] = std::min(low_[at(parent_[at(v)])], low_[at(v)]);
    if (low_[at(v)] != number_[at(v)]) return;
    for (Node w = kNone; w != v; stack_.pop_back()) component_[at(w = stack_.back())] = v;
  }

  const Network<Int>& net_;
  std::vector<Arc> current_arc_;          // of each node: the next to examine
  std::vector<Node> number_, low_;        // depth-first number; the least number reachable from the subtree (lowlink)
  std::vector<Node> parent_, component_;  // in the search tree; a node of the component, once it is complete
  std::vector<Node> stack_;               // nodes whose component is not complete
  Node count_ = 0;
};

}  // namespace

template <class Int>
std::vector<std::uint8_t> negative_arcs_on_cycles(const Network<Int>& net, std::int64_t max_capacity) {
  const StrongComponents<Int> components(net);
  std::vector<std::uint8_t> out(at(net.m()), 0);
  bool any = false;
  for (Arc e = 0; e < net.m(); ++e) {
    const Int u = net.capacity[at(e)];
    const bool candidate = net.cost[at(e)] < 0 && u != 0 && u <= max_capacity;
    if (!candidate || !components.same(net.tail[at(e)], net.head[at(e)])) continue;
    out[at(e)] = 1;
    any = true;
  }
  if (!any) out.clear();
  return out;
}

template std::vector<std::uint8_t> negative_arcs_on_cycles(const Network<std::int32_t>&, std::int64_t);
template std::vector<std::uint8_t> negative_arcs_on_cycles(const Network<std::int64_t>&, std::int64_t);

}  // namespace gridcompute::flow
