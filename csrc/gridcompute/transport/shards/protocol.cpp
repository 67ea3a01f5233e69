#include "gridcompute/transport/shards/protocol.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

namespace gridcompute::transport {

namespace {

constexpr Index kMostJobs = Index{1} << 62;  // an Index holds the end of any range of them

// Returns whether the entries ascend within [low, high).
template <class T>
bool ascends(std::span<const T> values, Index low, Index high) {
  return std::ranges::adjacent_find(values, std::greater_equal<>()) == values.end() &&
         (values.empty() || (values.front() >= low && values.back() < high));
}

}  // namespace

void require_prices(std::span<const Cost> prices, const CostModel& model) {
  const auto fits = [](Cost price) { return price >= -kCostLimit && price <= kCostLimit; };
  require_message(prices.size() == at(model.columns()) && std::ranges::all_of(prices, fits), "it has other prices");
}

void require_fits(const TermsScope& scope, const CostModel& model, Index n_jobs) {
  const auto fits = [](double coef) { return coef >= 0 && coef < kInf; };
  require_message(
      scope.n_jobs == n_jobs && scope.coef.size() == model.tables.size() && std::ranges::all_of(scope.coef, fits),
      "it is about other terms");
}

void require_fits(const PassSetting& pass, const CostModel& model, Index n_jobs) {
  require_fits(pass.scope, model, n_jobs);
  for (const std::vector<Cost>* some : {&pass.box.center, &pass.box.down, &pass.box.up}) require_prices(*some, model);
  const Perturbation& ties = pass.ties;
  require_message(pass.resolution > 0 && pass.resolution < kInf && ties.shift >= 0 && ties.shift < 62 &&
                      ties.spread >= 0 && ties.spread <= kCostLimit && (ties.spread & (ties.spread - 1)) == 0,
                  "it has another unit");
}

IntegerKeys keys_of(const Problem& problem, double resolution, Perturbation ties) {
  ties.scale = 1;  // the scale is part of the resolution
  return {problem, resolution, ties};
}

void JobList::write(MessageWriter& out) const {
  out.put(position, place, margin);
  columns.write(out);
}

JobList JobList::read(MessageReader& in, const CostModel& model, Index first, Index n, Index groups) {
  JobList list;
  in.get(list.position, list.place, list.margin);
  list.columns = JobColumns::read(in, model);
  const std::size_t rows = list.position.size();
  require_message(list.place.size() == rows && list.margin.size() == rows && at(list.columns.size()) == rows,
                  "it has rows without columns");
  const auto fits = [&](std::int32_t place) { return place >= -groups && place < model.columns(); };
  require_message(
      ascends(std::span<const Index>(list.position), first, first + n) && std::ranges::all_of(list.place, fits),
      "it is about other jobs");
  return list;
}

void UnlistedJobs::join(const UnlistedJobs& others) {
  perturbation += others.perturbation;
  for (std::size_t s = 0; s < least_margins.size(); ++s)
    least_margins[s] = std::min(least_margins[s], others.least_margins.at(s));
}

void read_scan(MessageReader& in, const CostModel& model, Index first, Index n, PricedChunk& chunk,
               UnlistedJobs& others, JobList& listed) {
  in.get(chunk.seen, chunk.base, chunk.fixed, chunk.first_infeasible_job, others);
  in.get(chunk.job, chunk.size, chunk.members, chunk.weight, chunk.next, chunk.slot, chunk.key);
  const std::size_t columns = at(model.columns()), groups = chunk.size.size();
  listed = JobList::read(in, model, first, n, static_cast<Index>(groups));
  in.end();
  require_message(chunk.fixed.size() == columns && others.least_margins.size() == columns, "it is about other classes");
  require_message(chunk.job.size() == groups && chunk.members.size() == groups && chunk.weight.size() == groups &&
                      chunk.next.size() == groups && chunk.key.size() == chunk.slot.size(),
                  "it has groups of other sizes");
  const auto within = [&](Index job) { return job == -1 || (job >= first && job < first + n); };
  require_message(chunk.seen.invalid >= -1 && chunk.seen.invalid < kMostJobs && within(chunk.first_infeasible_job),
                  "it is about other jobs");
  std::vector<std::int32_t> members(groups, 0);
  Index row = 0, begin = 0;  // begin: the first candidate of a group
  for (const std::int32_t place : listed.place) {
    require_message(place >= 0 || members[at(~place)]++ > 0 || chunk.job[at(~place)] == row, "it has other groups");
    ++row;
  }
  for (std::size_t g = 0; g < groups; ++g) {
    const Index size = chunk.size[g];
    require_message(size > 0 && begin + size <= static_cast<Index>(chunk.slot.size()) && members[g] > 0 &&
                        chunk.members[g] == members[g] && chunk.weight[g] == members[g] &&
                        ascends(std::span<const Slot>(chunk.slot).subspan(at(begin), at(size)), 0, model.columns()),
                    "it has other groups");
    begin += size;
  }
  Wide jobs = std::accumulate(members.begin(), members.end(), Wide{0});
  for (const Cost fixed : chunk.fixed) {
    require_message(fixed >= 0, "it has a load below 0");
    jobs += fixed;
  }
  // Every job is fixed or in a group, unless some have no class.
  require_message(
      begin == static_cast<Index>(chunk.slot.size()) && (chunk.first_infeasible_job < 0 ? jobs == n : jobs < n),
      "it has other loads");
}

AssignedCosts AssignedCosts::read(std::string_view bytes, const CostModel& model, Index first, Index n, Index n_jobs) {
  auto costs = read_message<AssignedCosts>(bytes);
  const OwnChunks chunks = own_chunks(first, n, n_jobs, kTotalRows);
  const auto fits = [&](Cost load) { return load >= 0 && load <= n; };
  require_message(costs.load.size() == at(model.columns()) && std::ranges::all_of(costs.load, fits) &&
                      static_cast<Index>(costs.before.size()) <= chunks.begin &&
                      static_cast<Index>(costs.after.size()) <= n - chunks.end &&
                      static_cast<Index>(costs.totals.size()) == Pool::chunks(chunks.end - chunks.begin, kTotalRows),
                  "it is about other jobs");
  return costs;
}

OwnChunks own_chunks(Index first, Index n, Index n_jobs, Index size) {
  const Index last = first + n;
  const Index begin = std::min(last, (first + size - 1) / size * size);
  const Index end = std::max(begin, last == n_jobs ? last : last / size * size);
  return {begin - first, end - first};
}

}  // namespace gridcompute::transport
