#include "gridcompute/transport/restricted/extend_lists.hpp"

#include <algorithm>
#include <utility>

#include "gridcompute/transport/kernels/row_screening.hpp"

namespace gridcompute::transport {

namespace {

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

}  // namespace

bool extend_lists(const SolverContext& context, const Level& level, std::span<const Index> jobs, RestrictedProblem& r,
                  CostRangeStats& seen, const MarkColumns& mark) {
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
  std::vector<CostRangeStats> seens(
      static_cast<std::size_t>(Pool::chunks(static_cast<Index>(jobs.size()), kRereadJobs)));
  context.stop.count(static_cast<Index>(jobs.size()) * r.columns);
  const bool whole = context.pool.for_chunks(
      static_cast<Index>(jobs.size()), kRereadJobs,
      [&](Index chunk, Index begin, Index end) {
        JobKeyReader reader(context, level);
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
          mark(k, row, listed);
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

}  // namespace gridcompute::transport
