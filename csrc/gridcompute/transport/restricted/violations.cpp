#include "gridcompute/transport/restricted/violations.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "gridcompute/transport/kernels/flatten.hpp"
#include "gridcompute/transport/model/dual_bound.hpp"
#include "gridcompute/transport/model/job_shards.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kViolationChunk = 1 << 15;  // jobs a chunk
constexpr double kRounding = 0x1p-48;       // relative rounding error of a needed shift

// Rounds down to a double. Needed shifts are rounded up, so that the difference of a shift and a margin is below its
// true value by its own rounding at most, and a shift is lowered by that.
double surely_below(Cost x) {
  constexpr double kExact = 0x1p52;  // integers up to here are doubles
  const double below = -round_up(-x);
  return std::fabs(below) < kExact ? below : std::nextafter(below, -std::numeric_limits<double>::infinity());
}

// The shift below which a job's constraint may be violated: the least key + price of its candidates minus the bound on
// other classes with shift 0.
class NeededShifts {
 public:
  // `jobs`: how many will be tested.
  NeededShifts(const SolverContext& context, const RestrictedProblem& r, std::span<const Cost> prices, Cost margin,
               Index jobs)
      : r_(r), prices_(prices), margin_(margin), fixed_(static_cast<std::size_t>(r.columns)) {
    for (Slot s = 0; s < r.columns; ++s) fixed_[s] = round_up(prices[s] - r.box.center[s] + margin);
    if (context.tuning.suspects_per_group * jobs < r.groups()) return;
    grouped_.resize(r.size.size());
    context.pool.for_chunks(r.groups(), kViolationChunk, [&](Index, Index begin, Index end) {
      for (Index g = begin; g < end; ++g) grouped_[g] = of_group(g);
    });
  }

  [[nodiscard]] double operator()(Index k) const {
    const std::int32_t w = r_.place_of[k];
    return w >= 0 ? fixed_[w] - static_cast<double>(r_.margin[k]) : grouped_.empty() ? of_group(~w) : grouped_[~w];
  }

 private:
  [[nodiscard]] double of_group(Index g) const {
    if (r_.weight[g] == 0 || r_.next[g] >= kForbidden) return -std::numeric_limits<double>::infinity();
    return round_up(r_.cheapest(g, prices_) - r_.box.center[r_.slot[r_.begin[g]]] - r_.next[g] + margin_);
  }

  const RestrictedProblem& r_;
  std::span<const Cost> prices_;
  Cost margin_;
  std::vector<double> fixed_;          // by class
  DefaultInitVector<double> grouped_;  // by group, or empty where few jobs are tested
};

// visit(chunk, j) for the j of [0, n).
template <class Visit>
void each(const SolverContext& context, Index n, const Visit& visit) {
  context.pool.for_chunks(n, kViolationChunk, [&](Index chunk, Index begin, Index end) {
    for (Index j = begin; j < end; ++j) visit(static_cast<std::size_t>(chunk), j);
  });
}

}  // namespace

Cost least_listed_cost(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                       std::span<const Cost> prices, Index k) {
  const std::int32_t w = r.place_of[k], g = ~w;
  const Slot at = w >= 0 ? w : r.slot[r.begin[g]];
  return context.keys.at(level.row(k), at) + (w >= 0 ? prices[at] : r.cheapest(g, prices));
}

// Returns whether no job outside the suspects has a violation.
bool ViolationFinder::none_possible(const RestrictedProblem& r, std::span<const Cost> prices, double lowest) const {
  if (at_.empty() || known_ != r.place_of.size()) return false;
  double rise = 0, parts = std::fabs(most_) + std::fabs(lowest);
  for (std::size_t s = 0; s < prices.size(); ++s) {
    rise = std::max(rise, static_cast<double>(prices[s] - at_[s]));
    parts = std::max({parts, std::fabs(static_cast<double>(prices[s] - r.box.center[s])),
                      std::fabs(static_cast<double>(at_[s] - r.box.center[s]))});
  }
  return most_ + rise + kRounding * (parts + rise) <= lowest;
}

void ViolationFinder::collect_suspects(const SolverContext& context, const RestrictedProblem& r,
                                       std::span<const Cost> prices, double lowest) {
  const auto n = static_cast<Index>(r.place_of.size());
  const NeededShifts needs(context, r, prices, margin_, n);
  std::vector<double> some;
  for (Index k = 0; k < n; k += std::max<Index>(1, n / context.tuning.suspects_sample)) some.push_back(needs(k));
  const auto rank = some.begin() + static_cast<std::ptrdiff_t>(some.size() / context.tuning.suspects_share);
  std::nth_element(some.begin(), rank, some.end(), std::greater<>{});
  most_ = some.empty() ? lowest : std::min(lowest, *rank);
  at_.assign(prices.begin(), prices.end());
  known_ = r.place_of.size();
  std::vector<std::vector<Index>> parts(static_cast<std::size_t>(Pool::chunks(n, kViolationChunk)));
  each(context, n, [&](std::size_t chunk, Index k) {
    if (needs(k) > most_) parts[chunk].push_back(k);
  });
  jobs_ = flatten(parts);
}

bool list_doubtful_jobs(const Level& level, std::span<const Cost> prices, Cost margin, RestrictedProblem& r) {
  if (level.shards == nullptr || (margin == 0 && r.box.holds(prices))) return false;
  return level.shards->list_doubtful(prices, margin, r);
}

double lowest_shift(const RestrictedProblem& r, std::span<const Cost> prices) {
  return surely_below(r.box.shift(prices));
}

Violations ViolationFinder::find(const SolverContext& context, const RestrictedProblem& r,
                                 std::span<const Cost> prices) {
  Violations out;
  out.shift = r.box.shift(prices);
  if (margin_ == 0 && r.box.holds(prices)) return out;
  const double lowest = surely_below(out.shift);
  if (!none_possible(r, prices, lowest)) collect_suspects(context, r, prices, lowest);
  const auto asked = static_cast<Index>(jobs_.size());
  const NeededShifts needs(context, r, prices, margin_, asked);
  std::vector<std::vector<Index>> parts(static_cast<std::size_t>(Pool::chunks(asked, kViolationChunk)));
  each(context, asked, [&](std::size_t chunk, Index j) {
    const Index k = jobs_[static_cast<std::size_t>(j)];
    if (lowest < needs(k)) parts[chunk].push_back(k);
  });
  out.jobs = flatten(parts);
  return out;
}

}  // namespace gridcompute::transport
