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
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/plan/placement_state.hpp"

namespace gridcompute::plan {

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

}  // namespace gridcompute::plan
