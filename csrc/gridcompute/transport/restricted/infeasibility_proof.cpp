#include "gridcompute/transport/restricted/infeasibility_proof.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

namespace {

// Marks the classes among these, by number; the hub is left out.
std::vector<char> marked(std::span<const Slot> classes, Slot columns) {
  std::vector<char> inside(at(columns), 0);
  for (const Slot s : classes) {
    if (s < columns) inside[s] = 1;
  }
  return inside;
}

// Returns the jobs with units in these classes; ascending.
std::vector<Index> jobs_with_units_in(const RestrictedProblem& r, std::span<const Slot> classes) {
  const std::vector<char> inside = marked(classes, r.columns);
  std::vector<Index> jobs;
  for (Index k = 0; k < static_cast<Index>(r.place_of.size()); ++k) {
    if (r.place_of[k] >= 0) {
      if (inside[r.place_of[k]] != 0) jobs.push_back(k);
      continue;
    }
    const std::int32_t g = ~r.place_of[k];
    for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
      if (r.flow[c] > 0 && inside[r.slot[c]] != 0) {
        jobs.push_back(k);
        break;
      }
    }
  }
  return jobs;
}

// Returns the highest escape cost among the jobs with the lowest ones whose weights sum to `units`; kForbidden if there
// is none.
Cost dearest_of(const SolverContext& context, const Level& level, std::span<const Index> jobs,
                std::span<const Cost> way, Cost units) {
  std::vector<std::pair<Cost, Cost>> weights;
  for (std::size_t j = 0; j < jobs.size(); ++j)
    if (way[j] < kForbidden) weights.emplace_back(way[j], context.keys.problem().weight(level.row(jobs[j])));
  std::sort(weights.begin(), weights.end());
  Cost most = kForbidden;
  for (auto w = weights.begin(); w != weights.end() && units > 0; units -= w++->second) most = w->first;
  return most;
}

}  // namespace

EscapeColumns add_escape_columns(const SolverContext& context, const Level& level, std::span<const Slot> classes,
                                 std::span<const Cost> prices, Cost units, RestrictedProblem& r, CostRangeStats& seen) {
  const std::vector<char> inside = marked(classes, r.columns);
  const std::vector<Index> jobs = jobs_with_units_in(r, classes);
  const auto n = static_cast<Index>(jobs.size());
  std::vector<Cost> way(jobs.size(), kForbidden);  // each job's cost of its cheapest class outside, less that inside
  std::vector<CostRangeStats> seens;
  context.stop.count(n * r.columns);
  const bool whole = context.pool.for_parts(
      seens, n, kRereadJobs,
      [&](auto& part, Index begin, Index end) {
        JobKeyReader reader(context, level);
        for (Index j = begin; j < end; ++j) {
          const std::vector<Cost>& row = reader.read(jobs[at(j)], part);
          Cost in = kForbidden, out = kForbidden;
          for (Slot s = 0; s < r.columns; ++s) {
            if (row[s] >= kForbidden) continue;
            Cost& side = inside[s] != 0 ? in : out;
            side = std::min(side, row[s] + prices[s]);
          }
          if (out < kForbidden) way[at(j)] = out - in;
        }
      },
      &context.stop);
  if (!whole) return EscapeColumns::stopped;
  const Cost most = dearest_of(context, level, jobs, way, units);
  if (most == kForbidden) return EscapeColumns::none;
  std::vector<Index> chosen;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    if (way[j] <= most) chosen.push_back(jobs[j]);
  }
  const bool read = extend_lists(context, level, chosen, r, seen,
                                 [&](Index, const std::vector<Cost>& row, std::span<std::uint8_t> listed) {
                                   Cost in = kForbidden;
                                   for (Slot s = 0; s < r.columns; ++s) {
                                     if (inside[s] != 0) in = std::min(in, row[s] + prices[s]);
                                   }
                                   for (Slot s = 0; s < r.columns; ++s) {
                                     if (inside[s] == 0 && row[s] < kForbidden && row[s] + prices[s] - in <= most)
                                       listed[s] = 1;
                                   }
                                 });
  return read ? EscapeColumns::found : EscapeColumns::stopped;
}

void write_infeasibility_proof(const RestrictedProblem& r, std::span<const Slot> classes, Slot n_slots, bool in_shards,
                               Result& result) {
  result.status = Status::infeasible;
  result.objective = result.bound = std::numeric_limits<double>::infinity();
  if (r.first_infeasible_job >= 0) {
    result.witness_jobs.assign(1, r.first_infeasible_job);
    return;
  }
  for (const Slot s : classes) {
    if (s < n_slots) result.witness_slots.push_back(s);
  }
  std::sort(result.witness_slots.begin(), result.witness_slots.end());
  if (!in_shards) result.witness_jobs = jobs_with_units_in(r, classes);
}

}  // namespace gridcompute::transport
