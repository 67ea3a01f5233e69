// Exchanges: a job goes where it would rather be, and others make room for it.
//
// Problem. After a dive the contested rows are full, with some of the wrong jobs in them: a job lost its cheapest
// option to others that are almost indifferent. No single move mends that, for nothing is free; a chain does.
//
// Definitions. At given prices, the regret of a job is the cost of the option it has less that of its cheapest one;
// its grip is the cost of its cheapest other option that is open as things stand, less that of the one it has. The
// real change of a step is the change of own costs and of energy along its convex curves, plus the given prices times
// what the step takes of the other rows. (Prices of zero make it the change of the plan's cost.)
//
// Steps. A survey finds every job's regret and grip, in threads. Jobs are then tried by descending regret: j goes
// out; for each option that is cheaper at the prices, cheapest first: if it is open, j takes it; else occupants of
// the hours that lack accelerators are chosen one by one, the least grip per accelerator-hour covered first (grips are
// found again as they are used), until j fits, while their sum stays below what j gains. They go out, j in, and they
// to their cheapest open options, large ones first. What decides is the real change: without a gain all is put back.
//
// Invariants. Those of Room. Each accepted step lowers the real cost (as far as the curves tell it), so the search
// ends; all is ordered by numbers that do not depend on threads: the same bytes always.
//
// Complexity. O(options) a job for the survey, O(kOptions * (occupants of a class in the hours + kTries * options)) for
// a job tried.
//
// Source. Ejection chains: Yagiura, Ibaraki and Glover (2004), "An ejection chain approach for the generalized
// assignment problem", INFORMS J. Computing 16(2). Deviation: sets of occupants in place of one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/options/room.hpp"

namespace gridcompute::options {

// What the jobs' load costs at a place in an hour, convex and piecewise linear: segment i reaches up to load end[i] at
// price[i] a unit; the last segment has no end. By [place][hour][segment].
struct Curves {
  Index segments = 0;
  std::span<const double> end, price;
};

class Exchange {
 public:
  // klass and start (one entry a row of the jobs table) hold what is placed in `room`, and are kept up to date.
  // `guide` proposes; `weight` times its prices of accelerators, links and quotas counts as real.
  Exchange(Room& room, const Prices& guide, double weight, std::span<std::int32_t> klass,
           std::span<std::int32_t> start);

  // Finds all regrets and grips; returns the positions of jobs whose regret is above `least`, by falling regret. With
  // `placed_only`, jobs that are out are passed over.
  [[nodiscard]] std::vector<std::int32_t> survey(double least, bool placed_only, Pool& pool);
  // Tries the jobs at `positions` in this order. Returns the steps taken.
  Index run(std::span<const std::int32_t> positions, const Curves& curves);
  // Takes back all steps since the last keep().
  void undo();
  void keep() { log_.clear(); }

 private:
  static constexpr int kOptions = 12, kTries = 24;
  static constexpr double kLeast = 1e-9;

  struct Option {
    double cost;
    std::int32_t klass, start, hours;
  };
  struct Step {
    std::int32_t position, klass, start;  // where it was
  };
  struct Occupant {
    std::int32_t position, first, last;  // hours of the option asked for that it holds
    double gang;
    std::int32_t owner;
  };

  bool improve(std::int32_t position);
  // Chooses occupants to go for `target`, whose grips sum to less than `gain`; false if there are none.
  bool choose(std::int32_t position, const Option& target, double gain);
  [[nodiscard]] double grip(std::int32_t position, double& regret) const;
  [[nodiscard]] Option cheapest_open(const Job& job) const;
  [[nodiscard]] const Job& job(std::int32_t position) const;
  // Cost of more load in an hour of a place.
  [[nodiscard]] double load_cost(Index where, double more) const;
  // What it adds to the real cost to have the job there, or out.
  [[nodiscard]] double real(const Job& job, std::int32_t klass, std::int32_t start) const;
  // Puts the job there and returns what that adds.
  double enter(std::int32_t position, std::int32_t klass, std::int32_t start);
  // Takes the job out and returns what that saves of the real cost, its value counted.
  double leave(std::int32_t position);

  Room* room_;
  const Market* market_;
  std::vector<double> capacity_, energy_, link_, quota_;
  Prices guide_;
  double weight_;
  Curves curves_;
  std::vector<double> guide_sums_, sums_;  // [class][hour + 1]; sums_ of capacity prices alone
  std::span<std::int32_t> klass_, start_;
  std::vector<std::vector<std::int32_t>> begins_;  // [class][hour]: positions that start there
  std::vector<std::int32_t> slot_;                 // [position]: where in its list
  std::vector<double> grip_, regret_;              // [position]
  std::vector<std::int32_t> seen_;                 // [position]: the trial that found its grip
  std::int32_t trial_ = 0;
  std::vector<Option> wanted_;
  std::vector<Occupant> occupants_;
  std::vector<double> need_;
  std::vector<std::int32_t> chosen_;
  std::vector<Step> steps_, log_;
};

}  // namespace gridcompute::options
