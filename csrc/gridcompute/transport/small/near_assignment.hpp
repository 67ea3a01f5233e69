// Nearly an assignment problem (few jobs per class), solved over short lists of each job's cheapest classes.
//
// Problem.  transport/problem.hpp with unit weights where classes hold a few jobs each. Samples predict prices badly
// there, a box around them contains most classes, and a row of S keys is long.
//
// Definitions.  A job's candidate list holds its cheapest classes and a lower bound on key + price of all others
// (lazy_candidate_lists.hpp). Prices only rise while lists live, so bounds stay valid; where prices fall between two
// auction phases, bounds are lowered with them. The hub is a node for unused capacity, as in ssp_repair.hpp: a class
// with price above the hub's has filled_s = u_s, and filled less load is a deficit.
//
// Invariants.  From assign_all() on each job is in a class that is cheapest for it (epsilon-complementary slackness
// with epsilon 0); only over-full classes and the hub have excess. Without excess the assignment and the prices are
// optimal: primal equals dual.
//
// Steps.
//   1. Epsilon-scaling auction of three phases (auction/auction_state.hpp) over lists from price 0, unless given prices
//      leave fewer jobs misplaced; stale lists of the next bidders are refreshed in parallel.
//   2. Each job is assigned to its cheapest class.
//   3. Bids at epsilon 0: an over-full class raises its price until it keeps as many jobs as its capacity.
//   4. Successive shortest paths: Dijkstra from all over-full classes at once over the lists of the jobs in settled
//      classes, until the deficits found could take half of the excess. The classes outside a list enter the queue as
//      one event at the list's bound. Prices rise by the labels; jobs move along tree paths.
//
// Complexity.  O(list) a bid; O(jobs settled * list * log S) a search; O(S) a row read, of which there are a few per
// job. Memory O(list) a job. Work is counted and capped.
//
// Source.  assignment/engines/ssp_lists.hpp (searches over lists with bounds); Bertsekas and Castanon, Annals of Oper.
// Res. 20 (1989) 67 (bids of classes of similar objects).
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

// Returns whether this solver is the fastest: few jobs per class, with a higher limit where there are many classes.
[[nodiscard]] bool near_assignment_fits(Index n_jobs, Slot columns, const Tuning& tuning = kDefaultTuning) noexcept;

// Solves a level over lists. given: start prices in keys, or none. Not solved where keys leave the range, capacities do
// not suffice, a job has no path, most classes are duplicates, the work limit is reached, or after a stop; then
// `stopped` if the lists of all jobs had been read.
[[nodiscard]] SmallProblemResult solve_near_assignment(const IntegerKeys& keys, const Level& level,
                                                       std::span<const Cost> given, Pool& pool, Stop& stop,
                                                       CostRangeStats& seen, Stats& stats,
                                                       const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
