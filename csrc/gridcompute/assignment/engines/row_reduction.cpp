#include "gridcompute/assignment/engines/row_reduction.hpp"

#include "gridcompute/assignment/engines/two_least.hpp"

namespace gridcompute::assignment {

namespace {

constexpr std::size_t kAhead = 6;   // rows whose lists are fetched before their turn
constexpr Index kPollMask = 0xFFF;  // bids between two looks at the stop

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE Two<V> listed_two_of(const std::int32_t* GRIDCOMPUTE_RESTRICT col,
                                        const V* GRIDCOMPUTE_RESTRICT cost, Index size, const V* GRIDCOMPUTE_RESTRICT v,
                                        V* GRIDCOMPUTE_RESTRICT r) {
  for (Index k = 0; k < size; ++k) r[k] = static_cast<V>(cost[k] - v[col[k]]);
  return two_least<kBytes, V>(
      size, [&](Index k, auto& x) GRIDCOMPUTE_FORCED { gridcompute::load(r + k, x); },
      [&](Index k) GRIDCOMPUTE_FORCED { return r[k]; });
}

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE Two<V> whole_two_of(const V* GRIDCOMPUTE_RESTRICT cost, Index size,
                                       const V* GRIDCOMPUTE_RESTRICT v) {
  return two_least<kBytes, V>(
      size,
      [&](Index k, auto& x) GRIDCOMPUTE_FORCED {
        typename Lanes<V, kBytes>::Signed price;
        gridcompute::load(cost + k, x);
        gridcompute::load(v + k, price);
        x -= price;
      },
      [&](Index k) GRIDCOMPUTE_FORCED { return static_cast<V>(cost[k] - v[k]); });
}

#define GRIDCOMPUTE_TWO(V)                                                                                         \
  GRIDCOMPUTE_VERSIONS(Two<V>, listed_two, (const std::int32_t* col, const V* cost, Index size, const V* v, V* r), \
                       (col, cost, size, v, r))                                                                    \
  GRIDCOMPUTE_VERSIONS(Two<V>, whole_two, (const V* cost, Index size, const V* v), (cost, size, v))
GRIDCOMPUTE_TWO(std::int32_t)
GRIDCOMPUTE_TWO(std::int64_t)

template <class V>
void prefetch_prices(const Matching<V>& state, const Lists<V>& lists, std::int32_t i) {
  const auto list = lists[i];
  __builtin_prefetch(state.col_of.data() + i, 1);
  __builtin_prefetch(state.mate_cost.data() + i, 1);
  if (list.size > Lists<V>::kLanes) return;  // long lists take long enough to hide it
  for (Index k = 0; k < list.size; ++k) {
    __builtin_prefetch(state.v.data() + list.col[k]);
  }
}

// A row's best offer: the column, its cost, and the two least reduced costs over all columns (u2 may be a bound).
template <class V>
struct Offer {
  V u1, u2, cost;
  std::int32_t col;
};

template <class V>
Offer<V> look(const Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, std::int32_t i) {
  for (;;) {
    const auto list = lists[i];
    if (static_cast<Index>(reread.buffer.size()) < list.size) reread.buffer.resize(static_cast<std::size_t>(list.size));
    const Two<V> two = listed_two(list.col, list.cost, list.size, state.v.data(), reread.buffer.data());
    const V bound = lists.bound(i);
    if (two.u1 <= bound) {
      if (two.u1 >= Range<V>::kHopeless) return {two.u1, two.u1, 0, kFree};
      return {two.u1, std::min(two.u2, bound), list.cost[two.at], list.col[two.at]};
    }
    reread(lists, i, state.v.data(), bound);
  }
}

template <class V>
Offer<V> look_whole(const Matching<V>& state, Rereader<V>& reread, std::int32_t i) {
  const V* row = reread.rows->row(i, reread.scratch.cost.data());
  const Two<V> two = whole_two(row, state.m, state.v.data());
  if (two.u1 >= Range<V>::kHopeless) return {two.u1, two.u1, 0, kFree};
  return {two.u1, two.u2, row[two.at], static_cast<std::int32_t>(two.at)};
}

}  // namespace

template <class V>
bool reduce_rows(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, Index budget, Stats& stats, Stop& stop) {
  std::vector<std::int32_t> waiting = state.free_rows(), later;
  for (int sweep = 0; sweep < 2; ++sweep) {
    later.clear();
    for (std::size_t at = 0; at < waiting.size(); ++at) {
      for (std::int32_t i = waiting[at]; i != kFree;) {
        if (--budget < 0) return false;
        if ((++stats.bids & kPollMask) == 0 && stop.poll()) return false;
        const Offer<V> best = look(state, lists, reread, i);
        if (best.col == kFree) break;  // no partner at all: the search will say so
        std::int32_t j = best.col;
        V cost = best.cost;
        const bool gain = best.u1 < best.u2 && best.u2 < Range<V>::kHopeless;
        if (gain) {
          state.set_price(j, std::int64_t{state.v[static_cast<std::size_t>(j)]} - (best.u2 - best.u1));
        } else if (state.mate_of[static_cast<std::size_t>(j)] != kFree) {
          const auto list = lists[i];
          for (Index k = 0; k < list.size; ++k) {  // another of the tied columns, a free one first
            const std::int32_t other = list.col[k];
            if (list.cost[k] - state.v[static_cast<std::size_t>(other)] != best.u1) continue;
            j = other;
            cost = list.cost[k];
            if (state.mate_of[static_cast<std::size_t>(j)] == kFree) break;
          }
        }
        const std::int32_t out = state.mate_of[static_cast<std::size_t>(j)];
        if (out != kFree) state.col_of[static_cast<std::size_t>(out)] = kFree;
        state.match(i, j, cost);
        if (out != kFree && !gain) later.push_back(out);
        i = gain ? out : kFree;
      }
    }
    waiting.swap(later);
  }
  return true;
}

template <class V>
bool auction_phase(Matching<V>& state, Lists<V>& lists, Rereader<V>& reread, const Phase<V>& phase, Stats& stats,
                   Stop& stop) {
  const Index start = reread.count;
  state.clear();
  // In turns: rows thrown out wait for the next one. The order of a turn is known, so its lists can be fetched ahead.
  std::vector<std::int32_t> free = state.free_rows(), next;
  Index budget = phase.bids;
  const auto leave = static_cast<std::size_t>(phase.leave);
  for (std::size_t at = 0; free.size() - at + next.size() > leave;) {
    if (at == free.size()) {
      free.swap(next);
      next.clear();
      at = 0;
    }
    if (--budget < 0 || reread.count - start > phase.rereads) return false;
    if ((++stats.bids & kPollMask) == 0 && stop.poll()) return false;
    if (at + 2 * kAhead < free.size()) lists.prefetch(free[at + 2 * kAhead]);
    if (at + kAhead < free.size() && !phase.whole) prefetch_prices(state, lists, free[at + kAhead]);
    const std::int32_t i = free[at++];
    const Offer<V> best = phase.whole ? look_whole(state, reread, i) : look(state, lists, reread, i);
    if (best.col == kFree) return false;
    const std::int32_t j = best.col;
    // With one allowed column left any decrease is right.
    const std::int64_t step = best.u2 < Range<V>::kHopeless ? std::int64_t{best.u2} - best.u1 : 0;
    const std::int64_t price = std::int64_t{state.v[static_cast<std::size_t>(j)]} - step - phase.epsilon;
    if (price < -Range<V>::kUnit) return false;
    state.v[static_cast<std::size_t>(j)] = static_cast<V>(price);
    const std::int32_t out = state.mate_of[static_cast<std::size_t>(j)];
    if (out != kFree) {
      state.col_of[static_cast<std::size_t>(out)] = kFree;
      next.push_back(out);
    }
    state.match(i, j, best.cost);
  }
  return true;
}

#define GRIDCOMPUTE_BIDS(V)                                                               \
  template bool reduce_rows(Matching<V>&, Lists<V>&, Rereader<V>&, Index, Stats&, Stop&); \
  template bool auction_phase(Matching<V>&, Lists<V>&, Rereader<V>&, const Phase<V>&, Stats&, Stop&);
GRIDCOMPUTE_BIDS(std::int32_t)
GRIDCOMPUTE_BIDS(std::int64_t)

}  // namespace gridcompute::assignment
