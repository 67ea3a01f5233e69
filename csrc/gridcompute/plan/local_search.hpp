// Local search on a plan: exchanges, ejection chains, and ruin and recreate on one placement; the first two with a log.
//
// Problem. After a dive the contested rows are full, with some of the wrong jobs in them: a job lost its cheapest
// option to others that are almost indifferent. No single move improves that, because no capacity is free; exchanges
// and chains do. Where jobs are few and large, ruin and recreate finds plans that neither of them reaches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/plan/ejection_chains.hpp"
#include "gridcompute/plan/exchanges.hpp"
#include "gridcompute/plan/ruin_recreate.hpp"

namespace gridcompute::plan {

class LocalSearch {
 public:
  // klass and start (one entry per row of the jobs table) are the placement in `residual`, and are updated with every
  // move. `guide` proposes moves; `weight` times its prices of accelerators, links and quotas counts as real cost.
  LocalSearch(ResidualCapacity& residual, const DualPrices& guide, double weight, std::span<std::int32_t> klass,
              std::span<std::int32_t> start, const PlanTuning& tuning = kPlanTuning)
      : tuning_(tuning),
        state_(residual, guide, weight, klass, start),
        exchanges_(state_, tuning_),
        chains_(state_, tuning_),
        ruin_recreate_(state_, tuning_) {}

  [[nodiscard]] std::vector<std::int32_t> regrets(double least, bool placed_only, Pool& pool) {
    return exchanges_.regrets(least, placed_only, pool);
  }
  // Tries exchanges for the jobs at `positions`; returns the number accepted. undo() reads `curves` again.
  Index run_exchanges(std::span<const std::int32_t> positions, const CostCurves& curves) {
    state_.set_curves(curves);
    return exchanges_.run(positions);
  }
  // Starts ejection chains with the jobs at `positions`; returns the number accepted.
  Index run_chains(std::span<const std::int32_t> positions, const CostCurves& curves) {
    state_.set_curves(curves);
    return chains_.run(positions);
  }
  // Makes rounds of ruin and recreate; returns the number of jobs placed again. They are committed.
  Index run_ruin_recreate(const AnnealingSchedule& schedule, const CostCurves& curves) {
    state_.commit();
    state_.set_curves(curves);
    return ruin_recreate_.run(schedule);
  }
  // Undoes all moves since the last commit().
  void undo() { state_.undo(); }
  void commit() noexcept { state_.commit(); }

 private:
  PlanTuning tuning_;
  PlacementState state_;
  Exchanges exchanges_;
  EjectionChains chains_;
  RuinRecreate ruin_recreate_;
};

}  // namespace gridcompute::plan
