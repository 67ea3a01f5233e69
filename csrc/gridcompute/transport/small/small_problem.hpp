// Problems whose keys are all held in memory, solved without candidates: bids, then shortest paths between classes.
//
// Problem.  transport/problem.hpp with unit weights and n * S keys held at once.
//
// Invariants (holds()).  Every job lies at a class that is cheapest for it at the prices. Room that no job needs is
// taken by spare units, to which all classes are alike: they lie where the price is least, which in the end is called
// 0. So any prices are a valid start; when no class is over-full, placement and prices are optimal: primal equals dual.
//
// Steps.  Equal rows and equal columns are merged (aggregate.cpp), their units move together. Prices start as given if
// they leave few units out of place, else at 0, where there are several jobs a class at those of a sample, solved the
// same way (in_memory_ssp.cpp solves either; a few dozen jobs need one only where bids from 0 leave many without room).
// Bids: an over-full class raises its price to the least margin of those it keeps; those with the least margins, of
// equal ones the last, go to their second-best. Such rounds place nearly all and are cut short where they no longer do.
// Paths: for the rest Dijkstra from all over-full classes at once to those with room, over W[a][b] = min over the units
// in a of key_b - key_a; labels move the prices, units move along each tree path that is still tight. Of the rows of W
// on a path only the vectors that the one who left had decided are built anew. Where a source lists few pairs a job
// (CSR), rows are those lists (csr_keys.hpp), nothing is merged, and W comes from who lies between two classes
// (sparse_exchange_index.hpp).
//
// Complexity.  Bids O(members * S) a round of one class; a search O(S^2); a path O(members * S) for each class on it at
// the worst, all in vectors. Memory (n + min(n, S)) * S keys.
//
// Range.  32-bit keys, as multiples of a unit (common_factor.hpp), where they and the prices stay small, told while it
// runs; else 64 bits. Where those do not suffice either, where a job or a class finds no way, or after a stop, it gives
// up and the general method decides.
//
// Source.  Bertsekas and Castanon, Annals of Oper. Res. 20 (1989) 67 (similar objects; here epsilon is 0); Brenner,
// Oper. Res. Lett. 36 (2008) 408.
#pragma once

#include <span>
#include <vector>

#include "gridcompute/transport/restricted/pricing_pass.hpp"

namespace gridcompute::transport {

struct SmallProblemResult {
  bool solved = false;   // else nothing below counts, unless
  bool stopped = false;  // it was, and left prices, their value, and who has a place so far: -1 for the others
  std::vector<std::int32_t> assignment;
  std::vector<Cost> load, prices;  // (columns)
  Wide objective = 0, value = 0;   // sums of the keys of the placement, and of the least key + price
};

// May a problem of this size be solved so, or over lists (near_assignment.hpp)?
[[nodiscard]] bool key_matrix_fits(Index n_jobs, Slot columns) noexcept;
[[nodiscard]] bool small_problem_fits(Index n_jobs, Slot columns) noexcept;

// Over lists where jobs are few a class, else or after that in memory. `given`: start prices in keys, or none; they are
// taken where they leave few units out of place.
[[nodiscard]] SmallProblemResult solve_small_problem(const QuantisedCost& keys, const Level& level,
                                                     std::span<const Cost> given, std::uint64_t seed, Pool& pool,
                                                     Stop& stop, CostRangeStats& seen, Stats& stats);

// The optimal prices of a sample, from any; weights count as so many jobs. False, and prices as they were, where it
// gives up.
[[nodiscard]] bool sample_fits(Index n_jobs, Slot columns) noexcept;
[[nodiscard]] bool improve_prices(const QuantisedCost& keys, const Level& level, std::vector<Cost>& prices, Stop& stop,
                                  CostRangeStats& seen, Stats& stats);

}  // namespace gridcompute::transport
