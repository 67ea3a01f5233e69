#include "gridcompute/assignment/engines/row_reduction.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kReductionPollMask = 0xFFF;  // bids between two polls of the stop

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE LeastTwo<V> least_two_in_list_of(const std::int32_t* GRIDCOMPUTE_RESTRICT col,
                                                    const V* GRIDCOMPUTE_RESTRICT cost, Index size,
                                                    const V* GRIDCOMPUTE_RESTRICT v, V* GRIDCOMPUTE_RESTRICT r) {
  for (Index k = 0; k < size; ++k) r[k] = static_cast<V>(cost[k] - v[col[k]]);
  return two_least<kBytes, V>(
      size, [&](Index k, auto& x) GRIDCOMPUTE_FORCED { gridcompute::load(r + k, x); },
      [&](Index k) GRIDCOMPUTE_FORCED { return r[k]; });
}

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE LeastTwo<V> least_two_in_row_of(const V* GRIDCOMPUTE_RESTRICT cost, Index size,
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

}  // namespace

#define GRIDCOMPUTE_TWO(V)                                                                     \
  GRIDCOMPUTE_VERSIONS(LeastTwo<V>, least_two_in_list,                                         \
                       (const std::int32_t* col, const V* cost, Index size, const V* v, V* r), \
                       (col, cost, size, v, r))                                                \
  GRIDCOMPUTE_VERSIONS(LeastTwo<V>, least_two_in_row, (const V* cost, Index size, const V* v), (cost, size, v))
GRIDCOMPUTE_TWO(std::int32_t)
GRIDCOMPUTE_TWO(std::int64_t)

template <class V>
bool augmenting_row_reduction(Matching<V>& state, CandidateLists<V>& lists, ListRefresher<V>& refresh, Index budget,
                              int sweeps, AssignmentStats& stats, Stop& stop) {
  std::vector<std::int32_t> waiting = state.free_rows(), later;
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    later.clear();
    for (std::size_t at = 0; at < waiting.size(); ++at) {
      for (std::int32_t i = waiting[at]; i != kUnmatched;) {
        if (--budget < 0) return false;
        if ((++stats.bids & kReductionPollMask) == 0 && stop.poll((kReductionPollMask + 1) * lists[i].size))
          return false;
        const BestColumn<V> best = best_in_list(state, lists, refresh, i);
        if (best.col == kUnmatched) break;  // no allowed pair: the search finds the witness
        std::int32_t j = best.col;
        V cost = best.cost;
        const bool gain = best.u1 < best.u2 && best.u2 < IntRange<V>::kForbiddenReduced;
        if (gain) {
          state.set_price(j, std::int64_t{state.v[static_cast<std::size_t>(j)]} - (best.u2 - best.u1));
        } else if (state.mate_of[static_cast<std::size_t>(j)] != kUnmatched) {
          const auto list = lists[i];
          for (Index k = 0; k < list.size; ++k) {  // another of the tied columns, a free one if there is one
            const std::int32_t other = list.col[k];
            if (list.cost[k] - state.v[static_cast<std::size_t>(other)] != best.u1) continue;
            j = other;
            cost = list.cost[k];
            if (state.mate_of[static_cast<std::size_t>(j)] == kUnmatched) break;
          }
        }
        const std::int32_t out = state.mate_of[static_cast<std::size_t>(j)];
        if (out != kUnmatched) state.col_of[static_cast<std::size_t>(out)] = kUnmatched;
        state.match(i, j, cost);
        if (out != kUnmatched && !gain) later.push_back(out);
        i = gain ? out : kUnmatched;
      }
    }
    waiting.swap(later);
  }
  return true;
}

#define GRIDCOMPUTE_ROW_REDUCTION(V)                                                                      \
  template bool augmenting_row_reduction(Matching<V>&, CandidateLists<V>&, ListRefresher<V>&, Index, int, \
                                         AssignmentStats&, Stop&);
GRIDCOMPUTE_ROW_REDUCTION(std::int32_t)
GRIDCOMPUTE_ROW_REDUCTION(std::int64_t)

}  // namespace gridcompute::assignment
