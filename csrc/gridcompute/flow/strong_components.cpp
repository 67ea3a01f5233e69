// An arc lies on a cycle if both its ends are in one strongly connected component. These are found by one depth-first
// search, without recursion.
//
// Source.  Tarjan, SIAM J. Comput. 1 (1972) 146.
#include "gridcompute/flow/strong_components.hpp"

#include <algorithm>

namespace gridcompute::flow {

namespace {

template <class Int>
class Components {
 public:
  explicit Components(const Network<Int>& net)
      : net_(net),
        next_(net.start.begin(), net.start.end() - 1),
        number_(at(net.n), 0),
        low_(at(net.n), 0),
        above_(at(net.n), kNone),
        root_(at(net.n), kNone) {
    for (Node v = 0; v < net.n; ++v)
      if (number_[at(v)] == 0) search(v);
  }
  [[nodiscard]] bool together(Node a, Node b) const noexcept { return root_[at(a)] == root_[at(b)]; }

 private:
  static constexpr Node kNone = -1;

  void search(Node first) {
    enter(first);
    for (Node v = first; v != kNone;) {
      if (next_[at(v)] == net_.start[at(v) + 1]) {
        leave(v);
        v = above_[at(v)];
        continue;
      }
      const Arc e = next_[at(v)]++;
      const Node w = net_.head[at(e)];
      if (net_.cap[at(e)] == 0) continue;
      if (number_[at(w)] == 0) {
        above_[at(w)] = v;
        enter(w);
        v = w;
      } else if (root_[at(w)] == kNone) {
        low_[at(v)] = std::min(low_[at(v)], number_[at(w)]);
      }
    }
  }

  void enter(Node v) {
    number_[at(v)] = low_[at(v)] = ++count_;
    open_.push_back(v);
  }

  void leave(Node v) {
    if (above_[at(v)] != kNone) low_[at(above_[at(v)])] = std::min(low_[at(above_[at(v)])], low_[at(v)]);
    if (low_[at(v)] != number_[at(v)]) return;
    for (Node w = kNone; w != v; open_.pop_back()) root_[at(w = open_.back())] = v;
  }

  const Network<Int>& net_;
  std::vector<Arc> next_;           // to look at, of each node
  std::vector<Node> number_, low_;  // in the order of the search; the least that is reached from below
  std::vector<Node> above_, root_;  // in the tree of the search; of the component, once it is known
  std::vector<Node> open_;          // whose component is not known
  Node count_ = 0;
};

}  // namespace

template <class Int>
std::vector<std::uint8_t> negative_on_cycles(const Network<Int>& net, std::int64_t widest) {
  const Components<Int> components(net);
  std::vector<std::uint8_t> out(at(net.m()), 0);
  bool any = false;
  for (Arc e = 0; e < net.m(); ++e) {
    const bool fillable = net.cost[at(e)] < 0 && net.cap[at(e)] != 0 && net.cap[at(e)] <= widest;
    if (!fillable || !components.together(net.tail[at(e)], net.head[at(e)])) continue;
    out[at(e)] = 1;
    any = true;
  }
  if (!any) out.clear();
  return out;
}

template std::vector<std::uint8_t> negative_on_cycles(const Network<std::int32_t>&, std::int64_t);
template std::vector<std::uint8_t> negative_on_cycles(const Network<std::int64_t>&, std::int64_t);

}  // namespace gridcompute::flow
