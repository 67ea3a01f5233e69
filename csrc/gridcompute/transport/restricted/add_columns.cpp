#include "gridcompute/transport/restricted/add_columns.hpp"

#include <algorithm>
#include <atomic>

#include "gridcompute/transport/kernels/flatten.hpp"
#include "gridcompute/transport/kernels/row_minima.hpp"
#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/restricted/extend_lists.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMarginChunk = 1 << 15;  // jobs a chunk of a test on margins
constexpr Index kLows = 1 << 13;         // jobs a chunk of a pass over all costs

// Returns V at these prices over the listed classes.
Cost cheapest(const std::vector<Cost>& row, std::span<const std::uint8_t> listed, std::span<const Cost> prices) {
  Cost least = kForbidden;
  for (std::size_t s = 0; s < listed.size(); ++s) {
    if (listed[s] != 0) least = std::min(least, row[s] + prices[s]);
  }
  return least;
}

}  // namespace

Violations find_violations_exact(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                                 std::span<const Cost> prices) {
  const auto n = static_cast<Index>(r.place_of.size());
  const RowMinima minima(context, level, prices);
  std::vector<std::vector<Index>> parts(static_cast<std::size_t>(Pool::chunks(n, kLows)));
  context.stop.count(n * r.columns);
  const bool whole = context.pool.for_chunks(
      n, kLows,
      [&](Index chunk, Index begin, Index end) {
        minima.for_each(begin, end, [&](Index k, Cost low) {
          if (low < least_listed_cost(context, level, r, prices, k))
            parts[static_cast<std::size_t>(chunk)].push_back(k);
        });
      },
      &context.stop);
  Violations out;
  if (!whole) return out;
  out.shift = r.box.shift(prices);
  out.jobs = flatten(parts);
  return out;
}

Cost price_drop_needed(const SolverContext& context, const Level& level, RestrictedProblem& r,
                       std::span<const Cost> prices, Slot slot, Cost units, Cost most) {
  const Index n = level.jobs();
  // One job in `step` is a large enough sample.
  const Index step = std::max<Index>(1, n / context.tuning.measured_jobs), asked = (n + step - 1) / step;
  if (level.shards != nullptr) {
    level.shards->list_every(step, r);
    if (context.stop.requested()) return most;
  }
  std::vector<std::vector<Cost>> parts(static_cast<std::size_t>(Pool::chunks(asked, kMarginChunk)));
  context.pool.for_chunks(asked, kMarginChunk, [&](Index chunk, Index begin, Index end) {
    for (Index at = begin * step; at < std::min(n, end * step); at += step) {
      const Index k = level.shards != nullptr ? level.shards->listed_at(at) : at;
      const Index job = level.row(k);
      const Cost need = context.keys.at(job, slot) + prices[slot] - least_listed_cost(context, level, r, prices, k);
      if (need > 0 && need < most) parts[static_cast<std::size_t>(chunk)].push_back(need);
    }
  });
  std::vector<Cost> needs = flatten(parts);
  const Cost rank = (units + step - 1) / step;
  if (static_cast<Cost>(needs.size()) <= rank) return most;
  std::nth_element(needs.begin(), needs.begin() + rank, needs.end());
  return needs[static_cast<std::size_t>(rank)] + 1;
}

AddedColumns add_improving_columns(const SolverContext& context, const Level& level, const Violations& violations,
                                   std::span<const Cost> prices, RestrictedProblem& r, CostRangeStats& seen) {
  const auto n = static_cast<std::size_t>(r.columns);
  ColumnTests with{std::vector<Cost>(n), std::vector<Cost>(n), std::vector<Cost>(n)};
  for (std::size_t s = 0; s < n; ++s) {
    with.up[s] = prices[s] + r.box.up[s] / context.tuning.added_box;
    with.near[s] = prices[s] - r.box.down[s] / context.tuning.added_box;
    with.bound[s] = r.box.center[s] - r.box.down[s] + violations.shift;
  }
  std::atomic<bool> better = false;
  const bool read = extend_lists(context, level, violations.jobs, r, seen,
                                 [&](Index, const std::vector<Cost>& row, std::span<std::uint8_t> listed) {
                                   const Cost now = cheapest(row, listed, prices);
                                   mark_candidates(row.data(), with, now, listed);
                                   if (cheapest(row, listed, prices) < now) better = true;
                                 });
  return !read ? AddedColumns::stopped : better ? AddedColumns::better : AddedColumns::none;
}

}  // namespace gridcompute::transport
