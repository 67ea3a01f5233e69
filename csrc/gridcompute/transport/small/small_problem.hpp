// Problems whose keys all fit in memory: bids of classes, then successive shortest paths on the class graph.
//
// Problem.  transport/problem.hpp with unit weights and n * S keys in memory at once.
//
// Invariants (holds()).  Every job is in a class that is cheapest for it at the prices. Unused capacity is filled by
// spare units, which are indifferent between classes: they are in the classes of least price, which in the end is
// shifted to 0. Hence any start prices are valid, and once no class is over-full, assignment and prices are optimal:
// primal equals dual.
//
// Steps.
//   1. Duplicate rows and columns are aggregated (key_matrix.hpp); their units move together.
//   2. Start prices: the given ones if they leave few units misplaced, else 0; with several jobs per class, the optimal
//      prices of a sample, found the same way. A few dozen jobs need a sample only where bids from 0 leave much excess.
//   3. Bids: an over-full class raises its price to the least margin of the units it keeps; those with the least
//      margins, of equal ones the last, go to their second-best class. Rounds of bids place nearly all units and end
//      where they no longer do.
//   4. Shortest paths (in_memory_ssp.hpp): Dijkstra from all over-full classes at once to those with a deficit over
//      W[a][b] = min over the units in a of key_b - key_a; labels update the prices, units move along each tree path
//      that is still tight. Of the rows of W on a path only the vectors that the moved unit attained are recomputed.
//   Where a source lists few pairs per job (CSR), rows are these lists (key_matrix.hpp), nothing is aggregated, and W
//   is kept by an inverted index (in_memory_ssp.hpp).
//
// Complexity.  Bids: O(members * S) a round of one class. A search O(S^2); a path O(members * S) for each class on it
// at worst, all in vectors. Memory (n + min(n, S)) * S keys.
//
// Range.  32-bit keys, as multiples of a unit (integer_keys.hpp), where they and the prices stay small (checked while
// it runs); else 64 bits. Where those do not suffice, a job or class has no path, or after a stop, the solver gives up
// and the general method decides.
//
// Source.  Bertsekas and Castanon, Annals of Oper. Res. 20 (1989) 67 (similar objects; here epsilon is 0); Brenner,
// Oper. Res. Lett. 36 (2008) 408 (successive shortest paths on the graph of sinks).
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct SmallProblemResult {
  bool solved = false;   // the fields below are optimal
  bool stopped = false;  // the fields below are a partial assignment (-1: none) and prices with their dual value
  std::vector<std::int32_t> assignment;
  std::vector<Cost> load, prices;  // (columns)
  Wide objective = 0, value = 0;   // sum of the keys assigned; sum of the least key + price
};

// Return whether a problem of this size is solved with its key matrix in memory; and whether it is solved by that or
// over lists (near_assignment.hpp).
[[nodiscard]] bool key_matrix_fits(Index n_jobs, Slot columns, const Tuning& tuning = kDefaultTuning) noexcept;
[[nodiscard]] bool small_problem_fits(Index n_jobs, Slot columns, const Tuning& tuning = kDefaultTuning) noexcept;

// Solves a level: over lists where jobs per class are few; else, or where that gives up, with the key matrix in memory.
// given: start prices in keys, or none; used if they leave few units misplaced.
[[nodiscard]] SmallProblemResult solve_small_problem(const IntegerKeys& keys, const Level& level,
                                                     std::span<const Cost> given, std::uint64_t seed, Pool& pool,
                                                     Stop& stop, CostRangeStats& seen, Stats& stats,
                                                     const Tuning& tuning = kDefaultTuning);

// Returns whether a sample of this size is solved in memory. Replaces `prices` by optimal prices of a sample; a weight
// counts as that many jobs. False, and prices as they were, where it gives up.
[[nodiscard]] bool sample_fits(Index n_jobs, Slot columns) noexcept;
[[nodiscard]] bool improve_prices(const IntegerKeys& keys, const Level& level, std::vector<Cost>& prices, Stop& stop,
                                  CostRangeStats& seen, Stats& stats, const Tuning& tuning = kDefaultTuning);

}  // namespace gridcompute::transport
