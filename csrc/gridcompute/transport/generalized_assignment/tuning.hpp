// Every tuned number of the generalized assignment solver: what it decides, and between which values it makes sense.
//
// Correctness depends on none of them: within [low, high] every plan satisfies the capacities and every bound holds
// (the native fuzz test draws them at random). Numbers fixed by a proof (bits of sums, rounding slack) stay beside it.
#pragma once

#include <cstddef>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

// X(type, name, default, low, high, unit, what it decides)
// clang-format off
#define GRIDCOMPUTE_WHOLE_JOB_TUNING(X) \
  /* Rounds of the search (whole_job_solver.cpp). */ \
  X(double, search_steps, 1 << 26, 1 << 10, 1 << 30, "steps", "search without a time limit, some hundredths of a second") \
  X(double, full_gap, 1e-2, 1e-6, 1.0, "relative gap", "gap from which all of search_steps are used; less for smaller gaps") \
  X(double, round_share, 0.5, 1.0 / 64, 1, "share of search_steps", "part of the search that is the first round") \
  X(double, assignment_steps, 1 << 28, 1 << 10, 1 << 30, "steps", "search while required jobs are unassigned") \
  X(double, round_steps_most, 1 << 30, 1 << 12, 1 << 30, "steps", "longest round within a time limit") \
  X(double, auction_gap, 1e-3, 1e-9, 1.0, "relative gap", "gap at which the anytime method ends if none is asked for") \
  X(double, closing_steps, 2.2, 0.0, 1e4, "steps per job", "time reserved to sum the costs of the result") \
  X(double, descent_share, 1.0 / 16, 0, 1, "share of a round's steps", "work of the windows before branch and bound") \
  X(double, branch_share, 4.0 / 16, 0, 1, "share of a round's steps", "work of branch and bound") \
  X(double, branch_share_first, 6.0 / 16, 0, 1, "share of a round's steps", "work of branch and bound in the first round") \
  X(double, last_round_share, 0.25, 0, 1, "share of search_steps", "work left at which no more round begins") \
  X(Index, subset_jobs, 12, 10, 12, "jobs", "jobs all subsets of which are tried, in 3^12 steps a class") \
  /* Windows (window_search.cpp). Windows of kWindowJobsReduced jobs must stay within window_steps. */ \
  X(double, window_steps, 1 << 19, 1 << 19, 1 << 24, "steps", "largest dynamic program of a window") \
  X(Slot, preferred_classes, 8, 3, 64, "classes", "listed as preferred by a job") \
  X(Slot, preferred_first, 3, 1, 3, "classes", "preferred classes that are chosen more often") \
  X(std::uint64_t, preferred_other_share, 2, 1, 1024, "1 / share of choices", "choices that are not of the class a job prefers most") \
  X(std::uint64_t, preferred_all_share, 2, 1, 1024, "1 / share of those", "choices of all preferred classes") \
  X(unsigned, recent_eighths, 4, 0, 8, "of eight windows", "windows around a class that changed recently") \
  X(unsigned, regret_eighths, 3, 0, 8, "of eight windows", "windows around a job with regret") \
  X(std::uint64_t, unlinked_share, 4, 1, 1024, "1 / share of classes", "classes of a window that no preference links to it") \
  X(std::uint64_t, drop_class_share, 2, 1, 64, "1 / share of the reductions", "reductions of a window that leave out jobs; others drop a class") \
  X(std::size_t, window_reduction, 2, 2, 64, "ratio", "jobs of a window to those of the next smaller one") \
  X(Slot, window_classes, 5, 2, 5, "classes", "largest window") \
  X(int, regret_sample, 4, 1, 64, "jobs", "random jobs of which the one with the largest regret starts a window") \
  /* Branch and bound (branch_and_bound.cpp). */ \
  X(double, root_share, 0.25, 0.01, 1.0, "share of steps", "work at the root") \
  X(double, fewest_evaluations, 20, 1, 1000, "evaluations", "evaluations at the root below which branching is not worth it") \
  X(int, node_evaluations, 25, 1, 1000, "evaluations", "subgradient steps at other nodes") \
  /* Large neighbourhood search (branch_and_bound.cpp). */ \
  X(double, part_steps_least, 1 << 20, 1 << 8, 1 << 22, "steps", "least work of a subproblem") \
  X(int, part_evaluations, 40, 1, 1000, "evaluations", "subgradient steps at the root of a subproblem") \
  X(double, part_classes_first, 5, 1, 20, "classes", "first subproblem") \
  X(double, part_classes_least, 3, 1, 20, "classes", "smallest subproblem") \
  X(double, part_growth, 0.1, 0.01, 2.0, "classes", "growth after a subproblem is solved to optimality without a gain") \
  /* Subgradient ascent (knapsack_bound.cpp). */ \
  X(double, deflection, 0.6, 0.0, 0.95, "share", "part of the last direction that is kept") \
  X(int, step_patience, 20, 1, 1000, "evaluations", "evaluations without a better bound before steps shrink") \
  X(double, first_step, 1.5, 0.1, 2.0, "Polyak steps", "first step length") \
  X(double, step_fall, 0.7, 0.1, 0.99, "ratio", "reduction of the step length")
// clang-format on

GRIDCOMPUTE_DEFINE_TUNING(WholeJobTuning, kDefaultWholeJobTuning, kWholeJobTuningTable, GRIDCOMPUTE_WHOLE_JOB_TUNING)

}  // namespace gridcompute::transport
