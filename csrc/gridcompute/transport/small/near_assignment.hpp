// Few jobs a class: nearly an assignment problem, solved over short lists of each job's cheapest classes.
//
// Problem. transport/problem.hpp with unit weights where classes hold a few jobs each. Samples tell little there, a box
// around their prices holds most classes, and a row of S keys is long.
//
// Definitions. A job's list holds its cheapest classes and a bound on key + price of all others
// (assignment/engines/candidate_lists.hpp). Prices only rise while lists live, so bounds stay true; where prices fall
// between two phases bounds fall with them. A list that no longer reaches is read anew. The hub stands for the room
// that no job needs, as in ssp_repair.hpp: filled_s = u_s where p_s is above the hub's price, what is filled and not
// loaded is a deficit.
//
// Invariants. From place() on each job lies at a class that is cheapest for it; only over-full classes (and the hub)
// are wrong. So when none is left placement and prices are optimal: primal equals dual.
//
// Steps. An auction at three epsilons (transport/auction/auction_state.hpp) over lists, from price 0, unless given
// prices leave fewer jobs out of place than it would; those who bid next have stale lists read anew in threads
// (lazy_candidate_lists.hpp). Each job to its cheapest class. Bids without epsilon: an over-full class raises its price
// until it keeps as many as it holds. Paths: Dijkstra from all over-full classes at once over the lists of the jobs in
// the classes it settles, until the deficits found could take half; what lies outside a list stands in the queue as an
// event. Prices rise, and along the tree's paths jobs move.
//
// Complexity. O(list) a bid, O(jobs settled * list * log S) a search, O(S) a row read; a few rows a job are read.
// Memory O(list) a job, no matrix. Work is counted, and capped.
//
// Source. assignment/engines/ssp_lists.hpp for searches over lists with bounds; Bertsekas and Castanon, Annals of Oper.
// Res. 20 (1989) 67, for bids of classes.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

// Are jobs so few a class, and classes so many, that this way is the quicker one?
[[nodiscard]] bool near_assignment_fits(Index n_jobs, Slot columns) noexcept;

// Not solved after a stop (but stopped, if a list for each job had been read), without range or room or a way for all,
// where most classes are copies of others, or where it takes too long.
// `given`: start prices in keys, or none.
[[nodiscard]] SmallProblemResult solve_near_assignment(const QuantisedCost& keys, const Level& level,
                                                       std::span<const Cost> given, Pool& pool, Stop& stop,
                                                       CostRangeStats& seen, Stats& stats);

}  // namespace gridcompute::transport
