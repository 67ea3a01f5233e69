#include "gridcompute/assignment/engines/ssp_rows.hpp"

#include <algorithm>

#include "gridcompute/assignment/engines/tie_order.hpp"
#include "gridcompute/assignment/refine/warm_start.hpp"

namespace gridcompute::assignment {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <class V>
GRIDCOMPUTE_INLINE V dearest_of(const V* c, Index size) {
  V most = 0;
  for (Index k = 0; k < size; ++k) {
    const V x = c[k] < Range<V>::kForbidden ? c[k] : V{0};
    most = x > most ? x : most;
  }
  return most;
}

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE bool start_of(Whole<V>& s, bool columns) {
  return columns ? start_square<kBytes>(s) : start_whole<kBytes>(s);
}

#define GRIDCOMPUTE_AUGMENT(V)                                                               \
  GRIDCOMPUTE_VERSIONS(Augmented, augment, (Whole<V> & s, std::int32_t source), (s, source)) \
  GRIDCOMPUTE_VERSIONS(bool, start, (Whole<V> & s, bool columns), (s, columns))              \
  GRIDCOMPUTE_CLONES V dearest(const V* c, Index size) { return dearest_of(c, size); }
GRIDCOMPUTE_AUGMENT(std::int32_t)
GRIDCOMPUTE_AUGMENT(std::int64_t)

}  // namespace

template <class V>
Searched search_whole(Matching<V>& state, const CopiedRows<V>& rows, Index limit, Stats& stats, Stop& stop,
                      std::vector<std::int32_t>& witness, Begin begin, const Nearby* nearby) {
  constexpr V kMost = Range<V>::kUnit / 2;
  AlignedVector<V> columns(at(4 * rows.stride)), mate_of(at(rows.stride), V{kFree});
  std::vector<std::int32_t> settled(at(state.m));
  std::copy_n(state.v.begin(), state.m, columns.begin());
  std::copy(state.mate_of.begin(), state.mate_of.end(), mate_of.begin());
  Whole<V> s{rows.data(),
             static_cast<std::int32_t>(state.n),
             static_cast<std::int32_t>(state.m),
             static_cast<std::int32_t>(rows.stride),
             columns.data(),
             columns.data() + rows.stride,
             columns.data() + 2 * rows.stride,
             columns.data() + 3 * rows.stride,
             mate_of.data(),
             settled.data(),
             state.col_of.data(),
             kMost};
  const auto leave = [&](Searched why) {
    std::copy_n(columns.begin(), state.m, state.v.begin());
    for (Index j = 0; j < state.m; ++j) state.mate_of[at(j)] = static_cast<std::int32_t>(mate_of[at(j)]);
    for (std::int32_t i = 0; i < state.n; ++i)
      if (const std::int32_t j = state.col_of[at(i)]; j != kFree) state.mate_cost[at(i)] = s.row(i)[j];
    return why;
  };
  const auto range = [&] {
    if (sizeof(V) == 4) throw PriceRange();
    return leave(Searched::budget);
  };
  if (dearest(rows.data(), state.n * rows.stride) > kMost) return leave(Searched::budget);
  Places<V> places(rows);
  if (places.matter()) s.by_place = places.by_place(), s.place = places.place();
  if (begin != Begin::here && !start(s, state.n == state.m) && begin == Begin::if_easy) return leave(Searched::budget);
  if (nearby != nullptr) start_nearby(s, *nearby);
  if (s.place != nullptr) s.find_places();
  if (*std::min_element(columns.begin(), columns.begin() + state.m) < -kMost) return leave(Searched::budget);
  Index work = 0;
  for (std::int32_t i = 0; i < state.n; ++i) {
    if (state.col_of[at(i)] != kFree) continue;
    if (stop.poll()) return Searched::stopped;
    if (work > limit) return leave(Searched::budget);
    ++stats.searches;
    const Augmented found = augment(s, i);
    stats.arcs += Index{s.collected} * state.m;
    work += Index{s.collected} * state.m;
    if (found == Augmented::range) return range();
    V lowest = 0;
    for (std::int32_t k = 0; k < s.collected; ++k) lowest = std::min(lowest, s.v[settled[at(k)]]);
    if (lowest < -kMost) return range();
    if (found == Augmented::yes) continue;
    witness.assign(1, i);
    for (std::int32_t k = 0; k < s.collected; ++k)
      witness.push_back(static_cast<std::int32_t>(mate_of[at(settled[at(k)])]));
    return Searched::infeasible;
  }
  return leave(Searched::complete);
}

template Searched search_whole(Matching<std::int32_t>&, const CopiedRows<std::int32_t>&, Index, Stats&, Stop&,
                               std::vector<std::int32_t>&, Begin, const Nearby*);
template Searched search_whole(Matching<std::int64_t>&, const CopiedRows<std::int64_t>&, Index, Stats&, Stop&,
                               std::vector<std::int32_t>&, Begin, const Nearby*);

}  // namespace gridcompute::assignment
