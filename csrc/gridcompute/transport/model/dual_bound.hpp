// A bound from the costs themselves, where the rounding of keys leaves too much open.
//
// Keys are within a half of their cost, so their optimum bounds that of the costs, less half a key for each unit of
// weight. That is nothing where costs are alike, and too much where they are ten orders of magnitude apart, or where
// the optimum is 0. Then every cost is looked at once more: D(p) over the costs, each sum lowered by what it may be off
// by
// (|c + w p| + w p, times 2^-50: conversion, product and sum round by 2^-53 each), summed with compensation.
//
// Doubles hold 53 bits of a price in keys. A price is delivered rounded up, and so proves less than the keys do by what
// its room costs more. Where a resolution is no power of two each is rounded either way, and units count as well.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/model/quantised_cost.hpp"

namespace gridcompute::transport {

// No plan costs less. Prices are >= 0, in the unit of cost; capacity has n_slots entries. Nothing if stopped.
[[nodiscard]] std::optional<double> bound_of_costs(const Problem& problem, std::span<const double> prices,
                                                   std::span<const Cost> capacity, Pool& pool, Stop& stop);

// By how much a key may differ from its cost, in keys; 0 where keys are the costs. `inexact`: some was rounded.
[[nodiscard]] double key_rounding(const QuantisedCost& keys, bool inexact);

// A sum of keys over so much weight as a cost that is certainly not above the one it stands for.
[[nodiscard]] double cost_rounded_down(Wide sum, const QuantisedCost& keys, bool inexact, Wide weight);

// The least integer that is not below; sums of integers are within the ends of what it gives.
[[nodiscard]] Wide integer_not_below(double bound);

// Without a look at the costs: no plan costs less. Nothing where the source does not tell.
[[nodiscard]] std::optional<double> bound_of_source(const Problem& problem, Pool& pool);

// What prices take from a bound for the room they are of.
[[nodiscard]] Wide capacity_value(std::span<const Cost> prices, std::span<const Cost> capacity);

// Where every unit of room is taken only differences of prices count: the cheapest class costs 0. By how much all were
// lowered.
Cost shift_to_zero(std::span<Cost> prices, std::span<const Cost> capacity, Wide weight);

// The least double that is not below x.
[[nodiscard]] double round_up(Cost x);

// Prices in keys as they are delivered, rounded up, or down to the largest double; and by how much less, in keys, such
// prices prove.
[[nodiscard]] std::vector<double> prices_as_doubles(std::span<const Cost> prices, double per_cost);
[[nodiscard]] Wide price_rounding_loss(std::span<const Cost> prices, double per_cost, std::span<const Cost> capacity,
                                       Wide weight);

}  // namespace gridcompute::transport
