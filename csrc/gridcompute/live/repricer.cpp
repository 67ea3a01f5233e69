#include "gridcompute/live/repricer.hpp"

#include <algorithm>
#include <utility>

#include "gridcompute/live/kernels.hpp"

namespace gridcompute::live {

namespace {

// A bid this high comes from a job that is forbidden elsewhere: it takes its slot at any price.
constexpr Cost kAnyPrice = kForbidden / 2;

std::vector<Cost> joined(const std::vector<std::vector<Cost>>& parts) {
  std::vector<Cost> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

bool Repricer::reprice_changed(RoundContext& round) {
  std::vector<Slot>& changed = pair_.changed;
  if (changed.empty()) return true;
  std::vector<std::vector<Job>> members;
  for (const Slot s : changed) members.emplace_back(state_.members(s).begin(), state_.members(s).end());
  for (const auto& jobs : members) {
    for (const Job job : jobs) pair_.enqueue(job);
  }
  std::vector<Cost> lengths;
  for (; !changed.empty() && !round.stop.poll(); changed.pop_back(), members.pop_back()) {
    reprice(changed.back(), members.back(), lengths, round.pool);
    ++pair_.counts.classes_repriced;
  }
  round.end_stage("reprice");
  return changed.empty();
}

// Reprices class s, whose former members are in no class. `lengths` is a buffer.
void Repricer::reprice(Slot s, const std::vector<Job>& members, std::vector<Cost>& lengths, Pool& pool) {
  pair_.index->move_lengths_to(s, lengths, pool);
  const Index n = state_.n_positions(), chunk_size = pair_.tuning.price_chunk;
  const auto bid_of = [&](Job job) {
    const Slot a = state_.assigned_class(job);
    return a == kNone || lengths[at(job)] >= kForbidden ? -1 : pair_.prices[at(a)] - lengths[at(job)];
  };
  std::vector<std::vector<Cost>> others(at(Pool::chunks(n, chunk_size)));
  pool.for_chunks(n, chunk_size, [&](Index chunk, Index begin, Index end) {
    for (Index job = begin; job < end; ++job) {
      if (const Cost bid = bid_of(static_cast<Job>(job)); bid > 0) others[at(chunk)].push_back(bid);
    }
  });
  std::vector<Cost> bids = joined(others);
  const std::vector<Cost> more = bids_of_members(s, members, pool);
  bids.insert(bids.end(), more.begin(), more.end());
  const auto priced = std::partition(bids.begin(), bids.end(), [](Cost bid) { return bid < kAnyPrice; });
  const Cost slots = std::max<Cost>(pair_.capacity[s] - (bids.end() - priced), 0);
  Cost& price = pair_.prices[at(s)];
  price = 0;
  if (priced - bids.begin() > slots) {
    std::nth_element(bids.begin(), bids.begin() + slots, priced, std::greater<>());
    price = bids[at(slots)];
  }
  std::vector<std::vector<Job>> attracted(others.size());
  pool.for_chunks(n, chunk_size, [&](Index chunk, Index begin, Index end) {
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      if (bid_of(job) > price) attracted[at(chunk)].push_back(job);
    }
  });
  for (const auto& jobs : attracted) {
    for (const Job job : jobs) pair_.enqueue(job);
  }
  pair_.index->replace_target(s, lengths, pool);
}

// Returns the bids above 0 of the former members of class s, from their rows.
std::vector<Cost> Repricer::bids_of_members(Slot s, const std::vector<Job>& members, Pool& pool) {
  const auto n = static_cast<Index>(members.size());
  const Index chunk_size = pair_.tuning.rows_chunk;
  std::vector<std::vector<Cost>> parts(at(Pool::chunks(n, chunk_size)));
  pool.for_chunks(n, chunk_size, [&](Index chunk, Index begin, Index end) {
    KeyBuffer buffer;
    state_.read_rows(std::span(members).subspan(at(begin), at(end - begin)), buffer);
    for (Index k = 0; k < end - begin; ++k) {
      Cost* row = buffer.keys.data() + k * state_.n_classes();
      const Cost here = std::exchange(row[s], kForbidden);
      const Cost bid = kernels::least_reduced(row, pair_.prices.data(), state_.n_classes()) - here;
      if (here < kForbidden && bid > 0) parts[at(chunk)].push_back(bid);
    }
  });
  pair_.counts.rows_read += n;
  return joined(parts);
}

}  // namespace gridcompute::live
