#include "gridcompute/assignment/refine/warm_start.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

constexpr Index kLooks = 4;  // a row: so often prices give way at most

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
  Start(Whole<V>& s, double slack) : s_(s), slack_(slack) {}

  void run(const std::vector<std::int32_t>& col_of) {
    for (std::int32_t i = 0; i < s_.n; ++i)
      if (s_.row(i)[col_of[at(i)]] < Range<V>::kForbidden) s_.match(i, col_of[at(i)]);
    std::vector<std::int32_t> look(at(s_.n));
    std::iota(look.begin(), look.end(), 0);
    Index left = kLooks * s_.n;
    for (std::size_t k = 0; k < look.size(); ++k) {
      const std::int32_t i = look[k];
      if (s_.col_of[i] == kFree) continue;
      const V miss = static_cast<V>(dual(i) - least_of(s_.row(i), s_.stride, s_.v));
      if (miss <= 0) continue;
      if (static_cast<double>(miss) > slack_ || --left < 0)
        leave(i);
      else
        give_way(i, look);
    }
  }

 private:
  [[nodiscard]] V dual(std::int32_t i) const { return static_cast<V>(s_.row(i)[s_.col_of[i]] - s_.v[s_.col_of[i]]); }
  void leave(std::int32_t i) {
    s_.mate_of[s_.col_of[i]] = kFree;
    s_.col_of[i] = kFree;
  }
  // Only rows whose own column has fallen can come to miss.
  void give_way(std::int32_t i, std::vector<std::int32_t>& look) {
    const V* row = s_.row(i);
    const V u = dual(i);
    for (std::int32_t j = 0; j < s_.m; ++j) {
      if (row[j] - u >= s_.v[j]) continue;
      s_.v[j] = static_cast<V>(row[j] - u);
      if (s_.mate_of[j] != kFree) look.push_back(static_cast<std::int32_t>(s_.mate_of[j]));
    }
  }

  Whole<V>& s_;
  double slack_;
};

}  // namespace

template <class V>
void start_nearby(Whole<V>& s, const Nearby& nearby) {
  std::fill_n(s.mate_of, s.stride, V{kFree});
  std::fill_n(s.col_of, s.n, kFree);
  Start<V>(s, nearby.slack).run(nearby.col_of);
}

template void start_nearby(Whole<std::int32_t>&, const Nearby&);
template void start_nearby(Whole<std::int64_t>&, const Nearby&);

}  // namespace gridcompute::assignment
