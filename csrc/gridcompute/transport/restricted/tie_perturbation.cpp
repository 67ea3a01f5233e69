#include "gridcompute/transport/restricted/tie_perturbation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace gridcompute::transport {

namespace {
constexpr float kFloatInf = std::numeric_limits<float>::infinity();
}  // namespace

bool needs_perturbation(const RestrictedProblem& r, std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                        bool first, const Tuning& tuning) {
  Index close = 0, members = 0;
  std::vector<Index> counted(duplicate_of.size(), -1);  // the last group that tied, by the first of equal classes
  for (Index g = 0; g < r.groups(); ++g) {
    Cost least = std::numeric_limits<Cost>::max();
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) least = std::min(least, r.key[c] + prices[r.slot[c]]);
    --close;
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      Index& last = counted[duplicate_of[r.slot[c]]];
      if (last == g || r.key[c] + prices[r.slot[c]] > least + tuning.tie_distance) continue;
      last = g;
      ++close;
    }
    members += r.members[g];
  }
  // Every vertex of the dual has S ties in any case.
  close -= r.columns;
  const auto n = static_cast<Index>(r.place_of.size());
  return members <= tuning.shared_jobs * r.groups() ? tuning.tie_share * close > n : !first && close > n;
}

void remove_perturbation(RestrictedProblem& r, const KeyPerturber& breaker, const std::function<Index(Index)>& job_at,
                         const std::function<Cost(Index)>& weight_of, Pool& pool) {
  constexpr Index kChunk = 1 << 14;  // groups
  const auto n = static_cast<Index>(r.place_of.size());
  const Cost most = breaker.perturbation().spread - 1;
  std::vector<Wide> added(static_cast<std::size_t>(Pool::chunks(n, kChunk)), 0);
  pool.for_chunks(n, kChunk, [&](Index chunk, Index begin, Index end) {
    for (Index k = begin; k < end; ++k) {
      const Index job = job_at(k);
      const std::int32_t w = r.place_of[k], g = ~w;
      const Cost first = breaker.at(job, w >= 0 ? w : r.slot[r.begin[g]]);
      added[static_cast<std::size_t>(chunk)] += static_cast<Wide>(weight_of(k)) * first;
      if (w >= 0) {
        const float less = r.margin[k] - static_cast<float>(most - first);
        r.margin[k] = std::nextafterf(std::nextafterf(less, -kFloatInf), -kFloatInf);  // two roundings
        continue;
      }
      for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) r.key[c] -= breaker.at(job, r.slot[c]) - first;
      if (r.next[g] < kForbidden) r.next[g] -= most - first;
    }
  });
  for (const Wide e : added) r.base -= e;
}

}  // namespace gridcompute::transport
