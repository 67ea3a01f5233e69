// Multilevel sampling: start prices for the full problem.
//
// Steps.  Sizes from 4 S to N / 10, each at most eight times the one before (tuning.hpp: sample_*). A sample takes one
// job at random from each of its equal strata of the job order, so sorted input is sampled evenly; its capacities are u
// * m / N, rounded along their running sum so that none is lost. The lowest level starts from an auction; each level is
// solved with the prices of the one before and a box as wide as their error: the error estimated when they were tuned,
// scaled by how far the last level's prices really moved. A level may leave one unit in a hundred out of balance;
// solved less exactly, it costs far more later, when outlier classes leave the box. Small levels are solved to the
// optimum in memory instead (small_problem.hpp), and one pricing pass estimates their error.
//
// After the last sample an extra one, 2.5 times as large, is solved where lists of candidates are long and would be
// much shorter in its box: for points in the plane the candidates fall with the square of the radius (extra_sample).
//
// Source.  Tokuyama and Nakano, SIAM J. Comput. 24 (1995) 563.
#pragma once

#include <optional>
#include <vector>

#include "gridcompute/transport/auction.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"
#include "gridcompute/transport/rounding.hpp"
#include "gridcompute/transport/tuning.hpp"

namespace gridcompute::transport {

// Returns sample sizes below n_jobs, ascending; empty where the full problem is small enough to start with.
[[nodiscard]] std::vector<Index> sample_sizes(Index n_jobs, Index n_slots, const Tuning& tuning = kDefaultTuning);

// Returns the size of an extra sample of the problem's jobs where it saves work: where the candidates that the narrower
// box of its prices excludes take more work than the sample itself; else 0. `level`: the results of the last sample, of
// `m` jobs; `box`: the box around its prices.
[[nodiscard]] Index extra_sample(const RestrictedProblem& level, const PriceBox& box, Index m, Index n_jobs,
                                 const Tuning& tuning = kDefaultTuning);

// Returns m of n positions, one from each stratum; ascending.
[[nodiscard]] std::vector<Index> stratified_sample(Index n, Index m, std::uint64_t seed);

// Reads all keys of a level, as lists where its source lists pairs; empty after a stop.
[[nodiscard]] std::optional<auction::KeyTable> read_key_table(const IntegerKeys& keys, const Level& level, Stop& stop,
                                                              CostRangeStats& seen);

// Returns the allowed keys of a few jobs of a level, those of being unplaced included.
[[nodiscard]] std::vector<Cost> probe_keys(const IntegerKeys& keys, const Level& level);

// Returns capacities scaled by part / whole of the weight, with their total rounded up.
[[nodiscard]] std::vector<Cost> scale_capacities(std::span<const Cost> capacity, Wide part, Wide whole);

// Returns the level of these jobs; `rows` is referenced, not copied.
[[nodiscard]] Level sample_level(const Problem& problem, std::span<const Index> rows, std::span<const Cost> capacity,
                                 Wide weight);

// Duplicate columns: classes whose keys are equal for every job of a sample, found by hashing.
//
// Copies of a class are common (a slot an hour at a constant tariff), and useless as different classes: their jobs
// split between them at any prices. Start prices, tuning and radii treat them as one class; errors there cost time
// only, so a sample may decide. Candidates, repair and pricing keep them apart, and do not rely on it.

// Returns for every class the lowest with an equal column. O(rows * columns).
[[nodiscard]] std::vector<Slot> find_duplicate_columns(const auction::KeyTable& keys);

// Returns whether most columns are copies of others, in a sample of rows.
[[nodiscard]] bool mostly_copies(const IntegerKeys& keys, const Tuning& tuning = kDefaultTuning);

// Predicts the gap of a matching that is rounded at given prices: all jobs at their cheapest class, the surplus moved
// to others.
//
// Prices of a sample of m jobs have an error that falls with the square root of m, and so does the surplus at them. The
// surplus is measured on a sample that the prices were not computed from; on all jobs, at prices of a larger sample, it
// is expected to fall with the root. Where that is well within the gap asked for, no larger sample is solved, and one
// pass over all costs without candidate lists ends the solve.

// Returns the relative gap expected for all n jobs at prices of this level, a sample, from the gap that prices of a
// `smaller` sample have on it; +inf where not all jobs were placed, or after a stop.
[[nodiscard]] double predict_gap(const SolverContext& context, const Level& level, std::span<const Cost> prices,
                                 Index smaller, Index n);

}  // namespace gridcompute::transport
