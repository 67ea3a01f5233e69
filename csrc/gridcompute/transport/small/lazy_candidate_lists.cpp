#include "gridcompute/transport/small/lazy_candidate_lists.hpp"

#include <algorithm>
#include <numeric>

namespace gridcompute::transport {

namespace {
constexpr Index kRows = 64;      // rows of a chunk when all lists are read
constexpr Index kStaleRows = 8;  // rows of a chunk when stale lists are refreshed
}  // namespace

LazyCandidateLists::LazyCandidateLists(const IntegerKeys& keys, Index n_jobs, Pool& pool, Stop& stop,
                                       CostRangeStats& seen, Stats& stats)
    : keys_(keys),
      n_(n_jobs),
      columns_(keys.columns()),
      pool_(pool),
      stop_(stop),
      seen_(seen),
      stats_(stats),
      rows_(keys, seen),
      lists_(n_, columns_),
      scratch_(lists_.scratch()),
      negated_prices_(static_cast<std::size_t>(columns_) + 1, 0) {
  lists_.reserve_lists();
}

bool LazyCandidateLists::read_all(const std::vector<Cost>& prices) {
  std::vector<Index> all(static_cast<std::size_t>(n_));
  std::iota(all.begin(), all.end(), Index{0});
  for (Slot s = 0; s < columns_; ++s) negated_prices_[s] = -prices[s];
  return read(all, kRows) && keys_.possible(seen_);
}

// Reads lists in parallel. A list depends on its own row only, so the result is the same for any number of threads.
bool LazyCandidateLists::read(std::span<const Index> jobs, Index at_once) {
  stats_.evaluations += static_cast<Index>(jobs.size()) * columns_;
  stop_.count(static_cast<Index>(jobs.size()) * columns_);
  return pool_.for_chunks(
      static_cast<Index>(jobs.size()), at_once,
      [&](Index, Index begin, Index end) {
        CandidateKeyLists::Scratch scratch = lists_.scratch();
        for (Index k = begin; k < end; ++k) lists_.fill(jobs[k], rows_, negated_prices_.data(), scratch);
      },
      &stop_);
}

void LazyCandidateLists::refill(Index job) {
  lists_.refill(job, rows_, negated_prices_.data(), lists_.bound(job), scratch_);
  stats_.evaluations += columns_;
  stop_.count(columns_);
  ++stats_.rows_extended;
  keys_reread_ += columns_;
}

TwoCheapest LazyCandidateLists::two_cheapest_exact(Index job, const std::vector<Cost>& prices, Slot beside) {
  for (;;) {
    const TwoCheapest two_cheapest_exact = two_cheapest(lists_[job], prices.data(), beside);
    if (list_suffices(two_cheapest_exact.first, lists_.bound(job))) return two_cheapest_exact;
    refresh(job, [&](Slot s) { return prices[s]; });
  }
}

auction::TwoBest LazyCandidateLists::best(Index job, const std::vector<Cost>& prices) {
  const TwoCheapest found = two_cheapest_exact(job, prices, kNone);
  const auto allowed = [](Cost x) { return x < AssignmentRange::kForbiddenReduced ? x : kForbidden; };
  return {allowed(found.first), allowed(std::min(found.second, lists_.bound(job))), lists_[job].col[found.at]};
}

void LazyCandidateLists::prepare(std::span<const Index> jobs, const std::vector<Cost>& prices) {
  stale_.clear();
  for (const Index job : jobs)
    if (!list_suffices(two_cheapest(lists_[job], prices.data(), kNone).first, lists_.bound(job))) stale_.push_back(job);
  for (Slot s = 0; s < columns_; ++s) negated_prices_[s] = -prices[s];
  (void)read(stale_, kStaleRows);
}

}  // namespace gridcompute::transport
