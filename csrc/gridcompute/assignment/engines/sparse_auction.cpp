#include "gridcompute/assignment/engines/sparse_auction.hpp"

#include <numeric>

#include "gridcompute/assignment/engines/two_least.hpp"

namespace gridcompute::assignment {

namespace {

// Bids ahead of their turn at which slots, lists and places are fetched.
constexpr std::size_t kSlotsAhead = 6, kListAhead = 12, kPlaceAhead = 24;
constexpr Index kPollMask = 0xFFF;  // bids between two looks at the stop
constexpr Index kSlotLanes = 2;     // longer lists take long enough to hide their slots' fetching

template <class V>
struct alignas(2 * sizeof(V)) Slot {
  V price, mate;
};

template <Index kBytes, class V>
GRIDCOMPUTE_INLINE Two<V> least_two_of(const std::int32_t* GRIDCOMPUTE_RESTRICT col, const V* GRIDCOMPUTE_RESTRICT cost,
                                       Index size, const Slot<V>* GRIDCOMPUTE_RESTRICT slot,
                                       V* GRIDCOMPUTE_RESTRICT r) {
  for (Index k = 0; k < size; ++k) r[k] = static_cast<V>(cost[k] - slot[col[k]].price);
  return two_least<kBytes, V>(
      size, [&](Index k, auto& x) GRIDCOMPUTE_FORCED { gridcompute::load(r + k, x); },
      [&](Index k) GRIDCOMPUTE_FORCED { return r[k]; });
}

#define GRIDCOMPUTE_SLOTS(V)                                                                            \
  GRIDCOMPUTE_VERSIONS(Two<V>, least_two,                                                               \
                       (const std::int32_t* col, const V* cost, Index size, const Slot<V>* slot, V* r), \
                       (col, cost, size, slot, r))
GRIDCOMPUTE_SLOTS(std::int32_t)
GRIDCOMPUTE_SLOTS(std::int64_t)

}  // namespace

template <class V>
bool sparse_auction_phase(std::vector<V>& v, const Lists<V>& lists, const Phase<V>& phase, Stats& stats, Stop& stop) {
  std::vector<Slot<V>> slot(v.size());
  for (std::size_t j = 0; j < v.size(); ++j) slot[j] = {v[j], V{kFree}};
  std::vector<std::int32_t> free(static_cast<std::size_t>(lists.rows())), next;
  std::iota(free.begin(), free.end(), 0);
  std::vector<V> reduced(static_cast<std::size_t>(lists.longest()));
  const auto leave = static_cast<std::size_t>(phase.leave);
  Index budget = phase.bids;
  const auto bid = [&](std::int32_t i) {
    if (--budget < 0 || ((++stats.bids & kPollMask) == 0 && stop.poll())) return false;
    const auto list = lists[i];
    const Two<V> two = least_two(list.col, list.cost, list.size, slot.data(), reduced.data());
    if (two.u1 >= Range<V>::kHopeless) return false;
    Slot<V>& best = slot[static_cast<std::size_t>(list.col[two.at])];
    // With one allowed column left any decrease is right.
    const std::int64_t step = two.u2 < Range<V>::kHopeless ? std::int64_t{two.u2} - two.u1 : 0;
    const std::int64_t price = std::int64_t{best.price} - step - phase.epsilon;
    if (price < -Range<V>::kUnit) return false;
    if (best.mate != kFree) next.push_back(static_cast<std::int32_t>(best.mate));
    best = {static_cast<V>(price), static_cast<V>(i)};
    return true;
  };
  bool ok = true;
  for (std::size_t at = 0; ok && free.size() - at + next.size() > leave;) {
    if (at == free.size()) {
      free.swap(next);
      next.clear();
      at = 0;
    }
    if (at + kPlaceAhead < free.size()) lists.prefetch_place(free[at + kPlaceAhead]);
    if (at + kListAhead < free.size()) lists.prefetch(free[at + kListAhead]);
    if (at + kSlotsAhead < free.size()) {
      const auto list = lists[free[at + kSlotsAhead]];
      if (list.size <= kSlotLanes * Lists<V>::kLanes)
        for (Index k = 0; k < list.size; ++k) __builtin_prefetch(slot.data() + list.col[k], 1);
    }
    ok = bid(free[at++]);
  }
  for (std::size_t j = 0; j + 1 < v.size(); ++j) v[j] = slot[j].price;
  return ok;
}

template bool sparse_auction_phase(std::vector<std::int32_t>&, const Lists<std::int32_t>&, const Phase<std::int32_t>&,
                                   Stats&, Stop&);
template bool sparse_auction_phase(std::vector<std::int64_t>&, const Lists<std::int64_t>&, const Phase<std::int64_t>&,
                                   Stats&, Stop&);

}  // namespace gridcompute::assignment
