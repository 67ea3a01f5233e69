#include "gridcompute/assignment/engines/warm_start.hpp"

#include <algorithm>
#include <numeric>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::assignment {

namespace {

template <class V>
GRIDCOMPUTE_INLINE V least_in(const V* GRIDCOMPUTE_RESTRICT row, Index m, const V* GRIDCOMPUTE_RESTRICT v) {
  V least = std::numeric_limits<V>::max();
  for (Index j = 0; j < m; ++j) {
    const V r = static_cast<V>(row[j] - v[j]);
    least = r < least ? r : least;
  }
  return least;
}

#define GRIDCOMPUTE_LEAST(V) \
  GRIDCOMPUTE_CLONES V least_of(const V* row, Index m, const V* v) { return least_in(row, m, v); }
GRIDCOMPUTE_LEAST(std::int32_t)
GRIDCOMPUTE_LEAST(std::int64_t)

template <class V>
class WarmStarter {
 public:
  WarmStarter(RowSspState<V>& s, double slack, const AssignmentTuning& tuning) : s_(s), slack_(slack), t_(tuning) {}

  void run(const std::vector<std::int32_t>& col_of) {
    for (std::int32_t i = 0; i < s_.n; ++i)
      if (s_.row(i)[col_of[at(i)]] < IntRange<V>::kForbidden) s_.match(i, col_of[at(i)]);
    std::vector<std::int32_t> queue(at(s_.n));
    std::iota(queue.begin(), queue.end(), 0);
    Index left = t_.warm_repricings * s_.n;
    for (std::size_t k = 0; k < queue.size(); ++k) {
      const std::int32_t i = queue[k];
      if (s_.col_of[i] == kUnmatched) continue;
      const V miss = static_cast<V>(dual(i) - least_of(s_.row(i), s_.stride, s_.v));
      if (miss <= 0) continue;
      if (static_cast<double>(miss) > slack_ || --left < 0)
        unmatch(i);
      else
        lower_prices(i, queue);
    }
  }

 private:
  [[nodiscard]] V dual(std::int32_t i) const { return static_cast<V>(s_.row(i)[s_.col_of[i]] - s_.v[s_.col_of[i]]); }
  void unmatch(std::int32_t i) {
    s_.mate_of[s_.col_of[i]] = kUnmatched;
    s_.col_of[i] = kUnmatched;
  }
  // Lowers the prices of the columns that row i would prefer. Only rows matched to these columns can miss afterwards.
  void lower_prices(std::int32_t i, std::vector<std::int32_t>& queue) {
    const V* row = s_.row(i);
    const V u = dual(i);
    for (std::int32_t j = 0; j < s_.m; ++j) {
      if (row[j] - u >= s_.v[j]) continue;
      s_.v[j] = static_cast<V>(row[j] - u);
      if (s_.mate_of[j] != kUnmatched) queue.push_back(static_cast<std::int32_t>(s_.mate_of[j]));
    }
  }

  RowSspState<V>& s_;
  double slack_;
  const AssignmentTuning& t_;
};

}  // namespace

template <class V>
void start_from_matching(RowSspState<V>& s, const WarmMatching& warm, const AssignmentTuning& tuning) {
  std::fill_n(s.mate_of, s.stride, V{kUnmatched});
  std::fill_n(s.col_of, s.n, kUnmatched);
  WarmStarter<V>(s, warm.slack, tuning).run(warm.col_of);
}

template void start_from_matching(RowSspState<std::int32_t>&, const WarmMatching&, const AssignmentTuning&);
template void start_from_matching(RowSspState<std::int64_t>&, const WarmMatching&, const AssignmentTuning&);

}  // namespace gridcompute::assignment
