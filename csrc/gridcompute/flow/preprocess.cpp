#include "gridcompute/flow/preprocess.hpp"

#include <algorithm>

#include "gridcompute/base/error.hpp"

namespace gridcompute::flow {

namespace {

constexpr Index kMaxIds = std::numeric_limits<std::int32_t>::max() - 16;  // and a root, and padding

using std::to_string;

[[noreturn]] void invalid(const char* field, std::size_t index, const std::string& what) {
  throw Error(ErrorKind::invalid_problem, field, static_cast<Index>(index), what);
}

[[noreturn]] void out_of_range(const char* field, const std::string& what) {
  throw Error(ErrorKind::cost_range, field, -1, what);
}

// Sweeps over all arcs without branches; searches for the first invalid entry only where there is one.
void check_arcs(const MinCostFlow& p) {
  bool bad = false;
  const auto n = static_cast<std::uint64_t>(p.n);
  for (std::size_t e = 0; e < p.tail.size(); ++e) {
    bad |= static_cast<std::uint64_t>(p.tail[e]) >= n;
    bad |= static_cast<std::uint64_t>(p.head[e]) >= n;
  }
  if (p.lower.empty())
    for (const std::int64_t u : p.capacity) bad |= u < 0;
  else
    for (std::size_t e = 0; e < p.capacity.size(); ++e) bad |= p.capacity[e] < p.lower[e];
  if (!bad) return;
  const std::string nodes = "a node in [0, " + to_string(p.n) + ")";
  for (std::size_t e = 0; e < p.tail.size(); ++e) {
    const std::string where = "[" + to_string(e) + "]: found ";
    if (p.tail[e] < 0 || p.tail[e] >= p.n)
      invalid("tail", e, "tail" + where + to_string(p.tail[e]) + ", needed " + nodes);
    if (p.head[e] < 0 || p.head[e] >= p.n)
      invalid("head", e, "head" + where + to_string(p.head[e]) + ", needed " + nodes);
    if (p.capacity[e] < p.lower_bound(e))
      invalid("capacity", e,
              "capacity" + where + to_string(p.capacity[e]) + ", needed at least " +
                  (p.lower.empty() ? "0" : "lower[" + to_string(e) + "] = " + to_string(p.lower[e])));
  }
}

// Returns u - l, or kInfinite; a finite difference beyond 63 bits is cut to kInfinite - 1, far above the bound on flow.
std::int64_t reduced_capacity(const MinCostFlow& p, std::size_t e) {
  const std::int64_t u = p.capacity[e];
  if (u == kInfinite || p.lower.empty()) return u;
  return static_cast<std::int64_t>(std::min<Wide>(static_cast<Wide>(u) - p.lower[e], kInfinite - 1));
}

void move_lower_bounds(const MinCostFlow& p, std::vector<std::int64_t>& supply) {
  for (std::size_t e = 0; e < p.lower.size(); ++e) {
    std::int64_t &t = supply[at(p.tail[e])], &h = supply[at(p.head[e])];
    if (p.tail[e] == p.head[e] || p.lower[e] == 0) continue;
    if (__builtin_sub_overflow(t, p.lower[e], &t) || __builtin_add_overflow(h, p.lower[e], &h))
      out_of_range("lower", "lower[" + to_string(e) + "] takes a node's supply beyond 63 bits");
  }
}

}  // namespace

bool ProblemSummary::fits_narrow() const noexcept {
  return costs_fit_narrow && flow_bound <= FlowRange<std::int32_t>::kMaxFlow;
}

void check_sizes(const MinCostFlow& p) {
  const auto same = [&](const char* field, std::size_t found) {
    if (found != p.tail.size())
      throw Error(ErrorKind::invalid_problem, field, -1,
                  std::string(field) + ": found " + to_string(found) + " entries, needed as many as tail has, " +
                      to_string(p.tail.size()));
  };
  same("head", p.head.size()), same("capacity", p.capacity.size()), same("cost", p.cost.size());
  if (!p.lower.empty()) same("lower", p.lower.size());
  if (p.n > kMaxIds)
    out_of_range("supply", "supply: found " + to_string(p.n) + " nodes, needed at most " + to_string(kMaxIds));
  if (static_cast<Index>(p.tail.size()) > kMaxIds)
    out_of_range("tail", "tail: found " + to_string(p.tail.size()) + " arcs, needed at most " + to_string(kMaxIds));
}

void check_arrays(const MinCostFlow& p) {
  check_sizes(p);
  check_arcs(p);
}

ProblemSummary summarize(const MinCostFlow& p) {
  check_arcs(p);
  ProblemSummary s;
  s.supply.assign(p.supply.begin(), p.supply.end());
  move_lower_bounds(p, s.supply);
  Wide finite = 0, negative = 0, sent = 0, sum = 0;
  constexpr std::uint64_t kNarrowCost = FlowRange<std::int32_t>::kMaxCost;
  const auto largest = static_cast<std::uint64_t>(FlowRange<std::int64_t>::kMaxBig / (p.n + 1) - 1);
  std::uint64_t most = 0;
  for (std::size_t e = 0; e < p.tail.size(); ++e) {
    const std::int64_t u = reduced_capacity(p, e), c = p.cost[e];
    if (p.tail[e] == p.head[e]) continue;
    ++s.proper_arcs;
    const std::uint64_t size = c < 0 ? 0 - static_cast<std::uint64_t>(c) : static_cast<std::uint64_t>(c);
    s.costs_fit_narrow &= size <= kNarrowCost;
    s.costs_fit_wide &= size <= largest;
    if (u == 0) continue;
    most = std::max(most, size);
    s.negative_costs |= c < 0;
    s.arcs_with_cost += c != 0;
    if (u == kInfinite)
      s.infinite_negative_arcs |= c < 0;
    else
      finite += u, negative += c < 0 ? u : 0;
  }
  for (const std::int64_t b : s.supply) sum += b, sent += b > 0 ? b : 0;
  const Wide bound = sent + (s.infinite_negative_arcs ? finite : negative);
  constexpr Wide kMost = FlowRange<std::int64_t>::kMaxFlow;
  if (bound > kMost)
    out_of_range("capacity",
                 "capacity: supplies plus capacities of arcs of negative cost (of all finite ones, where an "
                 "infinite arc has a negative cost) sum to more than 2^60, needed at most " +
                     to_string(FlowRange<std::int64_t>::kMaxFlow));
  if (most > largest)
    out_of_range("cost", "cost: found " + to_string(most) + " in size, needed at most " + to_string(largest) +
                             " with " + to_string(p.n) + " nodes");
  s.max_cost = static_cast<std::int64_t>(most);
  s.flow_bound = static_cast<std::int64_t>(bound);
  s.negative_capacity = static_cast<std::int64_t>(negative);
  s.balanced = sum == 0;
  return s;
}

namespace {

bool same_graph(const MinCostFlow& p, const Topology& t) {
  if (t.n != p.n || t.caller_tail.size() != p.tail.size()) return false;
  bool differs = false;
  for (std::size_t e = 0; e < p.tail.size(); ++e) {
    differs |= p.tail[e] != t.caller_tail[e];
    differs |= p.head[e] != t.caller_head[e];
  }
  return !differs;
}

}  // namespace

std::shared_ptr<const Topology> build_topology(const MinCostFlow& p, const ProblemSummary& s,
                                               const std::shared_ptr<const Topology>& before) {
  if (before && same_graph(p, *before)) return before;
  auto t = std::make_shared<Topology>();
  t->n = static_cast<Node>(p.n);
  t->start.assign(at(p.n) + 1, 0);
  const std::size_t m = p.tail.size();
  t->caller_tail.resize(m);
  t->caller_head.resize(m);
  for (std::size_t e = 0; e < m; ++e) {
    t->caller_tail[e] = static_cast<Node>(p.tail[e]);
    t->caller_head[e] = static_cast<Node>(p.head[e]);
    if (p.tail[e] != p.head[e]) ++t->start[at(p.tail[e]) + 1];
  }
  for (std::size_t v = 0; v < at(p.n); ++v) t->start[v + 1] += t->start[v];
  t->original.resize(at(s.proper_arcs));
  t->sorted.resize(m);
  t->tail.resize(at(s.proper_arcs));
  t->head.resize(at(s.proper_arcs));
  std::vector<Arc> next(t->start.begin(), t->start.end() - 1);
  for (std::size_t e = 0; e < m; ++e) {
    t->sorted[e] = kNoArc;
    if (p.tail[e] == p.head[e]) continue;
    const std::size_t k = at(t->sorted[e] = next[at(p.tail[e])]++);
    t->original[k] = static_cast<Arc>(e);
    t->tail[k] = static_cast<Node>(p.tail[e]);
    t->head[k] = static_cast<Node>(p.head[e]);
  }
  return t;
}

const ReverseStar& Topology::reverse_star() const {
  std::call_once(reverse_star_built_, [this] {
    ReverseStar in{std::vector<Arc>(at(n) + 2, 0), std::vector<Arc>(head.size())};
    for (const Node h : head) ++in.start[at(h) + 2];
    for (std::size_t v = 0; v < at(n); ++v) in.start[v + 2] += in.start[v + 1];
    for (std::size_t k = 0; k < head.size(); ++k) in.arc[at(in.start[at(head[k]) + 1]++)] = static_cast<Arc>(k);
    reverse_star_ = std::move(in);
  });
  return reverse_star_;
}

// Some optimal flow needs no more than the bound, so with capacities cut at one more every optimal potential satisfies
// the optimality conditions of the uncut problem too. The cut is wider than that, so that later problems fit.
template <class Int>
ArcData<Int> arc_data(const MinCostFlow& p, const ProblemSummary& s, const FlowTuning& tuning) {
  const std::int64_t most =
      std::min<std::int64_t>(tuning.capacity_headroom * s.flow_bound, FlowRange<Int>::kMaxFlow) + 1;
  RawVector<Int> costs(p.cost.size()), capacities(p.cost.size());
  for (std::size_t e = 0; e < costs.size(); ++e) {
    costs[e] = static_cast<Int>(p.cost[e]);
    capacities[e] = static_cast<Int>(std::min(reduced_capacity(p, e), most));
  }
  return {std::make_shared<const RawVector<Int>>(std::move(costs)),
          std::make_shared<const RawVector<Int>>(std::move(capacities)), static_cast<Int>(most)};
}

template <class Int>
Network<Int> build_network(const ArcData<Int>& g, const ProblemSummary& s, const Topology& t) {
  Network<Int> net;
  net.n = t.n;
  net.topology = &t;
  net.start = t.start;
  net.tail = t.tail;
  net.head = t.head;
  net.max_cost = static_cast<Int>(s.max_cost);
  net.cost.resize(t.original.size());
  net.capacity.resize(t.original.size());
  const RawVector<Int>&costs = *g.cost, &capacities = *g.capacity;
  for (std::size_t k = 0; k < t.original.size(); ++k) {
    const std::size_t e = at(t.original[k]);
    net.capacity[k] = capacities[e];
    net.cost[k] = capacities[e] == 0 && !s.costs_fit_wide ? 0 : costs[e];
  }
  net.supply.resize(s.supply.size());
  for (std::size_t v = 0; v < s.supply.size(); ++v) net.supply[v] = static_cast<Int>(s.supply[v]);
  return net;
}

template ArcData<std::int32_t> arc_data(const MinCostFlow&, const ProblemSummary&, const FlowTuning&);
template ArcData<std::int64_t> arc_data(const MinCostFlow&, const ProblemSummary&, const FlowTuning&);
template Network<std::int32_t> build_network(const ArcData<std::int32_t>&, const ProblemSummary&, const Topology&);
template Network<std::int64_t> build_network(const ArcData<std::int64_t>&, const ProblemSummary&, const Topology&);

template <class Int>
Node single_node_cut(const Network<Int>& net) {
  std::vector<std::int64_t> in(at(net.n), 0);  // cut at kMaxFlow + 1, more than any node needs
  const auto add = [](std::int64_t& sum, Int capacity) {
    sum = std::min<std::int64_t>(sum + capacity, FlowRange<std::int64_t>::kMaxFlow + 1);
  };
  for (Arc e = 0; e < net.m(); ++e) add(in[at(net.head[at(e)])], net.capacity[at(e)]);
  for (Node v = 0; v < net.n; ++v) {
    const std::int64_t units = net.supply[at(v)];
    if (units < 0 && in[at(v)] < -units) return v;
    if (units <= 0) continue;
    std::int64_t out = 0;
    for (Arc e = net.start[at(v)]; e < net.start[at(v) + 1]; ++e) add(out, net.capacity[at(e)]);
    if (out < units) return v;
  }
  return -1;
}

template Node single_node_cut(const Network<std::int32_t>&);
template Node single_node_cut(const Network<std::int64_t>&);

namespace {

// Returns the arcs of a cycle in the predecessor graph, or none.
std::vector<Index> cycle_of_predecessors(const std::vector<Arc>& pred, const Topology& t) {
  std::vector<Node> visit(pred.size(), -1);
  for (Node v = 0; v < t.n; ++v) {
    Node w = v;
    while (visit[at(w)] == -1 && pred[at(w)] != kNoArc) visit[at(w)] = v, w = t.tail[at(pred[at(w)])];
    if (pred[at(w)] == kNoArc || visit[at(w)] != v) continue;
    std::vector<Index> out;
    const Node first = w;
    do {
      out.push_back(t.original[at(pred[at(w)])]);
      w = t.tail[at(pred[at(w)])];
    } while (w != first);
    std::reverse(out.begin(), out.end());
    return out;
  }
  return {};
}

}  // namespace

std::vector<Index> infinite_negative_cycle(const MinCostFlow& p, const Topology& t, Stop& stop) {
  std::vector<std::int64_t> distance(at(t.n), 0);
  std::vector<Arc> pred(at(t.n), kNoArc);
  std::vector<Arc> arcs;
  for (std::size_t k = 0; k < t.original.size(); ++k)
    if (p.capacity[at(t.original[k])] == kInfinite) arcs.push_back(static_cast<Arc>(k));
  for (bool changed = true; changed;) {
    changed = false;
    for (const Arc k : arcs) {
      const std::int64_t d = distance[at(t.tail[at(k)])] + p.cost[at(t.original[at(k)])];
      if (d >= distance[at(t.head[at(k)])]) continue;
      distance[at(t.head[at(k)])] = d;
      pred[at(t.head[at(k)])] = k;
      changed = true;
    }
    if (!changed || stop.poll(std::ssize(arcs))) break;
    if (auto cycle = cycle_of_predecessors(pred, t); !cycle.empty()) return cycle;
  }
  return {};
}

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
