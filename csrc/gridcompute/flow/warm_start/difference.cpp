#include "gridcompute/flow/warm_start/difference.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::flow {

namespace {

constexpr std::size_t kChunk = 512;  // arcs compared at once
using Flags = std::array<std::uint8_t, kChunk>;

struct Columns {
  const std::int64_t *tail, *head, *capacity, *cost;
};

// Flags arcs with another cost or room; true if one has another tail or head.
template <class Int>
GRIDCOMPUTE_INLINE bool compare(const Columns& now, const Node* GRIDCOMPUTE_RESTRICT tail,
                                const Node* GRIDCOMPUTE_RESTRICT head, const Int* GRIDCOMPUTE_RESTRICT cost,
                                const Int* GRIDCOMPUTE_RESTRICT room, std::int64_t most, std::size_t count,
                                std::uint8_t* GRIDCOMPUTE_RESTRICT flags) {
  std::int64_t elsewhere = 0;
  for (std::size_t i = 0; i < count; ++i) elsewhere |= (now.tail[i] ^ tail[i]) | (now.head[i] ^ head[i]);
  for (std::size_t i = 0; i < count; ++i)
    flags[i] = ((now.cost[i] ^ cost[i]) | (std::min(now.capacity[i], most) ^ room[i])) != 0;
  return elsewhere != 0;
}

GRIDCOMPUTE_CLONES bool differ(const Columns& now, const Node* tail, const Node* head, const std::int32_t* cost,
                               const std::int32_t* room, std::int64_t most, std::size_t count, std::uint8_t* flags) {
  return compare(now, tail, head, cost, room, most, count, flags);
}

GRIDCOMPUTE_CLONES bool differ(const Columns& now, const Node* tail, const Node* head, const std::int64_t* cost,
                               const std::int64_t* room, std::int64_t most, std::size_t count, std::uint8_t* flags) {
  return compare(now, tail, head, cost, room, most, count, flags);
}

// visit(e) for each arc with another cost or room, while it is in the cache; false if one has other ends.
template <class Int, class Visit>
bool changed_arcs(const Problem& p, const Topology& t, const Given<Int>& g, Visit&& visit) {
  for (std::size_t e = 0; e < p.tail.size(); e += kChunk) {
    const std::size_t count = std::min(kChunk, p.tail.size() - e);
    Flags flags{};
    if (differ({&p.tail[e], &p.head[e], &p.capacity[e], &p.cost[e]}, &t.given_tail[e], &t.given_head[e], &(*g.cost)[e],
               &(*g.room)[e], g.most, count, flags.data()))
      return false;
    each_flag(flags, e, count, visit);
  }
  return true;
}

// The largest |cost| the width takes.
template <class Int>
std::int64_t most_cost(Index n) {
  if (sizeof(Int) == 4) return Range<std::int32_t>::kMaxCost;
  return Range<std::int64_t>::kMaxBig / (n + 1) - 1;
}

// The arcs' side of it; the sum N goes with it. False: does not fit.
template <class Int>
bool take_arcs(const Problem& p, const Topology& t, const Given<Int>& before, Change<Int>& out, Wide& negative) {
  const std::int64_t dearest = most_cost<Int>(p.n), most = before.most;
  Values<Int> costs, rooms;  // copies, once one differs
  bool fits = true;
  const auto take = [&](Arc e) {
    const std::int64_t c = p.cost[at(e)], u = p.capacity[at(e)];
    fits &= u >= 0 && c <= dearest && c >= -dearest && (c >= 0 || u != kInfinite);
    if (!fits) return;
    const Int old_cost = (*before.cost)[at(e)], old_room = (*before.room)[at(e)];
    const auto cost = static_cast<Int>(c), room = static_cast<Int>(std::min(u, most));
    negative += (c < 0 ? u : 0) - (old_cost < 0 ? old_room : 0);
    const Arc k = t.place[at(e)];
    if (cost != old_cost) {
      if (costs.empty()) costs = *before.cost;
      costs[at(e)] = cost;
      out.recosted.push_back(k), out.cost.push_back(cost);
    }
    if (room != old_room) {
      if (rooms.empty()) rooms = *before.room;
      rooms[at(e)] = room;
      out.reroomed.push_back(k), out.room.push_back(room);
    }
  };
  if (!changed_arcs(p, t, before, take) || !fits) return false;
  if (!costs.empty()) out.given.cost = std::make_shared<const Values<Int>>(std::move(costs));
  if (!rooms.empty()) out.given.room = std::make_shared<const Values<Int>>(std::move(rooms));
  return true;
}

}  // namespace

template <class Int>
bool can_change(const Problem& p, const Topology& t, const Earlier<Int>& before) {
  return before.resumable && p.lower.empty() && t.n == p.n && t.given_tail.size() == p.tail.size();
}

template <class Int>
std::optional<Change<Int>> change(const Problem& p, const Topology& t, const Earlier<Int>& before) {
  if (!can_change(p, t, before)) return {};
  Change<Int> out;
  out.given = before.given;
  Wide negative = before.negative, sum = 0, sent = 0;
  if (!take_arcs(p, t, before.given, out, negative)) return {};
  const std::span<const Int> old = before.tree.supply();
  for (const std::int64_t b : p.supply) sum += b, sent += b > 0 ? b : 0;
  if (sum != 0 || sent + negative >= out.given.most) return {};
  out.supply.resize(p.supply.size());
  Wide moved = 0;
  for (std::size_t v = 0; v < p.supply.size(); ++v) {
    out.supply[v] = static_cast<Int>(p.supply[v]);
    if (out.supply[v] != old[v]) out.resupplied.push_back(static_cast<Node>(v));
    moved += std::abs(static_cast<std::int64_t>(out.supply[v]) - old[v]);
  }
  out.most_supplies = moved > sent;
  out.negative = static_cast<std::int64_t>(negative);
  return out;
}

template <class Int>
Node overtaxed(const Change<Int>& change, const Topology& t) {
  const Values<Int>& room = *change.given.room;
  std::vector<bool> seen(change.supply.size(), false);
  const auto fails = [&](Node v) {
    const std::int64_t units = change.supply[at(v)];
    if (units == 0 || seen[at(v)]) return false;
    seen[at(v)] = true;
    std::int64_t left = units < 0 ? -units : units;
    const auto more = [&](Arc k) { return left > 0 && (left -= room[at(t.order[at(k)])], true); };
    if (units < 0)
      for (const Arc k : t.by_head().of(v))
        if (!more(k)) break;
    if (units > 0)
      for (Arc k = t.start[at(v)]; k < t.start[at(v) + 1] && more(k);) ++k;
    return left > 0;
  };
  for (const Node v : change.resupplied)
    if (fails(v)) return v;
  for (const Arc k : change.reroomed)
    for (const Node v : {t.tail[at(k)], t.head[at(k)]})
      if (fails(v)) return v;
  return -1;
}

template <class Int>
bool sends_more(const Problem& p, const Earlier<Int>& before) {
  Wide sent = 0;
  for (const std::int64_t b : p.supply) sent += b > 0 ? b : 0;
  return sent >= before.given.most;
}

// How many arcs come to promise something on the way shows only after some steps; where the start was a scaled one many
// do to the end.
template <class Int>
typename Simplex<Int>::End go_on(Simplex<Int>& tree, const Cold& cold, Index budget, Stop& stop) {
  using End = typename Simplex<Int>::End;
  struct Milestone {
    Index steps, promising;
  };
  const Index arcs = tree.arcs();
  for (const auto& [steps, most] : {Milestone{cold.effort / 4, arcs / 5}, Milestone{cold.effort / 2, arcs / 10}}) {
    if (cold.effort == kNoBudget || cold.scaled) break;
    const End end = tree.run(stop, std::min(budget, steps));
    if (end != End::spent || tree.effort() > budget || tree.promising() > most) return end;
  }
  return tree.run(stop, std::min(budget, cold.effort));
}

template Simplex<std::int32_t>::End go_on(Simplex<std::int32_t>&, const Cold&, Index, Stop&);
template Simplex<std::int64_t>::End go_on(Simplex<std::int64_t>&, const Cold&, Index, Stop&);
template Node overtaxed(const Change<std::int32_t>&, const Topology&);
template Node overtaxed(const Change<std::int64_t>&, const Topology&);
template bool sends_more(const Problem&, const Earlier<std::int32_t>&);
template bool sends_more(const Problem&, const Earlier<std::int64_t>&);
template bool can_change(const Problem&, const Topology&, const Earlier<std::int32_t>&);
template bool can_change(const Problem&, const Topology&, const Earlier<std::int64_t>&);
template std::optional<Change<std::int32_t>> change(const Problem&, const Topology&, const Earlier<std::int32_t>&);
template std::optional<Change<std::int64_t>> change(const Problem&, const Topology&, const Earlier<std::int64_t>&);

}  // namespace gridcompute::flow
