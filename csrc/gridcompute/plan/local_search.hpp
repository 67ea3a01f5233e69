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
// A chain goes on where that ends: those who make way for a job have others make way for them in turn, the largest
// first, until all are placed again or out. Who goes is chosen by ease, the cost of the next best option whether it is
// open or not, for a long chain opens it: a job that takes a gang's hours in a full day sets off a hundred small
// moves that end in the last free hours. Each job goes often at most, and more dearly each time, so that chains end.
//
// Invariants. Those of Room. Each accepted step lowers the real cost (as far as the curves tell it), so the search
// ends; all is ordered by numbers that do not depend on threads: the same bytes always.
//
// Complexity. O(options) a job for the survey, O(kOptions * (occupants of a class in the hours + kTries * options)) for
// a job tried; a chain takes kSteps steps at most, of O(options * occupants of a class in the hours) each.
//
// Source. Ejection chains: Yagiura, Ibaraki and Glover (2004), "An ejection chain approach for the generalized
// assignment problem", INFORMS J. Computing 16(2). Deviation: sets of occupants in place of one.
// The pool of those who are to be placed again, dearer with each time they go: Nagata and Braysy (2009), "A powerful
// route minimization heuristic for the vehicle routing problem with time windows", Operations Research Letters 37(5).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/plan/capacity_greedy.hpp"

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
  // The same by chains.
  Index chain(std::span<const std::int32_t> positions, const Curves& curves);
  // Takes back all steps since the last keep().
  void undo();
  void keep() { log_.clear(); }

 private:
  static constexpr int kOptions = 12, kTries = 24;
  // Of a chain: steps, jobs to be placed at once, and how often each of them may go.
  static constexpr int kSteps = 2000, kWaiting = 400, kOften = 2;
  // What it counts to move an accelerator for an hour, so that of equals the smaller go.
  static constexpr double kMove = 1e-3;
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
  // Fills need_ with the accelerators (or the place's power, in accelerators) that each hour lacks; returns their sum.
  double lacking(const Job& job, const Option& target);
  // Fills occupants_ with who holds hours of `target` and passes `may(position, job, hours)`.
  template <class May>
  void occupy(const Option& target, const May& may);
  // What need_ lacks is less by `gone`; returns the sum that is left.
  double freed(const Occupant& gone);
  // One chain that begins with the job at `position`; true if it is kept.
  bool follow(std::int32_t position);
  // A step of it: the job goes where it, and those who must go for it into pool_, cost least. Returns what that adds.
  double settle(std::int32_t position);
  // Takes the job out and into pool_; returns what that adds.
  double expel(std::int32_t position);
  // Chooses who goes for `target`; returns what that is thought to cost, inf from `most` on.
  double eject(const Job& job, const Option& target, double most);
  // What it costs the job to go to its next best option, open or not.
  double ease(std::int32_t position);
  void put_back();
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
  std::vector<std::int32_t> pool_, leaving_;
  std::vector<double> ease_;            // [position], below 0 = not known
  std::vector<std::int32_t> expelled_;  // [position]: how often in this chain
};

template <class May>
void Exchange::occupy(const Option& target, const May& may) {
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const Market& m = *market_;
  const std::int32_t end = target.start + target.hours;
  occupants_.clear();
  for (std::int32_t t = 0; t < end; ++t)
    for (const std::int32_t p : begins_[at(target.klass * m.hours_ + t)]) {
      const Job& other = job(p);
      const std::int32_t hours = m.hours_on(other, target.klass), last = t + hours;
      if (last <= target.start || !may(p, other, hours)) continue;
      occupants_.push_back({p, std::max(t - target.start, 0), std::min(last - target.start, target.hours),
                            static_cast<double>(other.gang), other.owner});
    }
}

}  // namespace gridcompute::options
