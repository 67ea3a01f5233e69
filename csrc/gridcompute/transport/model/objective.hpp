// The cost of an assignment from the original costs: integers in 128 bits, reals by compensated sums.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::transport {

struct Total {
  Wide whole = 0;
  double sum = 0, rest = 0, magnitude = 0;
  bool integral = false;  // every cost is an integer: `whole` is the whole sum

  [[nodiscard]] double value() const { return static_cast<double>(whole) + (sum + rest); }
  void add(double x);
  void add(Cost cost);
  void join(const Total& other);
  static auto parts(auto& t) { return std::tie(t.whole, t.sum, t.rest, t.magnitude, t.integral); }
};

// Jobs a chunk of a total; fixed, as it fixes the order of the sums.
inline constexpr Index kTotalRows = 1 << 14;

// Returns whether all costs of leaving jobs unplaced are integers (or +inf) whose sums fit in 128 bits.
[[nodiscard]] bool unplaced_integral(const Problem& problem);

// Returns the real cost that a job adds to the total, in this class (as below); nullopt where it adds none.
[[nodiscard]] inline std::optional<double> cost_of_job(const Problem& problem, Index job, std::int32_t at) {
  if (at >= 0 && at < problem.cost->n_slots()) return problem.cost->real_at(job, at);
  if (problem.unplaced == nullptr) return std::nullopt;
  const double out = problem.unplaced[job * problem.unplaced_stride];
  return std::fabs(out) < std::numeric_limits<double>::infinity() ? std::optional(out) : std::nullopt;
}

// Sums the cost. assignment: the class of each job; n_slots or a negative number for unplaced jobs, which cost nothing
// where leaving a job unplaced has no price.
[[nodiscard]] Total total_cost(const Problem& problem, std::span<const std::int32_t> assignment, Pool& pool,
                               const Tuning& tuning = kDefaultTuning);

// Returns whether some cost other than 0, of a pair or of leaving a job unplaced, is at most this; true after a stop.
[[nodiscard]] bool any_cost_below(const Problem& problem, double most, Pool& pool, Stop& stop);

// Lower bounds in floating point: the dual objective with directed rounding, from keys or from the costs themselves.
//
// Keys are within a half of their cost, so their optimum bounds that of the costs, less half a key for each unit of
// weight. That proves nothing where costs are nearly equal, and too little where they are ten orders of magnitude apart
// or the optimum is 0. Then every cost is read once more: D(p) over the costs, each sum lowered by its possible
// rounding error (|c + w p| + w p, times 2^-50: conversion, product and sum round by 2^-53 each), with compensated
// summation.
//
// Doubles hold 53 bits of a price in keys. A price is returned rounded up, and so proves less than the price in keys,
// by the extra price of its capacity. Where a resolution is no power of two each price is rounded either way, and units
// count as well.

// Returns a lower bound of every plan: D(p) over the costs. Prices are >= 0, in the unit of cost; capacity has n_slots
// entries. Empty if stopped.
[[nodiscard]] std::optional<double> bound_of_costs(const Problem& problem, std::span<const double> prices,
                                                   std::span<const Cost> capacity, Pool& pool, Stop& stop);

// Returns the largest difference of a key and its cost, in keys; 0 where keys are the costs. `inexact`: some key was
// rounded.
[[nodiscard]] double key_rounding(const IntegerKeys& keys, bool inexact);

// Returns a sum of keys over this total weight as a cost, rounded down.
[[nodiscard]] double cost_rounded_down(Wide sum, const IntegerKeys& keys, bool inexact, Wide weight);

// Returns the least integer that is not below the bound; clamped to the range of sums of integers.
[[nodiscard]] Wide integer_not_below(double bound);

// Returns a bound from the lower bounds on rows that the source has, without reading costs; empty where it has none.
[[nodiscard]] std::optional<double> bound_of_source(const Problem& problem, Pool& pool);

// Returns u . p, the price of all capacity.
[[nodiscard]] Wide capacity_value(std::span<const Cost> prices, std::span<const Cost> capacity);

// Subtracts the least price from all where capacities sum to the weight, for then only differences of prices matter.
// Returns the amount subtracted.
Cost shift_to_zero(std::span<Cost> prices, std::span<const Cost> capacity, Wide weight);

// Returns the least double that is not below x.
[[nodiscard]] double round_up(Cost x);

// Return prices in the unit of cost, rounded up, or down to the largest double; and by how much less, in keys, these
// prices prove.
[[nodiscard]] std::vector<double> prices_as_doubles(std::span<const Cost> prices, double per_cost);
[[nodiscard]] Wide price_rounding_loss(std::span<const Cost> prices, double per_cost, std::span<const Cost> capacity,
                                       Wide weight);

}  // namespace gridcompute::transport
