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
#include "gridcompute/plan/placement_state.hpp"
#include "gridcompute/plan/tuning.hpp"

namespace gridcompute::plan {

// Exchanges: a job moves to a cheaper option, and occupants of that option make room for it.
//
// Definitions. At guide prices, the *regret* of a job is the cost of its present option less that of its cheapest
// allowed one; its *relocation cost* is the cost of its cheapest other option with capacity, less that of its present
// one.
//
// Steps. Regrets and relocation costs of all jobs, in threads. Jobs are then tried by descending regret: the job is
// removed; for each option that is cheaper at guide prices, cheapest first: if it has capacity, the job takes it; else
// occupants of the hours that lack capacity are chosen one by one, the least relocation cost per accelerator-hour
// covered first (relocation costs are computed again as they are used), until the job fits, while their sum stays below
// the gain of the job. They are removed, the job is placed, and they go to their cheapest available options. The real
// cost (placement_state.hpp) decides: without a gain all moves are undone.
//
// Invariants. Each accepted exchange lowers the real cost, so the search ends; the order does not depend on threads.
//
// Complexity. O(options) per job for regrets, O(kOptionsTried * (occupants of a class in the hours + evictions_tried *
// options)) for a job tried.
//
// Source. Ejection of sets in place of single jobs, after Yagiura, Ibaraki and Glover.

class Exchanges {
 public:
  Exchanges(PlacementState& state, const PlanTuning& tuning);

  // Computes all regrets and relocation costs; returns the positions of jobs whose regret is above `least`, by
  // descending regret. With `placed_only`, only those of placed jobs are computed.
  [[nodiscard]] std::vector<std::int32_t> regrets(double least, bool placed_only, Pool& pool);
  // Tries the jobs at `positions` in this order. Returns the number of exchanges accepted.
  Index run(std::span<const std::int32_t> positions);

 private:
  bool improve(std::int32_t position);
  [[nodiscard]] bool choose_evictions(std::int32_t position, const JobOption& target, double gain);
  [[nodiscard]] double relocation_cost(std::int32_t position, double& regret) const;

  PlacementState& state_;
  const PlanTuning& tuning_;
  std::vector<double> relocation_cost_, regret_;  // [position]
  std::vector<std::int32_t> computed_in_;         // [position]: the trial that computed its relocation cost last
  std::int32_t trial_ = 0;
  std::vector<JobOption> cheaper_;
  std::vector<std::int32_t> evicted_;
  std::vector<double> excess_;  // by quota row of the job: its excess over the row's limit
  std::vector<PlacementChange> changes_;
};

// Ejection chains: exchanges that go on where an ejected job ejects others in turn.
//
// Definitions. The *ejection cost* of a job is the cost at guide prices of its next best allowed option, with or
// without capacity, less the cost of its present one: a long chain makes the capacity.
//
// Steps. The job is removed into a pool. While the pool has jobs, the largest (in accelerator-hours) is placed where
// its cost at guide prices plus the ejection costs of the jobs ejected for it is least; these go into the pool. Each
// job is ejected at most chain_ejections times, at a cost that rises each time, so that chains end. The real cost
// decides (placement_state.hpp): unless the pool is empty and the cost has fallen, all moves are undone. A job that
// takes the hours of a gang on a full day starts a hundred small moves that end in the last free hours.
//
// Invariants. Each accepted chain lowers the real cost, so the search ends; the order does not depend on threads.
//
// Complexity. At most chain_steps placements, each O(options * occupants of a class in the hours).
//
// Source. Yagiura, Ibaraki and Glover (2004), "An ejection chain approach for the generalized assignment problem",
// INFORMS J. Computing 16(2). The pool of ejected jobs, whose cost rises with each ejection: Nagata and Braysy (2009),
// "A powerful route minimization heuristic for the vehicle routing problem with time windows", Operations Research
// Letters 37(5). Deviations. Sets of occupants are ejected in place of one.

class EjectionChains {
 public:
  EjectionChains(PlacementState& state, const PlanTuning& tuning);

  // Starts a chain with each of the jobs at `positions` in this order. Returns the number of chains accepted.
  Index run(std::span<const std::int32_t> positions);

 private:
  // Runs one chain; true if it is accepted.
  bool run_chain(std::int32_t position);
  // Places a job of the pool and ejects jobs for it where necessary; returns the change of the real cost.
  double place_with_ejections(std::int32_t position);
  // Removes the job into the pool; returns the change of the real cost.
  double eject(std::int32_t position);
  // Chooses the jobs to eject for `target`; returns the sum of their costs, inf from `most` on.
  [[nodiscard]] double choose_ejections(const PackedJob& job, const JobOption& target, double most);
  [[nodiscard]] double ejection_cost(std::int32_t position);

  PlacementState& state_;
  const PlanTuning& tuning_;
  std::vector<JobOption> options_;
  std::vector<PlacementChange> changes_;
  std::vector<std::int32_t> pool_, chosen_, best_chosen_;
  std::vector<std::int32_t> ejections_;  // [position], in this chain
};

// Ruin and recreate: neighbouring jobs are removed and placed again, a hundred thousand times a second.
//
// Problem. Where jobs are few and large, a plan leaves accelerators idle in hours that no job left out fits into. An
// exchange or a chain begins with one job and must pay for each of its steps; several neighbours that are removed
// together may fit in another way.
//
// Steps. A round draws a job, half of the time one that is left out, and one of its options, cheap ones more often. It
// removes some occupants of that class near these hours, then the same at an option of a job just removed, and so on.
// These jobs and some that are left out are placed in a random order, each at its cheapest option that has capacity,
// at prices of accelerators, links and quotas between 0 and the guide prices; an option is passed over with a small
// probability. A job that was left out before tries only classes from which this round removed a job. The round is
// kept by the rule of simulated annealing on the real cost (placement_state.hpp). The best placement of all rounds is
// left at the end.
//
// Data. The options of each job are sorted by cost, once for each vector of prices, when they are first needed.
//
// Invariants. Those of ResidualCapacity. The same seed, placement and prices give the same bits.
//
// Complexity. O(options that are full) for each job placed again, at most all that cost less than to leave it out;
// O(jobs) for each new best placement.
//
// Source. Christiaens and Vanden Berghe (2020), "Slack induction by string removals for vehicle routing problems",
// Transportation Science 54(2). Deviations. Neighbours are jobs in the same class near the same hours.

// How many jobs a run places again, at least, and the temperatures of its annealing, in the unit of cost.
struct AnnealingSchedule {
  std::uint64_t seed = 0;
  Index placements = 0;
  double first_temperature = 0.0, last_temperature = 0.0;
};

class RuinRecreate {
 public:
  RuinRecreate(PlacementState& state, const PlanTuning& tuning) : state_(state), tuning_(tuning) {}

  // Makes rounds; returns the number of jobs placed again. At the curves of the state the placement never costs more
  // afterwards.
  Index run(const AnnealingSchedule& schedule);

 private:
  // Prices at which jobs are placed again.
  struct Guide {
    std::vector<double> capacity, link, quota, sums;
    DualPrices prices;
  };
  // An option and its cost at such prices.
  struct GuidedOption {
    double cost;
    std::int32_t klass, start;
  };
  // Where the options of a job begin and end in options_; end -1: not yet listed.
  struct OptionList {
    Index begin = 0, end = -1;
  };

  double uniform();                                                                       // in [0, 1)
  Index draw(Index n) { return static_cast<Index>(uniform() * static_cast<double>(n)); }  // in [0, n)
  void draw_guides();
  // Returns the options of the job at a vector of prices, cheapest first.
  std::span<const GuidedOption> sorted_options(Index guide, std::int32_t position);
  // Draws an option of the job; klass -1 if none is cheaper than leaving the job out.
  JobOption draw_option(const PackedJob& job);
  // Removes jobs, and records them in pool_, changes_ and change_.
  void ruin();
  void remove_neighbours(const JobOption& target);
  void remove(std::int32_t position);
  void add_left_out();
  void recreate();
  void set_left_out(std::int32_t position, bool is_out);
  void remember_best();
  void restore_best();

  PlacementState& state_;
  const PlanTuning& tuning_;
  std::uint64_t random_ = 0;
  std::vector<Guide> guides_;
  std::vector<OptionList> lists_;  // [guide][position]
  std::vector<GuidedOption> options_;
  std::vector<std::int64_t> removal_round_;  // [class]: the last round that removed a job from it
  std::int64_t round_ = 0;
  double change_ = 0.0;  // of the real cost, in this round
  std::vector<PlacementChange> changes_, best_;
  std::vector<std::int32_t> pool_, near_;
  std::vector<std::int32_t> left_out_, index_in_left_out_;  // before this round; [position], -1 = placed
  std::vector<double> key_;                                 // [position]: largest first
};

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
