#include "gridcompute/transport/restricted/add_columns.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "gridcompute/transport/kernels/flatten.hpp"
#include "gridcompute/transport/kernels/row_minima.hpp"
#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/job_shards.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kMarginChunk = 1 << 15;  // jobs a chunk of a test on margins
constexpr Index kLows = 1 << 13;         // jobs a chunk of a pass over all costs
constexpr Index kAgain = 64;             // jobs a chunk where rows are read again

// Splits a shared group whose members must be read again into one group a member; flow is assigned in index order.
void part_members(RestrictedProblem& r, const std::vector<std::int32_t>& shared) {
  std::vector<std::int32_t> first(static_cast<std::size_t>(r.groups()), -1);
  for (const std::int32_t g : shared) first[g] = g;
  std::vector<Index> at(first.size(), -1);
  const auto n = static_cast<Index>(r.place_of.size());
  for (Index k = 0; k < n; ++k) {
    const std::int32_t g = ~r.place_of[k];
    if (r.place_of[k] >= 0 || static_cast<std::size_t>(g) >= first.size() || first[g] < 0) continue;
    const Cost each = r.weight[g] / r.members[g];  // members of a group have equal weights: 1
    const auto own = static_cast<std::int32_t>(r.size.size());
    r.place_of[k] = ~own;
    r.begin.push_back(static_cast<Index>(r.slot.size()));
    r.job.push_back(k);
    r.size.push_back(r.size[g]);
    r.members.push_back(1);
    r.weight.push_back(each);
    r.next.push_back(r.next[g]);
    for (std::int32_t c = 0; c < r.size[own]; ++c) {
      const Index from = r.begin[g] + c;
      r.slot.push_back(r.slot[from]);
      r.key.push_back(r.key[from]);
      r.flow.push_back(0);
      r.group_of.push_back(own);
    }
    Cost left = each;
    for (Index& c = at[g] < 0 ? at[g] = r.begin[g] : at[g]; left > 0;) {
      if (r.flow[c] == 0) {
        ++c;
        continue;
      }
      const Cost some = std::min(left, r.flow[c]);
      r.flow[c] -= some;
      r.flow[r.begin[own] + c - r.begin[g]] += some;
      left -= some;
    }
  }
  // The emptied groups keep their number: weight 0, first candidate only.
  for (const std::int32_t g : shared) r.weight[g] = 0, r.members[g] = 0, r.next[g] = kForbidden;
}

// One job's new list.
struct Found {
  std::vector<Slot> slot;
  std::vector<Cost> key;
  Cost next = kForbidden;  // absolute: min of key + center - down over the rest
};

// Replaces a job's list by a longer one, with the flow of the old.
void replace(RestrictedProblem& r, Index k, Cost weight, const Found& found) {
  const Index start = static_cast<Index>(r.slot.size());
  const Cost first = found.key[0];
  std::int32_t g = ~r.place_of[k];
  if (r.place_of[k] >= 0) {
    const Slot at = r.place_of[k];
    g = static_cast<std::int32_t>(r.size.size());
    const auto it = std::lower_bound(found.slot.begin(), found.slot.end(), at);
    const Cost old = found.key[it - found.slot.begin()];
    r.fixed[at] -= weight;
    r.base += static_cast<Wide>(weight) * (first - old);
    r.begin.push_back(start);
    r.job.push_back(k);
    r.size.push_back(0);
    r.members.push_back(1);
    r.weight.push_back(weight);
    r.next.push_back(0);
    r.place_of[k] = ~g;
    for (std::size_t c = 0; c < found.slot.size(); ++c) r.flow.push_back(found.slot[c] == at ? weight : 0);
  } else {
    const Index old = r.begin[g], old_size = r.size[g];
    const auto it = std::lower_bound(found.slot.begin(), found.slot.end(), r.slot[old]);
    r.base += static_cast<Wide>(weight) * (first - found.key[it - found.slot.begin()]);
    Index o = old;
    for (std::size_t c = 0; c < found.slot.size(); ++c) {
      const bool had = o < old + old_size && r.slot[o] == found.slot[c];
      r.flow.push_back(had ? r.flow[o] : 0);
      if (had) r.flow[o++] = 0;
    }
    r.begin[g] = start;
  }
  r.size[g] = static_cast<std::int32_t>(found.slot.size());
  for (std::size_t c = 0; c < found.slot.size(); ++c) {
    r.slot.push_back(found.slot[c]);
    r.key.push_back(found.key[c] - first);
    r.group_of.push_back(g);
  }
  r.next[g] = found.next >= kForbidden ? kForbidden : found.next - (first + r.box.center[found.slot[0]]);
}

// Reads a job's keys, the unplaced column included.
class Reader {
 public:
  Reader(const SolverContext& context, const Level& level)
      : context_(context), level_(level), row_(static_cast<std::size_t>(context.keys.columns())) {}

  const std::vector<Cost>& read(Index k, CostRangeStats& seen) {
    const Index job = level_.row(k);
    context_.keys.fill(Rows{&job, 0, 1}, row_.data(), scratch_, seen);
    if (context_.keys.optional()) row_.back() = context_.keys.unplaced(job, seen);
    return row_;
  }

 private:
  const SolverContext& context_;
  const Level& level_;
  std::vector<Cost> row_;
  std::vector<double> scratch_;
};

// Reads these jobs again. keep(position, row, listed) marks the classes of the new list; those of the old are marked on
// entry.
template <class Keep>
bool reread(const SolverContext& context, const Level& level, std::span<const Index> jobs, RestrictedProblem& r,
            CostRangeStats& seen, const Keep& keep) {
  std::vector<std::int32_t> shared;
  for (const Index k : jobs) {
    if (r.place_of[k] < 0 && r.members[~r.place_of[k]] > 1) shared.push_back(~r.place_of[k]);
  }
  if (!shared.empty()) {
    std::sort(shared.begin(), shared.end());
    shared.erase(std::unique(shared.begin(), shared.end()), shared.end());
    part_members(r, shared);
  }
  std::vector<Cost> base(r.box.center);
  for (Slot s = 0; s < r.columns; ++s) base[s] -= r.box.down[s];
  std::vector<Found> found(jobs.size());
  std::vector<CostRangeStats> seens(static_cast<std::size_t>(Pool::chunks(static_cast<Index>(jobs.size()), kAgain)));
  context.stop.count(static_cast<Index>(jobs.size()) * r.columns);
  const bool whole = context.pool.for_chunks(
      static_cast<Index>(jobs.size()), kAgain,
      [&](Index chunk, Index begin, Index end) {
        Reader reader(context, level);
        std::vector<std::uint8_t> listed(static_cast<std::size_t>(r.columns));
        std::vector<Slot> slots(static_cast<std::size_t>(r.columns));
        for (Index j = begin; j < end; ++j) {
          const Index k = jobs[static_cast<std::size_t>(j)];
          const std::vector<Cost>& row = reader.read(k, seens[static_cast<std::size_t>(chunk)]);
          std::fill(listed.begin(), listed.end(), 0);
          if (r.place_of[k] >= 0) {
            listed[r.place_of[k]] = 1;
          } else {
            const std::int32_t g = ~r.place_of[k];
            for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) listed[r.slot[c]] = 1;
          }
          Found& f = found[static_cast<std::size_t>(j)];
          keep(k, row, listed);
          const Index count = list_marked(listed, slots.data());
          f.slot.assign(slots.begin(), slots.begin() + count);
          for (const Slot s : f.slot) f.key.push_back(row[s]);
          f.next = least_unlisted(row.data(), base.data(), listed);
        }
      },
      &context.stop);
  if (!whole) return false;
  for (const CostRangeStats& s : seens) seen.join(s);
  for (std::size_t j = 0; j < jobs.size(); ++j)
    replace(r, jobs[j], context.keys.problem().weight(level.row(jobs[j])), found[j]);
  return true;
}

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
  // One job in `step` is sample enough.
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
  const bool read = reread(context, level, violations.jobs, r, seen,
                           [&](Index, const std::vector<Cost>& row, std::span<std::uint8_t> listed) {
                             const Cost now = cheapest(row, listed, prices);
                             mark_candidates(row.data(), with, now, listed);
                             if (cheapest(row, listed, prices) < now) better = true;
                           });
  return !read ? AddedColumns::stopped : better ? AddedColumns::better : AddedColumns::none;
}

std::vector<Index> jobs_with_units_in(const RestrictedProblem& r, std::span<const Slot> classes) {
  std::vector<char> inside(static_cast<std::size_t>(r.columns), 0);
  for (const Slot s : classes) {
    if (s < r.columns) inside[s] = 1;
  }
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

namespace {

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
  std::vector<char> inside(static_cast<std::size_t>(r.columns), 0);
  for (const Slot s : classes) {
    if (s < r.columns) inside[s] = 1;
  }
  const std::vector<Index> jobs = jobs_with_units_in(r, classes);
  const auto n = static_cast<Index>(jobs.size());
  std::vector<Cost> way(jobs.size(), kForbidden);  // each job's cost of its cheapest class outside, less that inside
  std::vector<CostRangeStats> seens(static_cast<std::size_t>(Pool::chunks(n, kAgain)));
  context.stop.count(n * r.columns);
  const bool whole = context.pool.for_chunks(
      n, kAgain,
      [&](Index chunk, Index begin, Index end) {
        Reader reader(context, level);
        for (Index j = begin; j < end; ++j) {
          const std::vector<Cost>& row =
              reader.read(jobs[static_cast<std::size_t>(j)], seens[static_cast<std::size_t>(chunk)]);
          Cost in = kForbidden, out = kForbidden;
          for (Slot s = 0; s < r.columns; ++s) {
            if (row[s] >= kForbidden) continue;
            Cost& side = inside[s] != 0 ? in : out;
            side = std::min(side, row[s] + prices[s]);
          }
          if (out < kForbidden) way[static_cast<std::size_t>(j)] = out - in;
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
  const bool read =
      reread(context, level, chosen, r, seen, [&](Index, const std::vector<Cost>& row, std::span<std::uint8_t> listed) {
        Cost in = kForbidden;
        for (Slot s = 0; s < r.columns; ++s) {
          if (inside[s] != 0) in = std::min(in, row[s] + prices[s]);
        }
        for (Slot s = 0; s < r.columns; ++s) {
          if (inside[s] == 0 && row[s] < kForbidden && row[s] + prices[s] - in <= most) listed[s] = 1;
        }
      });
  return read ? EscapeColumns::found : EscapeColumns::stopped;
}

}  // namespace gridcompute::transport
