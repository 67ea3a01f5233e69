#include "gridcompute/flow/warm_start.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::flow {

template <class Int>
std::shared_ptr<const RawVector<std::int64_t>> WarmStartState<Int>::flow(const Topology& topology) const {
  std::call_once(flow_computed_, [&] {
    RawVector<std::int64_t> out(topology.original.size());
    simplex.solution().for_each_flow([&](Arc k, Int x) { out[at(topology.original[at(k)])] = x; });
    flow_ = std::make_shared<const RawVector<std::int64_t>>(std::move(out));
  });
  return flow_;
}

std::shared_ptr<const RawVector<std::int64_t>> WarmStart::flow() const {
  if (stored_flow) return stored_flow;
  return narrow ? narrow->flow(*topology) : wide->flow(*topology);
}

template struct WarmStartState<std::int32_t>;
template struct WarmStartState<std::int64_t>;

namespace {

constexpr std::size_t kChunk = 512;  // arcs compared at once: their columns, 24 KB, stay in the first cache
using ChunkFlags = std::array<std::uint8_t, kChunk>;

struct ArcColumns {
  const std::int64_t *tail, *head, *capacity, *cost;
};

// Flags arcs of another cost or capacity; true if one has another tail or head.
template <class Int>
GRIDCOMPUTE_INLINE bool compare(const ArcColumns& now, const Node* GRIDCOMPUTE_RESTRICT tail,
                                const Node* GRIDCOMPUTE_RESTRICT head, const Int* GRIDCOMPUTE_RESTRICT cost,
                                const Int* GRIDCOMPUTE_RESTRICT capacity, std::int64_t limit, std::size_t count,
                                std::uint8_t* GRIDCOMPUTE_RESTRICT flags) {
  std::int64_t ends = 0;
  for (std::size_t i = 0; i < count; ++i) ends |= (now.tail[i] ^ tail[i]) | (now.head[i] ^ head[i]);
  for (std::size_t i = 0; i < count; ++i)
    flags[i] = ((now.cost[i] ^ cost[i]) | (std::min(now.capacity[i], limit) ^ capacity[i])) != 0;
  return ends != 0;
}

GRIDCOMPUTE_CLONES bool flag_changes(const ArcColumns& now, const Node* tail, const Node* head,
                                     const std::int32_t* cost, const std::int32_t* capacity, std::int64_t limit,
                                     std::size_t count, std::uint8_t* flags) {
  return compare(now, tail, head, cost, capacity, limit, count, flags);
}

GRIDCOMPUTE_CLONES bool flag_changes(const ArcColumns& now, const Node* tail, const Node* head,
                                     const std::int64_t* cost, const std::int64_t* capacity, std::int64_t limit,
                                     std::size_t count, std::uint8_t* flags) {
  return compare(now, tail, head, cost, capacity, limit, count, flags);
}

// Calls visit(e) for each arc of another cost or capacity while it is in the cache; false if one has other ends.
template <class Int, class Visit>
bool for_changed_arcs(const MinCostFlow& p, const Topology& t, const ArcData<Int>& data, Visit&& visit) {
  for (std::size_t e = 0; e < p.tail.size(); e += kChunk) {
    const std::size_t count = std::min(kChunk, p.tail.size() - e);
    ChunkFlags flags;  // the first `count` are written
    if (flag_changes({&p.tail[e], &p.head[e], &p.capacity[e], &p.cost[e]}, &t.caller_tail[e], &t.caller_head[e],
                     &(*data.cost)[e], &(*data.capacity)[e], data.capacity_limit, count, flags.data()))
      return false;
    for_each_flag(flags, e, count, visit);
  }
  return true;
}

// Returns the largest |cost| of the width.
template <class Int>
std::int64_t max_cost(Index n) {
  if (sizeof(Int) == 4) return FlowRange<std::int32_t>::kMaxCost;
  return FlowRange<std::int64_t>::kMaxBig / (n + 1) - 1;
}

// Fills the arcs' part of the difference, and updates the sum N; false if a value does not fit.
template <class Int>
bool compare_arcs(const MinCostFlow& p, const Topology& t, const ArcData<Int>& before, ProblemDifference<Int>& out,
                  Wide& negative) {
  const std::int64_t dearest = max_cost<Int>(p.n), limit = before.capacity_limit;
  RawVector<Int> costs, capacities;  // copies, once one differs
  bool fits = true;
  const auto add = [&](Arc e) {
    const std::int64_t c = p.cost[at(e)], u = p.capacity[at(e)];
    fits &= u >= 0 && c <= dearest && c >= -dearest && (c >= 0 || u != kInfinite);
    if (!fits) return;
    const Int old_cost = (*before.cost)[at(e)], old_capacity = (*before.capacity)[at(e)];
    const auto cost = static_cast<Int>(c), capacity = static_cast<Int>(std::min(u, limit));
    negative += (c < 0 ? u : 0) - (old_cost < 0 ? old_capacity : 0);
    const Arc k = t.sorted[at(e)];
    if (cost != old_cost) {
      if (costs.empty()) costs = *before.cost;
      costs[at(e)] = cost;
      out.cost_arcs.push_back(k), out.cost.push_back(cost);
    }
    if (capacity != old_capacity) {
      if (capacities.empty()) capacities = *before.capacity;
      capacities[at(e)] = capacity;
      out.capacity_arcs.push_back(k), out.capacity.push_back(capacity);
    }
  };
  if (!for_changed_arcs(p, t, before, add) || !fits) return false;
  if (!costs.empty()) out.data.cost = std::make_shared<const RawVector<Int>>(std::move(costs));
  if (!capacities.empty()) out.data.capacity = std::make_shared<const RawVector<Int>>(std::move(capacities));
  return true;
}

}  // namespace

template <class Int>
bool may_resume(const MinCostFlow& p, const Topology& t, const WarmStartState<Int>& before) {
  return before.resumable && p.lower.empty() && t.n == p.n && t.caller_tail.size() == p.tail.size();
}

template <class Int>
std::optional<ProblemDifference<Int>> difference(const MinCostFlow& p, const Topology& t,
                                                 const WarmStartState<Int>& before, const FlowTuning& tuning) {
  if (!may_resume(p, t, before)) return {};
  ProblemDifference<Int> out;
  out.data = before.data;
  Wide negative = before.negative_capacity, sum = 0, sent = 0;
  if (!compare_arcs(p, t, before.data, out, negative)) return {};
  const std::span<const Int> old = before.simplex.solution().supply();
  for (const std::int64_t b : p.supply) sum += b, sent += b > 0 ? b : 0;
  if (sum != 0 || sent + negative >= out.data.capacity_limit) return {};
  out.supply.resize(p.supply.size());
  Wide moved = 0;
  for (std::size_t v = 0; v < p.supply.size(); ++v) {
    const Int b = out.supply[v] = static_cast<Int>(p.supply[v]);
    if (b == old[v]) continue;
    out.supply_nodes.push_back(static_cast<Node>(v));
    moved += std::abs(static_cast<std::int64_t>(b) - old[v]);
  }
  out.most_supply_moved = 100 * moved > tuning.supply_change_percent * sent;
  out.negative_capacity = static_cast<std::int64_t>(negative);
  return out;
}

template <class Int>
Node single_node_cut(const ProblemDifference<Int>& difference, const Topology& t) {
  const RawVector<Int>& capacity = *difference.data.capacity;
  std::vector<bool> seen(difference.supply.size(), false);
  const auto is_cut = [&](Node v) {
    const std::int64_t units = difference.supply[at(v)];
    if (units == 0 || seen[at(v)]) return false;
    seen[at(v)] = true;
    std::int64_t left = units < 0 ? -units : units;
    const auto subtract = [&](Arc k) { return left > 0 && (left -= capacity[at(t.original[at(k)])], true); };
    if (units < 0)
      for (const Arc k : t.reverse_star().of(v))
        if (!subtract(k)) break;
    if (units > 0)
      for (Arc k = t.start[at(v)]; k < t.start[at(v) + 1] && subtract(k);) ++k;
    return left > 0;
  };
  for (const Node v : difference.supply_nodes)
    if (is_cut(v)) return v;
  for (const Arc k : difference.capacity_arcs)
    for (const Node v : {t.tail[at(k)], t.head[at(k)]})
      if (is_cut(v)) return v;
  return -1;
}

template <class Int>
bool supplies_outgrow(const MinCostFlow& p, const WarmStartState<Int>& before) {
  Wide sent = 0;
  for (const std::int64_t b : p.supply) sent += b > 0 ? b : 0;
  return sent >= before.data.capacity_limit;
}

// Arcs per eligible arc below which the first count discards the tree.
constexpr Index kEarlyCheckEligible = 5;
// Part of the cold solve's work after which eligible arcs are counted again (1 / share).
constexpr Index kLateCheckShare = 2;

// The number of arcs that become eligible on the way is known only after some work. Not checked where the cold solve
// started from cost scaling: many arcs are eligible to the end there.
template <class Int>
typename NetworkSimplex<Int>::End run_within_cold_work(NetworkSimplex<Int>& simplex, const ColdSolveRecord& cold,
                                                       Index budget, Stop& stop, const FlowTuning& tuning) {
  using End = typename NetworkSimplex<Int>::End;
  struct WorkCheck {
    Index work, max_eligible;
  };
  const Index arcs = simplex.solution().m();
  for (const auto& [work, max_eligible] : {WorkCheck{cold.work / kEarlyCheckShare, arcs / kEarlyCheckEligible},
                                           WorkCheck{cold.work / kLateCheckShare, arcs / tuning.late_check_eligible}}) {
    if (cold.work == kNoBudget || cold.from_scaling) break;
    const End end = simplex.run(stop, std::min(budget, work));
    if (end != End::budget_spent || simplex.work() > budget || simplex.solution().eligible_arcs() > max_eligible)
      return end;
  }
  return simplex.run(stop, std::min(budget, cold.work));
}

#define GRIDCOMPUTE_INSTANTIATE(Int)                                                                                 \
  template NetworkSimplex<Int>::End run_within_cold_work(NetworkSimplex<Int>&, const ColdSolveRecord&, Index, Stop&, \
                                                         const FlowTuning&);                                         \
  template Node single_node_cut(const ProblemDifference<Int>&, const Topology&);                                     \
  template bool supplies_outgrow(const MinCostFlow&, const WarmStartState<Int>&);                                    \
  template bool may_resume(const MinCostFlow&, const Topology&, const WarmStartState<Int>&);                         \
  template std::optional<ProblemDifference<Int>> difference(const MinCostFlow&, const Topology&,                     \
                                                            const WarmStartState<Int>&, const FlowTuning&);
GRIDCOMPUTE_INSTANTIATE(std::int32_t)
GRIDCOMPUTE_INSTANTIATE(std::int64_t)
#undef GRIDCOMPUTE_INSTANTIATE

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
