#include "gridcompute/transport/exact/cycle_canceling_on_lists.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "gridcompute/transport/model/dual_bound.hpp"
#include "gridcompute/transport/restricted/violations.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kListChunk = 1 << 14;  // jobs or groups
// Range proof: a key and a price, below 2^61 each, and this margin stay below 2^63. Beyond, rounding has left little of
// the costs.
constexpr double kMostMargin = 0x1p40;
// A margin in keys covers that in costs: twice it, and eight roundings of keys and prices to whole numbers.
constexpr double kKeys = 2, kRoundings = 8;

Dyadic cost_at(const Problem& problem, Index job, Slot s) {
  const CostSource& source = *problem.cost;
  if (s == source.n_slots()) return Dyadic::of(problem.unplaced[job * problem.unplaced_stride]);
  return source.real() ? Dyadic::of(source.real_at(job, s)) : Dyadic::of(source.integer_at(job, s));
}

// Returns a margin in costs as one in keys; nullopt where rounding has left too little of the costs.
std::optional<Cost> margin_in_keys(double margin, const IntegerKeys& keys) {
  const double most = kKeys * margin * keys.per_cost() + kRoundings * (1 + std::ldexp(1.0, keys.perturbation().shift) +
                                                                       static_cast<double>(keys.perturbation().spread));
  return most < kMostMargin ? std::optional<Cost>(static_cast<Cost>(most)) : std::nullopt;
}

// Finds the near classes on candidate lists; with `own` also the cost of each job. nullopt where too many jobs have
// several near classes or may have.
std::optional<NearClasses> find_near_classes_on_lists(const SolverContext& context, const Level& all,
                                                      const RestrictedProblem& r, std::span<const Cost> prices,
                                                      const PricedMatching& of, bool own) {
  const std::optional<Cost> allowed = margin_in_keys(of.margin, context.keys);
  if (!allowed) return std::nullopt;
  const Cost margin = *allowed;
  const Index most = std::max(context.tuning.doubtful_jobs, all.jobs() / context.tuning.doubtful_share);
  std::vector<Index> doubtful = ViolationFinder(margin).find(context, r, prices).jobs;
  if (static_cast<Index>(doubtful.size()) > most) return std::nullopt;
  // Groups with two or more near candidates.
  std::vector<char> choice(r.size.size(), 0);
  context.pool.for_chunks(r.groups(), kListChunk, [&](Index, Index begin, Index end) {
    for (Index g = begin; g < end; ++g) {
      const Cost limit = r.cheapest(g, prices) + margin;
      Index near = 0;
      for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) near += r.key[c] + prices[r.slot[c]] <= limit ? 1 : 0;
      choice[g] = near > 1 ? 1 : 0;
    }
  });
  std::vector<NearClassesChunk> parts(static_cast<std::size_t>(Pool::chunks(all.n, kListChunk)));
  std::vector<Dyadic> paid(own ? static_cast<std::size_t>(all.n) : 0);
  std::atomic<Index> listed = 0;
  const bool whole = context.pool.for_chunks(
      all.n, kListChunk,
      [&](Index chunk, Index begin, Index end) {
        NearClassesChunk& part = parts[static_cast<std::size_t>(chunk)];
        auto next = std::lower_bound(doubtful.begin(), doubtful.end(), begin);
        for (Index k = begin; k < end && listed <= most; ++k) {
          if (own) paid[k] = cost_at(of.problem, k, of.at[k] < 0 ? static_cast<Slot>(of.prices.size()) : of.at[k]);
          if (next != doubtful.end() && *next == k) {
            list_near_classes(of, {&*next++, 1}, part, {});
            continue;
          }
          const std::int32_t g = ~r.place_of[k];
          if (r.place_of[k] >= 0 || choice[g] == 0) continue;
          const Cost limit = r.cheapest(g, prices) + margin;
          const std::size_t before = part.slot.size();
          for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) {
            if (r.key[c] + prices[r.slot[c]] > limit) continue;
            part.slot.push_back(r.slot[c]);
            part.cost.push_back(cost_at(of.problem, k, r.slot[c]));
          }
          part.close(k, before);
          ++listed;
        }
      },
      &context.stop);
  if (!whole || listed > most) return std::nullopt;
  return join_near_classes(of.margin, parts, std::move(paid));
}

}  // namespace

void list_jobs_of_cycles(const SolverContext& context, const Level& all, std::span<const Cost> prices, double rounding,
                         RestrictedProblem& r) {
  if (all.shards == nullptr || !(rounding > 0) ||
      all.jobs() * context.keys.columns() <= context.tuning.lists_least_costs)
    return;
  const std::vector<double> of_classes = prices_as_doubles(prices, context.keys.per_cost());
  if (const auto margin = margin_in_keys(default_margin(rounding, of_classes, context.tuning), context.keys))
    list_doubtful_jobs(all, prices, *margin, r);
}

void cancel_cycles_on_lists(const SolverContext& context, const Level& all, const RestrictedProblem& r,
                            std::span<const Cost> prices, Kept kept, Result& result) {
  const Problem& problem = context.keys.problem();
  const Index costs = all.jobs() * context.keys.columns();
  if (costs <= context.tuning.lists_least_costs || result.status != Status::optimal) return;
  result.listed = true;
  const double margin = default_margin(result.rounding, result.prices, context.tuning);
  const PricedMatching of{problem, result.assignment, result.prices, margin, context.tuning};
  // The cost of all jobs is unknown here where some are in shards.
  const bool own =
      costs <= context.tuning.exact_objective_costs && problem.shards == nullptr && problem.cost->singles();
  const std::optional<NearClasses> near = find_near_classes_on_lists(context, all, r, prices, of, own);
  if (!near) return;
  const CancelOutcome end =
      cancel_cycles(problem, *near, kept, context.tuning.cancel_list_steps, context.pool, context.stop, result);
  if (end == CancelOutcome::improvable) result.status = Status::feasible;
  if (end == CancelOutcome::optimal || end == CancelOutcome::improvable) result.rounding = -1;
}

}  // namespace gridcompute::transport
