// Local search for the generalized assignment problem: greedy starts, then windows of a few classes re-optimised
// exactly.
//
// Problem.  The relaxation shows which classes jobs prefer, but not which demands fit together. Where classes hold few
// jobs, one small job in the wrong class excludes a large one, and no single move corrects that.
//
// Definitions.  A window is a few classes, the jobs in them and some unassigned ones; its re-optimisation is exact
//, so that all exchanges among its classes are made at once, those of many small jobs for a large
// one included. The guided cost of a pair is its key plus demand times price; a job's regret is its guided cost less
// its least one.
//
// Steps.
//   Starts: the given plan, and greedy ones: jobs in several orders, each to its cheapest class with capacity left.
//   Descent: windows around a job of large regret, a class it prefers, and classes that the jobs there prefer; or of
//     random classes. A window's new plan is kept if it costs no more.
//   Kicks: after many windows without a gain, a few are re-optimised at perturbed costs; the descent goes on from there
//     around the changed classes, and a plan much dearer than the best is dropped for it.
//
// Invariants.  Loads respect capacities; the best plan never gets dearer. All choices derive from `seed` and counted
// steps: the same bits always, unless a stop cuts it short.
//
// Source.  Large neighbourhoods searched exactly: Ahuja, Ergun, Orlin and Punnen, Discrete Appl. Math. 123 (2002) 75.
// Iterated local search: Lourenco, Martin and Stuetzle (2003), Handbook of Metaheuristics, chapter 11. Ejection of
// several for one: Yagiura, Ibaraki and Glover, INFORMS J. Comput. 16 (2004) 133.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/base/types.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"
#include "gridcompute/transport/generalized_assignment/tuning.hpp"

namespace gridcompute::transport {

// Window subproblems of the generalized assignment problem, solved exactly by dynamic programming.
//
// Problem.  Some jobs leave their classes; the capacity this frees in a few classes is known. Each goes to one of
// these, or is unassigned, at least total cost.
//
// Steps.  By loads: f_j(r) is the least cost of the first j jobs within capacity vector r (multiple knapsack); jobs are
// added one by one. By subsets: as in whole_job_solver.hpp. The first suits small capacities and any number of jobs,
// the second few jobs and any capacities.
//
// Complexity.  By loads O(jobs * classes * product of (capacity + 1)), by subsets O(3^jobs * classes).
//
// Source.  Dynamic programs for (multiple) knapsacks: Martello and Toth, Knapsack Problems (1990), chapters 2 and 6.

// Keys are below 2^54 in magnitude and their sums below 2^60; kForbidden marks forbidden pairs.
struct JobWindow {
  std::vector<Cost> weight;  // (jobs)
  std::vector<Cost> key;     // (jobs, classes + 1); the last: unassigned, never forbidden
  std::vector<Cost> room;    // (classes)

  [[nodiscard]] Index jobs() const noexcept { return static_cast<Index>(weight.size()); }
  [[nodiscard]] Slot classes() const noexcept { return static_cast<Slot>(room.size()); }
};

class WindowDp {
 public:
  // Return the steps of each method; infinity also where it takes too much memory.
  [[nodiscard]] static double steps_by_loads(const JobWindow& window);
  [[nodiscard]] static double steps_by_subsets(const JobWindow& window, const WholeJobTuning& tuning);

  // Write the classes of an optimal plan to `to` (the number of classes: unassigned). `random` chooses among optima.
  void solve_by_loads(const JobWindow& window, std::uint64_t random, std::vector<Slot>& to);
  void solve_by_subsets_of_jobs(const JobWindow& window, std::vector<Slot>& to);

 private:
  std::vector<Cost> layers_;
  std::vector<Cost> sum_, weight_;
  std::vector<Cost> room_, stride_;
};

class WindowSearch {
 public:
  // start: (jobs), a class or model.out().
  WindowSearch(const IntegralModel& model, std::vector<Slot> start, std::uint64_t seed,
               const WholeJobTuning& tuning = kDefaultWholeJobTuning);

  // Builds greedy plans from several orders of jobs; the descent begins at the best of them and the start.
  void start_greedily(Stop& stop);
  void start_from(std::vector<Slot> at);
  // Re-optimises a few windows at perturbed costs.
  void kick();
  [[nodiscard]] const std::vector<Slot>& assignment() const noexcept { return assignment_; }
  // Runs the descent for at most `steps`, until a plan costs at most `target`, or a stop.
  void improve(double steps, double target, Stop& stop);

  // Returns up to `most` classes between which jobs prefer to move.
  [[nodiscard]] std::vector<Slot> related(Slot most);

  [[nodiscard]] const std::vector<Slot>& best() const noexcept { return best_; }
  [[nodiscard]] Wide best_cost() const noexcept { return best_cost_; }
  [[nodiscard]] Wide cost() const noexcept { return cost_; }      // of the current plan
  [[nodiscard]] double steps() const noexcept { return steps_; }  // taken so far
  [[nodiscard]] Index windows() const noexcept { return windows_; }

 private:
  void greedy(std::span<const Index> order, bool guided);
  void keep_if_better(std::vector<Slot> at);
  void set_assignment(std::vector<Slot> at);
  [[nodiscard]] Wide cost_of(const std::vector<Slot>& at) const;
  [[nodiscard]] double regret(Index i) const;
  [[nodiscard]] std::uint64_t random();
  [[nodiscard]] Index below(Index n) { return static_cast<Index>(random() % static_cast<std::uint64_t>(n)); }
  [[nodiscard]] Index sample_job_by_regret();
  void choose_classes(Slot most);
  void add_class(Slot s);
  bool fill_window();
  void write_window(double noise);
  void repack(double noise);
  void drop_class();
  void remember_classes();
  void move(Index i, Slot to);

  const IntegralModel& model_;
  const WholeJobTuning& tuning_;
  std::uint64_t state_;
  WindowDp window_dp_;
  std::vector<Slot> assignment_, best_;
  Wide cost_ = 0, best_cost_ = 0;
  std::vector<Cost> room_;                   // (classes)
  std::vector<std::vector<Index>> members_;  // (classes + 1)
  std::vector<Index> position_;              // (jobs) position among the members
  std::vector<Slot> recent_classes_;         // classes changed recently
  double steps_ = 0;
  double margin_ = 0;  // mean difference between the two cheapest guided costs of a job
  Index windows_ = 0;

  JobWindow window_;
  std::vector<Slot> classes_, to_;
  std::vector<Index> jobs_;
};

}  // namespace gridcompute::transport
