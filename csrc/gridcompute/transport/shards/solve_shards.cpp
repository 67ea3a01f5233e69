#include "gridcompute/transport/shards/solve_shards.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "gridcompute/transport/multilevel/stratified_sampling.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

namespace {

// Returns the positions of all samples, ascending; `probed`: those of the sample that sets the resolution too, where
// costs have no bound that is known without reading them (model/largest_cost.cpp).
std::vector<Index> sampled_positions(Index n, std::span<const Index> sizes, bool probed, std::uint64_t seed,
                                     const Tuning& tuning) {
  std::vector<Index> all;
  const auto add = [&](const std::vector<Index>& some) {
    const auto middle = static_cast<std::ptrdiff_t>(all.size());
    all.insert(all.end(), some.begin(), some.end());
    std::inplace_merge(all.begin(), all.begin() + middle, all.end());
  };
  for (const Index m : sizes) add(stratified_sample(n, m, seed));
  if (probed && n > tuning.probe_rows) add(stratified_sample(n, tuning.probe_rows, 1));
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Result stopped(const Stop& stop, std::size_t n_slots) {
  Result result;
  result.status = stop.why() == Stop::Why::time_limit ? Status::time_limit : Status::stopped;
  result.prices.assign(n_slots, 0.0);
  result.load.assign(n_slots, 0);
  result.objective = kInf;
  result.bound = -kInf;
  return result;
}

// Solves with all rows gathered at the coordinator.
Result solve_gathered(const CostModel& model, std::span<const Cost> capacity, const Options& options, Stop& stop,
                      ShardCoordinator& coordinator) {
  const ColumnsView columns = coordinator.columns().view();
  const std::unique_ptr<CostSource> cost = make_cost(model, columns, coordinator.scope());
  Problem problem;
  problem.cost = cost.get();
  set_unplaced(model, columns, problem);
  problem.capacity = capacity.data();
  Options direct = options;
  direct.direct = true;
  Result result = solve(problem, direct, stop);
  const bool whole = result.status == Status::optimal || result.status == Status::feasible ||
                     (result.status == Status::time_limit && result.objective < kInf);
  if (stop.why() == Stop::Why::interrupted || (whole && !coordinator.assign_all(result.assignment)))
    return stopped(stop, static_cast<std::size_t>(model.n_slots));
  return result;
}

}  // namespace

Result solve_shards(const CostModel& model, std::span<const Index> rows, std::span<const Cost> capacity,
                    const AskShards& ask, const Options& options, Stop& stop, ShardStats& stats) {
  const auto n_slots = static_cast<std::size_t>(model.n_slots);
  ShardCoordinator coordinator(model, rows, ask, options, stop, stats);
  const Index n = coordinator.jobs();
  const Tuning& tuning = *options.tuning;
  std::vector<Index> sizes = sample_sizes(n, model.columns(), tuning);
  const bool gathered =
      sizes.empty() || n * model.n_slots <= tuning.rounding_costs || small_problem_fits(n, model.columns(), tuning);
  std::vector<Index> positions;
  if (gathered) {
    positions.resize(static_cast<std::size_t>(n));
    std::iota(positions.begin(), positions.end(), Index{0});
  } else {
    positions = sampled_positions(n, sizes, model.form != CostModel::Form::terms, options.seed, tuning);
  }
  if (!coordinator.open(std::move(positions))) return stopped(stop, n_slots);
  if (gathered) return solve_gathered(model, capacity, options, stop, coordinator);
  coordinator.problem().capacity = capacity.data();
  Result result = solve(coordinator.problem(), options, stop);
  result.assignment.clear();
  if (result.status != Status::infeasible && !coordinator.told_all()) {
    Result none = stopped(stop, n_slots);
    none.stats = std::move(result.stats);
    return none;
  }
  for (std::size_t s = 0; result.status == Status::optimal && s < n_slots; ++s) {
    if (coordinator.load()[s] != result.load[s])
      throw Error(ErrorKind::internal, "", -1,
                  "shards: class " + std::to_string(s) + " has " + std::to_string(coordinator.load()[s]) +
                      " jobs where the solver counts " + std::to_string(result.load[s]));
  }
  return result;
}

}  // namespace gridcompute::transport
