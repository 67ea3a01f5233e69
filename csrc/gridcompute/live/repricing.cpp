// Classes whose costs have changed: their jobs wait, and so does whoever would now rather be there.
#include <algorithm>
#include <utility>

#include "gridcompute/live/kernels.hpp"
#include "gridcompute/live/matcher.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Index kBlock = 64;                // rows read by one thread at once
constexpr Index kLook = Index{1} << 14;     // jobs looked at by one thread at once
constexpr Cost kAnything = kForbidden / 2;  // pays as much or more: whatever it costs

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

std::vector<Cost> joined(const std::vector<std::vector<Cost>>& parts) {
  std::vector<Cost> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

bool Matcher::refresh(Round& round) {
  if (dirty_.empty()) return true;
  std::vector<std::vector<Job>> members;
  for (const Slot s : dirty_) members.emplace_back(world_.members(s).begin(), world_.members(s).end());
  for (const auto& jobs : members) {
    for (const Job job : jobs) wait(job);
  }
  std::vector<Cost> apart;
  for (; !dirty_.empty() && !round.stop.poll(); dirty_.pop_back(), members.pop_back()) {
    draw(dirty_.back(), members.back(), apart, round.pool);
    ++counts_.columns;
  }
  timed(round, "columns");
  return dirty_.empty();
}

// The price of class s is set where as many jobs as it has slots would come at the other prices: a job would pay as
// much as it is dearer elsewhere.
void Matcher::draw(Slot s, const std::vector<Job>& members, std::vector<Cost>& apart, Pool& pool) {
  board_->look_at(s, apart, pool);
  const Index n = world_.size(), own = static_cast<Index>(members.size());
  const auto pay_of = [&](Job job) {
    const Slot a = world_.slot(job);
    return a == kNone || apart[at(job)] >= kForbidden ? -1 : prices_[at(a)] - apart[at(job)];
  };
  std::vector<std::vector<Cost>> others(at(Pool::chunks(n, kLook))), its(at(Pool::chunks(own, kBlock)));
  pool.for_chunks(n, kLook, [&](Index chunk, Index begin, Index end) {
    for (Index job = begin; job < end; ++job) {
      if (const Cost pay = pay_of(static_cast<Job>(job)); pay > 0) others[at(chunk)].push_back(pay);
    }
  });
  pool.for_chunks(own, kBlock, [&](Index chunk, Index begin, Index end) {
    Scratch scratch;
    world_.read_many(std::span(members).subspan(at(begin), at(end - begin)), scratch);
    for (Index k = 0; k < end - begin; ++k) {
      Cost* row = scratch.row.data() + k * world_.classes();
      const Cost here = std::exchange(row[s], kForbidden);
      const Cost pay = listing::least(row, prices_.data(), world_.classes()) - here;
      if (here < kForbidden && pay > 0) its[at(chunk)].push_back(pay);
    }
  });
  counts_.rows += own;
  std::vector<Cost> pays = joined(others);
  const std::vector<Cost> more = joined(its);
  pays.insert(pays.end(), more.begin(), more.end());
  const auto dear = std::partition(pays.begin(), pays.end(), [](Cost pay) { return pay < kAnything; });
  const Cost room = std::max<Cost>(capacity_[at(s)] - (pays.end() - dear), 0);
  Cost& price = prices_[at(s)];
  price = 0;
  if (dear - pays.begin() > room) {
    std::nth_element(pays.begin(), pays.begin() + room, dear, std::greater<>());
    price = pays[at(room)];
  }
  std::vector<std::vector<Job>> coming(others.size());
  pool.for_chunks(n, kLook, [&](Index chunk, Index begin, Index end) {
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      if (pay_of(job) > price) coming[at(chunk)].push_back(job);
    }
  });
  for (const auto& jobs : coming) {
    for (const Job job : jobs) wait(job);
  }
  board_->recolumn(s, apart, pool);
}

}  // namespace gridcompute::matcher
