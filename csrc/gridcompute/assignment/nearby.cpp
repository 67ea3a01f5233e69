#include "gridcompute/assignment/nearby.hpp"

#include <algorithm>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kLooks = 4;  // a row

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

template <class V>
GRIDCOMPUTE_INLINE V least_in(const V* GRIDCOMPUTE_RESTRICT row, Index m, const V* GRIDCOMPUTE_RESTRICT v) {
  V least = std::numeric_limits<V>::max();
  for (Index j = 0; j < m; ++j) {
    const V r = static_cast<V>(row[j] - v[j]);
    least = r < least ? r : least;
  }
  return least;
}

#define GRIDCOMPUTE_NEARBY(V) \
  GRIDCOMPUTE_CLONES V least_of(const V* row, Index m, const V* v) { return least_in(row, m, v); }
GRIDCOMPUTE_NEARBY(std::int32_t)
GRIDCOMPUTE_NEARBY(std::int64_t)

template <class V>
class Start {
 public:
  Start(Matching<V>& state, const CopiedRows<V>& rows, double slack) : state_(state), rows_(rows), slack_(slack) {}

  void run(const std::vector<std::int32_t>& col_of) {
    for (std::int32_t i = 0; i < state_.n; ++i) {
      const V cost = rows_.row(i, nullptr)[col_of[at(i)]];
      if (cost < Range<V>::kForbidden) state_.match(i, col_of[at(i)], cost);
    }
    std::vector<std::int32_t> missing;
    for (std::int32_t i = 0; i < state_.n; ++i) {
      if (state_.col_of[at(i)] == kFree) continue;
      const V by = miss(i);
      if (static_cast<double>(by) > slack_)
        leave(i);
      else if (by > 0)
        missing.push_back(i);
    }
    Index looks = kLooks * state_.n;
    for (std::size_t k = 0; k < missing.size(); ++k) {
      const std::int32_t i = missing[k];
      if (state_.col_of[at(i)] == kFree || miss(i) <= 0) continue;
      if (--looks < 0)
        leave(i);
      else
        give_way(i, missing);
    }
  }

 private:
  V miss(std::int32_t i) const {
    return static_cast<V>(state_.u(i) - least_of(rows_.row(i, nullptr), state_.m, state_.v.data()));
  }
  void leave(std::int32_t i) {
    state_.mate_of[at(state_.col_of[at(i)])] = kFree;
    state_.col_of[at(i)] = kFree;
  }
  // Only rows whose own column has fallen can come to miss.
  void give_way(std::int32_t i, std::vector<std::int32_t>& missing) {
    const V* row = rows_.row(i, nullptr);
    const V u = state_.u(i);
    for (Index j = 0; j < state_.m; ++j) {
      const V price = static_cast<V>(row[j] - u);
      if (price >= state_.v[at(j)]) continue;
      state_.set_price(static_cast<std::int32_t>(j), price);
      if (state_.mate_of[at(j)] != kFree) missing.push_back(state_.mate_of[at(j)]);
    }
  }

  Matching<V>& state_;
  const CopiedRows<V>& rows_;
  double slack_;
};

}  // namespace

template <class V>
void start_nearby(Matching<V>& state, const CopiedRows<V>& rows, const Nearby& nearby) {
  Start<V>(state, rows, nearby.slack).run(nearby.col_of);
}

template void start_nearby(Matching<std::int32_t>&, const CopiedRows<std::int32_t>&, const Nearby&);
template void start_nearby(Matching<std::int64_t>&, const CopiedRows<std::int64_t>&, const Nearby&);

}  // namespace gridcompute::assignment
