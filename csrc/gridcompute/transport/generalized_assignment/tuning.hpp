// Every tuned number of the generalized assignment solver: what it decides, and between which values it makes sense.
//
// Correctness depends on none of them: within [low, high] every plan satisfies the capacities and every bound holds
// (the native fuzz test draws them at random). Numbers fixed by a proof (bits of sums, rounding slack) stay beside it.
//
// Measurements (benches/tuning_flatness.py whole_jobs). "half 1.02, double 0.98": the gaps reached in a fixed number of
// steps at half and at double the default, within the range, over those at the default, each with 5e-4 added: geometric
// mean over 49 instances, 20 to 400 jobs of demand 1..8 and 1..100 in 4 to 12 classes, and 2,000 in 70, with 1 and 5 %
// of spare capacity. Search takes other turns wherever a number changes: a tenth is chance. "same gap": on all of them.
// Defaults were chosen on 20 to 2,000 jobs in 4 to 40 classes (the shapes of test_transport_gangs.py).
#pragma once

#include <cstddef>

#include "gridcompute/base/tuning.hpp"
#include "gridcompute/base/types.hpp"

namespace gridcompute::transport {

// X(type, name, default, low, high, unit, what it decides, measured on)
#define GRIDCOMPUTE_WHOLE_JOB_TUNING(X)                                                                                \
  /* Rounds of the search (whole_job_solver.cpp). */                                                                   \
  X(double, search_steps, 1 << 26, 1 << 10, 1 << 30, "steps",                                                          \
    "search without a time limit, some hundredths of a second", "half 1.119, double 0.809")                            \
  X(double, full_gap, 1e-2, 1e-6, 1.0, "relative gap",                                                                 \
    "gap from which all of search_steps are used; less for smaller gaps", "half 0.956, double 1.022")                  \
  X(double, round_share, 0.5, 1.0 / 64, 1, "share of search_steps", "of the first round", "half 1.081, double 0.933")  \
  X(double, least_share, 1.0 / 64, 1e-4, 1.0, "share of search_steps", "least share used for small gaps", "same gap")  \
  X(double, assignment_steps, 1 << 28, 1 << 10, 1 << 30, "steps", "search while required jobs are unassigned",         \
    "same gap")                                                                                                        \
  X(double, round_steps_most, 1 << 30, 1 << 12, 1 << 30, "steps", "longest round within a time limit",                 \
    "no instance has a time limit")                                                                                    \
  X(double, near_gap, 1e-3, 0.0, 1.0, "relative gap",                                                                  \
    "gap up to which large problems are not searched without a time limit", "same gap")                                \
  X(double, large_costs, 1 << 17, 0.0, 1 << 30, "costs", "size from which a problem is large for near_gap",            \
    "same gap")                                                                                                        \
  X(double, memory_costs, 1 << 22, 64, 1 << 26, "costs", "costs of a round in memory: more jobs take turns",           \
    "same gap")                                                                                                        \
  X(Index, rotating_share, 2, 1, 64, "1 / share of memory_costs", "of the jobs that take turns", "same gap")           \
  X(double, auction_gap, 1e-3, 1e-9, 1.0, "relative gap", "gap at which the anytime method ends if none is asked for", \
    "same gap")                                                                                                        \
  X(double, closing_steps, 2.2, 0.0, 1e4, "steps per job", "time reserved to sum the costs of the result",             \
    "no instance has a time limit")                                                                                    \
  X(double, descent_share, 1.0 / 16, 0, 1, "share of a round's steps", "of the windows before branch and bound",       \
    "half 0.949, double 0.985")                                                                                        \
  X(double, branch_share, 4.0 / 16, 0, 1, "share of a round's steps", "of branch and bound",                           \
    "half 1.001, double 0.965")                                                                                        \
  X(double, branch_share_first, 6.0 / 16, 0, 1, "share of a round's steps", "the same in the first round",             \
    "half 0.995, double 0.895")                                                                                        \
  X(double, last_round_share, 0.25, 0, 1, "share of search_steps", "left at which no more round begins",               \
    "half same, double 1.082")                                                                                         \
  X(Index, subset_jobs, 12, 10, 12, "jobs", "all subsets of which are tried, in 3^12 steps a class", "half 0.922")     \
  X(double, exact_bound_steps, 1 << 25, 0, 1 << 26, "steps", "of the exact bound by knapsacks: a tenth of a second",   \
    "same gap")                                                                                                        \
  X(Index, exact_bound_costs, 1 << 20, 0, 1 << 21, "costs", "held in memory for it", "same gap")                       \
  X(Wide, fill_words, 1 << 22, 0, 1 << 26, "words", "of bit sets that find the capacities that demands can fill",      \
    "same gap")                                                                                                        \
  X(int, root_evaluations, 500, 1, 5000, "evaluations", "subgradient steps at the root of the whole problem",          \
    "half 1.004, double 0.982")                                                                                        \
  /* Windows (window_search.cpp). Windows of window_jobs_reduced jobs must stay within window_steps. */                \
  X(double, window_steps, 1 << 19, 1 << 19, 1 << 24, "steps", "largest dynamic program of a window", "double 0.907")   \
  X(double, window_cells, 1 << 20, 1, 1 << 24, "cells", "of all its layers: 8 MB", "same gap")                         \
  X(Index, window_patience, 20, 1, 1 << 20, "windows", "without a gain before the plan is perturbed",                  \
    "half and double 0.995")                                                                                           \
  X(Index, window_patience_class, 4, 0, 1 << 10, "windows a class", "more of them", "half 1.001, double 0.993")        \
  X(std::uint64_t, kick_windows, 4, 1, 64, "windows", "perturbed at once, at most", "half 0.993, double 1.007")        \
  X(Slot, kick_classes, 4, 2, 5, "classes", "of each of these, at most", "half 1.008, double 1.016")                   \
  X(double, kick_noise_least, 0.25, 1.0 / 64, 4, "of the mean margin", "smallest perturbation of costs",               \
    "half same, double 1.007")                                                                                         \
  X(std::uint64_t, kick_noises, 6, 1, 16, "powers of two", "of it, of which one is drawn", "half 0.998, double 1.015") \
  X(Slot, preferred_classes, 8, 3, 64, "classes", "listed as preferred by a job", "half 1.022, double 0.953")          \
  X(Slot, preferred_first, 3, 1, 3, "classes", "of these that are chosen more often", "half 1.032")                    \
  X(std::uint64_t, preferred_other_share, 2, 1, 1024, "1 / share of choices",                                          \
    "that are not of the class a job prefers most", "half 0.960, double 0.940")                                        \
  X(std::uint64_t, preferred_all_share, 2, 1, 1024, "1 / share of these", "that are of all preferred classes",         \
    "half 0.969, double 0.960")                                                                                        \
  X(unsigned, recent_eighths, 4, 0, 8, "of eight windows", "around a class that changed recently",                     \
    "half 0.974, double 0.97")                                                                                         \
  X(unsigned, regret_eighths, 3, 0, 8, "of eight windows", "around a job with regret", "half 0.967, double 0.988")     \
  X(std::uint64_t, unlinked_share, 4, 1, 1024, "1 / share of classes", "of a window, that no preference links to it",  \
    "half 0.988, double 1.081")                                                                                        \
  X(Slot, class_tries, 4, 1, 64, "tries a class", "to find another class for a window", "half 0.987, double 0.996")    \
  X(Index, window_jobs, 60, 2, 60, "jobs", "jobs of the classes of a window beyond which a sample is taken",           \
    "half 0.999")                                                                                                      \
  X(Index, window_jobs_reduced, 10, 1, 10, "jobs", "sample of each class then, and least size of a reduced window",    \
    "half 1.000")                                                                                                      \
  X(std::uint64_t, drop_class_share, 2, 1, 64, "1 / share of the reductions",                                          \
    "of a window that leave out jobs; others drop a class", "half 0.932, double 1.021")                                \
  X(std::size_t, window_reduction, 2, 2, 64, "ratio", "of the jobs of a window to those of the next smaller one",      \
    "double 0.955")                                                                                                    \
  X(Index, window_unassigned, 8, 0, 30, "jobs", "unassigned jobs of a window", "same gap")                             \
  X(Slot, window_classes, 5, 2, 5, "classes", "largest window", "half 0.969")                                          \
  X(double, window_overhead, 300, 1, 10000, "steps", "work of a window beside its dynamic program", "same gap")        \
  X(int, regret_sample, 4, 1, 64, "jobs", "random jobs of which the one with the largest regret starts a window",      \
    "half 1.021, double 0.848")                                                                                        \
  X(std::size_t, recent_classes, 16, 1, 1024, "classes", "recently changed classes around which the descent goes on",  \
    "half 1.02, double same")                                                                                          \
  X(double, much_worse, 0.02, 0.0, 1.0, "share of the best cost",                                                      \
    "excess at which a plan is dropped for the best one", "same gap")                                                  \
  X(unsigned, restart_period, 8, 1, 1024, "kicks", "one kick in this many starts from the best plan in any case",      \
    "same gap")                                                                                                        \
  /* Branch and bound (branch_and_bound.cpp). */                                                                       \
  X(double, root_share, 0.25, 0.01, 1.0, "share of steps", "work at the root", "half 1.053, double 0.823")             \
  X(double, fewest_evaluations, 20, 1, 1000, "evaluations",                                                            \
    "evaluations at the root below which branching is not worth it", "half 0.954, double 1.057")                       \
  X(double, polish_gap, 0.3, 0.0, 1.0, "share of the gap",                                                             \
    "distance to the best plan up to which a completed plan is polished", "half 0.987, double 0.998")                  \
  X(int, node_evaluations, 25, 1, 1000, "evaluations", "subgradient steps at other nodes", "half 1.027, double 0.994") \
  X(double, polish_steps, 1 << 15, 0.0, 1 << 24, "steps", "window search from a completed plan", "same gap")           \
  X(double, polish_steps_first, 1 << 12, 0.0, 1 << 24, "steps", "the same for plans that are not near the best",       \
    "same gap")                                                                                                        \
  /* Large neighbourhood search (branch_and_bound.cpp). */                                                             \
  X(double, part_share, 1.0 / 64, 1e-4, 1.0, "share of steps", "work of one subproblem, within the next two",          \
    "same gap")                                                                                                        \
  X(double, part_steps_least, 1 << 20, 1 << 8, 1 << 22, "steps", "least work of a subproblem",                         \
    "half 1.062, double 0.940")                                                                                        \
  X(double, part_steps_most, 1 << 25, 1 << 22, 1 << 28, "steps", "largest work of a subproblem", "same gap")           \
  X(int, part_evaluations, 40, 1, 1000, "evaluations", "subgradient steps at the root of a subproblem",                \
    "half 0.940, double 0.982")                                                                                        \
  X(int, part_patience, 2, 1, 100, "subproblems per class", "subproblems without a gain before a kick",                \
    "half 1.014, double 1.001")                                                                                        \
  X(Index, part_unassigned, 24, 0, 1000, "jobs", "unassigned jobs of a subproblem", "same gap")                        \
  X(double, part_classes_first, 5, 1, 20, "classes", "first subproblem", "half 1.017, double 1.019")                   \
  X(double, part_classes_least, 3, 1, 20, "classes", "smallest subproblem", "half 0.946, double 1.057")                \
  X(double, part_growth, 0.1, 0.01, 2.0, "classes",                                                                    \
    "growth after a subproblem is solved to optimality without a gain", "half 1.013, double 0.928")                    \
  X(double, part_shrink, 0.3, 0.01, 2.0, "classes", "reduction after a subproblem is not solved",                      \
    "half 0.987, double 1.002")                                                                                        \
  /* Subgradient ascent (knapsack_bound.cpp). */                                                                       \
  X(double, deflection, 0.6, 0.0, 0.95, "share", "part of the last direction that is kept",                            \
    "half 1.006, double 0.925")                                                                                        \
  X(double, table_cells, 1 << 22, 1, 1 << 24, "cells", "largest knapsack table of a class: 32 MB", "same gap")         \
  X(int, step_patience, 20, 1, 1000, "evaluations", "evaluations without a better bound before steps shrink",          \
    "half 0.838, double 1.012")                                                                                        \
  X(double, first_step, 1.5, 0.1, 2.0, "Polyak steps", "first step length", "half 0.879, double 0.955")                \
  X(double, least_rise, 1e-9, 1e-15, 1e-3, "of the cost of the plan",                                                  \
    "by which a step aims above the bound, at least", "same gap")                                                      \
  X(double, step_fall, 0.7, 0.1, 0.99, "ratio", "reduction of the step length", "half 0.896, double 1.605")            \
  X(double, least_step, 1e-3, 1e-9, 0.1, "Polyak steps", "step length at which the ascent ends", "same gap")

GRIDCOMPUTE_DEFINE_TUNING(WholeJobTuning, kDefaultWholeJobTuning, kWholeJobTuningTable, GRIDCOMPUTE_WHOLE_JOB_TUNING)

}  // namespace gridcompute::transport
