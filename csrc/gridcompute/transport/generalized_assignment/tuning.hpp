// Every tuned number of the generalized assignment solver: what it decides, and between which values it makes sense.
//
// Correctness depends on none of them: within [low, high] every plan satisfies the capacities and every bound holds
// (the native fuzz test draws them at random). Numbers fixed by a proof (bits of sums, rounding slack) stay beside it.
//
// Measured on: kGaps, the gap reached in a fixed number of steps on jobs of demand 1..8 and 1..100, 20 to 2000 of them
// in 4 to 40 classes with little or no spare capacity (the shapes of test_transport_gangs.py); flatness not
// on record.
#pragma once

#include <cstddef>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

inline constexpr const char* kGaps = "gap in fixed steps, 20..2000 jobs in 4..40 classes; flatness not on record";

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_WHOLE_JOB_TUNING(X)                                                                                \
  /* Rounds of the search (whole_job_solver.cpp). */                                                                   \
  X(double, search_steps, 1 << 26, 1 << 10, 1 << 30, "steps",                                                          \
    "search without a time limit, some hundredths of a second", kGaps)                                                 \
  X(double, full_gap, 1e-2, 1e-6, 1.0, "relative gap",                                                                 \
    "gap from which all of search_steps are used; less for smaller gaps", kGaps)                                       \
  X(double, round_share, 0.5, 1.0 / 64, 1, "share of search_steps", "of the first round", kGaps)                       \
  X(double, least_share, 1.0 / 64, 1e-4, 1.0, "share of search_steps", "least share used for small gaps", kGaps)       \
  X(double, assignment_steps, 1 << 28, 1 << 10, 1 << 30, "steps", "search while required jobs are unassigned", kGaps)  \
  X(double, round_steps_most, 1 << 30, 1 << 12, 1 << 30, "steps", "longest round within a time limit", kGaps)          \
  X(double, near_gap, 1e-3, 0.0, 1.0, "relative gap",                                                                  \
    "gap up to which large problems are not searched without a time limit", kGaps)                                     \
  X(double, large_costs, 1 << 17, 0.0, 1 << 30, "costs", "size from which a problem is large for near_gap", kGaps)     \
  X(double, memory_costs, 1 << 22, 64, 1 << 26, "costs", "costs of a round in memory: more jobs take turns", kGaps)    \
  X(Index, rotating_share, 2, 1, 64, "1 / share of memory_costs", "of the jobs that take turns", kGaps)                \
  X(double, auction_gap, 1e-3, 1e-9, 1.0, "relative gap", "gap at which the anytime method ends if none is asked for", \
    kGaps)                                                                                                             \
  X(double, closing_steps, 2.2, 0.0, 1e4, "steps per job", "time reserved to sum the costs of the result", kGaps)      \
  X(double, descent_share, 1.0 / 16, 0, 1, "share of a round's steps", "of the windows before branch and bound",       \
    kGaps)                                                                                                             \
  X(double, branch_share, 4.0 / 16, 0, 1, "share of a round's steps", "of branch and bound", kGaps)                    \
  X(double, branch_share_first, 6.0 / 16, 0, 1, "share of a round's steps", "the same in the first round", kGaps)      \
  X(double, last_round_share, 0.25, 0, 1, "share of search_steps", "left at which no more round begins", kGaps)        \
  X(Index, subset_jobs, 12, 10, 12, "jobs", "all subsets of which are tried, in 3^12 steps a class", kGaps)            \
  X(double, exact_bound_steps, 1 << 25, 0, 1 << 26, "steps", "of the exact bound by knapsacks: a tenth of a second",   \
    kGaps)                                                                                                             \
  X(Index, exact_bound_costs, 1 << 20, 0, 1 << 21, "costs", "held in memory for it", kGaps)                            \
  X(Wide, fill_words, 1 << 22, 0, 1 << 26, "words", "of bit sets that find the capacities that demands can fill",      \
    kGaps)                                                                                                             \
  X(int, root_evaluations, 500, 1, 5000, "evaluations", "subgradient steps at the root of the whole problem", kGaps)   \
  /* Windows (window_search.cpp). Windows of window_jobs_reduced jobs must stay within window_steps. */                \
  X(double, window_steps, 1 << 19, 1 << 19, 1 << 24, "steps", "largest dynamic program of a window", kGaps)            \
  X(double, window_cells, 1 << 20, 1, 1 << 24, "cells", "of all its layers: 8 MB", kGaps)                              \
  X(Index, window_patience, 20, 1, 1 << 20, "windows", "without a gain before the plan is perturbed", kGaps)           \
  X(Index, window_patience_class, 4, 0, 1 << 10, "windows a class", "more of them", kGaps)                             \
  X(std::uint64_t, kick_windows, 4, 1, 64, "windows", "perturbed at once, at most", kGaps)                             \
  X(Slot, kick_classes, 4, 2, 5, "classes", "of each of these, at most", kGaps)                                        \
  X(double, kick_noise_least, 0.25, 1.0 / 64, 4, "of the mean margin", "smallest perturbation of costs", kGaps)        \
  X(std::uint64_t, kick_noises, 6, 1, 16, "powers of two", "of it, of which one is drawn", kGaps)                      \
  X(Slot, preferred_classes, 8, 3, 64, "classes", "listed as preferred by a job", kGaps)                               \
  X(Slot, preferred_first, 3, 1, 3, "classes", "of these that are chosen more often", kGaps)                           \
  X(std::uint64_t, preferred_other_share, 2, 1, 1024, "1 / share of choices",                                          \
    "that are not of the class a job prefers most", kGaps)                                                             \
  X(std::uint64_t, preferred_all_share, 2, 1, 1024, "1 / share of these", "that are of all preferred classes", kGaps)  \
  X(unsigned, recent_eighths, 4, 0, 8, "of eight windows", "around a class that changed recently", kGaps)              \
  X(unsigned, regret_eighths, 3, 0, 8, "of eight windows", "around a job with regret", kGaps)                          \
  X(std::uint64_t, unlinked_share, 4, 1, 1024, "1 / share of classes", "of a window, that no preference links to it",  \
    kGaps)                                                                                                             \
  X(Slot, class_tries, 4, 1, 64, "tries a class", "to find another class for a window", kGaps)                         \
  X(Index, window_jobs, 60, 2, 60, "jobs", "jobs of the classes of a window beyond which a sample is taken", kGaps)    \
  X(Index, window_jobs_reduced, 10, 1, 10, "jobs", "sample of each class then, and least size of a reduced window",    \
    kGaps)                                                                                                             \
  X(std::uint64_t, drop_class_share, 2, 1, 64, "1 / share of the reductions",                                          \
    "of a window that leave out jobs; others drop a class", kGaps)                                                     \
  X(std::size_t, window_reduction, 2, 2, 64, "ratio", "of the jobs of a window to those of the next smaller one",      \
    kGaps)                                                                                                             \
  X(Index, window_unassigned, 8, 0, 30, "jobs", "unassigned jobs of a window", kGaps)                                  \
  X(Slot, window_classes, 5, 2, 5, "classes", "largest window", kGaps)                                                 \
  X(double, window_overhead, 300, 1, 10000, "steps", "work of a window beside its dynamic program", kGaps)             \
  X(int, regret_sample, 4, 1, 64, "jobs", "random jobs of which the one with the largest regret starts a window",      \
    kGaps)                                                                                                             \
  X(std::size_t, recent_classes, 16, 1, 1024, "classes", "recently changed classes around which the descent goes on",  \
    kGaps)                                                                                                             \
  X(double, much_worse, 0.02, 0.0, 1.0, "share of the best cost",                                                      \
    "excess at which a plan is dropped for the best one", kGaps)                                                       \
  X(unsigned, restart_period, 8, 1, 1024, "kicks", "one kick in this many starts from the best plan in any case",      \
    kGaps)                                                                                                             \
  /* Branch and bound (branch_and_bound.cpp). */                                                                       \
  X(double, root_share, 0.25, 0.01, 1.0, "share of steps", "work at the root", kGaps)                                  \
  X(double, fewest_evaluations, 20, 1, 1000, "evaluations",                                                            \
    "evaluations at the root below which branching is not worth it", kGaps)                                            \
  X(double, polish_gap, 0.3, 0.0, 1.0, "share of the gap",                                                             \
    "distance to the best plan up to which a completed plan is polished", kGaps)                                       \
  X(int, node_evaluations, 25, 1, 1000, "evaluations", "subgradient steps at other nodes", kGaps)                      \
  X(double, polish_steps, 1 << 15, 0.0, 1 << 24, "steps", "window search from a completed plan", kGaps)                \
  X(double, polish_steps_first, 1 << 12, 0.0, 1 << 24, "steps", "the same for plans that are not near the best",       \
    kGaps)                                                                                                             \
  /* Large neighbourhood search (neighbourhood_search.cpp). */                                                         \
  X(double, part_share, 1.0 / 64, 1e-4, 1.0, "share of steps", "work of one subproblem, within the next two", kGaps)   \
  X(double, part_steps_least, 1 << 20, 1 << 8, 1 << 22, "steps", "least work of a subproblem", kGaps)                  \
  X(double, part_steps_most, 1 << 25, 1 << 22, 1 << 28, "steps", "largest work of a subproblem", kGaps)                \
  X(int, part_evaluations, 40, 1, 1000, "evaluations", "subgradient steps at the root of a subproblem", kGaps)         \
  X(int, part_patience, 2, 1, 100, "subproblems per class", "subproblems without a gain before a kick", kGaps)         \
  X(Index, part_unassigned, 24, 0, 1000, "jobs", "unassigned jobs of a subproblem", kGaps)                             \
  X(double, part_classes_first, 5, 1, 20, "classes", "first subproblem", kGaps)                                        \
  X(double, part_classes_least, 3, 1, 20, "classes", "smallest subproblem", kGaps)                                     \
  X(double, part_growth, 0.1, 0.01, 2.0, "classes",                                                                    \
    "growth after a subproblem is solved to optimality without a gain", kGaps)                                         \
  X(double, part_shrink, 0.3, 0.01, 2.0, "classes", "reduction after a subproblem is not solved", kGaps)               \
  /* Subgradient ascent (knapsack_bound.cpp). */                                                                       \
  X(double, deflection, 0.6, 0.0, 0.95, "share", "part of the last direction that is kept", kGaps)                     \
  X(double, table_cells, 1 << 22, 1, 1 << 24, "cells", "largest knapsack table of a class: 32 MB", kGaps)              \
  X(int, step_patience, 20, 1, 1000, "evaluations", "evaluations without a better bound before steps shrink", kGaps)   \
  X(double, first_step, 1.5, 0.1, 2.0, "Polyak steps", "first step length", kGaps)                                     \
  X(double, least_rise, 1e-9, 1e-15, 1e-3, "of the cost of the plan",                                                  \
    "by which a step aims above the bound, at least", kGaps)                                                           \
  X(double, step_fall, 0.7, 0.1, 0.99, "ratio", "reduction of the step length", kGaps)                                 \
  X(double, least_step, 1e-3, 1e-9, 0.1, "Polyak steps", "step length at which the ascent ends", kGaps)

GRIDCOMPUTE_DEFINE_TUNING(WholeJobTuning, kDefaultWholeJobTuning, kWholeJobTuningTable, GRIDCOMPUTE_WHOLE_JOB_TUNING)

}  // namespace gridcompute::transport
