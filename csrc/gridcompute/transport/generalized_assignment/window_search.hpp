// Better plans of whole gangs: greedy plans, then windows of a few classes placed again at least cost, over and over.
//
// Problem. The relaxation tells which classes gangs want, not which of them fit together; where classes hold few gangs,
// one small job in the wrong class keeps a large one out of it, and no single move mends that.
//
// Definitions. A window is a few classes, the jobs in them and some that are left out; repacking it is exact
// (window_dp.hpp), so that all exchanges among its classes are made at once, those of many small jobs for a large one
// included. The guide of a pair is its cost with prices; a job's regret is the guide where it is less its least one.
//
// Steps.
//   Starts: the plan given, and greedy ones: jobs in several orders, each to its cheapest class with room.
//   Descent: windows around a job of much regret, a class it would rather have, and classes that the jobs there would
//     rather have; or of random classes. A repacked window is kept if it costs no more.
//   Kicks: where many windows in turn gained nothing, a few are repacked at costs with noise; the descent goes on from
//     there, around what has changed, and what is then not nearly as good as the best plan is dropped for it.
//
// Invariants. Loads keep capacities; the best plan never gets dearer. All choices come from `seed` and counted steps:
// the same bits always, unless a stop cuts it short.
//
// Source. Large neighbourhoods searched exactly: Ahuja, Ergun, Orlin and Punnen, Discrete Appl. Math. 123 (2002) 75.
// Iterated local search: Lourenco, Martin and Stuetzle (2003), Handbook of Metaheuristics, chapter 11. Ejection of
// several for one: Yagiura, Ibaraki and Glover, INFORMS J. Comput. 16 (2004) 133.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/generalized_assignment/integral_model.hpp"
#include "gridcompute/transport/generalized_assignment/window_dp.hpp"

namespace gridcompute::transport {

class WindowSearch {
 public:
  // start: (jobs), a class or model.out().
  WindowSearch(const IntegralModel& model, std::vector<Slot> start, std::uint64_t seed);

  // Plans of several orders of jobs; the best of them and the start is where the descent begins.
  void start_greedily(Stop& stop);
  void start_from(std::vector<Slot> at);
  // Repacks a few windows at costs with noise.
  void kick();
  [[nodiscard]] const std::vector<Slot>& at() const noexcept { return assignment_; }
  // For so many steps, until a plan costs no more than `enough`, or a stop.
  void improve(double steps, double target, Stop& stop);

  // So many classes between which jobs of the best plan would rather move.
  [[nodiscard]] std::vector<Slot> related(Slot most);

  [[nodiscard]] const std::vector<Slot>& best() const noexcept { return best_; }
  [[nodiscard]] Wide best_cost() const noexcept { return best_cost_; }
  [[nodiscard]] Wide cost() const noexcept { return cost_; }      // of the plan that the descent is at
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
  std::uint64_t state_;
  WindowDp window_dp_;
  std::vector<Slot> assignment_, best_;
  Wide cost_ = 0, best_cost_ = 0;
  std::vector<Cost> room_;                   // (classes)
  std::vector<std::vector<Index>> members_;  // (classes + 1)
  std::vector<Index> position_;              // (jobs) among the members
  std::vector<Slot> recent_classes_;         // classes that changed lately
  double steps_ = 0;
  double margin_ = 0;  // of a job's second-best class, on average
  Index windows_ = 0;

  JobWindow window_;
  std::vector<Slot> classes_, to_;
  std::vector<Index> jobs_;
};

}  // namespace gridcompute::transport
